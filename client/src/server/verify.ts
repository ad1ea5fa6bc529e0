/** Access tokens judged here, without asking: RFC 9068 §4 and RFC 8725, by the library `jose`. */

import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload } from 'jose';

export type Algorithm = 'ES256' | 'EdDSA' | 'RS256';

export interface VerifyOptions {
  jwksUrl: string;
  issuer: string;
  audience: string | string[];
  algorithms: Algorithm[];
  leewaySeconds: number;
  tokenLifeSecondsMax: number;
  fetch: typeof fetch;
  now: () => Date;
}

/** What is known of a token. `in_doubt`: the keys are out of reach, so nothing can be said. */
export type Verdict =
  | { readonly verdict: 'good'; readonly claims: AccessClaims }
  | { readonly verdict: 'refused' | 'in_doubt'; readonly cause: Error };

/** The claims of an access token; custom ones stand beside them. */
export interface AccessClaims extends JWTPayload {
  readonly iss: string;
  readonly sub: string;
  readonly exp: number;
  readonly iat: number;
  readonly jti: string;
  readonly client_id: string;
  readonly sid: string;
}

/** Answers how to judge a token. Keys are kept, renewed behind the scenes, and never fetched more than once a cool-down for an unknown `kid`. */
export function verifier(options: VerifyOptions): (token: string) => Promise<Verdict> {
  const { issuer, audience, algorithms, leewaySeconds, now } = options;
  const keys = createRemoteJWKSet(new URL(options.jwksUrl), {
    cooldownDuration: UNKNOWN_KID_MS,
    cacheMaxAge: STALE_MS_MAX,
    timeoutDuration: FETCH_MS_MAX,
    [customFetch]: (url, init) => options.fetch(url, init as RequestInit),
  });
  let renewAt = 0;

  /** A key that the issuer withdraws shall leave soon; an issuer that is out of reach shall not stop us as soon. */
  function renewKeys(): void {
    const ms = now().getTime();
    if (ms < renewAt) return;
    const isFirst = renewAt === 0;
    renewAt = ms + RENEW_MS;
    if (!isFirst) keys.reload().catch(() => (renewAt = ms + UNKNOWN_KID_MS));
  }

  return async (token) => {
    renewKeys();
    try {
      const { payload } = await jwtVerify<AccessClaims>(token, keys, {
        issuer,
        audience,
        algorithms,
        typ: 'at+jwt',
        requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id', 'sid'],
        clockTolerance: leewaySeconds,
        currentDate: now(),
      });
      const seconds = now().getTime() / 1000 + leewaySeconds;
      if (payload.iat > seconds) throw refusal('It begins in the future (`iat`).');
      if (payload.exp - payload.iat > options.tokenLifeSecondsMax) throw refusal('It lives too long (`exp`).');
      // Whoever presents it would have to prove a key, which a cookie can't (RFC 7800).
      if ('cnf' in payload) throw refusal('It is bound to a key (`cnf`).');
      return { verdict: 'good', claims: payload };
    } catch (error) {
      const cause = error as Error;
      return { verdict: REFUSALS.some((kind) => cause instanceof kind) ? 'refused' : 'in_doubt', cause };
    }
  };
}

function refusal(why: string): Error {
  return new errors.JWTInvalid(why);
}

/** Said of the token. Every other error is said of us or of the way to the keys. */
const REFUSALS = [
  errors.JWTClaimValidationFailed,
  errors.JWTExpired,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
];

const UNKNOWN_KID_MS = 30_000;
const RENEW_MS = 300_000;
const STALE_MS_MAX = 3_600_000;
const FETCH_MS_MAX = 5000;
