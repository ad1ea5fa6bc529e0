//! A tour of every route, well and badly used, that remembers every secret on the way.

use super::secrets::{Kind, Secrets};
use crate::server::{MAIL, Place, word_after};
use crate::wire::{Answer, Ask, Grant, Transport, client};
use anyhow::{Context, Result};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::timeout;

/// What the tour leaves behind.
pub(crate) struct Tour<'p> {
    place: &'p Place,
    pub(crate) client: reqwest::Client,
    pub(crate) secrets: Secrets,
    /// Every answer that hands out no token, head and body, with the request line that it answers.
    pub(crate) answers: Vec<(String, String)>,
    /// The path templates that were asked, as the API document has them.
    asked: HashSet<String>,
    api_key: String,
    client_secret: String,
}

/// Somebody with an account.
struct Person {
    email: String,
    password: String,
}

impl<'p> Tour<'p> {
    /// Before the server starts: the keys that its command line makes.
    pub(crate) async fn prepare(place: &'p Place) -> Result<Self> {
        let api_key = place.make_api_key().await?;
        let scopes = ["clients", "add", "web", "--confidential", "--scopes", "read,write"];
        let client_secret = word_after(&place.ask(&scopes).await?, "client_secret")
            .context("no client secret was printed")?;
        let mut secrets = Secrets::default();
        secrets.add(Kind::ApiKey, &api_key);
        secrets.add(Kind::ClientSecret, &client_secret);
        let (answers, asked) = (Vec::new(), HashSet::new());
        Ok(Self { place, client: client()?, secrets, answers, asked, api_key, client_secret })
    }

    /// Goes everywhere. Answers the routes that it has missed.
    pub(crate) async fn go(&mut self) -> Result<Vec<String>> {
        for transport in [Transport::Cookie, Transport::Body] {
            let mut person = self.sign_up(transport).await?;
            self.sessions(&person, transport).await?;
            self.passwords(&mut person, transport).await?;
            self.links(&mut person, transport).await?;
            self.factors(&person, transport).await?;
        }
        self.pages().await?;
        self.oauth().await?;
        self.admin().await?;
        self.operations().await?;
        self.missed().await
    }

    async fn sign_up(&mut self, transport: Transport) -> Result<Person> {
        let email = format!("{}@example.com", transport.name());
        let person = Person { email, password: self.new_password() };
        let Person { email, password } = &person;
        self.ask(Ask::signup(email, password, transport)).await?;
        self.ask(Ask::signup(email, password, transport)).await?;
        let endless = self.new_password().repeat(40);
        self.ask(Ask::signup("endless@example.com", &endless, transport)).await?;
        // People do type one into the field of the other.
        self.ask(Ask::signup(password, email, transport)).await?;
        Ok(person)
    }

