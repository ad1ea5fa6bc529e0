/** A world of one browser: virtual time, tabs that share a jar and storage, and a server that follows a script. */

import { setImmediate as breathe } from 'node:timers/promises';
import { createClient } from '../../src/client.js';
import type { Channel, Environment } from '../../src/environment.js';
import type { Client, ClientOptions } from '../../src/types.js';

export interface Call {
  at: number;
  path: string;
  method: string;
  token: string | undefined;
  attempt: string | undefined;
  body: Record<string, unknown>;
  headers: Headers;
}

/** An answer, an error of the network, or nothing at all (`lost`: the server did it, and nobody hears). */
export type Answer = Response | 'offline' | 'lost' | 'hang';

type Timer = { at: number; run: () => void };

export class World {
  /** Since the start, in milliseconds. */
  time = 0;
  /** How far the wall clock is off. */
  wallOffset = 0;
  online = true;
  /** How long each way takes. */
  latency = 5;
  jar: { refresh?: string; hint?: string } = {};
  readonly storage = new Map<string, string>();
  /** The readable attempt cookie. */
  attempt: string | null = null;
  readonly calls: Call[] = [];
  readonly tabs: Tab[] = [];
  /** The next answers, instead of the server's own. A function may look at what the server would have said. */
  readonly script: ((call: Call, own: () => Response) => Answer)[] = [];
  readonly server = new Server(this);
  hasLocks = true;
  hasChannels = true;
  hintIsReadable = true;
  private timers: Timer[] = [];
  private lockTail = new Map<string, Promise<void>>();
  private seed = 1;

  /** Lets that much time pass, in order. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    await this.settle();
    for (;;) {
      const next = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers.splice(this.timers.indexOf(next), 1);
      this.time = Math.max(this.time, next.at);
      next.run();
      await this.settle();
    }
    this.time = end;
  }

  /** Runs what can run now. */
  async settle(): Promise<void> {
    for (let i = 0; i < 8; i++) await breathe();
  }

  timer(run: () => void, milliseconds: number): () => void {
    const timer = { at: this.time + milliseconds, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  random(): number {
    this.seed = (this.seed * 48_271) % 2_147_483_647;
    return this.seed / 2_147_483_647;
  }

  tab(options: ClientOptions = {}): Client & { tab: Tab } {
    const tab = new Tab(this);
    this.tabs.push(tab);
    const { environment, ...rest } = options;
    const client = createClient({ ...rest, environment: { ...tab.environment(), ...environment } });
    return Object.assign(client, { tab });
  }

  /** A tab with somebody signed in. */
  async signedIn(options: ClientOptions = {}): Promise<Client & { tab: Tab }> {
    const client = this.tab(options);
    await this.done(client.signIn({ email: 'ada@example.com', password: 'pw' }));
    return client;
  }

  /** Waits for a promise while time passes. */
  async done<T>(promise: Promise<T>, limit = 120_000): Promise<T> {
    let isDone = false;
    const mark = () => {
      isDone = true;
    };
    promise.then(mark, mark);
    await this.settle();
    for (let waited = 0; !isDone && waited < limit; waited += 50) await this.pass(50);
    if (!isDone) throw new Error(`still waiting after ${limit} ms`);
    return promise;
  }

  async lock<T>(name: string, waitMs: number, run: () => Promise<T>): Promise<T> {
    if (!this.hasLocks) return run();
    const before = this.lockTail.get(name) ?? Promise.resolve();
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    this.lockTail.set(name, before.then(() => held));
    let stop = () => {};
    await Promise.race([before, new Promise<void>((resolve) => (stop = this.timer(resolve, waitMs)))]);
    stop();
    // Handing it over takes a moment, longer than a message between tabs.
    return run().finally(() => this.timer(release, 2));
  }

  /** As a frozen tab does. */
  holdLock(name: string): void {
    this.lockTail.set(name, new Promise(() => {}));
  }

  count(path: string): number {
    return this.calls.filter((call) => call.path === path).length;
  }

  async send(tab: Tab, input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const request = new Request(new URL(input instanceof Request ? input.url : input, 'https://app.example'), {
      ...(input instanceof Request && { method: input.method, body: init.body ? null : (await input.text()) || null }),
      ...init,
      signal: null,
    } as RequestInit);
    const signal = init.signal;
    if (signal?.aborted) throw signal.reason;
    const answer = this.deliver(tab, request, signal);
    if (!signal) return answer;
    return Promise.race([
      answer,
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    ]);
  }

  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.timer(resolve, milliseconds));
  }

