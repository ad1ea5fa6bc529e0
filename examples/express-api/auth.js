// Checks Relatch access tokens with jose, as an Express middleware.

import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const CLOCK_TOLERANCE_SECONDS = 30;
const RETRY_AFTER_SECONDS = 2;

// What jose throws for a token that is wrong. Anything else it throws means that the keys are out of reach.
const TOKEN_IS_WRONG = [
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWTClaimValidationFailed,
  errors.JWTInvalid,
];

// Returns a maker of middleware: `requireAuth()`, `requireAuth({ scope: "admin" })`, `requireAuth({ maxAge: 300 })`.
// The claims are in `request.claims`.
export function protect({ issuer, audience }) {
  const keys = createRemoteJWKSet(new URL(`${issuer.replace(/\/+$/, "")}/.well-known/jwks.json`));
  const expected = {
    issuer,
    audience,
    algorithms: ["ES256"],
    typ: "at+jwt",
    requiredClaims: ["exp", "iat", "sub", "client_id", "jti", "auth_time"],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  };

  async function claimsOf(request) {
    const [scheme, token] = (request.get("authorization") ?? "").split(/ +/, 2);
    if (scheme.toLowerCase() !== "bearer") {
      throw new Refusal(401, "missing_token", "this route needs an access token", "Bearer");
    }
    try {
      const { payload } = await jwtVerify(token ?? "", keys, expected);
      // A token with `cnf` is bound to a key; a bearer request carries no proof of it.
      if (payload.cnf) throw new errors.JWTInvalid("bound to a key");
      return payload;
    } catch (error) {
      throw refusalOf(error);
    }
  }

  return function requireAuth({ scope, maxAge } = {}) {
    return async (request, response, next) => {
      try {
        const claims = await claimsOf(request);
        if (scope && !(claims.scope ?? "").split(" ").includes(scope)) {
          const challenge = `Bearer error="insufficient_scope", scope="${scope}"`;
          throw new Refusal(403, "insufficient_scope", `this route needs the scope ${scope}`, challenge);
        }
        if (maxAge !== undefined && Date.now() / 1000 > claims.auth_time + maxAge) {
          const code = "insufficient_user_authentication"; // RFC 9470
          const challenge = `Bearer error="${code}", max_age="${maxAge}"`;
          throw new Refusal(401, code, `this route needs a login within the last ${maxAge} s`, challenge);
        }
        request.claims = claims;
      } catch (error) {
        if (error instanceof Refusal) return error.answer(response);
        throw error;
      }
      next();
    };
  };
}

function refusalOf(error) {
  const challenge = 'Bearer error="invalid_token"';
  if (error instanceof errors.JWTExpired) {
    return new Refusal(401, "token_expired", "the access token has expired; refresh it and try again", challenge);
  }
  if (TOKEN_IS_WRONG.some((wrong) => error instanceof wrong)) {
    return new Refusal(401, "invalid_token", "the access token is not acceptable", challenge);
  }
  // A doubt is never a 401, which would make clients log out.
  return new Refusal(503, "unavailable", "the keys of the token issuer are out of reach; try again");
}

class Refusal extends Error {
  constructor(status, code, detail, challenge) {
    super(detail);
    Object.assign(this, { status, code, challenge });
  }

  answer(response) {
    const { status, code, message: detail, challenge } = this;
    if (challenge) response.set("WWW-Authenticate", challenge);
    if (status === 503) response.set("Retry-After", String(RETRY_AFTER_SECONDS));
    response.status(status).type("application/problem+json").send(JSON.stringify({ status, code, detail }));
  }
}