    async fn sessions(&mut self, person: &Person, transport: Transport) -> Result<()> {
        let wrong = self.new_password();
        self.ask(Ask::login(&person.email, &wrong, transport)).await?;
        self.ask(Ask::login("nobody@example.com", &wrong, transport)).await?;
        self.ask(Ask::login(&wrong, &person.password, transport)).await?;
        let first = self.log_in(person, transport).await?;
        let second = self.refresh(&first).await?;
        for misplaced in misplaced(&second) {
            self.ask(misplaced).await?;
        }
        let altered = format!("{}A", second.refresh_token);
        for refused in [&altered, &second.access_token] {
            self.ask(Ask::post("/auth/refresh").presenting(transport, refused, &second.device)).await?;
        }
        self.ask(Ask::post("/auth/refresh").presenting(transport, &second.refresh_token, "wrong")).await?;
        let bearer = &second.access_token;
        for path in ["/auth/me", "/auth/sessions", "/auth/devices", "/auth/events", "/auth/events?cursor=x"] {
            self.ask(Ask::get(path).bearer(bearer)).await?;
            self.ask(Ask::get(path).bearer(&format!("{bearer}A"))).await?;
            self.ask(Ask::get(path)).await?;
        }
        let other = self.log_in(person, transport).await?;
        self.ask_as(
            Ask::delete(format!("/auth/sessions/{}", other.session)).bearer(bearer),
            "/auth/sessions/{id}",
        )
        .await?;
        let device = "/auth/devices/{id}";
        let name = json!({"name": "a laptop"});
        for (id, bearer) in [("dev_AAAAAAAAAAAAAAAAAAAAAA", bearer), (second.refresh_token.as_str(), bearer)]
        {
            let path = format!("/auth/devices/{id}");
            self.ask_as(Ask::patch(&path).bearer(bearer).json(&name), device).await?;
            self.ask_as(Ask::delete(&path).bearer(bearer), device).await?;
        }
        // The window is one second: after it, the first token is a superseded copy.
        tokio::time::sleep(Duration::from_millis(2100)).await;
        self.ask(Ask::post("/auth/refresh").presenting(transport, &first.refresh_token, &first.device))
            .await?;
        self.ask(Ask::get("/auth/me").bearer(bearer)).await?;
        let last = self.log_in(person, transport).await?;
        self.ask(Ask::post("/auth/logout").presenting(transport, &last.refresh_token, &last.device)).await?;
        self.ask(Ask::post("/auth/refresh").presenting(transport, &last.refresh_token, &last.device)).await?;
        let all = self.log_in(person, transport).await?;
        self.ask(Ask::post("/auth/logout-all").bearer(&all.access_token).json(&json!({}))).await?;
        Ok(())
    }

    async fn passwords(&mut self, person: &mut Person, transport: Transport) -> Result<()> {
        let grant = self.log_in(person, transport).await?;
        let new = self.new_password();
        let wrong = self.new_password();
        for (current, new) in [(&wrong, &new), (&person.password, &"a".repeat(3)), (&person.password, &new)] {
            let body = json!({"current_password": current, "new_password": new});
            self.ask(Ask::post("/auth/password").bearer(&grant.access_token).json(&body)).await?;
        }
        person.password = new;
        Ok(())
    }

    /// A seed is issued, and the routes of second factors are asked; no code here is ever right.
    async fn factors(&mut self, person: &Person, transport: Transport) -> Result<()> {
        let grant = self.log_in(person, transport).await?;
        let bearer = &grant.access_token;
        let proof = json!({"current_password": person.password, "code": "0000-1111-2222-3333"});
        let begun = self.ask(Ask::post("/auth/factors/totp").bearer(bearer).json(&proof)).await?.json();
        let seed = begun["secret"].as_str().context("no seed was issued")?;
        self.secrets.add(Kind::Seed, seed);
        let confirm = json!({"factor_id": begun["factor_id"], "code": seed});
        self.ask(Ask::post("/auth/factors/totp/confirm").bearer(bearer).json(&confirm)).await?;
        self.ask(Ask::get("/auth/factors").bearer(bearer)).await?;
        self.ask(Ask::post("/auth/recovery-codes").bearer(bearer).json(&proof)).await?;
        let remove = Ask::delete(format!("/auth/factors/{seed}")).bearer(bearer).json(&proof);
        self.ask_as(remove, "/auth/factors/{id}").await?;
        let forged = json!({"mfa_token": bearer, "method": "totp", "code": seed});
        self.ask(Ask::post("/auth/mfa").json(&forged)).await.map(drop)
    }

