/** The client: one refresh for all who wait, told to every tab, and no session lost but to a refusal. */

import { realEnvironment } from './environment.js';
import { AuthError, errorOf, isFinal } from './errors.js';
import { authorizedFetch } from './fetch.js';
import {
  dueAt, ended, failed, type Grant, granted, idIn, markOf, online, signingIn, START, type Step, type TokenAnswer,
} from './machine.js';
import { cookieTransport } from './transport.js';
import type { Client, ClientOptions, Session } from './types.js';

/** Makes the client of a page, an app or a process. It begins at once to find out who is signed in. */
export function createClient(options: ClientOptions = {}): Client {
  const { url = '/auth', timeout = 10_000, sync = true } = options;
  const env = { ...realEnvironment(), ...options.environment };
  const { shared, now, random, timer } = env;
  const send = options.fetch ?? env.fetch;
  const key = 'relatch:' + url;
  const seenKey = key + ':seen';
  const overKey = key + ':over';
  const life = new AbortController();
  const listeners = new Set<readonly [string, (detail: never) => void]>();

  let state = START;
  let pending: Promise<Grant> | undefined;
  /** The sign-in or logout that is under way. */
  let turn: Promise<unknown> | undefined;
  let underWay: AbortController | undefined;
  let stopTimer: () => void = nothing;
  /** A hint cookie that said otherwise, and until when nobody is asked about it again. */
  let doubted: string | undefined;
  let doubtedUntil = 0;
  let known: () => void;
  const isKnown = new Promise<void>((resolve) => (known = resolve));

  /** Listeners are called soon, in order, and never in the middle of something. */
  function listen(type: string, listener: (detail: never) => void): () => void {
    const entry = [type, listener] as const;
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }

  function take([next, effects]: Step): Step[1] {
    const { epoch, grant } = state;
    const { snapshot } = (state = next);
    if (state.epoch != epoch) underWay?.abort(new AuthError('signed_out'));
    if (state.grant && state.grant != grant) shared.set(seenKey, markOf(state.grant.session));
    if (snapshot.status != 'loading' || snapshot.error) known();
    for (const [type, listener] of listeners) {
      if (effects.includes(type as 'change')) queueMicrotask(() => listener(snapshot as never));
    }
    return effects;
  }

  // What other tabs, other pages and time have done meanwhile; with the name of an event after which to be thorough.

  const hintNow = () => (isInCookies ? env.hint(url) : undefined);

  function look(wake?: string): void {
    const { session, status } = state.snapshot;
    let hint = wake && hintNow();
    const over = shared.get(overKey);
    if (wake == 'online') take(online(state));
    if (over && over == session?.id) take(ended(state));
    if (over && hint && over == idIn(hint)) {
      if (status == 'loading') take(ended(state));
      // Where this is another tab's doing, so is the rest.
      if (wake != 'storage' && !turn) void logout();
    } else if (!pending && !(session && env.isHidden())) {
      // Where it can't be set right, tabs would ask each other round.
      if (hint == doubted && now() < doubtedUntil) hint = undefined;
      if (dueAt(state, hint) <= now()) {
        if (dueAt(state) > now()) [doubted, doubtedUntil] = [hint, now() + HINT_PAUSE_MS];
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
    const ms = Math.max(1000, Math.min(env.isHidden() ? Infinity : dueAt(state) - now(), 300_000));
    if (!life.signal.aborted) stopTimer = timer(look, ms, true);
  }

  // Requests of our own.

  /** Ends after `timeout`, whatever `run` does. */
  function within<T>(run: (signal: AbortSignal) => Promise<T>, controller = new AbortController()): Promise<T> {
    const stop = timer(() => controller.abort(new AuthError('timeout')), timeout);
    const outcome = unlessAborted(run(controller.signal), controller.signal).catch((cause) => {
      throw cause instanceof AuthError ? cause : new AuthError(env.isOnline() ? 'network' : 'offline', { cause });
    });
    return outcome.finally(stop);
  }

  const ask = <T>(path: string, body?: object, init?: RequestInit, via = send, controller?: AbortController): Promise<T> =>
    within(async (signal) => {
      const answer = await via(url + path, {
        method: 'POST',
        ...transport.init,
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

  const newId = () => random().toString(36).slice(2);
  const transport = options.transport?.(key, newId, within) ?? cookieTransport(options.attempts?.(env) ?? shared, key, newId);
  const { isInCookies } = transport;

  /** A few tries with pauses, as long as nothing is decided. */
  async function patiently<T>(run: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await run();
      } catch (error) {
        const { retryAfter = 0, retryable, code } = error as AuthError;
        if (!retryable || code == 'offline' || tries > 2 || retryAfter > 5) throw error;
        await new Promise<void>((resume) => timer(resume, 1000 * Math.max(retryAfter, tries * random())));
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
    const goOn = () => ensure(state.epoch == epoch);

    /** The one request, and its effects; none where another tab was quicker. */
    async function exchange(): Promise<Step[1]> {
      goOn();
      if (!isForced && !isHealed && state.grant != grant) return [];
      const [body, attempt] = await transport.begin(goOn);
      goOn();
      underWay = new AbortController();
      try {
        const headers = { 'idempotency-key': attempt };
        const answer = await ask<TokenAnswer>('/refresh', body, { headers }, send, underWay);
        check(answer);
        goOn();
        await transport.end(attempt, answer);
        goOn();
        tell({ answer });
        return accept(answer, false, isHealed);
      } catch (error) {
        goOn();
        if (isFinal(error as AuthError)) await transport.end(attempt);
        throw error;
      }
    }

    let isHealed = false;
    try {
      for (;;) {
        const effects = await patiently(() => env.lock(key, 5000, exchange));
        if (effects.includes('logout') && !turn) void logout();
        if (!effects.includes('heal')) break;
        isHealed = true;
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
        take(isOver ? ended(state, error) : failed(state, error, now(), random()));
      }
      // Not the old one: a sign-in cut this short, and may fail.
      if (!isOver || !state.grant || state.grant == grant) throw (isOver && state.snapshot.error) || error;
    }
    return state.grant;
  }

  // Tokens for requests.

  const renew = async (signal?: AbortSignal | null) => {
    if (!pending && state.snapshot.error && now() < state.retryAt) throw state.snapshot.error;
    return unlessAborted(refresh(), signal);
  };

  /** Of a very short life, half has to do. */
  const outlives = (grant: Grant | null, seconds: number) => grant && grant.diesAt - now() > Math.min(1000 * seconds, grant.lifeMs / 2);

  async function fresh(seconds = 10, signal?: AbortSignal | null): Promise<Grant> {
    look();
    if (state.snapshot.status == 'unauthenticated') throw state.snapshot.error ?? new AuthError('signed_out');
    return outlives(state.grant, seconds) ? state.grant! : renew(signal);
  }

  const originOf = (target: string | URL) => {
    try {
      return new URL(target, env.base()).origin;
    } catch {
      return undefined;
    }
  };

  const allows = (target: string | URL) => {
    const origin = originOf(target);
    return !!origin && [url, ...(options.origins ?? [env.origin ?? env.base() ?? url])].some((one) => originOf(one) == origin);
  };

  const authorized = authorizedFetch(
    send,
    allows,
    () => state.grant,
    (seconds, signal) =>
      fresh(seconds, signal).catch((error: AuthError) => {
        // Nothing was sent yet, and the answer to a request without a token would only mislead.
        if (error.retryable && !outlives(state.grant, 0)) throw error;
        return state.grant;
      }),
    (signal) =>
      renew(signal).catch((error) => {
        if (!(error instanceof AuthError)) throw error;
      }),
  );

  // Coming and going.

  /** One after the other: the answer of the one would undo the other's cookie. Only the last of them counts. */
  function inTurn<T>(run: (isLast: () => boolean) => Promise<T>): Promise<T> {
    const outcome = Promise.resolve(turn).then(() => run(() => turn == mine));
    const mine: Promise<unknown> = (turn = outcome.catch(nothing).then(() => {
      if (turn == mine) turn = undefined;
    }));
    return outcome;
  }

  function enter(path: string, body: object, isSignedIn?: boolean): Promise<Session | undefined> {
    const { deviceName, ...input } = body as { deviceName?: string };
    take(signingIn(state));
    return inTurn(async (isLast) => {
      const answer = await (isSignedIn
        ? ask<TokenAnswer | undefined>(path, body, {}, authorized)
        : ask<TokenAnswer | undefined>(
            path,
            // The second step of a login has what the first one chose.
            path == '/mfa' ? body : { ...input, transport: isInCookies ? 'cookie' : 'body', device_name: deviceName },
          ));
      if (!answer) return undefined;
      check(answer);
      ensure(isLast());
      await transport.end('', answer);
      ensure(isLast());
      tell({ answer });
      accept(answer, true);
      plan();
      return state.grant?.session;
    });
  }

  /** Tells the server, after `first`; gives up after a few tries, or when somebody signs in. Never rejects. */
  function logout(isAsked?: boolean, first?: Promise<unknown>): Promise<void> {
    const over = shared.get(overKey);
    return inTurn(async (isLast) => {
      await first;
      const body = await transport.forget();
      if (body) await patiently(async () => {
        // What is in the jar by now may be another session.
        if (!isLast() || !(isAsked || idIn(hintNow() || over!) == over)) return;
        isAsked = !isInCookies;
        await ask('/logout', body, { keepalive: true });
      });
      // It is over here all the same, and `look` will notice a cookie that is still there.
    }).catch(nothing);
  }

  // Other tabs: memory to memory.

  let channel = sync && isInCookies ? env.channel(key) : undefined;
  const tell = (message: Message) => channel?.postMessage(message);
  const accept = (answer: TokenAnswer, isNew = false, isHealed?: boolean) =>
    take(granted(state, answer, isNew, now(), isHealed ? '' : shared.get(seenKey), shared.get(overKey)));
  if (channel) channel.onmessage = ({ data: { answer, over, why } }: { data: Message }) => {
    if (answer) accept(answer);
    else if (over == (state.grant?.session.id ?? over)) take(ended(state, why && new AuthError(...why)));
  };

  env.onWake(look, life.signal);
  if (hintNow() === '') take(ended(state));
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
    ready: () => isKnown.then(() => state.snapshot),
    async signIn(input) {
      try {
        return { status: 'signed_in', session: (await enter('/login', input)) as Session };
      } catch (error) {
        const { code, problem } = error as AuthError & { problem: { mfa_token: string; methods: string[] } };
        if (code != 'mfa_required') throw error;
        return { status: code, mfaToken: problem.mfa_token, methods: problem.methods };
      }
    },
    signOut({ after } = {}) {
      const over = state.grant?.session.id ?? idIn(hintNow() || shared.get(seenKey) || '');
      shared.set(overKey, over);
      tell({ over });
      take(ended(state));
      return logout(true, after?.catch(nothing));
    },
    async refresh({ reason, signal } = {}) {
      // Whoever has a reason needs an answer that was asked for after it.
      const next = pending && reason ? pending.catch(nothing).then(() => refresh(true)) : refresh(true);
      return (await unlessAborted(next, signal)).session;
    },
    getToken: async ({ minValidity, signal } = {}) => (await fresh(minValidity, signal)).token,
    fetch: authorized,
    allows,
    request: (path, body, method = 'POST') => ask(path, body, { method }, authorized),
    enter,
    dispose() {
      life.abort();
      turn = undefined;
      take(signingIn(state));
      known();
      stopTimer();
      channel?.close();
      channel = undefined;
      listeners.clear();
    },
  };
}

/** Of use only if it holds what was promised. */
function check(answer: TokenAnswer | undefined): asserts answer {
  if (!answer?.access_token) throw new AuthError('server');
}

/** What tabs say to each other. */
type Message =
  | { answer: TokenAnswer; over?: undefined; why?: undefined }
  /** `why` where its owner did not end it. */
  | { over: string; why?: ConstructorParameters<typeof AuthError>; answer?: undefined };

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
