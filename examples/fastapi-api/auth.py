"""Checks Relatch access tokens with PyJWT, as a FastAPI dependency."""

import time
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

LEEWAY_SECONDS = 30
RETRY_AFTER_SECONDS = 2
BAD_TOKEN = 'Bearer error="invalid_token"'


class Refusal(Exception):
    """A request that is not served, and why."""

    def __init__(self, status: int, code: str, detail: str, challenge: str | None = None):
        super().__init__(detail)
        self.status, self.code, self.detail, self.challenge = status, code, detail, challenge

    def answer(self) -> JSONResponse:
        headers = {"WWW-Authenticate": self.challenge} if self.challenge else {}
        if self.status == 503:
            headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        problem = {"status": self.status, "code": self.code, "detail": self.detail}
        return JSONResponse(problem, self.status, headers, media_type="application/problem+json")


class Auth:
    """Makes dependencies: `auth.claims`, `auth.scope("admin")`, `auth.max_age(300)`. Each returns the claims."""

    def __init__(self, app: FastAPI, issuer: str, audience: str):
        self.issuer, self.audience = issuer, audience
        self.keys = jwt.PyJWKClient(f"{issuer.rstrip('/')}/.well-known/jwks.json", timeout=5)
        app.add_exception_handler(Refusal, lambda _request, refusal: refusal.answer())

    def claims(self, request: Request) -> dict:
        """The claims of the request's token. FastAPI runs it in a thread, so that fetching keys blocks nobody."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal(401, "missing_token", "this route needs an access token", "Bearer")
        try:
            return self._verify(token.strip())
        except jwt.ExpiredSignatureError:
            detail = "the access token has expired; refresh it and try again"
            raise Refusal(401, "token_expired", detail, BAD_TOKEN) from None
        except jwt.InvalidTokenError:
            raise Refusal(401, "invalid_token", "the access token is not acceptable", BAD_TOKEN) from None

    def scope(self, scope: str):
        def claims_with_scope(claims: Annotated[dict, Depends(self.claims)]) -> dict:
            if scope not in claims.get("scope", "").split(" "):
                challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
                raise Refusal(403, "insufficient_scope", f"this route needs the scope {scope}", challenge)
            return claims

        return claims_with_scope

    def max_age(self, seconds: int):
        def claims_of_recent_login(claims: Annotated[dict, Depends(self.claims)]) -> dict:
            if time.time() > claims["auth_time"] + seconds:
                code = "insufficient_user_authentication"  # RFC 9470
                challenge = f'Bearer error="{code}", max_age="{seconds}"'
                raise Refusal(401, code, f"this route needs a login within the last {seconds} s", challenge)
            return claims

        return claims_of_recent_login

    def _verify(self, token: str) -> dict:
        header = jwt.get_unverified_header(token)
        # RFC 9068 section 4: an ID token or any other JWT of this issuer is not an access token.
        if str(header.get("typ")).lower() not in ("at+jwt", "application/at+jwt"):
            raise jwt.InvalidTokenError("not an access token")
        claims = jwt.decode(
            token,
            self._key(header.get("kid")),
            algorithms=["ES256"],
            issuer=self.issuer,
            audience=self.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub", "client_id", "jti", "auth_time"]},
        )
        # A token with `cnf` is bound to a key; a bearer request carries no proof of it.
        if "cnf" in claims:
            raise jwt.InvalidTokenError("bound to a key")
        return claims

    def _key(self, kid: str | None) -> jwt.PyJWK:
        try:
            keys = self.keys.get_signing_keys()
        except (jwt.PyJWTError, ValueError, OSError):
            # A doubt is never a 401, which would make clients log out.
            detail = "the keys of the token issuer are out of reach; try again"
            raise Refusal(503, "unavailable", detail) from None
        key = self.keys.match_kid(keys, kid)
        return key or self._new_key(kid)

    def _new_key(self, kid: str | None) -> jwt.PyJWK:
        """The key, if it was published since the last fetch; PyJWT asks at most once in 30 s."""
        try:
            return self.keys.get_signing_key(kid)
        except jwt.PyJWKClientConnectionError:
            raise Refusal(503, "unavailable", "the keys of the token issuer are out of reach; try again") from None
        except jwt.PyJWKClientError:
            raise jwt.InvalidTokenError("unknown key") from None