  private async deliver(tab: Tab, request: Request, signal: AbortSignal | null | undefined): Promise<Response> {
    const { delay } = tab;
    const jar = { ...this.jar };
    const text = await request.text();
    await this.wait(this.latency);
    if (!this.online) throw new TypeError('Failed to fetch');
    const { pathname } = new URL(request.url);
    const body = /^\{/.test(text) ? (JSON.parse(text) as Record<string, unknown>) : text ? { text } : {};
    const call: Call = {
      at: this.time,
      path: pathname,
      method: request.method,
      token: (body['refresh_token'] as string | undefined) ?? jar.refresh,
      attempt: request.headers.get('idempotency-key') ?? undefined,
      body,
      headers: request.headers,
    };
    this.calls.push(call);
    const own = () => this.server.answer(call);
    const answer = this.script.length ? this.script.shift()!(call, own) : own();
    await this.wait(this.latency + delay);
    if (answer === 'offline' || answer === 'lost') throw new TypeError('Failed to fetch');
    if (answer === 'hang') return new Promise(() => {});
    const cookies = answer.headers.get('x-set-cookie');
    // As browsers do: nobody listens any more.
    if (cookies !== null && !signal?.aborted) this.jar = JSON.parse(cookies) as World['jar'];
    return answer;
  }
}

export class Tab {
  hidden = false;
  /** How much later than usual its answers come. */
  delay = 0;
  readonly channels: Channel[] = [];
  private wakes: ((name: string) => void)[] = [];
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  wake(name: string): void {
    for (const wake of this.wakes) wake(name);
  }

  /** The event that browsers raise in every other tab where a value has changed. */
  private tellStorage(): void {
    const others = this.world.tabs.filter((tab) => tab !== this);
    this.world.timer(() => others.forEach((tab) => tab.wake('storage')), 1);
  }

  environment(): Environment {
    const { world } = this;
    return {
      now: () => world.time,
      random: () => world.random(),
      fetch: ((input, init) => world.send(this, input, init)) as typeof fetch,
      timer: (run, milliseconds) => world.timer(run, milliseconds),
      shared: {
        get: (key) => world.storage.get(key) ?? null,
        set: (key, value) => {
          if (world.storage.get(key) !== value) this.tellStorage();
          world.storage.set(key, value);
        },
        remove: (key) => {
          if (world.storage.delete(key)) this.tellStorage();
        },
      },
      attempts: {
        get: () => world.attempt,
        set: (_, value) => void (world.attempt = value),
        remove: () => void (world.attempt = null),
      },
      lock: (name, waitMs, run) => world.lock(name, waitMs, run),
      channel: () => {
        if (!world.hasChannels) return undefined;
        const channel: Channel = {
          onmessage: null,
          postMessage: (message) => {
            const data = structuredClone(message);
            const others = world.tabs.flatMap((tab) => tab.channels).filter((other) => other !== channel);
            for (const other of others) world.timer(() => other.onmessage?.({ data } as MessageEvent), 1);
          },
          close: () => void this.channels.splice(this.channels.indexOf(channel), 1),
        };
        this.channels.push(channel);
        return channel;
      },
      onWake: (wake, until) => {
        this.wakes.push(wake);
        until.addEventListener('abort', () => (this.wakes = this.wakes.filter((other) => other !== wake)));
      },
      isOnline: () => world.online,
      isHidden: () => this.hidden,
      hint: () => (world.hintIsReadable ? (world.jar.hint ?? '') : undefined),
      base: () => 'https://app.example/',
    };
  }
}

/** Sessions as the real server keeps them, as far as a client can tell: heads, children, repeats and reuse. */
export class Server {
  lifeSeconds = 900;
  refreshSeconds = 720;
  windowMs = 30_000;
  user = { id: 'usr_ada', email: 'ada@example.com', email_verified: true, name: 'Ada' };
  readonly sessions = new Map<string, { generation: number; head: string; before: string; headAt: number; attempt: string | undefined; revoked?: string }>();
  /** Access tokens that the API accepts. */
  readonly live = new Set<string>();
  private readonly world: World;
  private count = 0;

