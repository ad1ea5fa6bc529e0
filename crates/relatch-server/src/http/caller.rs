//! Who calls, as far as a request tells: its address, its cookies, its proof that a page of ours asks.

use super::client_address::ClientAddress;
use super::code;
use super::cookies::Cookies;
use super::csrf;
use super::problem::Problem;
use super::site::Site;
use crate::accounts::Visitor;
use crate::device::DeviceCookie;
use axum::extract::FromRequestParts;
use http::HeaderName;
use http::header::USER_AGENT;
use http::request::Parts;
use relatch_core::{Origin, Transport};
use relatch_token::Secret;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The caller of a route.
#[derive(Debug)]
pub struct Caller {
    /// The network address.
    pub ip: IpAddr,
    /// Our cookies.
    pub cookies: Cookies,
    user_agent: Option<String>,
    has_proof: bool,
}

impl FromRequestParts<Arc<Site>> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Infallible> {
        let client = parts.extensions.get::<ClientAddress>();
        let user_agent = parts.headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        Ok(Self {
            ip: client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.ip),
            cookies: Cookies::read(&parts.headers),
            user_agent: user_agent.map(|text| cut(&text, Origin::USER_AGENT_BYTES_MAX).to_owned()),
            has_proof: csrf::check(&parts.headers, &site.edge.origins).is_ok(),
        })
    }
}

impl Caller {
    /// Refuses a caller that is no page of ours, where a cookie acts or is set.
    pub fn prove_page(&self) -> Result<(), Problem> {
        if self.has_proof { Ok(()) } else { Err(Problem::new(&code::CSRF_CHECK_FAILED)) }
    }

    /// From where the request came, for its session's owner to recognise.
    pub fn origin(&self, device_name: Option<String>) -> Origin {
        Origin { ip: Some(self.ip), user_agent: self.user_agent.clone(), device_name }
    }

    /// The device cookie that a new session shall be bound to: the one that came, or a new one where none
    /// came, or several, of which nobody knows which is ours.
    pub fn device(&self, transport: Transport, site: &Site) -> Option<Device> {
        if transport == Transport::Body {
            return None;
        }
        let brought = self.cookies.only_device().and_then(|value| DeviceCookie::parse(value.expose()));
        let is_returning = brought.is_some();
        let draw = || DeviceCookie::draw(&*site.app.surroundings.entropy);
        Some(Device { cookie: brought.unwrap_or_else(draw), is_returning })
    }

    /// The caller as one who asks for a session.
    pub fn visitor(
        &self,
        transport: Transport,
        device: Option<&Device>,
        remember: bool,
        device_name: Option<String>,
    ) -> Visitor {
        Visitor {
            transport,
            device: device.map(|device| device.cookie.hash()),
            is_returning: device.is_some_and(|device| device.is_returning),
            remember,
            origin: self.origin(device_name),
        }
    }
}

/// The device cookie of a browser that asks for a session.
#[derive(Debug)]
pub struct Device {
    /// The cookie.
    pub cookie: DeviceCookie,
    /// Whether the browser brought it along.
    pub is_returning: bool,
}

/// The `Idempotency-Key` of a refresh: the attempt id of the refresh rule.
#[derive(Debug)]
pub struct AttemptId(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for AttemptId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut sent = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = sent.next() else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(id) if (1..=ATTEMPT_BYTES_MAX).contains(&id.len()) && sent.next().is_none() => {
                Ok(Self(Some(id.to_owned())))
            }
            _ => Err(Problem::invalid_request(format!(
                "Send one `Idempotency-Key` of 1 to {ATTEMPT_BYTES_MAX} ASCII characters, or none."
            ))),
        }
    }
}

/// The refresh token that a request presents, and by which transport.
#[derive(Debug)]
pub enum Presented {
    /// In the body.
    Body(Secret<String>),
    /// In cookies, which the caller holds; a page of ours asks.
    Cookies,
}

impl Caller {
    /// Where the refresh token is: in the body, or in cookies, but never in both.
    pub fn presented(&self, in_body: Option<Secret<String>>) -> Result<Presented, Problem> {
        match in_body {
            Some(_) if !self.cookies.refresh.is_empty() => Err(Problem::invalid_request(
                "A refresh token came in a cookie and in the body. Send one of them.",
            )),
            Some(token) => Ok(Presented::Body(token)),
            None => self.prove_page().map(|()| Presented::Cookies),
        }
    }
}

/// The longest beginning of a text that fits.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = text.floor_char_boundary(bytes_max);
    &text[..end]
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What the draft for the header suggests as enough (draft-ietf-httpapi-idempotency-key-header §2).
const ATTEMPT_BYTES_MAX: usize = 255;
