/** `relatch/server`: who asks for a page, judged where it is rendered; renewed in one place only. */

import { returnPath } from './return-path.js';
import { ACCESS, cookies, HINT, RENEWED } from './server/cookies.js';
import { bounded, relay, type Upstream } from './server/relay.js';
import { CONTINUE, type Ended, leadTo, renew } from './server/renew.js';
import { type AccessClaims, type Algorithm, type Verdict, verifier } from './server/verify.js';
import type { Snapshot, User } from './types.js';

export { returnPath };
export type { AccessClaims, Algorithm, Ended };

export interface ServerAuthOptions {
  /** Where Relatch is, as this server reaches it: `http://relatch:8080`. */
  url: string;
  /** The app's origin, as browsers see it: `https://app.example.com`. It is Relatch's `server.public_url`, too. */
  origin: string;
  /** The `iss` of access tokens. Default: `origin`. */
  issuer?: string;
  /** The `aud` of which one must be in the access token. Default: the issuer. */
  audience?: string | string[];
  /** The algorithms to accept. Default: ES256 alone, as Relatch signs unless configured. */
  algorithms?: Algorithm[];
  /** How far the clocks may be apart, in seconds. Default 30. */
  leeway?: number;
  /** The longest life of a token to accept, in seconds. Default 3600. */
  tokenLifeMax?: number;
  /** Milliseconds for one request to Relatch. Default 10 000. */
  timeout?: number;
  /** The browser's address, for Relatch's limits and security history; this server's network must be one of its `trusted_proxies`. What the request says of it is never passed on by itself. */
  clientAddress?: (request: Request) => string | undefined;
  /** Where to go when a session has ended: a path of this app. Default: the page that was asked for. */
  ended?: (why: Ended) => string;
  fetch?: typeof fetch;
  /** For tests. */
  now?: () => Date;
}

/** A session, as its access token tells of it. */
export interface ServerSession {
  readonly id: string;
  readonly userId: string;
  readonly claims: AccessClaims;
  /** For calls to your APIs in the user's name. Never put it into a page. */
  readonly accessToken: string;
}

export type ServerSnapshot =
  | { readonly status: 'authenticated'; readonly session: ServerSession }
  | { readonly status: 'unauthenticated'; readonly session: null }
  /** There may be a session and it could not be seen: render as while loading; the browser finds out. */
  | { readonly status: 'unknown'; readonly session: null };

/** A request, or the headers of one where a framework hides it. Without a method it counts as a GET. */
export interface Asking {
  readonly headers: Pick<Headers, 'get'>;
  readonly method?: string;
}

export interface ServerAuth {
  /**
   * For the middleware: a `response` is to be returned as it is, with every header. Without one, render.
   * Owns every path below `/auth`. May run twice for one request, and in several processes at once.
   */
  handle(request: Request): Promise<{ readonly response: Response } | ({ readonly response: null } & ServerSnapshot)>;
  /** Who asks, by bearer token or cookie. Asks nobody but for keys, changes nothing, is remembered per request. */
  authenticate(asking: Asking): Promise<ServerSnapshot>;
  /** The same with the user's name and address, from `GET /auth/me`: for `initial` of `<SessionProvider>`. */
  snapshot(asking: Asking): Promise<Snapshot>;
}

