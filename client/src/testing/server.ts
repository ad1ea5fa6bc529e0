/** A session server in memory: the session routes of the HTTP contract, by a virtual clock. */

import type { User } from '../types.js';
import type { VirtualClock } from './clock.js';
import { type FakeSession, type Limits, type Refreshed, Sessions } from './sessions.js';
import { createSigner } from './tokens.js';

export interface FakeServerOptions extends Partial<Limits> {
  clock: VirtualClock;
  /** Where it is, and the `iss` and `aud` of its tokens. Default `https://app.test`. */
  origin?: string;
  /** Origins of pages that may call it besides its own. */
  allowedOrigins?: string[];
  accessSeconds?: number;
  /** Your API, for every path outside of `/auth`, asked with a good access token only. */
  api?: (request: Request, user: User) => Response | Promise<Response>;
}

export interface FakeServer {
  readonly origin: string;
  /** Answers a request as the server would; cookies in `Cookie` and `Set-Cookie`, which only Node shows to scripts. */
  fetch(request: Request): Promise<Response>;
  /** The same, cookies aside, for a fake browser. */
  answer(request: Request, cookie: string): Promise<{ response: Response; setCookies: string[] }>;
  addUser(email: string, password: string, name?: string): User;
  /** Ends every session of a person, or one session, as an operator, a thief's victim or a change of password would. */
  revoke(id: string, reason?: string): void;
  readonly sessions: readonly FakeSession[];
  /** Every request that was served: `POST /auth/refresh 200`. */
  readonly log: string[];
  /** While true every answer is 503. */
  isDown: boolean;
}

