//! `relatch demo theft`: owner and thief play against a running server, and the story is told line by line.

use super::print::line;
use crate::environment::{Entropy, EntropyExt, OsEntropy};
use anyhow::Context;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use std::time::Duration;

/// Plays the theft. Fails where the thief gets away with it, or where somebody else is harmed.
pub(crate) fn theft(url: &str) -> anyhow::Result<()> {
    let stage = Stage::new(url)?;
    let entropy = OsEntropy::open()?;
    line(format!("A theft, played against {url}. Tokens travel in bodies, so the window is 10 seconds.\n"));

    let (laptop, phone) = stage.owner(&entropy)?;
    line("owner   signs up on the laptop, and logs in on the phone");
    let copy = laptop.clone();
    line("thief   copies the laptop's refresh token (a backup, a log, a malicious extension)");

    let owners_child = stage.served("owner", "refreshes on the laptop", &laptop)?;
    let thiefs_child = stage.served("thief", "refreshes with the copy a moment later", &copy)?;
    line("        Within the window this looks like a second tab, so both are served. But they now hold");
    line("        different children of one token, and only one line can go on.");

    stage.wait(SETTLE_SECONDS)?;
    let owners_next = stage.served("owner", "refreshes on the laptop", &owners_child)?;
    stage.wait(SETTLE_SECONDS)?;
    stage.refused("thief", "refreshes with the child of the copy", &thiefs_child, "token_reused")?;
    line("        The second child of one parent is the proof of a copy: the session ends, for both.");

    stage.refused("owner", "comes back to the laptop, and is told why", &owners_next, "session_revoked")?;
    let phones_next = stage.served("owner", "picks up the phone: another session, unharmed", &phone)?;
    stage.history(&phones_next.access)?;
    line("\nThe thief was caught at the second step, the session is over, and the phone never noticed.");
    Ok(())
}

/// A pair of tokens in somebody's hands.
#[derive(Clone)]
struct Pair {
    access: String,
    refresh: String,
}

struct Stage {
    url: String,
    agent: ureq::Agent,
    has_test_clock: bool,
}

impl Stage {
    fn new(url: &str) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        anyhow::ensure!(url.starts_with("http://"), "the demo speaks plain HTTP; point it at `relatch dev`");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .new_agent();
        let mut stage = Self { url, agent, has_test_clock: false };
        stage
            .get("/healthz", None)
            .with_context(|| format!("nobody answers at {}; run `relatch dev`", stage.url))?;
        stage.has_test_clock = stage.post("/dev/clock", &json!({"advance_seconds": 0}))?.0 == 200;
        Ok(stage)
    }

    /// A new person with two sessions.
    fn owner(&self, entropy: &dyn Entropy) -> anyhow::Result<(Pair, Pair)> {
        let name = Base64UrlUnpadded::encode_string(&entropy.array::<9>());
        let email = format!("demo-{name}@example.com").to_lowercase();
        let password = Base64UrlUnpadded::encode_string(&entropy.array::<18>());
        let mut account =
            json!({"email": email, "password": password, "transport": "body", "device_name": "laptop"});
        let laptop = self.pair("/auth/signup", &account)?;
        account["device_name"] = json!("phone");
        Ok((laptop, self.pair("/auth/login", &account)?))
    }

    fn pair(&self, path: &str, body: &Value) -> anyhow::Result<Pair> {
        let (status, answer) = self.post(path, body)?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        match (text("access_token"), text("refresh_token")) {
            (Some(access), Some(refresh)) if status < 300 => Ok(Pair { access, refresh }),
            _ => anyhow::bail!("{path} answered {status} {}", answer["code"]),
        }
    }

    fn served(&self, who: &str, does: &str, pair: &Pair) -> anyhow::Result<Pair> {
        let next = self.pair("/auth/refresh", &json!({"refresh_token": pair.refresh}))?;
        line(format!("{who}   {does}: served"));
        Ok(next)
    }

    fn refused(&self, who: &str, does: &str, pair: &Pair, code: &str) -> anyhow::Result<()> {
        let (status, answer) = self.post("/auth/refresh", &json!({"refresh_token": pair.refresh}))?;
        line(format!("{who}   {does}: {status} {}", answer["code"].as_str().unwrap_or("?")));
        anyhow::ensure!(
            status == 401 && answer["code"] == code,
            "expected 401 {code}: the promise is broken"
        );
        Ok(())
    }

    /// Lets the window pass, by the test clock where the server has one.
    fn wait(&self, seconds: u64) -> anyhow::Result<()> {
        if self.has_test_clock {
            let (status, _) = self.post("/dev/clock", &json!({"advance_seconds": seconds}))?;
            anyhow::ensure!(status == 200, "the test clock answered {status}");
            line(format!("        … {seconds} seconds pass (on the server's test clock)"));
            return Ok(());
        }
        line(format!("        … {seconds} seconds pass"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async { tokio::time::sleep(Duration::from_secs(seconds)).await });
        Ok(())
    }

    fn history(&self, access_token: &str) -> anyhow::Result<()> {
        let (_, answer) = self.get("/auth/events", Some(access_token))?;
        let events = answer["events"].as_array().cloned().unwrap_or_default();
        let Some(reuse) = events.iter().find(|event| event["type"] == "refresh_reuse") else {
            anyhow::bail!("the history does not tell of the theft: the promise is broken");
        };
        let word = |name: &str| reuse[name].as_str().unwrap_or("?").to_owned();
        line("owner   reads the history on the phone:");
        line(format!(
            "        {}  {}  on {}, {}",
            word("at"),
            word("type"),
            word("device_name"),
            word("reason")
        ));
        Ok(())
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let mut answer = self.agent.post(format!("{}{path}", self.url)).send_json(body)?;
        let json = answer.body_mut().read_json().unwrap_or_default();
        Ok((answer.status().as_u16(), json))
    }

    fn get(&self, path: &str, access_token: Option<&str>) -> anyhow::Result<(u16, Value)> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(token) = access_token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut answer = request.call()?;
        let json = answer.body_mut().read_json().unwrap_or_default();
        Ok((answer.status().as_u16(), json))
    }
}

/// A second more than the default window of the body transport.
const SETTLE_SECONDS: u64 = 11;
