/** A clock that stands still until it is told to go on, and runs what falls due on the way. */

export interface VirtualClock {
  /** Milliseconds since it was made. */
  readonly ms: number;
  /** The time of day, which servers go by. */
  date(): Date;
  /** Calls back when the time has come; answers how to call it off. `owner` groups timers that sleep together. */
  timer(run: () => void, milliseconds: number, owner?: object): () => void;
  /** Resolves after so much virtual time. */
  wait(milliseconds: number): Promise<void>;
  /** Goes on, running everything that falls due in its order, and waits until all is quiet. */
  advance(milliseconds: number): Promise<void>;
  /** Waits until all that can happen without time passing has happened. */
  settle(): Promise<void>;
  /** Puts off the timers of one owner: its machine sleeps. */
  postpone(owner: object, milliseconds: number): void;
  /** Makes `settle` wait for work that takes real time, such as a signature. */
  during<T>(work: Promise<T>): Promise<T>;
}

export function createClock(start = new Date('2027-01-01T00:00:00Z')): VirtualClock {
  const timers = new Set<Timer>();
  let ms = 0;
  let working = 0;

  const settle = async () => {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet = working ? 0 : quiet + 1) await turn();
  };
  const next = (until: number) =>
    [...timers].filter((timer) => timer.due <= until).sort((a, b) => a.due - b.due)[0];

  const clock: VirtualClock = {
    get ms() {
      return ms;
    },
    date: () => new Date(start.getTime() + ms),
    timer(run, milliseconds, owner) {
      const timer = { run, due: ms + Math.max(0, milliseconds), owner };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    wait: (milliseconds) => new Promise((resolve) => void clock.timer(resolve, milliseconds)),
    async advance(milliseconds) {
      const until = ms + milliseconds;
      await settle();
      for (let timer = next(until); timer; timer = next(until)) {
        timers.delete(timer);
        ms = Math.max(ms, timer.due);
        timer.run();
        await settle();
      }
      ms = until;
    },
    settle,
    postpone(owner, milliseconds) {
      for (const timer of timers) if (timer.owner === owner) timer.due += milliseconds;
    },
    async during(work) {
      working += 1;
      try {
        return await work;
      } finally {
        working -= 1;
      }
    },
  };
  return clock;
}

interface Timer {
  run: () => void;
  due: number;
  owner: object | undefined;
}

/** One turn of the real event loop, with all its microtasks. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Promises that wait for each other take a turn at most; a few more for good measure. */
const QUIET_TURNS = 3;