    async fn links(&mut self, person: &mut Person, transport: Transport) -> Result<()> {
        self.ask(Ask::post("/auth/password/forgot").json(&json!({"email": person.email}))).await?;
        let links = self.read_mail().await?;
        let link = links.last().context("no link was mailed")?;
        let new = self.new_password();
        let reset = |token: &str, new: &str| {
            Ask::post("/auth/password/reset").json(&json!({"token": token, "new_password": new}))
        };
        self.ask(reset(&format!("{link}A"), &new)).await?;
        self.ask(reset(link, "short")).await?;
        self.ask(reset(link, &new)).await?;
        self.ask(reset(link, &new)).await?;
        for token in &links {
            self.ask(Ask::post("/auth/email/verify").json(&json!({"token": token}))).await?;
            self.ask(Ask::get(format!("/auth/email/verify?token={token}"))).await?;
            self.ask(Ask::get("/healthz").header("x-request-id", token)).await?;
        }
        person.password = new;
        self.log_in(person, transport).await.map(drop)
    }

    async fn oauth(&mut self) -> Result<()> {
        let body =
            json!({"external_user_id": "erp-7", "transport": "body", "client_id": "web", "scope": "read"});
        let opened = self.ask(Ask::post("/admin/sessions").bearer(&self.api_key.clone()).json(&body)).await?;
        let mut token = opened.grant()?.refresh_token;
        let secret = self.client_secret.clone();
        let wrong = "wrong-secret-of-the-client-0123456789";
        self.secrets.add(Kind::ClientSecret, wrong);
        let basic =
            |secret: &str| format!("Basic {}", Base64::encode_string(format!("web:{secret}").as_bytes()));
        let form = |path: &str, body: String| Ask::post(path).body("application/x-www-form-urlencoded", body);
        for secret in [wrong, &secret] {
            let refresh = |rest: &str| form("/oauth/token", format!("grant_type=refresh_token{rest}"));
            let in_body = format!("&refresh_token={token}&client_id=web&client_secret={secret}");
            let answer = self.ask(refresh(&in_body)).await?;
            token = answer.json()["refresh_token"].as_str().unwrap_or(&token).to_owned();
            let in_head = format!("&refresh_token={token}");
            self.ask(refresh(&in_head).header("authorization", basic(secret))).await?;
            self.ask(refresh(&format!("{in_head}&scope={token}")).header("authorization", basic(secret)))
                .await?;
            self.ask(refresh(&format!("{in_head}{in_head}")).header("authorization", basic(secret))).await?;
            self.ask(
                form("/oauth/token", format!("grant_type={token}")).header("authorization", basic(secret)),
            )
            .await?;
            for path in ["/oauth/introspect", "/oauth/revoke"] {
                let misplaced = format!("{path}?client_secret={secret}&token={token}");
                self.ask_as(form(&misplaced, format!("token={token}")), path).await?;
                self.ask(form(path, format!("token={token}")).header("authorization", basic(secret))).await?;
            }
        }
        Ok(())
    }

    async fn admin(&mut self) -> Result<()> {
        let body = json!({"external_user_id": "erp-8", "transport": "cookie", "device_name": "till"});
        let key = self.api_key.clone();
        let altered = format!("{}AA", &key[..key.len() - 2]);
        self.secrets.add(Kind::ApiKey, &altered);
        let opened = self.ask(Ask::post("/admin/sessions").bearer(&key).json(&body)).await?.grant()?;
        let Grant { user, session, access_token, .. } = opened;
        for bearer in [&altered, &access_token, &key] {
            let sent = |ask: Ask| ask.bearer(bearer);
            self.ask(sent(Ask::get(format!("/admin/sessions?user_id={user}")))).await?;
            self.ask(sent(Ask::get(format!("/admin/sessions?user_id={bearer}")))).await?;
            self.ask(sent(Ask::get("/admin/users"))).await?;
            self.ask(sent(Ask::get("/admin/events?limit=200"))).await?;
            self.ask(sent(Ask::get(format!("/admin/events?cursor={bearer}")))).await?;
            let explained = "/admin/sessions/{id}/explain";
            for id in [bearer, &session] {
                let path = format!("/admin/sessions/{id}/explain");
                self.ask_as(sent(Ask::get(path)), explained).await?;
            }
            let one = "/admin/sessions/{id}";
            self.ask_as(sent(Ask::delete(format!("/admin/sessions/{bearer}"))), one).await?;
            self.ask_as(sent(Ask::delete(format!("/admin/sessions/{session}"))), one).await?;
            for verb in ["logout-all", "disable"] {
                let path = format!("/admin/users/{user}/{verb}");
                self.ask_as(sent(Ask::post(path)), &format!("/admin/users/{{id}}/{verb}")).await?;
            }
            let path = format!("/admin/users/{user}/factors");
            self.ask_as(sent(Ask::delete(path)), "/admin/users/{id}/factors").await?;
            self.ask(Ask::get(format!("/admin/users?key={bearer}"))).await?;
            let as_name = format!("{{\"{bearer}\":1}}");
            self.ask(sent(Ask::post("/admin/sessions")).body("application/json", as_name)).await?;
            self.ask(Ask::get("/healthz").header("x-request-id", bearer)).await?;
        }
        // The feed goes on for ever; its beginning is enough.
        let follow = Ask::get("/feed/revocations").bearer(&key);
        let _ = timeout(Duration::from_millis(300), self.ask(follow)).await;
        self.asked.insert("/feed/revocations".to_owned());
        self.ask(Ask::get("/feed/revocations").bearer(&altered)).await.map(drop)
    }

