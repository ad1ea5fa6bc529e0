/** The session routes under the app's own origin: everything below `/auth` goes to Relatch and back. */

import { ACCESS, ATTEMPT, cookies, RENEWED, setCookie, touchesRefresh, without } from './cookies.js';

export interface Upstream {
  /** Where Relatch is, without a slash at the end. */
  url: string;
  fetch: typeof fetch;
  timeoutMs: number;
  clientAddress: ((request: Request) => string | undefined) | undefined;
}

/** Sends a request on as the browser sent it, its proof of origin (`Origin`, `Sec-Fetch-Site`) included. */
export async function relay(request: Request, upstream: Upstream): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const headers = onward(request, upstream);
  const sent = request.headers.get('cookie');
  // A refresh was never answered. The same id again gets the same answer; a page that sends one knows which.
  const [attempt] = cookies(sent, ATTEMPT);
  if (attempt && pathname === '/auth/refresh' && !headers.has('idempotency-key')) headers.set('idempotency-key', attempt);
  const init: RequestInit & { duplex?: 'half' } = { method: request.method, headers, redirect: 'manual' };
  if (request.body) Object.assign(init, { body: request.body, duplex: 'half' });
  const answer = await bounded(upstream, upstream.url + pathname + search, init).catch(() => null);
  if (!answer) return unavailable();

  const back = new Headers(answer.headers);
  for (const name of [...HOPS, 'content-encoding', 'content-length']) back.delete(name);
  const rest = { status: answer.status, statusText: answer.statusText, headers: back };
  const isToken = answer.ok && TOKEN_ROUTES.test(pathname) && /json/.test(back.get('content-type') ?? '');
  if (!isToken) {
    // Whatever may have ended or changed the session: the next page asks anew.
    if (touchesRefresh(answer.headers) || (answer.ok && MAY_END.test(request.method + pathname))) {
      back.append('set-cookie', setCookie(ACCESS, '', 0));
      back.append('set-cookie', setCookie(ATTEMPT, '', 0));
      back.append('set-cookie', setCookie(RENEWED, '', 0));
    }
    return new Response(BODILESS.includes(answer.status) ? null : answer.body, rest);
  }
  const told = (await answer.json().catch(() => null)) as TokenAnswer | null;
  if (!told) return unavailable();
  for (const cookie of grantCookies(told)) back.append('set-cookie', cookie);
  return new Response(JSON.stringify(told), rest);
}

/** What is looked at in a token answer. */
export interface TokenAnswer {
  access_token?: string;
  refresh_token?: string;
  expires_in?: number;
}

/** What a page needs of a token answer: the access token as a cookie, and no attempt left open. */
export function grantCookies(answer: TokenAnswer): string[] {
  // In the body transport the tokens belong to whoever asked, not to a browser.
  if (!answer.access_token || answer.refresh_token) return [];
  return [setCookie(ACCESS, answer.access_token, answer.expires_in), setCookie(ATTEMPT, '', 0)];
}

/** The headers of a request, for Relatch. */
export function onward(request: Request, upstream: Upstream): Headers {
  const headers = new Headers(request.headers);
  for (const name of [...HOPS, ...OURS_TO_SAY]) headers.delete(name);
  headers.set('cookie', without(request.headers.get('cookie'), ACCESS, ATTEMPT, RENEWED));
  const address = upstream.clientAddress?.(request);
  if (address) headers.set('x-forwarded-for', address);
  return headers;
}

/** One request that ends in time. */
export function bounded(upstream: Upstream, url: string, init: RequestInit): Promise<Response> {
  return upstream.fetch(url, { ...init, signal: AbortSignal.timeout(upstream.timeoutMs) });
}

function unavailable(): Response {
  const problem = {
    type: 'about:blank',
    title: 'The session server is out of reach',
    status: 503,
    code: 'unavailable',
    detail: 'Nothing was decided about the session; try again in a moment.',
    retry_after: 1,
  };
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store', 'retry-after': '1' };
  return new Response(JSON.stringify(problem), { status: 503, headers });
}

const TOKEN_ROUTES = /^\/auth\/(login|signup|refresh|password)$/;
const MAY_END = /^(DELETE|POST\/auth\/logout-all$)/;
/** RFC 9110 §7.6.1. */
const HOPS = ['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade'];
/** What a client could claim and only a proxy may say; and what `fetch` sets by itself. */
const OURS_TO_SAY = ['host', 'content-length', 'accept-encoding', 'forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'];
/** Statuses that take no body (Fetch §2.2.4). */
const BODILESS = [101, 204, 205, 304];
