/** What goes over the network, for the log panel. A token is named by its generation and never shown. */
import type { Client } from 'relatch';
import { useSyncExternalStore } from 'react';

export interface Entry {
  readonly id: number;
  readonly at: Date;
  readonly kind: 'request' | 'retry' | 'refresh' | 'token';
  /** `GET /api/hello`, and whatever else there is to say. */
  readonly text: string;
  /** That of the token which the request carried, or which has come. */
  readonly generation: number | null;
  /** Undefined while there is no answer. */
  readonly outcome?: string;
  readonly isRefused?: boolean;
}

export function useLog(): readonly Entry[] {
  return useSyncExternalStore(subscribe, () => entries);
}

/** `fetch`, written down. */
export function logged(send: typeof fetch): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    const headers = new Headers(init?.headers);
    const isOurs = headers.has('authorization');
    const isRefresh = url.pathname.endsWith('/auth/refresh');
    const id = write({
      kind: isRefresh ? 'refresh' : isOurs && isSecond(input) ? 'retry' : 'request',
      text: `${init?.method ?? 'GET'} ${url.origin === location.origin ? '' : url.host}${url.pathname}`,
      generation: isOurs ? generation : null,
    });
    if (input instanceof URL && broken.delete(input)) headers.set('authorization', 'Bearer broken');
    try {
      const answer = await send(input, { ...init, headers });
      const reason = /error="(\w+)"/.exec(answer.headers.get('www-authenticate') ?? '')?.[1];
      settle(id, { outcome: `${answer.status} ${reason ?? ''}`.trim(), isRefused: answer.status >= 400 });
      return answer;
    } catch (error) {
      settle(id, { outcome: 'no answer', isRefused: true });
      throw error;
    }
  };
}

/** Writes down when a new token has come, by this tab's refresh or from another tab. */
export function logTokens(client: Client): void {
  client.addEventListener('token', ({ session }) => {
    generation = session.generation;
    write({ kind: 'token', text: 'a new access token', generation });
  });
  client.addEventListener('expired', ({ error }) => {
    write({ kind: 'token', text: 'the session has ended', generation: null, outcome: error.code, isRefused: true });
  });
}

/** The next request to this very URL goes out with a token that nobody takes. */
export function breakTokenFor(url: URL): void {
  broken.add(url);
}

let entries: readonly Entry[] = [];
let generation: number | null = null;
let count = 0;
const listeners = new Set<() => void>();
const broken = new WeakSet<URL>();
/** The library sends the object it was given, and the same one when it sends a request again. */
const sent = new WeakSet<object>();

function isSecond(input: unknown): boolean {
  if (typeof input !== 'object' || !input) return false;
  const isKnown = sent.has(input);
  sent.add(input);
  return isKnown;
}

function write(entry: Omit<Entry, 'id' | 'at'>): number {
  const id = ++count;
  publish([...entries.slice(-ENTRIES_MAX + 1), { id, at: new Date(), ...entry }]);
  return id;
}

function settle(id: number, end: Pick<Entry, 'outcome' | 'isRefused'>): void {
  publish(entries.map((entry) => (entry.id === id ? { ...entry, ...end } : entry)));
}

function publish(next: readonly Entry[]): void {
  entries = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const ENTRIES_MAX = 60;
