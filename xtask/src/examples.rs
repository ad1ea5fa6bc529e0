//! `cargo xtask test examples`: the example APIs against the real server, with good tokens and bad ones.

use crate::run::{Background, Job, root};
use crate::server::{Reply, Server, Tokens, binary, delete, get, post};
use crate::setup;
use crate::tally::Tally;
use anyhow::{Context, Result};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// Every example, asked the same questions, since all promise the same.
pub(crate) fn suite() -> Result<Tally> {
    let mut server = Server::start("examples", &[])?;
    server.add_client("desk", "read,admin")?;
    let mut apis = Vec::new();
    for (name, start) in EXAMPLES {
        let (url, running) = start(&server.url).with_context(|| (*name).to_owned())?;
        apis.push((name, url, running));
    }
    let hand = Hand::of(&mut server)?;
    let mut checks = Checks::default();
    // A verifier that asks nobody serves a token until it expires, whatever became of its session meanwhile.
    let ended = delete(&format!("{}/auth/sessions/{}", server.url, hand.short.session), &hand.good.access)?;
    checks.that("relatch", "DELETE ends a session", ended.status == 204, &ended);
    for (name, url, _) in &apis {
        let reply = get(&format!("{url}/hello"), Some(&hand.short.access))?;
        checks.that(
            name,
            "an ended session is served while its access token lives",
            reply.status == 200,
            &reply,
        );
    }
    for (name, url, _) in &apis {
        checks.of(name, url, &hand)?;
    }
    thread::sleep(SHORT_LIFE.saturating_sub(hand.short_since.elapsed()));
    for (name, url, _) in &apis {
        let reply = get(&format!("{url}/hello"), Some(&hand.short.access))?;
        let is_refused = reply.status == 401 && reply.body["code"] == "token_expired";
        checks.that(name, "an expired token is refused", is_refused, &reply);
    }
    Ok(checks.tally)
}

/// The tokens that are tried.
struct Hand {
    good: Tokens,
    admin: String,
    /// Lives for half a minute, and the leeway of the examples.
    short: Tokens,
    short_since: Instant,
    bad: Vec<(&'static str, String)>,
}

impl Hand {
    fn of(server: &mut Server) -> Result<Self> {
        let issuer = format!("tokens.issuer={}", server.url);
        let elsewhere = server.log_in_with(&[&issuer, r#"tokens.audience=["https://other.example"]"#])?;
        let short = server.log_in_with(&[&issuer, "tokens.access_seconds=30"])?;
        let short_since = Instant::now();
        let good = server.log_in()?;
        let stranger = Server::start("examples-stranger", &[&issuer])?;
        let opened =
            json!({"user_id": good.subject, "transport": "body", "client_id": "desk", "scope": "read admin"});
        let opened = post(&format!("{}/admin/sessions", server.url), Some(&server.api_key), &opened)?;
        let admin = opened.body["access_token"].as_str().with_context(|| format!("{opened:?}"))?.to_owned();

        let parts: Vec<&str> = good.access.split('.').collect();
        let [head, claims, signature] = parts[..] else { anyhow::bail!("{} is no JWT", good.access) };
        let other = server.log_in()?.access;
        let others_claims = other.split('.').nth(1).unwrap_or_default();
        let bad = vec![
            ("other claims under the signature", format!("{head}.{others_claims}.{signature}")),
            ("a signature that was cut", format!("{head}.{claims}.{}", &signature[..signature.len() - 4])),
            ("alg none", format!("{HEAD_WITHOUT_ALGORITHM}.{claims}.")),
            ("alg none, with the old signature", format!("{HEAD_WITHOUT_ALGORITHM}.{claims}.{signature}")),
            ("a refresh token", good.refresh.clone()),
            ("an API key", server.api_key.clone()),
            ("a token for somebody else", elsewhere.access),
            ("a token under a stranger's key", stranger.log_in()?.access),
            ("no JWT at all", "a.b.c".to_owned()),
        ];
        Ok(Self { good, admin, short, short_since, bad })
    }
}

#[derive(Default)]
struct Checks {
    tally: Tally,
}

impl Checks {
    fn of(&mut self, name: &str, url: &str, hand: &Hand) -> Result<()> {
        let ask = |path: &str, token: Option<&str>| get(&format!("{url}{path}"), token);
        let reply = ask("/public", None)?;
        self.that(name, "everybody may see what is public", reply.status == 200, &reply);
        let reply = ask("/hello", None)?;
        let is_bare = reply.status == 401 && reply.challenge == "Bearer";
        self.that(name, "without a token the challenge is bare", is_bare, &reply);
        let good = Some(&*hand.good.access);
        for path in ["/hello", "/fresh"] {
            let reply = ask(path, good)?;
            let is_served = reply.status == 200 && reply.body["hello"] == *hand.good.subject;
            self.that(name, &format!("{path} knows whose token it is"), is_served, &reply);
        }
        let reply = ask("/admin", good)?;
        let names_scope = reply.challenge.contains(r#"error="insufficient_scope""#)
            && reply.challenge.contains(r#"scope="admin""#);
        self.that(name, "/admin names the scope it needs", reply.status == 403 && names_scope, &reply);
        let reply = ask("/admin", Some(&hand.admin))?;
        self.that(name, "/admin serves a token with that scope", reply.status == 200, &reply);
        for (what, token) in &hand.bad {
            let reply = ask("/hello", Some(token))?;
            let is_refused = reply.status == 401 && reply.challenge.contains(r#"error="invalid_token""#);
            self.that(name, &format!("{what} is refused"), is_refused, &reply);
        }
        Ok(())
    }

    fn that(&mut self, name: &str, promise: &str, holds: bool, reply: &Reply) {
        self.tally += Tally::one(holds);
        if !holds {
            println!("{name}: broken: {promise}; it answered {reply:?}");
        }
    }
}

/// Starts an example for an issuer; answers where it listens.
type Start = fn(&str) -> Result<(String, Background)>;

const EXAMPLES: &[(&str, Start)] = &[
    ("axum-api", |issuer| start(Job::new(binary("axum-api")?, &[""; 0]), issuer)),
    ("express-api", |issuer| start(Job::new("node", &["server.js"]).within(&setup::express()?), issuer)),
    ("fastapi-api", |issuer| {
        let job = Job::new(setup::fastapi()?, &["main.py"]).within(&root().join("examples/fastapi-api"));
        start(job.with("PYTHONDONTWRITEBYTECODE", "1"), issuer)
    }),
];

fn start(job: Job, issuer: &str) -> Result<(String, Background)> {
    let mut running = job.with("RELATCH_ISSUER", issuer).with("LISTEN", "127.0.0.1:0").start()?;
    Ok((running.says("listening on ")?, running))
}

/// The shortest life of an access token, the 30 seconds of leeway of every example, and a little.
const SHORT_LIFE: Duration = Duration::from_secs(62);

/// `{"typ":"at+jwt","alg":"none"}`
const HEAD_WITHOUT_ALGORITHM: &str = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0";