export function createFakeServer(options: FakeServerOptions): FakeServer {
  const { clock, origin = 'https://app.test', accessSeconds = 900 } = options;
  const sessions = new Sessions({
    idleSeconds: options.idleSeconds ?? 14 * 86_400,
    absoluteSeconds: options.absoluteSeconds ?? 90 * 86_400,
    reuseWindowSeconds: options.reuseWindowSeconds ?? { cookie: 30, body: 10 },
  });
  const signer = createSigner();
  const users = new Map<string, { user: User; password: string }>();
  const now = () => clock.date().getTime();
  let count = 0;

  async function grant(refreshed: Refreshed, status = 200): Promise<Reply> {
    if ('code' in refreshed) return { ...problem(401, refreshed.code, refreshed.reason), cookies: CLEARED };
    const { session, token, generation } = refreshed;
    const endMs = session.startedAt + sessions.limits.absoluteSeconds * 1000;
    const expiresIn = Math.min(accessSeconds, Math.floor((endMs - now()) / 1000));
    const iat = Math.floor(now() / 1000);
    const body = {
      access_token: await signer.sign({
        ...{ iss: origin, aud: [origin], sub: session.user.id, client_id: 'relatch', sid: session.id, jti: `jti_${++count}` },
        ...{ iat, exp: iat + expiresIn, auth_time: Math.floor(session.startedAt / 1000), amr: ['pwd'], acr: '1' },
      }),
      token_type: 'Bearer',
      expires_in: expiresIn,
      refresh_in: Math.floor(expiresIn * 0.8),
      session_id: session.id,
      session_expires_at: new Date(endMs).toISOString(),
      generation,
      user: session.user,
    };
    if (session.transport === 'body') return { status, body: { ...body, refresh_token: token } };
    const cookies = [
      `${REFRESH}=${token}; Path=/auth; Secure; HttpOnly; SameSite=Strict; Max-Age=${sessions.limits.idleSeconds}`,
      `${HINT}=${session.id}.${generation}; Path=/; Secure; SameSite=Lax; Max-Age=${sessions.limits.idleSeconds}`,
      `${DEVICE}=${session.device}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=34560000`,
    ];
    return { status, body, cookies };
  }

  /** The live session of a bearer token, or the refusal. */
  function bearer(request: Request): FakeSession | Reply {
    const token = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1];
    if (!token) return { ...problem(401, 'missing_token'), challenge: 'Bearer' };
    const refused = (code: string) => ({ ...problem(401, code), challenge: 'Bearer error="invalid_token"' });
    const claims = claimsOf(token);
    const session = sessions.all.get(claims?.sid ?? '');
    if (!claims || !session) return refused('invalid_token');
    if (now() >= claims.exp * 1000) return refused('token_expired');
    return sessions.end(session, now()) ? refused('token_revoked') : session;
  }

  function enter(user: User, asked: Asked, jar: Jar, status: number): Promise<Reply> {
    const transport = asked.transport ?? 'cookie';
    const device = transport === 'cookie' ? (jar.get(DEVICE) ?? `dev_${++count}`) : undefined;
    return grant(sessions.open(user, transport, device, now()), status);
  }

  async function route(request: Request, jar: Jar): Promise<Reply> {
    const { pathname } = new URL(request.url);
    const name = `${request.method} ${pathname}`;
    const text = await request.text();
    let asked: Asked;
    try {
      asked = text ? (JSON.parse(text) as Asked) : {};
    } catch {
      return problem(400, 'invalid_request');
    }
    const { email = '', password = '', refresh_token: inBody } = asked;
    const account = users.get(email);
    const needsProof = /^POST \/auth\/(login|signup|refresh|logout|password)$/.test(name) && !inBody && asked.transport !== 'body';
    if (needsProof && !isProven(request)) return problem(403, 'csrf_check_failed');

    switch (name) {
      case 'GET /.well-known/jwks.json':
        return { status: 200, body: await signer.jwks() };
      case 'POST /auth/signup':
        if (account) return problem(409, 'email_taken');
        return enter(server.addUser(email, password, asked.name), asked, jar, 201);
      case 'POST /auth/login':
        return account?.password === password ? enter(account.user, asked, jar, 200) : problem(401, 'invalid_credentials');
      case 'POST /auth/refresh': {
        const token = inBody ?? jar.get(REFRESH);
        if (!token) return { ...problem(401, 'missing_token'), cookies: CLEARED };
        const by = { transport: inBody ? 'body' : 'cookie', device: inBody ? undefined : jar.get(DEVICE) };
        return grant(sessions.refresh(token, { ...by, attempt: request.headers.get('idempotency-key') ?? undefined }, now()));
      }
      case 'POST /auth/logout': {
        const session = sessions.find(inBody ?? jar.get(REFRESH) ?? '');
        if (session && session.device === (inBody ? undefined : jar.get(DEVICE))) session.revoked ??= 'logout';
        return { status: 204, cookies: inBody ? [] : CLEARED };
      }
    }
    const session = bearer(request);
    if ('status' in session) return session;
    const own = [...sessions.all.values()].filter((one) => one.user.id === session.user.id && !sessions.end(one, now()));
    switch (name) {
      case 'GET /auth/me':
        return { status: 200, body: { user: session.user, session: view(session, session) } };
      case 'GET /auth/sessions':
        return { status: 200, body: { sessions: own.map((one) => view(one, session)) } };
      case 'POST /auth/logout-all': {
        const ending = own.filter((one) => !(asked.keep_current && one === session));
        for (const one of ending) one.revoked = 'logout_all';
        return { status: 200, body: { revoked: ending.length } };
      }
      case 'POST /auth/password': {
        const mine = users.get(session.user.email ?? '');
        if (!mine || mine.password !== asked.current_password) return problem(403, 'wrong_password');
        mine.password = asked.new_password ?? '';
        for (const one of own) one.revoked = 'password_changed';
        return enter(session.user, { ...asked, transport: session.transport }, jar, 200);
      }
    }
    const ended = own.find((one) => name === `DELETE /auth/sessions/${one.id}`);
    if (ended) ended.revoked = 'ended_by_user';
    return ended ? { status: 204 } : problem(404, 'not_found');
  }

  function isProven({ headers }: Request): boolean {
    const from = headers.get('origin') ?? '';
    return headers.get('sec-fetch-site') === 'same-origin' || from === origin || !!options.allowedOrigins?.includes(from);
  }

  function view(session: FakeSession, asking: FakeSession) {
    const time = (ms: number) => new Date(ms).toISOString();
    return {
      ...{ id: session.id, current: session === asking, device_name: null, user_agent: null, ip: null, amr: ['pwd'] },
      created_at: time(session.startedAt),
      last_seen_at: time(session.lastSeenAt),
      idle_expires_at: time(session.lastSeenAt + sessions.limits.idleSeconds * 1000),
      expires_at: time(session.startedAt + sessions.limits.absoluteSeconds * 1000),
    };
  }

  async function reply(request: Request, jar: Jar): Promise<Response | Reply> {
    const { pathname } = new URL(request.url);
    if (server.isDown) return { ...problem(503, 'unavailable'), retryAfter: 1 };
    if (/^\/(auth|\.well-known)\//.test(pathname)) return route(request, jar);
    const session = bearer(request);
    if ('status' in session) return session;
    return (await options.api?.(request, session.user)) ?? { status: 200, body: { path: pathname, user: session.user.id } };
  }

  const server: FakeServer = {
    origin,
    isDown: false,
    log: [],
    get sessions() {
      return [...sessions.all.values()];
    },
    async fetch(request) {
      const { response, setCookies } = await server.answer(request, request.headers.get('cookie') ?? '');
      for (const cookie of setCookies) response.headers.append('set-cookie', cookie);
      return response;
    },
    async answer(request, cookie) {
      const jar = new Map(cookie.split('; ').map((pair) => pair.split('=') as [string, string]));
      const done = await clock.during(reply(request, jar));
      server.log.push(`${request.method} ${new URL(request.url).pathname} ${done.status}`);
      if (done instanceof Response) return { response: done, setCookies: [] };
      const { status, body, cookies = [], challenge, retryAfter } = done;
      const headers = new Headers({ 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
      headers.set('date', clock.date().toUTCString());
      headers.set('cache-control', 'no-store');
      if (challenge) headers.set('www-authenticate', challenge);
      if (retryAfter) headers.set('retry-after', String(retryAfter));
      return { response: new Response(body ? JSON.stringify(body) : null, { status, headers }), setCookies: cookies };
    },
    addUser(email, password, name) {
      const user = { id: `usr_${++count}`, email, email_verified: true, name: name ?? null };
      users.set(email, { user, password });
      return user;
    },
    revoke(id, reason = 'ended_by_operator') {
      for (const one of sessions.all.values()) if (one.id === id || one.user.id === id) one.revoked = reason;
    },
  };
  return server;
}

interface Reply {
  status: number;
  body?: object;
  cookies?: string[];
  challenge?: string;
  retryAfter?: number;
}

interface Asked {
  email?: string;
  password?: string;
  name?: string;
  transport?: 'cookie' | 'body';
  refresh_token?: string;
  keep_current?: boolean;
  current_password?: string;
  new_password?: string;
}

type Jar = Map<string, string>;

function problem(status: number, code: string, reason?: string): Reply {
  const type = `https://app.test/docs#${code}`;
  return { status, body: { type, title: code, status, detail: code, code, request_id: 'req_fake', ...(reason && { reason }) } };
}

function claimsOf(token: string): { sid: string; exp: number } | undefined {
  try {
    return JSON.parse(atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))) as { sid: string; exp: number };
  } catch {
    return undefined;
  }
}

const REFRESH = '__Secure-relatch-refresh';
const DEVICE = '__Host-relatch-device';
const HINT = 'relatch-hint';
const CLEARED = [
  `${REFRESH}=; Path=/auth; Secure; HttpOnly; SameSite=Strict; Max-Age=0`,
  `${HINT}=; Path=/; Secure; SameSite=Lax; Max-Age=0`,
];