    async fn operations(&mut self) -> Result<()> {
        for path in [
            "/healthz",
            "/readyz",
            "/metrics",
            "/openapi.json",
            "/docs",
            "/.well-known/jwks.json",
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
        ] {
            self.ask(Ask::get(path)).await?;
        }
        Ok(())
    }

    /// The routes of the server's own document that the tour did not come to.
    async fn missed(&mut self) -> Result<Vec<String>> {
        let document = self.ask(Ask::get("/openapi.json")).await?.json();
        let paths = document["paths"].as_object().context("the API document has no paths")?;
        Ok(paths.keys().filter(|path| !self.asked.contains(*path)).cloned().collect())
    }

    async fn log_in(&mut self, person: &Person, transport: Transport) -> Result<Grant> {
        self.ask(Ask::login(&person.email, &person.password, transport)).await?.grant()
    }

    async fn refresh(&mut self, grant: &Grant) -> Result<Grant> {
        let ask = Ask::post("/auth/refresh").presenting(grant.transport, &grant.refresh_token, &grant.device);
        let next = self.ask(ask.header("idempotency-key", "attempt-1")).await?.grant()?;
        Ok(Grant { device: grant.device.clone(), ..next })
    }

    pub(super) async fn ask(&mut self, ask: Ask) -> Result<Answer> {
        let path = ask.path().split('?').next().unwrap_or_default().to_owned();
        self.ask_as(ask, &path).await
    }

    /// Asks, noting the route, the secrets that come, and what else is answered.
    pub(super) async fn ask_as(&mut self, ask: Ask, route: &str) -> Result<Answer> {
        self.asked.insert(route.to_owned());
        let answer = ask.send(&self.client, &self.place.url).await;
        let answer = answer.map_err(|problem| anyhow::anyhow!("{route} was not answered: {problem:?}"))?;
        anyhow::ensure!(answer.status < 500, "{route} answered {}; see the log", answer.status);
        let json = answer.json();
        let hands_out = ["access_token", "otpauth_uri"].iter().any(|name| !json[*name].is_null());
        if !hands_out && answer.jar().is_none() {
            self.answers.push((route.to_owned(), format!("{}\n{}", answer.head, answer.body)));
        } else {
            self.note(&json, &answer);
        }
        Ok(answer)
    }

    fn note(&mut self, json: &Value, answer: &Answer) {
        for (name, kind) in [("access_token", Kind::AccessToken), ("refresh_token", Kind::RefreshToken)] {
            if let Some(text) = json[name].as_str() {
                self.secrets.add(kind, text);
            }
        }
        let in_cookies = answer.jar();
        let in_json = answer.grant().ok().map(|grant| (grant.refresh_token, grant.device));
        for (refresh_token, device) in in_cookies.into_iter().chain(in_json) {
            self.secrets.add(Kind::RefreshToken, &refresh_token);
            if !device.is_empty() {
                self.secrets.add(Kind::DeviceCookie, &device);
            }
        }
    }

