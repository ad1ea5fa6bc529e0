/** `fetch` with an access token: at most one refresh and one retry, and only of what can be sent twice. */

import { AuthError } from './errors.js';
import type { Grant } from './machine.js';

/**
 * Makes the `fetch` of a client.
 * @param send Sends a request as it is.
 * @param fresh A token that lives so many seconds more (or the usual number), if anybody is signed in.
 * @param renew Gets another token than the one that was refused, if it can.
 */
export function authorizedFetch(
  send: typeof fetch,
  allows: (url: string | URL) => boolean,
  current: () => Grant | null,
  fresh: (seconds: number | undefined, signal: AbortSignal | undefined) => Promise<Grant | null>,
  renew: (signal: AbortSignal | undefined) => Promise<unknown>,
): typeof fetch {
  return async (input, init = {}) => {
    const request = input instanceof Request ? input : undefined;
    const { body: given, signal = request?.signal } = init as { body?: Partial<ReadableStream>; signal?: AbortSignal };
    const headers = new Headers(init.headers ?? request?.headers);
    if (headers.has('authorization') || !allows(request?.url ?? (input as string | URL))) return send(input, init);
    const isStream = given?.getReader ?? given?.[Symbol.asyncIterator];
    // The body of a Request can be read once, even where it was made of a string. (Firefox shows none.)
    const copy = request && !given && request.body !== null && request.clone();
    let body: Blob | undefined;
    if (copy) keep(copy).then((kept) => (body = kept), () => {});
    const attempt = (grant: Grant | null) => {
      if (grant) headers.set('authorization', 'Bearer ' + grant.token);
      return send(input, { ...init, headers, ...(copy && request.bodyUsed && { body }) } as RequestInit);
    };
    // What one user has begun is not done by another.
    const isAnothers = (grant: Grant, { session }: Grant) => grant.session.user.id != session.user.id;

    const before = current();
    // What can't be sent again had better not be refused.
    const grant = await fresh(isStream || copy ? 60 : undefined, signal);
    if (before && grant && isAnothers(grant, before)) throw new AuthError('signed_out');
    const answer = await attempt(grant);
    // RFC 6750 §3.1; many APIs send no challenge at all, or a bare one.
    const isRefused = /^$|invalid_token|^bearer(?!.*error)/i.test(answer.headers.get('www-authenticate') ?? '');
    if (answer.status != 401 || !grant || !isRefused) return answer;
    if (grant == before && grant == current()) await renew(signal);
    const next = current();
    // A body that is still on its way, or too large, is not there.
    if (!next || next == grant || isAnothers(next, grant) || isStream || (copy && request.bodyUsed && !body)) return answer;
    answer.body?.cancel().catch(() => {});
    return attempt(next);
  };
}

/** The body of a copy. Rejects where it is too large to be kept. */
async function keep(copy: Request): Promise<Blob> {
  if (!copy.body) return copy.blob();
  const parts: BlobPart[] = [];
  let left = REPLAY_BYTES_MAX;
  const write = (part: Uint8Array<ArrayBuffer>) => {
    parts.push(part);
    if ((left -= part.length) < 0) throw left;
  };
  await copy.body.pipeTo(new WritableStream({ write }));
  return new Blob(parts);
}

const REPLAY_BYTES_MAX = 1 << 20;
