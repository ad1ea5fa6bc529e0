/** The cookies of server-side rendering: ours, and those of the session server that we look at. */

/** The refresh token. Reaches paths under `/auth` alone. */
export const REFRESH = '__Secure-relatch-refresh';
/** `<session id>.<generation>`: whether there is a session, and which. */
export const HINT = 'relatch-hint';
/** The access token, for rendering. Script can't read it, and other sites can't send it along with a change. */
export const ACCESS = '__Host-relatch-access';
/**
 * The id of a refresh that has not been answered yet: no secret, and worth nothing without the token. The page's
 * client reads and writes it too (`attemptCookie`), since a lost answer is given again to this id alone.
 */
export const ATTEMPT = '__Host-relatch-attempt';
/** Set for a moment after a renewal, so that one without effect is not begun again at once. */
export const RENEWED = '__Host-relatch-renewed';

/** Every value of a cookie, in order: a sibling subdomain can plant a second one of the same name. */
export function cookies(header: string | null, name: string): string[] {
  const start = name + '=';
  return pairs(header).filter((pair) => pair.startsWith(start)).map((pair) => pair.slice(start.length));
}

/** A `Cookie` header without some of its cookies. */
export function without(header: string | null, ...names: string[]): string {
  return pairs(header).filter((pair) => !names.some((name) => pair.startsWith(name + '='))).join('; ');
}

/** A `Set-Cookie` header. Without an age of its own it ends with the browser window; with 0 it is cleared. */
export function setCookie(name: string, value: string, maxAgeSeconds?: number): string {
  const script = name === HINT || name === ATTEMPT ? '' : ' HttpOnly;';
  const age = maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`;
  const cookie = `${name}=${value}; Path=/; Secure;${script} SameSite=Lax${age}`;
  if (cookie.length > COOKIE_BYTES_MAX) {
    throw new Error(
      `The access token has ${value.length} characters, and browsers drop a cookie over ${COOKIE_BYTES_MAX} bytes: ` +
        'put fewer custom claims into it (`tokens.claims`).',
    );
  }
  return cookie;
}

/** Whether an answer sets or clears the refresh cookie. */
export function touchesRefresh(headers: Headers): boolean {
  return headers.getSetCookie().some((cookie) => cookie.startsWith(REFRESH + '='));
}

function pairs(header: string | null): string[] {
  return (header ?? '').split(';').map((pair) => pair.trim()).filter(Boolean);
}

const COOKIE_BYTES_MAX = 4096;