    /// A password that nobody had before.
    pub(super) fn new_password(&mut self) -> String {
        let password =
            format!("never-to-be-seen {:08x}", self.secrets.len().wrapping_mul(0x9e37_79b9) as u32);
        self.secrets.add(Kind::Password, &password);
        password
    }

    /// The link tokens of all mail; waits for the next one, which is sent after the answer.
    pub(super) async fn read_mail(&mut self) -> Result<Vec<String>> {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut mails = Vec::new();
        for entry in std::fs::read_dir(self.place.folder.join(MAIL))? {
            let entry = entry?;
            mails.push((entry.metadata()?.modified()?, std::fs::read_to_string(entry.path())?));
        }
        mails.sort();
        // Long lines are folded in mail, `=` at the end (RFC 2045 §6.7).
        let token = |(_, mail): &(_, String)| {
            let unfolded = mail.replace("=\r\n", "");
            let at = unfolded.find("rll_")?;
            unfolded.get(at..at + LINK_CHARS).map(str::to_owned)
        };
        let links: Vec<String> = mails.iter().filter_map(token).collect();
        links.iter().for_each(|link| self.secrets.add(Kind::LinkToken, link));
        Ok(links)
    }
}

/// Tokens where they don't belong, and bodies that can't be read.
fn misplaced(grant: &Grant) -> Vec<Ask> {
    let (refresh, access) = (&grant.refresh_token, &grant.access_token);
    let json = |text: String| Ask::post("/auth/refresh").body("application/json", text);
    vec![
        Ask::get(format!("/auth/me?access_token={access}")),
        Ask::post(format!("/auth/refresh?refresh_token={refresh}")),
        Ask::get(format!("/auth/{refresh}")),
        Ask::get("/auth/me").bearer(refresh),
        Ask::get("/auth/me").header("authorization", refresh),
        Ask::get("/auth/me").header("authorization", format!("Basic {refresh}")),
        Ask::get("/auth/me").header("x-request-id", refresh),
        Ask::get("/auth/me").header("x-request-id", access),
        Ask::get("/auth/me").header("origin", format!("https://{refresh}.example")),
        Ask::post("/auth/refresh")
            .header("idempotency-key", refresh)
            .json(&json!({"refresh_token": "rlt_x"})),
        Ask::post("/auth/refresh").header("cookie", refresh.as_str()),
        Ask::post("/auth/refresh")
            .header("cookie", format!("__Secure-relatch-refresh={refresh}"))
            .json(&json!({"refresh_token": refresh})),
        Ask::post("/auth/refresh").body("text/plain", refresh.as_str()),
        json(refresh.clone()),
        json(format!("{{\"refresh_token\":\"{refresh}")),
        json(format!("{{\"refresh_token\":[\"{refresh}\"]}}")),
        json(format!("{{\"refresh_token\":\"{refresh}\",\"refresh_token\":\"{refresh}\"}}")),
        json(format!("{{\"{refresh}\":1}}")),
        json(format!("{{\"{refresh}\":1,\"{refresh}\":2}}")),
        json(format!("{{\"token\":\"{refresh}\"}}")),
        json(format!("{{\"refresh_token\":\"{}\"}}", refresh.repeat(900))),
        Ask::post("/auth/login").json(&json!({"email": refresh, "password": access, "transport": refresh})),
        Ask::delete(format!("/auth/sessions/{refresh}")).bearer(access),
        Ask::post("/auth/password").bearer(access).json(&json!({"current_password": [refresh]})),
    ]
}

/// `rll_` and 32 bytes.
const LINK_CHARS: usize = 47;
