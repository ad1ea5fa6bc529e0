//! Requests of the HTTP contract, and what their answers mean.

use anyhow::{Context, Result};
use reqwest::header::{HeaderValue, SET_COOKIE};
use reqwest::{Client, Method};
use serde_json::Value;
use std::time::Duration;

/// How a refresh token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Cookie,
    Body,
}

impl Transport {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }
}

/// A request that is about to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<(&'static str, Vec<u8>)>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// All headers, a line each.
    pub(crate) head: String,
    cookies: Vec<String>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Nobody took the connection, so nothing was sent.
    NotSent,
    /// Sent, and what became of it is unknown.
    Lost,
}

/// Tokens as they were handed out.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) session: String,
    pub(crate) user: String,
    pub(crate) transport: Transport,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// The device cookie; empty where none was set.
    pub(crate) device: String,
    pub(crate) generation: u64,
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        // What a browser says of a page of the server's own, which every route with cookies asks for.
        let headers = vec![("sec-fetch-site", "same-origin".to_owned())];
        Self { method, path: path.into(), headers, body: None }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(mut self, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some((content_type, body.into()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// With the refresh token, and the device cookie where there is one, as the transport has it.
    pub(crate) fn presenting(self, transport: Transport, refresh_token: &str, device: &str) -> Self {
        match transport {
            Transport::Body => self.json(&serde_json::json!({"refresh_token": refresh_token})),
            Transport::Cookie if device.is_empty() => {
                self.header("cookie", format!("{REFRESH_COOKIE}={refresh_token}"))
            }
            Transport::Cookie => {
                self.header("cookie", format!("{REFRESH_COOKIE}={refresh_token}; {DEVICE_COOKIE}={device}"))
            }
        }
    }

    pub(crate) fn signup(email: &str, password: &str, transport: Transport) -> Self {
        Self::credentials("/auth/signup", email, password, transport)
    }

    pub(crate) fn login(email: &str, password: &str, transport: Transport) -> Self {
        Self::credentials("/auth/login", email, password, transport)
    }

    fn credentials(path: &str, email: &str, password: &str, transport: Transport) -> Self {
        let transport = transport.name();
        Self::post(path)
            .json(&serde_json::json!({"email": email, "password": password, "transport": transport}))
    }

    /// The path, with its query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Sends it.
    pub(crate) async fn send(&self, client: &Client, url: &str) -> Result<Answer, Unanswered> {
        let mut request = client.request(self.method.clone(), format!("{url}{}", self.path));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some((content_type, body)) = &self.body {
            request = request.header("content-type", *content_type).body(body.clone());
        }
        let unanswered = |error: reqwest::Error| match error.is_connect() || error.is_builder() {
            true => Unanswered::NotSent,
            false => Unanswered::Lost,
        };
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status().as_u16();
        let set = answer.headers().get_all(SET_COOKIE).iter();
        let cookies = set.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
        let line = |(name, value): (_, &HeaderValue)| {
            format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
        };
        let head = answer.headers().iter().map(line).collect();
        let body = answer.text().await.map_err(|_| Unanswered::Lost)?;
        Ok(Answer { status, body, head, cookies })
    }
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The `code` of a problem; empty where there is none.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The tokens of a token answer, whichever way they came.
    pub(crate) fn grant(&self) -> Result<Grant> {
        let json = self.json();
        let text = |name: &str| {
            let text = json[name].as_str().map(str::to_owned);
            text.with_context(|| format!("an answer of {} without `{name}`", self.status))
        };
        let in_body = json["refresh_token"].as_str().map(str::to_owned);
        let transport = if in_body.is_some() { Transport::Body } else { Transport::Cookie };
        let refresh_token = in_body.or_else(|| self.cookie(REFRESH_COOKIE));
        Ok(Grant {
            session: text("session_id")?,
            user: json["user"]["id"].as_str().context("an answer without a user")?.to_owned(),
            transport,
            access_token: text("access_token")?,
            refresh_token: refresh_token.context("an answer without a refresh token")?,
            device: self.cookie(DEVICE_COOKIE).unwrap_or_default(),
            generation: json["generation"].as_u64().context("an answer without `generation`")?,
        })
    }

    /// The refresh and device cookies that were set, where a refresh cookie was.
    pub(crate) fn jar(&self) -> Option<(String, String)> {
        let refresh_token = self.cookie(REFRESH_COOKIE).filter(|value| !value.is_empty())?;
        Some((refresh_token, self.cookie(DEVICE_COOKIE).unwrap_or_default()))
    }

    fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.iter().find_map(|line| {
            let (found, rest) = line.split_once('=')?;
            (found == name).then(|| rest.split(';').next().unwrap_or_default().to_owned())
        })
    }
}

/// A client that keeps its connections and gives up in time.
pub(crate) fn client() -> Result<Client> {
    // What a redirect itself answers is looked at, cookies included.
    let stay = reqwest::redirect::Policy::none();
    Ok(Client::builder().no_proxy().redirect(stay).timeout(ANSWER_MAX).build()?)
}

const REFRESH_COOKIE: &str = "__Secure-relatch-refresh";
const DEVICE_COOKIE: &str = "__Host-relatch-device";
/// Longer than a healthy server ever takes on a loaded machine.
const ANSWER_MAX: Duration = Duration::from_secs(10);
