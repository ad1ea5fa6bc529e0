//! The page that explains the rules of risk, written from the rules themselves.

use relatch_core::{Action, Moment, Signal, Weights};
use std::fmt::Write;

/// `docs/concepts/risk.md`.
pub fn risk_page() -> String {
    let mut page = BEGINNING.to_owned();
    // Writing into a string never fails.
    for moment in Moment::ALL {
        let set = moment.thresholds();
        let default = |action| match set.of(action) {
            0 => "never".to_owned(),
            score => score.to_string(),
        };
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            moment.as_str(),
            default(Action::Notify),
            default(Action::StepUp),
            default(Action::Refuse),
            default(Action::Revoke)
        );
    }
    page.push_str(RULES);
    for signal in Signal::ALL {
        let moments: Vec<_> =
            Moment::ALL.into_iter().filter(|moment| signal.is_of(*moment)).map(Moment::as_str).collect();
        let _ = write!(
            page,
            "\n### {}\n\nIt says that {}. At {}; weight {} (`risk.weights.{}`).\n\n{}\n",
            signal.as_str(),
            signal.says(),
            moments.join(" and "),
            Weights::default().of(signal),
            signal.as_str(),
            signal.about(),
        );
    }
    page.push_str(END);
    page
}

const BEGINNING: &str = "<!-- Written by `cargo xtask gen`; change `relatch-core/src/risk.rs` or `config/risk_page.rs`. -->

# Risk

A right password or a genuine token can be in the wrong hands. So each login and each refresh is weighed by a few plain rules.
Each rule has a weight; the weights of the rules that fire sum to a score; thresholds say what follows. There is no model and
nothing hidden: the same facts always give the same score, and the reasons are kept with it.

The rules don't replace the [refresh rule](rotation.md), which proves a copy. They see what is unusual, which is often
somebody on a train.

## Modes

| `risk.mode` | what happens |
| --- | --- |
| `off` | nothing is weighed |
| `dry_run` (default) | what would have followed is written into the history where it is notable, and nothing is done |
| `on` | it is done |

Run it dry for some weeks, look at `relatch_risk_decisions_total` and at the notes, adjust the weights, then switch it on.

## What follows

| action | at login | at a refresh |
| --- | --- | --- |
| `notify` | served, and noted in the person's history | served, and noted in the person's history |
| `step_up` | only recorded, in a dry run: this version can't ask for another proof at this point | the same |
| `refuse` | answered like a wrong password, so that it tells a guesser nothing; counts as a failed try | `401 device_mismatch`; the session lives on |
| `revoke` | the same, and every session of the user ends | the session ends: `401 session_revoked`, reason `risk` |

The harshest action whose threshold the score reaches counts. 0 is never. By default:

| | `notify` | `step_up` | `refuse` | `revoke` |
| --- | --- | --- | --- | --- |
";

const RULES: &str = "
`[risk.login]` and `[risk.refresh]` set other thresholds. With these weights an address alone never gets past `notify`: phones and
laptops change it all day.

## The rules
";

const END: &str = "
## Binding

A refresh token of a browser never works without the device cookie that it was issued beside; nothing sets that aside. Browser and
address can be made to count beside it, for each transport:

```toml
[binding.cookie]
user_agent_family = \"signal\" # off, signal, refuse
address = \"signal\"
address_match = \"subnet\"     # or exact

[binding.body]
address = \"refuse\"          # servers that never move
address_match = \"exact\"
```

| value | a refresh that differs from the session's login |
| --- | --- |
| `off` | is served, and the rule above doesn't fire |
| `signal` (default) | is weighed by the rule above |
| `step_up` | not possible in this version: the server doesn't start with it |
| `refuse` | is answered `401 device_mismatch`; the session is not changed, and the token works again from where it belongs |

A mismatch never ends a session by itself. A session of which nothing is known to compare with, because another system opened it, is
let through. Where the server stands behind a proxy, `server.trusted_proxies` must name it, or every address is the proxy's.

## What is kept, and what it costs

A note says what fired, the score and what followed: `dry_run notify at refresh, score 60: user_agent_changed network_changed`. It is an
event of the type `risk_noticed` (a session that the rules end: `session_revoked`) in the person's history, in
`GET /admin/events`, and in [`relatch sessions explain`](../operations/explain.md). The same story of one session is noted once a week.

A refresh is weighed by the row that is loaded anyway and by small tables in memory (`limits.tracked_max`): no read of its own, and no
write but a note, which goes with the refresh's own write where there is one. What is in memory begins anew with the process, and every
node counts for itself. A login reads the account's newest hundred events and its live sessions, once the password was right.
";

#[cfg(test)]
mod tests {
    use super::*;

    /// Run by `cargo xtask gen` with `UPDATE_GENERATED=1`, which writes the page instead of comparing it.
    #[test]
    fn generated_risk_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/concepts/risk.md");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(path, risk_page()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == risk_page(), "docs/concepts/risk.md is stale; run `cargo xtask gen`");
    }
}
