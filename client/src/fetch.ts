/** `fetch` with an access token: at most one refresh and one retry, and only of what can be sent twice. */

import type { Grant } from './machine.js';

/** What a request needs of a client. */
export interface Access {
  /** Sends a request as it is. */
  send: typeof fetch;
  allows(url: string | URL): boolean;
  current(): Grant | null;
  /** A token that lives so many seconds more (or the usual number), if anybody is signed in. */
  fresh(seconds: number | undefined, signal: AbortSignal | undefined): Promise<Grant | null>;
  /** Another one for the same user than the one that was refused; null where there is none. */
  other(refused: Grant, mayRefresh: boolean, signal: AbortSignal | undefined): Promise<Grant | null>;
}

export async function fetchWith(
  { send, allows, current, fresh, other }: Access,
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  const request = input instanceof Request ? input : undefined;
  const { body: given, signal = request?.signal } = init as { body?: object; signal?: AbortSignal };
  const headers = new Headers(init.headers ?? request?.headers);
  if (headers.has('authorization') || !allows(request?.url ?? (input as string | URL))) return send(input, init);
  const isStream = given && ('getReader' in Object(given) || Symbol.asyncIterator in Object(given));
  // The body of a Request can be read once, even where it was made of a string. (Firefox shows none.)
  const copy = request && !given && request.body !== null ? keep(request.clone()) : undefined;
  const attempt = (grant: Grant | null, body?: Blob) => {
    if (grant) headers.set('authorization', 'Bearer ' + grant.token);
    return send(input, { ...init, headers, ...(body && { body }) });
  };

  const before = current();
  // What can't be sent again had better not be refused.
  const grant = await fresh(isStream || copy ? 60 : undefined, signal);
  const answer = await attempt(grant);
  // RFC 6750 §3.1; many APIs send no challenge at all, or a bare one.
  const isRefused = /^$|invalid_token|^bearer(?!.*error)/i.test(answer.headers.get('www-authenticate') ?? '');
  if (answer.status != 401 || !grant || !isRefused) return answer;
  const next = await other(grant, grant == before, signal);
  const body = await copy;
  if (!next || isStream || (copy && !body)) return answer;
  answer.body?.cancel().catch(() => {});
  return attempt(next, body?.size || request?.bodyUsed ? body : undefined);
}

/** The body of a copy, unless it is too large to be kept. */
async function keep(copy: Request): Promise<Blob | undefined> {
  try {
    if (!copy.body) return await copy.blob();
    const parts: BlobPart[] = [];
    let bytes = 0;
    for (const reader = copy.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return new Blob(parts);
      parts.push(value as Uint8Array<ArrayBuffer>);
      if ((bytes += value.length) > REPLAY_BYTES_MAX) return void reader.cancel().catch(() => {});
    }
  } catch {
    return undefined;
  }
}

const REPLAY_BYTES_MAX = 1 << 20;
