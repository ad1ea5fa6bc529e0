//! A server on a free port over the store in memory, a clock that is moved by hand, and people who talk to it.

use base64ct::{Base64UrlUnpadded, Encoding};
use metrics_exporter_prometheus::PrometheusHandle;
use relatch_server::api_keys::ApiScope;
use relatch_server::app::App;
use relatch_server::background::{self, Deliveries};
use relatch_server::cli::OpenedStore;
use relatch_server::config::{ClientConfig, Config, SecretText};
use relatch_server::environment::{Clock, OsEntropy, ShiftedClock};
use relatch_server::http::{DevDoor, router};
use relatch_server::mail::{DevMailbox, Message};
use relatch_server::serve::{Bounds, serve};
use relatch_server::sessions::Surroundings;
use relatch_store::memory::MemoryStore;
use relatch_store::{ChannelKind, Maintenance, OutboxStore, StoreError};
use relatch_token::Timestamp;
use reqwest::header::{HeaderMap, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Ada's password.
pub const PASSWORD: &str = "correct horse battery";

/// A server, somebody without an account, Ada with a browser in which she has logged in, and a thief who holds
/// nothing yet.
pub async fn cast() -> (Server, Actor, Actor, Actor) {
    let server = Server::start(|_| {}).await;
    let (anon, mut ada, thief) = (server.browser(), server.browser(), server.browser());
    server.make("ada@example.com").await;
    let reply = ada.log_in("ada@example.com").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (server, anon, ada, thief)
}

/// A clock that stands still until it is moved.
pub struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct NoMaintenance;

#[async_trait::async_trait]
impl Maintenance for NoMaintenance {
    async fn backup(&self, _: &Path) -> Result<(), StoreError> {
        Ok(())
    }

    async fn damage(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn statistics(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        Ok(Vec::new())
    }
}

pub struct Server {
    pub url: String,
    pub store: Arc<MemoryStore>,
    pub mailbox: Arc<DevMailbox>,
    pub app: App,
    clock: Arc<HandClock>,
    _deliveries: Deliveries,
    _stop: oneshot::Sender<()>,
}

impl Server {
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_with(change, None, None).await
    }

    /// With a clock that `relatch dev --test-clock` would move, or with metrics.
    pub async fn start_with(
        change: impl FnOnce(&mut Config),
        shifted: Option<Arc<ShiftedClock>>,
        metrics: Option<PrometheusHandle>,
    ) -> Self {
        let mut config = Config::default();
        config.keys.master_key = Some(SecretText::from(format!("1:{}", "A".repeat(43))));
        // Cheap, so that a test is not about Argon2.
        config.passwords.argon2.memory_kib = 8;
        config.passwords.argon2.iterations = 1;
        config.passwords.argon2.danger_cheap = true;
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bound = listener.local_addr().unwrap();
        let bounds = Bounds::of(&config.server.limits);
        let store = Arc::new(MemoryStore::new([7; 16]));
        let mailbox = Arc::new(DevMailbox::default());
        // 2027-01-15T08:00:00Z.
        let clock = Arc::new(HandClock(AtomicI64::new(1_800_000_000_000)));
        let told: Arc<dyn Clock> = match &shifted {
            Some(shifted) => shifted.clone(),
            None => clock.clone(),
        };
        let surroundings = Surroundings { clock: told, entropy: Arc::new(OsEntropy::open().unwrap()) };
        let opened = OpenedStore { store: store.clone(), maintenance: Arc::new(NoMaintenance) };
        let app = App::assemble(config, bound, opened, surroundings, Some(mailbox.clone())).await.unwrap();
        let door = DevDoor { mailbox: mailbox.clone(), clock: shifted };
        let router = router(app.clone(), Some(door), metrics);
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, None, router, bounds, async {
            let _ = stopped.await;
        }));
        let url = format!("http://localhost:{}", bound.port());
        let deliveries = background::deliver(&app);
        Self { url, store, mailbox, app, clock, _deliveries: deliveries, _stop: stop }
    }

    /// With OAuth clients: `web`, confidential, and `app`, public.
    pub async fn with_clients() -> (Self, String) {
        let client = |json: Value| serde_json::from_value::<ClientConfig>(json).unwrap();
        let hash = Base64UrlUnpadded::encode_string(&Sha256::digest(WEB_SECRET));
        let server = Self::start(|config| {
            config.clients = vec![
                client(json!({"id": "web", "kind": "confidential", "secret_hash": format!("sha256:{hash}"),
                    "scopes": ["read", "write"]})),
                client(json!({"id": "app", "kind": "public", "scopes": ["read"]})),
            ];
        })
        .await;
        let key = server.key(&[ApiScope::Sessions, ApiScope::Users]).await;
        (server, key)
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Just before and at a moment matter to the millisecond.
    pub fn advance_millis(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// Makes an account with [`PASSWORD`].
    pub async fn make(&self, email: &str) -> String {
        let new = relatch_server::accounts::NewAccount {
            email: Some(email.parse().unwrap()),
            is_verified: true,
            name: Some("Ada".to_owned()),
            external_id: None,
            password: Some(relatch_token::Secret::new(PASSWORD.to_owned())),
            imported_hash: None,
            by: "a test".to_owned(),
        };
        self.app.accounts.create(new).await.unwrap().unwrap().id.to_string()
    }

    /// An API key.
    pub async fn key(&self, scopes: &[ApiScope]) -> String {
        let entropy = &*self.app.surroundings.entropy;
        let (_, text) = self.app.api_keys.create("test", scopes, entropy, self.app.now()).await.unwrap();
        text.expose().clone()
    }

    /// Somebody with a browser on our own page.
    pub fn browser(&self) -> Actor {
        Actor {
            base: self.url.clone(),
            client: Client::builder().pool_max_idle_per_host(1).redirect(Policy::none()).build().unwrap(),
            cookies: BTreeMap::new(),
            origin: Some(self.url.clone()),
            access_token: None,
            place: None,
        }
    }

    /// A program that isn't a browser.
    pub fn program(&self) -> Actor {
        Actor { origin: None, ..self.browser() }
    }

    /// The messages, once so many are there.
    pub async fn mail(&self, count: usize) -> Vec<Message> {
        for _ in 0..500 {
            let messages = self.mailbox.messages();
            if messages.len() >= count {
                return messages.into_iter().map(|(_, message)| message).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {count} messages came", self.mailbox.messages().len());
    }

    /// The messages once everything that was queued has left, the newest first.
    pub async fn delivered(&self) -> Vec<Message> {
        for _ in 0..500 {
            if self.store.waiting(ChannelKind::Mail).await.unwrap().count == 0 {
                return self.mailbox.messages().into_iter().map(|(_, message)| message).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the outbox was not emptied");
    }

    /// The code in the newest mail to that address, once it is there.
    pub async fn mailed_code_to(&self, to: &str) -> String {
        for _ in 0..200 {
            let mut codes = self.delivered().await.into_iter().filter_map(|message| {
                let text = message.text.expose();
                let at = text.find("rll_").filter(|_| message.to == to)?;
                Some(text[at..].split_whitespace().next()?.to_owned())
            });
            if let Some(code) = codes.next() {
                return code;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no code came to {to}");
    }

    /// The code in the newest mail, once it is there.
    pub async fn mailed_code(&self) -> String {
        for _ in 0..200 {
            if let Some((_, message)) = self.mailbox.messages().first()
                && let Some(at) = message.text.expose().find("rll_")
            {
                return message.text.expose()[at..].split_whitespace().next().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no mail came");
    }
}

/// An authenticator app.
pub struct Authenticator {
    secret: String,
    pub factor_id: String,
    pub recovery_codes: Vec<String>,
}

impl Authenticator {
    /// Adds one to the account of somebody who is logged in, and lets the step pass whose code confirmed it.
    pub async fn enrol(server: &Server, owner: &mut Actor) -> Self {
        let begun = owner.post("/auth/factors/totp", json!({"current_password": PASSWORD})).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let mut app = Self {
            secret: begun.text("secret"),
            factor_id: begun.text("factor_id"),
            recovery_codes: Vec::new(),
        };
        let body = json!({"factor_id": app.factor_id, "code": app.code(server)});
        let confirmed = owner.post("/auth/factors/totp/confirm", body).await;
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
        app.recovery_codes = serde_json::from_value(confirmed.body["recovery_codes"].clone()).unwrap();
        server.advance(30);
        app
    }

    /// One whose seed somebody typed.
    pub fn of(secret: &str) -> Self {
        Self { secret: secret.to_owned(), factor_id: String::new(), recovery_codes: Vec::new() }
    }

    /// What it shows now.
    pub fn code(&self, server: &Server) -> String {
        self.code_at(server.app.now().as_seconds())
    }

    /// What it shows at another time.
    pub fn code_at(&self, seconds: i64) -> String {
        let secret = totp_rs::Secret::try_from_base32(&self.secret).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate(u64::try_from(seconds).unwrap()).to_string()
    }

    /// A code that none of the present steps has.
    pub fn wrong_code(&self, server: &Server) -> String {
        let now = server.app.now().as_seconds();
        let right: Vec<_> = [-60, -30, 0, 30, 60].iter().map(|step| self.code_at(now + step)).collect();
        (0..).map(|n| format!("{n:06}")).find(|code| !right.contains(code)).unwrap()
    }
}

/// The secret of the client `web`.
pub const WEB_SECRET: &str = "a-secret_of_the_client_web";

/// Somebody who talks to the server, and what they hold.
#[derive(Clone)]
pub struct Actor {
    pub base: String,
    client: Client,
    pub cookies: BTreeMap<String, String>,
    pub origin: Option<String>,
    pub access_token: Option<String>,
    /// From which address and by which browser, at a server that trusts its proxy ([`behind_proxy`]).
    pub place: Option<(&'static str, &'static str)>,
}

/// Lets a server believe what [`Actor::place`] says.
pub fn behind_proxy(config: &mut Config) {
    config.server.trusted_proxies = vec![serde_json::from_value(json!("127.0.0.0/8")).unwrap()];
}

impl Actor {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(origin) = &self.origin {
            request = request.header("origin", origin);
        }
        if let Some(token) = &self.access_token {
            request = request.bearer_auth(token);
        }
        if let Some((ip, user_agent)) = self.place {
            request = request.header("x-forwarded-for", ip).header("user-agent", user_agent);
        }
        let sent = |name: &str| name != REFRESH || path.starts_with("/auth");
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|(name, _)| sent(name))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        request
    }

    pub async fn send(&mut self, request: RequestBuilder) -> Reply {
        let reply = Reply::of(request.send().await.unwrap()).await;
        for cookie in reply.headers.get_all(SET_COOKIE) {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some(token) = reply.body["access_token"].as_str() {
            self.access_token = Some(token.to_owned());
        }
        reply
    }

    pub async fn post(&mut self, path: &str, body: Value) -> Reply {
        let request = self.request(Method::POST, path).json(&body);
        self.send(request).await
    }

    pub async fn post_empty(&mut self, path: &str) -> Reply {
        let request = self.request(Method::POST, path);
        self.send(request).await
    }

    pub async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let request = self.request(Method::POST, path).form(fields);
        self.send(request).await
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        let request = self.request(Method::GET, path);
        self.send(request).await
    }

    pub async fn delete(&mut self, path: &str) -> Reply {
        let request = self.request(Method::DELETE, path);
        self.send(request).await
    }

    pub async fn log_in(&mut self, email: &str) -> Reply {
        self.post("/auth/login", json!({"email": email, "password": PASSWORD})).await
    }

    /// Logs in without cookies and tells the refresh token.
    pub async fn log_in_by_body(&mut self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD, "transport": "body"});
        let reply = self.post("/auth/login", body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.text("refresh_token")
    }

    pub async fn refresh(&mut self) -> Reply {
        self.post_empty("/auth/refresh").await
    }

    /// Whether the session that the access token speaks of lives.
    pub async fn is_logged_in(&mut self) -> bool {
        self.get("/auth/me").await.status == 200
    }

    pub fn refresh_cookie(&self) -> String {
        self.cookies[REFRESH].clone()
    }

    /// Takes a copy of what another holds.
    pub fn copy_from(&mut self, other: &Actor) {
        self.cookies = other.cookies.clone();
    }

    /// With a bearer of one's choice.
    pub fn with_token(&self, token: &str) -> Actor {
        Actor { access_token: Some(token.to_owned()), ..self.clone() }
    }
}

pub const REFRESH: &str = "__Secure-relatch-refresh";
pub const DEVICE: &str = "__Host-relatch-device";
pub const HINT: &str = "relatch-hint";

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub raw: String,
}

impl Reply {
    async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let raw = response.text().await.unwrap();
        Self { status, headers, body: serde_json::from_str(&raw).unwrap_or(Value::Null), raw }
    }

    /// Status and code, or status alone.
    pub fn verdict(&self) -> String {
        match self.body["code"].as_str().or(self.body["error"].as_str()) {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }

    pub fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {self:?}")).to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The names of the cookies that it sets or clears.
    pub fn cookies(&self) -> Vec<&str> {
        let cookies = self.headers.get_all(SET_COOKIE).iter();
        cookies.map(|cookie| cookie.to_str().unwrap().split('=').next().unwrap()).collect()
    }

    /// The body with everything that differs from run to run hidden.
    pub fn shown(&self) -> String {
        let mut body = self.body.clone();
        hide(&mut body);
        format!("{} {body:#}", self.status)
    }

    /// The fields that were not acceptable, as `field: code`.
    pub fn errors(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| format!("{}: {}", error["field"].as_str().unwrap(), error["code"].as_str().unwrap()))
            .collect()
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::String(text) => {
            for prefix in ["rlt_", "rlm_", "fac_", "ses_", "usr_", "eyJ", "http://localhost:"] {
                if text.starts_with(prefix) {
                    *text = format!("[{prefix}…]");
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(members) => {
            for name in ["request_id", "refresh_in"] {
                if let Some(member) = members.get_mut(name) {
                    *member = format!("[{name}]").into();
                }
            }
            members.values_mut().for_each(hide);
        }
        _ => {}
    }
}

/// What a Firefox on Linux calls itself.
pub const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// Half a minute: the reuse window of the cookie transport.
pub const WINDOW: i64 = 30;

/// A span.
pub const HOUR: i64 = 3600;
