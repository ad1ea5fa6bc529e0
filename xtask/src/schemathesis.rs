//! `cargo xtask test schemathesis`: the API document against the server that it describes.

use crate::run::{Job, Output};
use crate::server::Server;
use crate::setup;
use crate::tally::Tally;
use anyhow::Result;
use std::ffi::OsStr;

/// Two runs: one over what leaves others in peace, and one over what ends sessions and accounts, whose
/// identifiers it finds in other answers.
pub(crate) fn suite() -> Result<Tally> {
    let server = Server::start("schemathesis", LIMITS)?;
    let secret = server.add_client("robot", "read")?;
    let ada = server.log_in()?;
    let [bob, eve, zoe] =
        ["bob@example.com", "eve@example.com", "zoe@example.com"].map(|who| server.sign_up(who));
    let (bob, eve, zoe) = (bob?, eve?, zoe?);
    let program = setup::python()?.with_file_name("schemathesis");
    let mut tally = Tally::default();
    for which in ["--exclude-path-regex", "--include-path-regex"] {
        let document = format!("{}/openapi.json", server.url);
        let run = ["run", &document, "--url", &server.url, "--seed", "1", which, ENDS_OTHERS];
        let arguments = ["--config-file", "xtask/schemathesis.toml"].into_iter().chain(run);
        let arguments: Vec<&OsStr> = arguments.map(OsStr::new).collect();
        let job = Job::new(&program, &arguments)
            .with("ACCESS_TOKEN", &ada.access)
            .with("TOKEN_TO_LOG_OUT", &bob.access)
            .with("TOKEN_TO_END", &eve.access)
            .with("TOKEN_TO_FORGET", &zoe.access)
            .with("API_KEY", &server.api_key)
            .with("CLIENT_ID", "robot")
            .with("CLIENT_SECRET", &secret);
        tally += count(&job.minutes(5).run()?);
    }
    Ok(tally)
}

/// The requests whose answers were checked: `Test cases:` and, on a line below, `1129 generated, 1129 passed`.
fn count(output: &Output) -> Tally {
    let counts = output.text.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
    let passed = counts.split(", ").find_map(|part| part.trim().strip_suffix(" passed"));
    let passed = passed.and_then(|number| number.parse().ok()).unwrap_or(0);
    Tally { passed, failed: u64::from(!output.success || passed == 0) }
}

/// What an operator does to others: in the first run it would end the session that the run lives by.
const ENDS_OTHERS: &str = r"^/admin/(users|sessions)/\{id\}";

/// A thousand requests in a minute from one address are no attack here, and the cost of a password is not what
/// is tried.
const LIMITS: &[&str] = &[
    "limits.login_failures_per_account_max=10000",
    "limits.login_failures_per_address_max=1000000",
    "limits.signups_per_address_max=1000000",
    "limits.mails_per_account_max=1000",
    "passwords.argon2.danger_cheap=true",
    "passwords.argon2.memory_kib=64",
    "passwords.argon2.iterations=1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_its_requests_and_fails_by_its_status() {
        let tally = |text: &str, success| count(&Output { text: text.into(), success });
        let text = "Test cases:\n  1129 generated, 1129 passed, 84 skipped\n";
        assert_eq!(tally(text, true), Tally { passed: 1129, failed: 0 });
        assert_eq!(tally(text, false), Tally { passed: 1129, failed: 1 });
        assert_eq!(tally("Failed to load", true), Tally { passed: 0, failed: 1 });
    }
}
