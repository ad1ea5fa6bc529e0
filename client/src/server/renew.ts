/** `/auth/continue`: the one place where a page's session is renewed, and the way there and back. */

import { returnPath } from '../return-path.js';
import { ACCESS, ATTEMPT, cookies, HINT, REFRESH, RENEWED, setCookie } from './cookies.js';
import { bounded, grantCookies, onward, type TokenAnswer, type Upstream } from './relay.js';
import type { Verdict } from './verify.js';

/** Below `/auth`, since the refresh cookie comes to no other path. */
export const CONTINUE = '/auth/continue';

/** Why there is no session any more, when a page asked for one. */
export interface Ended {
  /** The server's word: `session_expired`, `session_revoked`, `token_reused`, `device_mismatch`, … */
  readonly code: string;
  /** Of `session_revoked`: why. */
  readonly reason: string | undefined;
  /** The path that was asked for. */
  readonly returnTo: string;
}

export interface Renewal {
  origin: string;
  upstream: Upstream;
  verify: (token: string) => Promise<Verdict>;
  ended: (why: Ended) => string;
}

/**
 * Sends a page's request there. 307 keeps method and body, so that a form is not lost.
 *
 * The id of the attempt goes into the browser first. Where the answer never reaches it, the next visit asks with
 * the same id and gets the same answer, at any age; a refresh in the middle of a page could not promise that.
 */
export function leadTo(request: Request, { origin }: Renewal): Response {
  const { pathname, search } = new URL(request.url);
  const there = redirect(`${origin}${CONTINUE}?return_to=${encodeURIComponent(returnPath(pathname + search))}`);
  return cookies(request.headers.get('cookie'), ATTEMPT).length ? there : withAttempt(there);
}

/** Answers the request that was led there. */
export async function renew(request: Request, renewal: Renewal): Promise<Response> {
  const { searchParams } = new URL(request.url);
  const asked = returnPath(searchParams.get('return_to'));
  const returnTo = asked.startsWith(CONTINUE) ? '/' : asked;
  const sent = request.headers.get('cookie');
  const site = request.headers.get('sec-fetch-site');
  const hasToken = cookies(sent, REFRESH).length > 0;
  // A link from elsewhere leaves the Strict cookie behind, and is no proof that a page of ours asks. A navigation
  // that begins here brings both. (Old browsers tell no site; they are sent round once.)
  const isOurs = site === null ? hasToken || searchParams.has('here') : site === 'same-origin' || site === 'none';
  if (!isOurs && (request.headers.get('sec-fetch-mode') ?? 'navigate') === 'navigate') return goRound(returnTo);
  const back = redirect(renewal.origin + returnTo);
  // Whatever comes of it, it is not begun again at once.
  back.headers.append('set-cookie', setCookie(RENEWED, '1', RENEWED_SECONDS));
  const clear = (...names: string[]) => {
    for (const name of names) back.headers.append('set-cookie', setCookie(name, '', 0));
  };
  if (!isOurs) return back;
  if (!hasToken) {
    clear(HINT, ACCESS, ATTEMPT);
    return back;
  }

  const [attempt] = cookies(sent, ATTEMPT);
  // Nobody led here (a bookmark), or another tab was quicker. What the browser does not keep is not asked with.
  if (!attempt) {
    const again = `${renewal.origin}${CONTINUE}?kept=1&return_to=${encodeURIComponent(returnTo)}`;
    return searchParams.has('kept') ? back : withAttempt(redirect(again));
  }

  const answer = await refresh(request, attempt, renewal.upstream);
  for (const cookie of answer?.headers.getSetCookie() ?? []) back.headers.append('set-cookie', cookie);
  const body: Told = (await answer?.json().catch(() => null)) ?? {};
  if (answer?.ok && body.access_token) {
    const judged = await renewal.verify(body.access_token);
    if (judged.verdict === 'refused') throw misconfigured(judged.cause);
    for (const cookie of grantCookies(body)) back.headers.append('set-cookie', cookie);
  } else if (answer?.status === 401 && body.code) {
    clear(ACCESS, ATTEMPT);
    const place = renewal.ended({ code: body.code, reason: body.reason, returnTo });
    back.headers.set('location', renewal.origin + returnPath(place));
  }
  return back;
}

/** A token answer, or a problem; anything else decides nothing. */
interface Told extends TokenAnswer {
  code?: string;
  reason?: string;
}

function misconfigured(cause: Error): Error {
  const what = 'Compare `issuer`, `audience` and `algorithms` with the configuration of Relatch.';
  return new Error(`This app refuses the access tokens that Relatch issues: ${cause.message}. ${what}`, { cause });
}

/** One refresh, tried twice under one id; null where nothing came of it. */
async function refresh(request: Request, attempt: string, upstream: Upstream): Promise<Response | null> {
  const headers = onward(request, upstream);
  for (const name of ['content-type', 'authorization', 'origin', 'sec-fetch-site']) headers.delete(name);
  headers.set('content-type', 'application/json');
  headers.set('idempotency-key', attempt);
  // We have seen to it that a page of ours asks, and say so as the browser would of a `fetch`.
  headers.set('sec-fetch-site', 'same-origin');
  const init = { method: 'POST', headers, body: '{}', redirect: 'manual' } as const;
  for (let left = TRIES; left > 0; left -= 1) {
    const answer = await bounded(upstream, upstream.url + '/auth/refresh', init).catch(() => null);
    if (answer && answer.status < 500) return answer;
  }
  return null;
}

function withAttempt(response: Response): Response {
  response.headers.append('set-cookie', setCookie(ATTEMPT, crypto.randomUUID(), ATTEMPT_SECONDS));
  return response;
}

function redirect(location: string): Response {
  return new Response(null, { status: 307, headers: { location, 'cache-control': 'no-store' } });
}

/** A page that goes to the same place at once, from here. */
function goRound(returnTo: string): Response {
  const url = `${CONTINUE}?here=1&amp;return_to=${encodeURIComponent(returnTo).replaceAll("'", '%27')}`;
  const html = `<!doctype html><meta charset="utf-8"><title>…</title><meta http-equiv="refresh" content="0;url=${url}">`;
  return new Response(html, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
    },
  });
}

const TRIES = 2;
/** As long as browsers keep a cookie at most (400 days): no session shall outlive the id of its last refresh. */
const ATTEMPT_SECONDS = 34_560_000;
const RENEWED_SECONDS = 10;
