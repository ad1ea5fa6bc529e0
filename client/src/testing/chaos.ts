/** A `fetch` with a bad day: for tests, and for a look at an app while it is made. */

import { seeded } from './random.js';

export interface Chaos {
  /** How often an answer is lost after the request was served: 0 to 1. */
  lost?: number;
  /** How often an answer is held back until the next one has passed it: 0 to 1. */
  reorder?: number;
  /** The longest delay of an answer, in milliseconds; each is delayed by a part of it. */
  late?: number;
  /** No request leaves. */
  offline?: boolean;
  /** How far the server's clock seems to be ahead, in milliseconds: moves the `Date` header. */
  skew?: number;
  /** How often a 503 comes instead of an answer, the request never having been served: 0 to 1. */
  status5xx?: number;
  /** The same seed, the same day. Default 1. */
  seed?: number;
  /** How to wait. Default: real time. */
  wait?: (milliseconds: number) => Promise<void>;
}

/** Wraps any `fetch`; `set` changes its day while it runs. */
export function chaos(inner: typeof fetch, options: Chaos = {}): typeof fetch & { set(change: Chaos): void } {
  const day = { ...options };
  const random = seeded(options.seed ?? 1);
  const wait = options.wait ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  const happens = (chance = 0) => random() < chance;
  let heldBack: (() => void)[] = [];

  const wrapped = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    // Always as many draws a request, so that one switch does not change the course of another.
    const [fails, isLost, isHeld, lateness] = [happens(day.status5xx), happens(day.lost), happens(day.reorder), random()];
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    if (day.offline) throw new TypeError('Failed to fetch (chaos: offline)');
    if (fails) return new Response('chaos', { status: 503, headers: { 'content-type': 'text/plain' } });
    const answer = await inner(input, init);
    await unlessAborted(wait(lateness * (day.late ?? 0)), signal);
    if (isHeld) await unlessAborted(Promise.race([new Promise<void>((go) => heldBack.push(go)), wait(HELD_MS_MAX)]), signal);
    const passed = heldBack;
    heldBack = [];
    // After this answer has been handed over.
    setTimeout(() => passed.forEach((go) => go()), 0);
    if (isLost || day.offline) throw new TypeError('Failed to fetch (chaos: the answer was lost)');
    return day.skew ? skewed(answer, day.skew) : answer;
  };
  return Object.assign(wrapped as typeof fetch, { set: (change: Chaos) => void Object.assign(day, change) });
}

function skewed(answer: Response, ms: number): Response {
  const date = Date.parse(answer.headers.get('date') ?? '');
  if (Number.isNaN(date)) return answer;
  const headers = new Headers(answer.headers);
  headers.set('date', new Date(date + ms).toUTCString());
  const { status, statusText } = answer;
  return new Response(answer.body, { status, statusText, headers });
}

function unlessAborted(wait: Promise<void>, signal: AbortSignal | null | undefined): Promise<void> {
  if (!signal) return wait;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    wait.then(resolve).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** An answer that nothing passes comes in the end all the same. */
const HELD_MS_MAX = 2000;
