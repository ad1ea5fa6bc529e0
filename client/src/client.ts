/** The client: one refresh for all who wait, told to every tab, and no session lost but to a refusal. */

import type { paths } from './api.gen.js';
import { realEnvironment } from './environment.js';
import { AuthError, errorOf, isFinal } from './errors.js';
import { type Access, fetchWith } from './fetch.js';
import {
  dueAt, ended, failed, type Grant, granted, idIn, markOf, online, signingIn, START, type Step, type TokenAnswer,
} from './machine.js';
import type { Client, ClientOptions, DeviceSession, Session } from './types.js';

/** Makes the client of a page, an app or a process. It begins at once to find out who is signed in. */
export function createClient(options: ClientOptions = {}): Client {
  const { url = '/auth', storage, timeout = 10_000, sync = true } = options;
  const env = { ...realEnvironment(), ...options.environment };
  const { shared } = env;
  const send = options.fetch ?? env.fetch;
  const transport = storage ? 'body' : 'cookie';
  /** Holds the id of an attempt without an answer; in the body transport the refresh token, a space, and that. */
  const key = 'relatch:' + url;
  const home = storage ?? ((options.attemptCookie && env.attempts) || shared);
  const seenKey = key + ':seen';
  const overKey = key + ':over';
  const life = new AbortController();
  const listeners = new Set<readonly [string, (detail: never) => void]>();

  let state = START;
  let pending: Promise<Grant> | undefined;
  let entering: Promise<unknown> | undefined;
  let leaving: Promise<void> | undefined;
  let underWay: AbortController | undefined;
  let stopTimer: () => void = nothing;
  /** A hint cookie that said otherwise, and until when nobody is asked about it again. */
  let doubted: string | undefined;
  let doubtedUntil = 0;

  /** Listeners are called soon, in order, and never in the middle of something. */
  function listen(type: string, listener: (detail: never) => void): () => void {
    const entry = [type, listener] as const;
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }

  function take([next, effects]: Step): Step[1] {
    const { epoch, grant: before } = state;
    const { grant, snapshot } = next;
    state = next;
    if (next.epoch != epoch) underWay?.abort(new AuthError('signed_out'));
    if (grant && grant.token != before?.token) shared.set(seenKey, markOf(grant.session));
    for (const [type, listener] of listeners) {
      if (effects.includes(type as 'change')) queueMicrotask(() => listener(snapshot as never));
    }
    return effects;
  }

  // What other tabs, other pages and time have done meanwhile; with the name of an event after which to be thorough.

  function look(wake?: string): void {
    const { session, status } = state.snapshot;
    const now = env.now();
    let hint = wake && !storage ? env.hint(url) : undefined;
    const over = shared.get(overKey);
    if (wake == 'online') take(online(state));
    if (over && over == session?.id) take(ended(state));
    if (over && hint && over == idIn(hint)) {
      if (status == 'loading') take(ended(state));
      // Where this is another tab's doing, so is the rest.
      if (wake != 'storage') leaving ??= logout();
    } else if (!pending && !(session && env.isHidden())) {
      // Where it can't be set right, tabs would ask each other round.
      if (hint == doubted && now < doubtedUntil) hint = undefined;
      if (dueAt(state, hint) <= now) {
        if (dueAt(state) > now) [doubted, doubtedUntil] = [hint, now + HINT_PAUSE_MS];
        refresh().catch((error) => {
          if (!isFinal(error)) doubted = undefined;
        });
      }
    }
    plan();
  }

  function plan(): void {
    stopTimer();
    // Timers of hidden pages and sleeping machines are late, so none is long; and none spins.
    const ms = Math.max(1000, Math.min(env.isHidden() ? Infinity : dueAt(state) - env.now(), 300_000));
    stopTimer = life.signal.aborted ? nothing : env.timer(look, ms, true);
  }

  // Requests of our own.

  /** Ends after `timeout`, whatever `run` does. */
  function within<T>(run: (signal: AbortSignal) => Promise<T>, controller = new AbortController()): Promise<T> {
    const stop = env.timer(() => controller.abort(new AuthError('timeout')), timeout);
    const outcome = unlessAborted(run(controller.signal), controller.signal).catch((cause) => {
      throw cause instanceof AuthError ? cause : new AuthError(env.isOnline() ? 'network' : 'offline', { cause });
    });
    return outcome.finally(stop);
  }

  const kept = (verb: 'get' | 'set' | 'remove', value = '') => within(async () => home[verb](key, value));

  const ask = <T>(path: Path, body?: object, init?: RequestInit, via = send, controller?: AbortController): Promise<T> =>
    within(async (signal) => {
      const answer = await via(url + path, {
        method: 'POST',
        ...(!storage && { credentials: 'include' }),
        ...init,
        headers: { 'content-type': 'application/json', ...(init?.headers as object) },
        ...(body && { body: JSON.stringify(body) }),
        signal,
      });
      const data = await answer.json().catch(nothing);
      // A portal's page is a 200, too.
      if (!answer.ok || (answer.status == 200 && !data)) throw errorOf(answer, data);
      return data as T;
    }, controller);

  /** A few tries with pauses, as long as nothing is decided. */
  async function patiently<T>(run: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await run();
      } catch (error) {
        const { retryAfter = 0, retryable, code } = error as AuthError;
        if (!retryable || code == 'offline' || tries > 2 || retryAfter > 5) throw error;
        await new Promise<void>((resume) => env.timer(resume, 1000 * Math.max(retryAfter, tries * env.random())));
      }
    }
  }

  // Refreshing.

  const refresh = (isForced?: boolean): Promise<Grant> =>
    (pending ??= run(isForced).finally(() => {
      pending = undefined;
      plan();
    }));

  async function run(isForced?: boolean): Promise<Grant> {
    const { epoch, grant } = state;
    try {
      for (let isHealed = false; ; isHealed = true) {
        const effects = await patiently(async () => {
          // In the lock is the one request; what fails in it is no failure of the lock.
          let outcome: Promise<Step[1]>;
          await env.lock(key, 5000, () => (outcome = exchange(epoch, grant, isHealed, isForced)).catch(nothing));
          return outcome!;
        });
        if (effects.includes('logout')) leaving ??= logout();
        if (!effects.includes('heal')) break;
      }
      ensure(state.grant);
    } catch (cause) {
      const error = cause as AuthError;
      const isOver = isFinal(error);
      // Else somebody has signed in or out meanwhile.
      if (state.epoch == epoch) {
        const { code, problem } = error;
        // The other tabs would only find that there is no cookie any more.
        if (isOver && grant) tell({ over: grant.session.id, why: [code, problem && { problem }] });
        take(isOver ? ended(state, error) : failed(state, error, env.now(), env.random()));
      }
      // Not the old one: a sign-in cut this short, and may fail.
      if (isOver && state.grant && state.grant.token != grant?.token) return state.grant;
      throw (isOver && state.snapshot.error) || error;
    }
    return state.grant;
  }

  /** The one request, and its effects; none where another tab was quicker. */
  async function exchange(epoch: number, before: Grant | null, isHealed: boolean, isForced?: boolean): Promise<Step[1]> {
    const goOn = () => ensure(state.epoch == epoch);
    goOn();
    if (!isForced && !isHealed && state.grant?.token != before?.token) return [];
    const text = (await kept('get')) ?? '';
    goOn();
    const [token, old] = storage ? text.split(' ') : ['', text];
    ensure(!storage || token);
    const attempt = old || env.random().toString(36).slice(2);
    const value = (token && token + ' ') + attempt;
    if (!old) await kept('set', value);
    goOn();
    // Another tab may have begun an attempt of its own.
    const settle = async () => (await kept('get')) == value && (await kept('remove'));
    underWay = new AbortController();
    const answer = await ask<TokenAnswer>('/refresh', storage ? { refresh_token: token } : {}, { headers: { 'idempotency-key': attempt } }, send, underWay).catch(async (error) => {
      goOn();
      if (isFinal(error)) await settle();
      throw error;
    });
    check(answer);
    goOn();
    await (storage ? kept('set', answer.refresh_token) : settle());
    goOn();
    tell({ answer });
    return take(granted(state, answer, false, env.now(), isHealed ? '' : shared.get(seenKey), shared.get(overKey)));
  }

  /** Of use only if it holds what was promised. */
  function check(answer: TokenAnswer | undefined): void {
    if (!answer?.access_token || (storage && !answer.refresh_token)) throw new AuthError('server');
  }

  // Tokens for requests.

  const renew = async (signal?: AbortSignal | null) => {
    const { retryAt, snapshot } = state;
    if (!pending && snapshot.error && env.now() < retryAt) throw snapshot.error;
    return unlessAborted(refresh(), signal);
  };

  /** Of a very short life, half has to do. */
  const outlives = (grant: Grant | null, seconds: number) =>
    grant && grant.expiresAt - env.now() > Math.min(1000 * seconds, grant.lifeMs / 2);

  async function fresh(seconds = 10, signal?: AbortSignal | null): Promise<Grant> {
    look();
    const { grant, snapshot } = state;
    if (snapshot.status == 'unauthenticated') throw snapshot.error ?? new AuthError('signed_out');
    return outlives(grant, seconds) ? grant! : renew(signal);
  }

  const access: Access = {
    send,
    allows(target) {
      const origin = originOf(target);
      return !!origin && [url, ...(options.origins ?? [env.origin ?? env.base() ?? url])].some((one) => originOf(one) == origin);
    },
    current: () => state.grant,
    fresh: (seconds, signal) =>
      fresh(seconds, signal).catch((error: AuthError) => {
        // Nothing was sent yet, and the answer to a request without a token would only mislead.
        if (error.retryable && !outlives(state.grant, 0)) throw error;
        return state.grant;
      }),
    async other({ token, session }, mayRefresh, signal) {
      if (mayRefresh && state.grant?.token == token) {
        await renew(signal).catch((error) => {
          if (!(error instanceof AuthError)) throw error;
        });
      }
      const { grant } = state;
      return grant && grant.token != token && grant.session.user.id == session.user.id ? grant : null;
    },
  };

  const originOf = (target: string | URL) => {
    try {
      return new URL(target, env.base()).origin;
    } catch {
      return undefined;
    }
  };

  const authorized: typeof fetch = (input, init) => fetchWith(access, input, init);

  // Coming and going.

  /** A request that ends in a new session. */
  const enter = (path: Path, body: object, via?: typeof fetch): Promise<Session | undefined> => {
    take(signingIn(state));
    const goOn = () => ensure(entering == mine);
    const attempt = (async () => {
      // Its answer would clear the new cookie.
      await leaving;
      const answer = await ask<TokenAnswer | undefined>(path, body, {}, via);
      if (!answer) return undefined;
      check(answer);
      goOn();
      if (storage) await kept('set', answer.refresh_token);
      goOn();
      tell({ answer });
      take(granted(state, answer, true, env.now()));
      plan();
      return state.grant?.session;
    })();
    const mine = (entering = attempt.catch(nothing));
    return attempt;
  };

  /** Local state is gone when this returns. */
  function leave(first?: Promise<unknown>): Promise<void> {
    const over = state.grant?.session.id ?? idIn((!storage && env.hint(url)) || shared.get(seenKey) || '');
    shared.set(overKey, over);
    tell({ over });
    take(ended(state));
    const done = logout(true, first);
    entering = undefined;
    return done;
  }

  /** Tells the server, after `first`; gives up after a few tries, or when somebody signs in. Never rejects. */
  function logout(isAsked?: boolean, first?: Promise<unknown>): Promise<void> {
    const over = shared.get(overKey);
    const mine = (async () => {
      await Promise.allSettled([first, entering]);
      const before = entering;
      const [token] = storage ? ((await kept('get')) ?? '').split(' ') : [];
      if (storage) await kept('remove');
      if (token || !storage) {
        await patiently(async () => {
          // What is in the jar by now may be another session.
          if (entering != before || !(isAsked || idIn(env.hint(url) || over!) == over)) return;
          isAsked = !!storage;
          await ask('/logout', { refresh_token: token }, { keepalive: true });
        });
      }
    })()
      // It is over here all the same, and `look` will notice a cookie that is still there.
      .catch(nothing)
      .finally(() => {
        if (leaving == mine) leaving = undefined;
      });
    return (leaving = mine);
  }

  // Other tabs: memory to memory.

  let channel = sync && !storage ? env.channel(key) : undefined;
  const tell = (message: Message) => channel?.postMessage(message);
  if (channel) channel.onmessage = ({ data: { answer, over, why } }: { data: Message }) => {
    if (answer) take(granted(state, answer, false, env.now(), shared.get(seenKey), shared.get(overKey)));
    else if (over == (state.grant?.session.id ?? over)) take(ended(state, why && new AuthError(...why)));
  };

  env.onWake(look, life.signal);
  if (!storage && env.hint(url) === '') take(ended(state));
  else look('start');

  return {
    get status() {
      return state.snapshot.status;
    },
    get session() {
      return state.snapshot.session;
    },
    snapshot: () => state.snapshot,
    subscribe: (listener) => listen('change', listener),
    addEventListener: listen,
    ready: () => {
      const settled = new Promise<void>((resolve) => {
        const settle = () => {
          if (state.snapshot.status == 'loading' && !state.snapshot.error) return;
          stop();
          resolve();
        };
        const stop = listen('change', settle);
        settle();
      });
      return unlessAborted(settled, life.signal).catch(nothing).then(() => state.snapshot);
    },
    async signUp({ deviceName, ...input }) {
      const session = await enter('/signup', { ...input, transport, device_name: deviceName });
      return session ? { status: 'signed_in', session } : { status: 'check_mail' };
    },
    async signIn({ deviceName, ...input }) {
      try {
        const session = await enter('/login', { ...input, transport, device_name: deviceName });
        return { status: 'signed_in', session: session as Session };
      } catch (error) {
        const { code, problem } = error as AuthError & { problem: { mfa_token: string; methods: string[] } };
        if (code != 'mfa_required') throw error;
        return { status: code, mfaToken: problem.mfa_token, methods: problem.methods };
      }
    },
    async signOut({ scope = 'this' } = {}) {
      if (scope == 'this') return leave();
      if (scope == 'others') return void (await ask('/logout-all', { keep_current: true }, {}, authorized));
      let all: Promise<unknown> | undefined;
      try {
        const { token } = await fresh();
        all = ask('/logout-all', {}, { headers: { authorization: 'Bearer ' + token } });
      } finally {
        await leave(all);
      }
      await all;
    },
    async refresh({ reason, signal } = {}) {
      // Whoever has a reason needs an answer that was asked for after it.
      const next = pending && reason ? pending.catch(nothing).then(() => refresh(true)) : refresh(true);
      return (await unlessAborted(next, signal)).session;
    },
    getToken: async ({ minValidity, signal } = {}) => (await fresh(minValidity, signal)).token,
    fetch: authorized,
    allows: access.allows,
    listSessions: async () =>
      (await ask<{ sessions: DeviceSession[] }>('/sessions', undefined, { method: 'GET' }, authorized)).sessions,
    revokeSession: (id) =>
      id == state.grant?.session.id
        ? leave()
        : ask(`/sessions/${encodeURIComponent(id)}` as Path, undefined, { method: 'DELETE' }, authorized),
    changePassword: ({ currentPassword, newPassword }) =>
      enter('/password', { current_password: currentPassword, new_password: newPassword }, authorized) as Promise<Session>,
    dispose() {
      life.abort();
      entering = undefined;
      take(signingIn(state));
      stopTimer();
      channel?.close();
      channel = undefined;
      listeners.clear();
    },
  };
}

/** What tabs say to each other. */
type Message =
  | { answer: TokenAnswer; over?: undefined; why?: undefined }
  /** `why` where its owner did not end it. */
  | { over: string; why?: ConstructorParameters<typeof AuthError>; answer?: undefined };

/** A route of the session server, without what `url` holds already. */
type Path = { [P in keyof paths]: P extends `/auth${infer Rest}` ? Rest : never }[keyof paths];

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** What this was for is gone: somebody has signed in or out meanwhile, or there was nobody. */
function ensure(isSo: unknown): asserts isSo {
  if (!isSo) throw new AuthError('signed_out');
}

function nothing(): undefined {}

const HINT_PAUSE_MS = 60_000;
