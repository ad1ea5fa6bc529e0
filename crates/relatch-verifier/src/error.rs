//! Why a request is not served: stable codes for programs, sentences for people.

use http::StatusCode;
use relatch_token::Seconds;

/// Why a token was not accepted, or could not be judged.
///
/// [`code`](Self::code) is the stable slug that programs switch on; [`challenge`](Self::challenge) and
/// [`status`](Self::status) are what RFC 6750 §3 wants in the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The request has no bearer token.
    #[error("this route needs an access token; send it as `Authorization: Bearer <token>`")]
    MissingToken,
    /// The token was good once; a refresh brings a new one.
    #[error("the access token has expired; refresh it and try again")]
    TokenExpired,
    /// Its session was ended, or the user logged out everywhere.
    #[error("the session of this access token was ended; log in again")]
    TokenRevoked,
    /// It is not a token that this service accepts, now or later.
    #[error("the access token is not acceptable: {0}")]
    InvalidToken(#[from] Flaw),
    /// A good token that may not do this.
    #[error("this route needs an access token with the scope `{scope}`")]
    InsufficientScope {
        /// Every scope that the route demands, separated by spaces.
        scope: String,
    },
    /// A good token of somebody whose last login is too long ago, or too weak (RFC 9470).
    #[error("{}", login_needed(*max_age, acr_values))]
    InsufficientUserAuthentication {
        /// How long ago the login may be, where that is demanded.
        max_age: Option<Seconds>,
        /// The strengths (`acr`) of which one will do, separated by spaces; empty where any does.
        acr_values: String,
    },
    /// The issuer's keys are out of reach, so nothing can be said about the token: never a reason to log out.
    #[error("the keys of the token issuer are out of reach just now; try again in {} s", retry_after.0)]
    Unavailable {
        /// When to ask again.
        retry_after: Seconds,
    },
}