export function createServerAuth(options: ServerAuthOptions): ServerAuth {
  const { origin, issuer = origin, now = () => new Date() } = options;
  if (new URL(origin).origin !== origin) throw new Error('`origin` is scheme, host and port, as browsers send it: https://app.example.com');
  const upstream: Upstream = {
    url: options.url.replace(/\/+$/, ''),
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    timeoutMs: options.timeout ?? 10_000,
    clientAddress: options.clientAddress,
  };
  const verify = verifier({
    jwksUrl: upstream.url + '/.well-known/jwks.json',
    issuer,
    audience: options.audience ?? issuer,
    algorithms: options.algorithms ?? ['ES256'],
    leewaySeconds: options.leeway ?? 30,
    tokenLifeSecondsMax: options.tokenLifeMax ?? 3600,
    fetch: upstream.fetch,
    now,
  });
  const renewal = { origin, upstream, verify, ended: options.ended ?? ((why: Ended) => why.returnTo) };
  const judged = new WeakMap<object, Promise<Judgement>>();

  /** Remembered by the request's headers, which frameworks hand on where they don't hand on the request. */
  function judgeOnce(asking: Asking): Promise<Judgement> {
    const known = judged.get(asking.headers);
    if (known) return known;
    const fresh = judge(asking);
    judged.set(asking.headers, fresh);
    return fresh;
  }

  async function judge({ headers, method = 'GET' }: Asking): Promise<Judgement> {
    const bearer = /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];
    if (bearer) return of(bearer, await verify(bearer), false);
    const sent = headers.get('cookie');
    const hints = cookies(sent, HINT).filter(Boolean);
    // Logging out clears the hint. And other sites' pages may not change anything in the user's name.
    if (!hints.length || !(isSafe(method) || isOurs(headers))) return NOBODY;
    const [token] = cookies(sent, ACCESS);
    if (!token) return STALE;
    const verdict = await verify(token);
    const judgement = of(token, verdict, true);
    const { session } = judgement.snapshot;
    // Somebody has logged in anew meanwhile, past us.
    return session && !hints.some((hint) => hint.split('.')[0] === session.id) ? STALE : judgement;
  }

  /** A change comes from a page of this origin. Neither header can be set by a page. */
  function isOurs(headers: Pick<Headers, 'get'>): boolean {
    return headers.get('sec-fetch-site') === 'same-origin' || headers.get('origin') === origin;
  }

  return {
    async handle(request) {
      const { pathname } = new URL(request.url);
      if (pathname === CONTINUE) return { response: await renew(request, renewal) };
      if (pathname === '/auth' || pathname.startsWith('/auth/')) return { response: await relay(request, upstream) };
      const { snapshot, isRenewable } = await judgeOnce(request);
      const wasJustRenewed = cookies(request.headers.get('cookie'), RENEWED).length > 0;
      if (isRenewable && !wasJustRenewed) return { response: leadTo(request, renewal) };
      return { response: null, ...snapshot };
    },
    authenticate: async (asking) => (await judgeOnce(asking)).snapshot,
    async snapshot(asking) {
      const { status, session } = (await judgeOnce(asking)).snapshot;
      if (status === 'unauthenticated') return { status, session, error: null };
      const told = session && (await me(upstream, session.accessToken));
      if (!told) return { status: 'loading', session: null, error: null };
      const hint = cookies(asking.headers.get('cookie'), HINT).find((hint) => hint.startsWith(session.id + '.'));
      const generation = Number(hint?.split('.')[1] ?? 0);
      const shown = { id: session.id, generation, user: told.user, expiresAt: told.session.expires_at };
      return { status, session: shown, error: null };
    },
  };
}

/** Null where it can't be told now. */
async function me(upstream: Upstream, token: string): Promise<{ user: User; session: { expires_at: string } } | null> {
  const init = { headers: { authorization: `Bearer ${token}` }, redirect: 'manual' } as const;
  const answer = await bounded(upstream, upstream.url + '/auth/me', init).catch(() => null);
  return answer?.ok ? answer.json().catch(() => null) : null;
}

interface Judgement {
  readonly snapshot: ServerSnapshot;
  /** Whether a renewal may bring a session to light. */
  readonly isRenewable: boolean;
}

function of(accessToken: string, judged: Verdict, isCookie: boolean): Judgement {
  if (judged.verdict !== 'good') return judged.verdict === 'in_doubt' ? UNKNOWN : isCookie ? STALE : NOBODY;
  const { claims } = judged;
  const session = { id: claims.sid, userId: claims.sub, claims, accessToken };
  return { snapshot: { status: 'authenticated', session }, isRenewable: false };
}

const NOBODY: Judgement = { snapshot: { status: 'unauthenticated', session: null }, isRenewable: false };
const UNKNOWN: Judgement = { snapshot: { status: 'unknown', session: null }, isRenewable: false };
const STALE: Judgement = { ...UNKNOWN, isRenewable: true };

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}
