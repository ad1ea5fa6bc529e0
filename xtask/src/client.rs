//! `cargo xtask test client`: the npm package, by its own tests, its types, its size, in each runtime, and as others will install it.

use crate::run::Job;
use crate::server::binary;
use crate::setup;
use crate::tally::Tally;
use anyhow::Result;

/// Each script ends with a plain count.
pub(crate) fn suite() -> Result<Tally> {
    let relatch = binary("relatch")?.display().to_string();
    let client = setup::client()?;
    let mut tally = Tally::default();
    for script in ["check", "test", "size", "runtimes"] {
        let job = Job::new("npm", &["run", "--silent", script]).within(&client).with("RELATCH_BIN", &relatch);
        tally += Tally::of_runner(&job.run()?);
    }
    Ok(tally)
}