impl VerifyError {
    /// The stable slug.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::InvalidToken(_) => "invalid_token",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::InsufficientUserAuthentication { .. } => "insufficient_user_authentication",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// A title for people, the same for every error of this code.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::MissingToken => "An access token is needed",
            Self::TokenExpired => "The access token has expired",
            Self::TokenRevoked => "The session was ended",
            Self::InvalidToken(_) => "The access token is not acceptable",
            Self::InsufficientScope { .. } => "A scope is missing",
            Self::InsufficientUserAuthentication { .. } => "A recent or stronger login is needed",
            Self::Unavailable { .. } => "Access tokens cannot be checked just now",
        }
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::InsufficientScope { .. } => StatusCode::FORBIDDEN,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The value of `WWW-Authenticate`; none where the request was not at fault.
    pub fn challenge(&self) -> Option<String> {
        match self {
            // RFC 6750 §3.1: no error code for a request that lacks any authentication.
            Self::MissingToken => Some("Bearer".to_owned()),
            Self::TokenExpired | Self::TokenRevoked | Self::InvalidToken(_) => {
                Some(r#"Bearer error="invalid_token""#.to_owned())
            }
            Self::InsufficientScope { scope } => {
                Some(format!(r#"Bearer error="insufficient_scope", scope="{scope}""#))
            }
            // RFC 9470 §3.
            Self::InsufficientUserAuthentication { max_age, acr_values } => {
                let mut challenge = r#"Bearer error="insufficient_user_authentication""#.to_owned();
                if !acr_values.is_empty() {
                    challenge.push_str(&format!(r#", acr_values="{acr_values}""#));
                }
                if let Some(max_age) = max_age {
                    challenge.push_str(&format!(r#", max_age="{}""#, max_age.0));
                }
                Some(challenge)
            }
            Self::Unavailable { .. } => None,
        }
    }

    /// How long to wait before the same request may succeed; none where waiting does not help.
    pub const fn retry_after(&self) -> Option<Seconds> {
        match self {
            Self::Unavailable { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

/// What somebody has to do whose login doesn't do.
fn login_needed(max_age: Option<Seconds>, acr_values: &str) -> String {
    let strength = match acr_values {
        "" => String::new(),
        values => format!(" of the strength `{values}`"),
    };
    let age = max_age.map(|max_age| format!(" within the last {} s", max_age.0)).unwrap_or_default();
    format!("this route needs a login{strength}{age}; log in again")
}

/// What is wrong with a token that is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// More bytes than [`TOKEN_BYTES_MAX`](crate::TOKEN_BYTES_MAX).
    #[error("it is longer than any token we read")]
    TooLong,
    /// Two `Authorization` headers: which one counts would be a guess.
    #[error("the request has more than one `Authorization` header")]
    SeveralTokens,
    /// Not a JWS in compact form: an encrypted token, an opaque one (a refresh token, say), or noise.
    #[error("it is not a signed JWT of three parts")]
    NotASignedJwt,
    /// Padding, foreign characters, or bits that another spelling would carry too.
    #[error("a part of it is not base64url in its one canonical spelling")]
    Base64,
    /// Not a JSON object with the parameters of a JWT header, each at most once.
    #[error("its header cannot be read")]
    Header,
    /// `jku`, `jwk`, `x5u`, `x5c`, `crit`, `b64`, `enc` or `zip`: keys of the sender's choice, or rules that we
    /// don't know.
    #[error("its header has a parameter that no access token needs")]
    ForbiddenHeader,
    /// `none`, a symmetric algorithm, or one that is not on the list of this service.
    #[error("its algorithm is not on the list of this service")]
    Algorithm,
    /// Something else that the issuer signs, such as an ID token.
    #[error("its type is not `at+jwt`")]
    Type,
    /// Without a `kid` the key would be a guess.
    #[error("its header names no key")]
    NoKeyId,
    /// The issuer publishes no key of this name.
    #[error("it names a key that the issuer does not publish")]
    UnknownKey,
    /// The named key signs with another algorithm than the header says.
    #[error("its algorithm is not that of the key it names")]
    KeyAlgorithm,
    /// Not signed by the named key, or changed since.
    #[error("its signature is wrong")]
    Signature,
    /// A claim of RFC 9068 is missing or has the wrong type.
    #[error("its claims are not those of an access token")]
    Claims,
    /// From somebody else.
    #[error("its issuer is not the one that this service trusts")]
    Issuer,
    /// For somebody else.
    #[error("its audience is not this service")]
    Audience,
    /// `nbf` or `iat` lies ahead.
    #[error("it is not valid yet; compare the clocks of issuer and service")]
    NotYetValid,
    /// It would outlive the memory of revocations.
    #[error("it lives longer than this service accepts; see `token_life_max`")]
    LivesTooLong,
    /// A token with `cnf` works only beside a proof of its key, which a bearer request does not carry.
    #[error("it is bound to a key and cannot be used as a bearer token")]
    BoundToKey,
    /// A custom claim that the handler asked for is missing or has the wrong type.
    #[error("its custom claims are not the ones that this route reads")]
    CustomClaims,
}

/// What is wrong with the settings of a verifier. Nothing a client sends causes one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A URL that cannot be read, or that has a user, a query or a fragment.
    #[error("`{0}` is not a plain URL; give one such as https://auth.example.com")]
    Url(String),
    /// Keys fetched in the clear are whatever the network says they are.
    #[error(
        "`{0}` is not https; use https, or a loopback address, or `danger_allow_plain_http` where the network is trusted"
    )]
    PlainHttp(String),
    /// Without an audience, a token for any other service would do.
    #[error("no audience; name this service as the issuer does: `.audience(\"https://api.example.com\")`")]
    NoAudience,
    /// An empty list accepts nothing.
    #[error("no algorithm is allowed; leave out `algorithms` for ES256")]
    NoAlgorithm,
    /// A span of zero where that would mean a fetch per request, or no keys at all.
    #[error("`{0}` must be more than zero")]
    Zero(&'static str),
    /// The HTTP client for the keys could not be made.
    #[error("the HTTP client for the issuer's keys cannot be made: {0}")]
    HttpClient(#[from] reqwest::Error),
}
