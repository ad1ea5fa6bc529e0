/** A browser with tabs: one cookie jar, one storage, channels and locks among them, and a machine that may sleep. */

import type { Channel, Environment } from '../environment.js';
import type { VirtualClock } from './clock.js';
import { seeded } from './random.js';
import type { FakeServer } from './server.js';

export interface FakeBrowserOptions {
  clock: VirtualClock;
  server: FakeServer;
  seed?: number;
  /** Stands between the tabs and the server: `(fetch) => chaos(fetch, { lost: 0.05, wait: clock.wait })`. */
  network?: (fetch: typeof globalThis.fetch) => typeof globalThis.fetch;
  /** What this browser lacks. */
  without?: ('locks' | 'channels' | 'storage')[];
}

export interface FakeTab {
  /** For `createClient({ environment })`. */
  readonly environment: Environment;
  /** A hidden tab hears a wake event when it is shown. */
  setHidden(isHidden: boolean): void;
  /** Its timers are called off and its channels fall silent. */
  close(): void;
}

export interface FakeBrowser {
  openTab(path?: string): FakeTab;
  /** Cuts or restores the network of this machine. */
  setOnline(isOnline: boolean): void;
  /** Time goes by and no timer of this machine runs; then every tab wakes up. */
  sleep(milliseconds: number): Promise<void>;
  /** Another browser with a copy of every cookie: a thief's. */
  stolen(): FakeBrowser;
  /** What the jar holds, by name. */
  readonly cookies: ReadonlyMap<string, string>;
  /** What the tabs share, by key. */
  readonly storage: ReadonlyMap<string, string>;
}

export function createFakeBrowser(options: FakeBrowserOptions): FakeBrowser {
  return browserWith(options, new Map());
}

function browserWith(options: FakeBrowserOptions, jar: Map<string, string>): FakeBrowser {
  const { clock, server, without = [] } = options;
  const random = seeded(options.seed ?? 1);
  const storage = new Map<string, string>();
  const channels = new Map<string, Set<Pick<Channel, 'onmessage'>>>();
  const queues = new Map<string, Promise<unknown>>();
  const tabs = new Set<Tab>();
  let isOnline = true;

  /** What a page's `fetch` does: cookies by themselves, and headers that no script can set. */
  const network = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    if (!isOnline) throw new TypeError('Failed to fetch');
    request.signal.throwIfAborted();
    const { pathname } = new URL(request.url);
    const sent = [...jar].filter(([name]) => name !== REFRESH || /^\/auth(\/|$)/.test(pathname));
    const proven = new Request(request, { headers: { ...Object.fromEntries(request.headers), 'sec-fetch-site': 'same-origin' } });
    const { response, setCookies } = await server.answer(proven, sent.map((pair) => pair.join('=')).join('; '));
    if (!isOnline) throw new TypeError('Failed to fetch');
    for (const cookie of setCookies) keep(cookie);
    return response;
  };
  const fetchOf = (options.network ?? ((fetch) => fetch))(network as typeof fetch);

  function keep(cookie: string): void {
    const [, name = '', value = ''] = /^([^=]*)=([^;]*)/.exec(cookie) ?? [];
    if (/; Max-Age=0$/.test(cookie)) jar.delete(name);
    else jar.set(name, value);
  }

  function openTab(path = '/'): FakeTab {
    const base = server.origin + path;
    const owner = {};
    const memory = without.includes('storage') ? new Map<string, string>() : storage;
    const wakes = new Set<(name: string) => void>();
    const stops = new Set<() => void>();
    const tab: Tab = { owner, wake: (name) => [...wakes].forEach((wake) => wake(name)) };
    tabs.add(tab);
    let isHidden = false;
    const tellOthers = () => {
      if (memory !== storage) return;
      for (const other of tabs) if (other !== tab) queueMicrotask(() => other.wake('storage'));
    };

    const environment: Environment = {
      now: () => clock.ms,
      random,
      fetch: (input, init) => fetchOf(typeof input === 'string' ? new URL(input, base) : input, init),
      timer(run, milliseconds) {
        const stop = clock.timer(run, milliseconds, owner);
        stops.add(stop);
        return stop;
      },
      shared: {
        get: (key) => memory.get(key) ?? null,
        set(key, value) {
          const isNews = memory.get(key) !== value;
          memory.set(key, value);
          if (isNews) tellOthers();
        },
        remove: (key) => void (memory.delete(key) && tellOthers()),
      },
      attempts: {
        get: () => jar.get(ATTEMPT) ?? null,
        set: (_, value) => void jar.set(ATTEMPT, value),
        remove: () => void jar.delete(ATTEMPT),
      },
      lock(name, waitMs, run) {
        const before = without.includes('locks') ? undefined : queues.get(name);
        const turn = Promise.race([before, clock.wait(waitMs)]);
        const work = before ? turn.then(run) : run();
        queues.set(name, work.catch(() => {}));
        return work;
      },
      channel(name) {
        if (without.includes('channels')) return undefined;
        const group = channels.get(name) ?? new Set();
        channels.set(name, group);
        const end: Pick<Channel, 'onmessage'> = { onmessage: null };
        group.add(end);
        const close = () => void group.delete(end);
        stops.add(close);
        return Object.assign(end, {
          postMessage(message: unknown) {
            const data: unknown = structuredClone(message);
            for (const other of group) {
              if (other !== end) queueMicrotask(() => group.has(other) && other.onmessage?.({ data } as MessageEvent));
            }
          },
          close,
        });
      },
      onWake(wake, until) {
        wakes.add(wake);
        until.addEventListener('abort', () => wakes.delete(wake));
      },
      isOnline: () => isOnline,
      isHidden: () => isHidden,
      hint: () => jar.get(HINT) ?? '',
      base: () => base,
    };
    return {
      environment,
      setHidden(hidden) {
        isHidden = hidden;
        tab.wake('visibilitychange');
      },
      close() {
        tabs.delete(tab);
        wakes.clear();
        for (const stop of stops) stop();
      },
    };
  }

  return {
    openTab,
    cookies: jar,
    storage,
    setOnline(online) {
      isOnline = online;
      if (online) for (const tab of tabs) tab.wake('online');
    },
    async sleep(milliseconds) {
      for (const { owner } of tabs) clock.postpone(owner, milliseconds);
      await clock.advance(milliseconds);
      for (const tab of tabs) tab.wake('visibilitychange');
      await clock.settle();
    },
    stolen: () => browserWith({ ...options, seed: (options.seed ?? 1) + 1 }, new Map(jar)),
  };
}

interface Tab {
  readonly owner: object;
  wake(name: string): void;
}

const REFRESH = '__Secure-relatch-refresh';
const HINT = 'relatch-hint';
const ATTEMPT = '__Host-relatch-attempt';
