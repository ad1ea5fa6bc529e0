//! For resource servers: access tokens checked without a network call per request, as a function, a tower layer
//! and an axum extractor.
//!
//! ```no_run
//! # use axum::{Router, routing::get};
//! use relatch_verifier::{RequireAuth, Seconds, Verifier};
//!
//! # async fn admin() {}
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::builder("https://auth.example.com").audience("https://api.example.com").build()?;
//! let app = Router::new()
//!     .route("/hello", get(|user: RequireAuth| async move { format!("hello {}", user.sub) }))
//!     .route("/admin", get(admin).layer(verifier.layer().scope("admin").max_age(Seconds(300))))
//!     .with_state(verifier);
//! # axum::serve(tokio::net::TcpListener::bind("127.0.0.1:0").await?, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is checked
//! Everything that RFC 8725 and RFC 9068 §4 ask for: an algorithm on the list (ES256 unless configured) that is
//! also the one of the key named by `kid`, the signature, `typ`, issuer, audience, `exp`, `nbf` and `iat` with a
//! leeway of 30 s, no parameter by which the sender brings keys or rules along, one spelling of base64, 8 KiB at
//! most. A token without `kid` is refused, since the key would be a guess. So is one with `cnf`: it is bound to
//! a key, and a bearer request carries no proof of it.
//!
//! # Keys
//! They come from `{issuer}/.well-known/jwks.json`, are fetched by one request at a time, anew after 5 minutes,
//! and once per 30 s at most for an unknown `kid`, however many are forged. While the issuer is out of reach the
//! last known keys serve for up to an hour ([`Verifier::key_status`] tells how old they are). Without keys
//! every answer is [`VerifyError::Unavailable`], `503` with `Retry-After`: never a 401, which would make clients
//! log out.
//!
//! # Memory
//! Tokens already verified are remembered, up to a bound, and wiped when they leave. Expiry, revocation and the
//! withdrawal of the key are looked at each time, so no memory outlives them.

mod builder;
mod claims;
mod clock;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod http;
mod jws;
mod key_set;
mod key_source;
mod layer;
mod memory;
mod revocations;
mod verifier;

pub use crate::http::bearer_token;
pub use builder::VerifierBuilder;
pub use claims::Claims;
pub use clock::{Clock, SystemClock};
pub use error::{ConfigError, Flaw, VerifyError};
#[cfg(feature = "axum")]
pub use extract::{AuthRejection, RequireAuth};
pub use jws::{Algorithm, TOKEN_BYTES_MAX};
pub use key_source::KeyStatus;
pub use layer::{RequireAuthLayer, RequireAuthService};
pub use relatch_token::{AccessClaims, Audience, Seconds, Timestamp};
pub use revocations::Revocations;
pub use verifier::Verifier;
