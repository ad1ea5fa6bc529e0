//! `cargo xtask test browser`: the client library and the hosted pages in a real Chromium, against the real server.

use crate::run::Job;
use crate::server::binary;
use crate::setup;
use crate::tally::Tally;
use anyhow::Result;

/// Ends with a plain count. `RELATCH_ROUNDS=200` has longer storms, `RELATCH_SEED` the weather of an earlier run.
pub(crate) fn suite() -> Result<Tally> {
    let relatch = binary("relatch")?.display().to_string();
    let job = Job::new("node", &["run.js"]).within(&setup::browser()?).with("RELATCH_BIN", &relatch);
    Ok(Tally::of_runner(&job.minutes(60).run()?))
}
