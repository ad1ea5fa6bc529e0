//! A tower layer that lets only good tokens through.

use crate::claims::Demands;
use crate::http::bearer_token;
use crate::{Verifier, VerifyError};
use ::http::{HeaderMap, Request, Response};
use relatch_token::{AccessClaims, Seconds};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Lets requests with a good token through, `Arc<AccessClaims>` among their extensions; refuses the others.
///
/// ```
/// # use relatch_verifier::{ConfigError, Seconds, Verifier};
/// let verifier = Verifier::builder("https://auth.example.com").audience("https://api.example.com").build()?;
/// let admins_just_logged_in = verifier.layer().scope("admin").max_age(Seconds(300));
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone)]
pub struct RequireAuthLayer {
    verifier: Verifier,
    demands: Demands,
}

impl RequireAuthLayer {
    pub(crate) fn new(verifier: Verifier) -> Self {
        Self { verifier, demands: Demands::default() }
    }

    /// Demands this scope too: `403 insufficient_scope` without it.
    pub fn scope(mut self, scope: &str) -> Self {
        if !self.demands.scope.is_empty() {
            self.demands.scope.push(' ');
        }
        self.demands.scope.push_str(scope);
        self
    }

    /// Demands a login no longer ago than this (RFC 9470): `401 insufficient_user_authentication` otherwise.
    pub fn max_age(mut self, max_age: Seconds) -> Self {
        self.demands.max_age = Some(max_age);
        self
    }

    /// Demands a login as strong as one of these (RFC 9470): `401 insufficient_user_authentication` otherwise. Of
    /// Relatch's tokens `"2"` says that a second factor was proved.
    ///
    /// ```
    /// # use relatch_verifier::{ConfigError, Verifier};
    /// # let verifier = Verifier::builder("https://auth.example.com").audience("https://api.example.com").build()?;
    /// let with_second_factor = verifier.layer().acr(&["2"]);
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn acr(mut self, values: &[&str]) -> Self {
        self.demands.acr_values = values.join(" ");
        self
    }

    async fn admit(&self, headers: &HeaderMap) -> Result<Arc<AccessClaims>, VerifyError> {
        let token = bearer_token(headers)?;
        let claims = self.verifier.verify(token).await?;
        self.verifier.meets(&self.demands, &claims)?;
        Ok(claims)
    }
}

impl<S> Layer<S> for RequireAuthLayer {
    type Service = RequireAuthService<S>;

    fn layer(&self, inner: S) -> RequireAuthService<S> {
        RequireAuthService { gate: self.clone(), inner }
    }
}

/// A service behind a [`RequireAuthLayer`].
#[derive(Clone)]
pub struct RequireAuthService<S> {
    gate: RequireAuthLayer,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for RequireAuthService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone that was polled ready serves this request; a fresh one takes its place.
        let fresh = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, fresh);
        let gate = self.gate.clone();
        Box::pin(async move {
            match gate.admit(request.headers()).await {
                Ok(claims) => {
                    request.extensions_mut().insert(claims);
                    ready.call(request).await
                }
                Err(refusal) => Ok(refusal.answer(request.headers().get("x-request-id"))),
            }
        })
    }
}
