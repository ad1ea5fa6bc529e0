/** What stands between the library and the world. No other file touches clocks, timers, storage, tabs or the page. */

export interface Environment {
  /** Milliseconds. Never goes back, and goes on while the machine sleeps. */
  now(): number;
  /** In [0, 1). */
  random(): number;
  fetch: typeof fetch;
  /** Answers how to call it off. One that `idles` doesn't keep a process alive. */
  timer(run: () => void, milliseconds: number, idles?: boolean): () => void;
  /** Strings that all tabs of an origin see, where there is such a thing; else this client alone. */
  shared: SharedStorage;
  /** The one value that the app's server sees, too: a readable cookie, whatever the key. Only where there is a page. */
  attempts?: SharedStorage | undefined;
  /** Calls `run` once: one at a time among the tabs, and after `waitMs` without its turn all the same. */
  lock<T>(name: string, waitMs: number, run: () => Promise<T>): Promise<T>;
  /** Undefined where there are no other tabs to speak with. */
  channel(name: string): Channel | undefined;
  /** Calls with the name of whatever may follow a long sleep; `online` when the network is back. */
  onWake(wake: (name: string) => void, until: AbortSignal): void;
  isOnline(): boolean;
  isHidden(): boolean;
  /** The readable cookie `<session id>.<generation>`, empty where there is none; undefined where it can't be seen. */
  hint(url: string): string | undefined;
  /** The page's own; not that of its `<base>`, which may be anybody's. */
  origin?: string | undefined;
  /** What relative URLs are relative to. */
  base(): string | undefined;
}

export interface SharedStorage {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
}

/** The part of a `BroadcastChannel` that is used. */
export interface Channel {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** The world as it is: a page, a worker, a service worker, Node, Deno, Bun or React Native. */
export function realEnvironment(): Environment {
  const { document, navigator, location, BroadcastChannel } = world;
  const memory: Record<string, string> = {};
  return {
    now: clock(() => performance.now(), Date.now),
    random: Math.random,
    fetch: (input, init) => fetch(input, init),
    timer(run, milliseconds, idles) {
      const timer = setTimeout(run, milliseconds) as unknown as { unref?(): void } & number;
      if (idles) timer.unref?.();
      return () => clearTimeout(timer);
    },
    shared: {
      get: (key) => inPage(() => localStorage.getItem(key)) ?? memory[key] ?? null,
      set(key, value) {
        memory[key] = value;
        inPage(() => localStorage.setItem(key, value));
      },
      remove(key) {
        delete memory[key];
        inPage(() => localStorage.removeItem(key));
      },
    },
    lock(name, waitMs, run) {
      let outcome: ReturnType<typeof run> | undefined;
      const once = () => (outcome ??= run());
      // A lock without an end to the wait (Safari 15) is worse than none.
      const locks = 'timeout' in AbortSignal && navigator?.locks;
      return locks ? (locks.request(name, { signal: AbortSignal.timeout(waitMs) }, once) as ReturnType<typeof run>).catch(once) : once();
    },
    // Elsewhere than in pages and workers, the clients of a process are many users'.
    channel: (name) => (location && BroadcastChannel ? new BroadcastChannel(name) : undefined),
    onWake(wake, signal) {
      for (const name of ['visibilitychange', 'pageshow', 'focus', 'online', 'storage']) {
        world.addEventListener?.(name, () => wake(name), { signal });
      }
    },
    isOnline: () => navigator?.onLine !== false,
    isHidden: () => !!document?.hidden,
    hint: (url) =>
      // A worker can't read cookies; outside of browsers there are none. Cookies know no ports.
      document
        ? inPage(() => (new URL(url, document.baseURI).hostname == location?.hostname ? cookie('relatch-hint') : undefined))
        : world.addEventListener ? undefined : '',
    origin: location?.origin,
    base: () => document?.baseURI ?? location?.href,
  };
}

/**
 * For `createClient({ attempts })`, where the app's server refreshes, too (`relatch/server`): keeps the id of an unanswered
 * refresh in the cookie `__Host-relatch-attempt` instead of `localStorage`, so that page and server ask under the same one.
 */
export function attemptCookie({ attempts }: Environment): SharedStorage | undefined {
  const set = (_: string, value = '') =>
    void inPage((page) => (page.cookie = `${ATTEMPT}=${value}; Path=/; Secure; SameSite=Lax; Max-Age=${value ? ATTEMPT_SECONDS : 0}`));
  return attempts ?? (world.document && { get: () => cookie(ATTEMPT) || null, set, remove: set });
}

const world = globalThis as Partial<Window & typeof globalThis>;

/** A page may be forbidden its storage and its cookies; and storage may be full. */
function inPage<T>(use: (page: Document) => T): T | undefined {
  try {
    return world.document && use(document);
  } catch {
    return undefined;
  }
}

function cookie(name: string): string | undefined {
  return inPage((page) => ('; ' + page.cookie).split(`; ${name}=`)[1]?.split(';')[0] ?? '');
}

/**
 * One clock made of two. The steady one stops while some machines sleep, the wall clock is set back and forth by
 * people: of both, what has passed more counts.
 */
export function clock(steady: () => number, wall: () => number): () => number {
  let ahead = 0;
  let last = wall() - steady();
  return () => {
    const gap = wall() - steady();
    if (Math.abs(gap - last) > JUMP_MS_MIN) {
      ahead += Math.max(0, gap - last);
      last = gap;
    }
    return steady() + ahead;
  };
}

/** Less is noise between the two. */
const JUMP_MS_MIN = 1000;
/** An id that no server has answered yet. No secret: it is worth nothing without the refresh token. */
const ATTEMPT = '__Host-relatch-attempt';
/** As long as browsers keep a cookie at most: longer than any session is lost for. */
const ATTEMPT_SECONDS = 34_560_000;