  constructor(world: World) {
    this.world = world;
  }

  answer(call: Call): Response {
    switch (call.path) {
      case '/auth/mfa':
      case '/auth/login':
      case '/auth/signup':
        return this.open(call.body['transport'] === 'body');
      case '/auth/password':
        for (const session of this.sessions.values()) session.revoked = 'password_changed';
        return this.open(false);
      case '/auth/refresh':
        return this.refresh(call);
      case '/auth/logout': {
        const session = call.token && this.sessions.get(call.token.split(':')[0]!);
        if (session) session.revoked = 'logout';
        return new Response(null, { status: 204, headers: { 'x-set-cookie': '{}' } });
      }
      case '/auth/logout-all':
        return json({ revoked: 1 });
      case '/auth/sessions':
        return json({ sessions: [] });
      default: {
        const bearer = call.headers.get('authorization')?.slice(7);
        if (bearer && this.live.has(bearer)) return json({ hello: bearer, text: call.body['text'] });
        return problem(401, 'token_expired', {}, { 'www-authenticate': 'Bearer error="invalid_token"' });
      }
    }
  }

  open(isBody: boolean): Response {
    const id = `ses_${this.sessions.size + 1}`;
    this.sessions.set(id, { generation: 0, head: 'login', before: '', headAt: -1e9, attempt: undefined });
    return this.tokens(id, 1, 'login', `${this.count}`, isBody);
  }

  /** `<session>:<generation>:<nonce>:<parent nonce>` */
  private refresh(call: Call): Response {
    if (!call.token) return problem(401, 'missing_token', {}, { 'x-set-cookie': '{}' });
    const [id, number, nonce, parent] = call.token.split(':') as [string, string, string, string];
    const generation = Number(number);
    const session = this.sessions.get(id);
    const refuse = (code: string, more = {}) => problem(401, code, more, { 'x-set-cookie': '{}' });
    if (!session) return refuse('invalid_token');
    if (session.revoked) return refuse('session_revoked', { reason: session.revoked });
    const isFresh = this.world.time - session.headAt < this.windowMs;
    const isBody = call.body['refresh_token'] !== undefined;
    const child = (seed: string) => this.tokens(id, session.generation + 1, session.head, `${session.head}/${seed}`, isBody);
    if (generation === session.generation + 1 && parent === session.head) {
      if (isFresh) return child(`s${++this.count}`);
      Object.assign(session, { generation, before: session.head, head: nonce, headAt: this.world.time, attempt: call.attempt });
      return child(call.attempt ?? `s${++this.count}`);
    }
    if (nonce === session.head && call.attempt && call.attempt === session.attempt) return child(call.attempt);
    if (isFresh && (nonce === session.head || nonce === session.before || parent === session.before)) return child(`s${++this.count}`);
    session.revoked = 'refresh_reuse';
    return refuse('token_reused');
  }

  private tokens(id: string, generation: number, parent: string, nonce: string, isBody: boolean): Response {
    const refresh = [id, generation, nonce, parent].join(':');
    const access = `at-${++this.count}`;
    this.live.add(access);
    const body = {
      access_token: access,
      token_type: 'Bearer',
      expires_in: this.lifeSeconds,
      refresh_in: this.refreshSeconds,
      session_id: id,
      session_expires_at: '2027-01-01T00:00:00Z',
      generation,
      user: this.user,
      ...(isBody && { refresh_token: refresh }),
    };
    const cookies = { refresh, hint: `${id}.${generation}` };
    return json(body, 200, isBody ? {} : { 'x-set-cookie': JSON.stringify(cookies) });
  }
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
}

export function problem(status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Response {
  return json({ type: 'about:blank', title: code, status, detail: code, code, request_id: 'r', ...more }, status, headers);
}

export function html(status: number, headers: Record<string, string> = {}): Response {
  return new Response('<html>', { status, headers: { 'content-type': 'text/html', ...headers } });
}
