//! The scenario table of DESIGN section 2, row by row, under our rule and under the two that others use.

mod crowds;
mod faults;
mod hands;
mod table;
mod thefts;

use crate::world::RuleKind;
use anyhow::{Context, Result};
use relatch_server::tokens::AccessSigner;
use std::sync::Arc;

/// How much to compare.
#[derive(Clone)]
pub(crate) struct CompareOptions {
    /// Seeds of each row that is about chance.
    pub(crate) seeds: u64,
    /// Who signs access tokens.
    pub(crate) signer: Arc<dyn AccessSigner>,
}

/// One row of the table.
pub(crate) struct Row {
    /// What happens.
    pub(crate) scenario: &'static str,
    /// How it must end.
    pub(crate) must: &'static str,
    play: fn(&Trial) -> Result<Outcome>,
}

/// A row under one rule.
pub(crate) struct Trial {
    /// The rule.
    pub(crate) kind: RuleKind,
    /// How much.
    pub(crate) options: CompareOptions,
}

/// How a row ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What was observed.
    pub(crate) seen: String,
    /// Whether that is how it must end.
    pub(crate) is_met: bool,
}

/// A row and how it ended under each of [`KINDS`].
pub(crate) struct Compared {
    /// The row.
    pub(crate) row: &'static Row,
    /// In the order of [`KINDS`].
    pub(crate) outcomes: [Outcome; 3],
}

/// The rules, in the order of the columns.
pub(crate) const KINDS: [RuleKind; 3] = [RuleKind::Ours, RuleKind::Strict, RuleKind::SameSuccessor];

/// Every row, in the order of DESIGN.
pub(crate) static ROWS: [Row; 13] = [
    Row {
        scenario: "two tabs refresh 50 ms apart on one jar, answers in either order; next refresh an hour later",
        must: "served",
        play: faults::two_tabs,
    },
    Row {
        scenario: "20 tabs restore within 5 s, 0 to 1 s latency each way, 5 % of answers lost, shared attempt id",
        must: "served, every seed",
        play: crowds::twenty_tabs,
    },
    Row {
        scenario: "100 tabs over ten minutes, 0 to 0.5 s latency, 5 % lost, shared attempt id",
        must: "served, every seed",
        play: crowds::hundred_tabs,
    },
    Row {
        scenario: "answer lost, retry after 5 s with another attempt id",
        must: "served",
        play: faults::retry_soon,
    },
    Row {
        scenario: "answer lost, retry after 8 h with the same attempt id (both transports)",
        must: "served, the same child",
        play: faults::retry_late,
    },
    Row {
        scenario: "store lost its last one or two writes",
        must: "served, `session_healed` recorded",
        play: faults::writes_lost,
    },
    Row {
        scenario: "thief with a copy refreshes 1, 9 or 29 s after each of the owner's refreshes, or 5 or 29 s before",
        must: "revoked in the second cycle at the latest",
        play: thefts::near,
    },
    Row {
        scenario: "the same, 31 or 1800 s after, or 1800 s before",
        must: "revoked in the first cycle",
        play: thefts::far,
    },
    Row {
        scenario: "the same at any lag, with the window at 0",
        must: "revoked in the first cycle",
        play: thefts::without_window,
    },
    Row {
        scenario: "thief presents the previous token half an hour later, or a five-generations-old one 3 s after a refresh",
        must: "nothing for the thief; revoked",
        play: thefts::superseded,
    },
    Row {
        scenario: "a forged, truncated, extended or wrong-device token, any number of times",
        must: "refused; the session lives on, the row is not written",
        play: faults::forged,
    },
    Row {
        scenario: "refresh and logout (or password change, or revoke-all) race",
        must: "after the revoke has answered, nothing newer is ever accepted",
        play: faults::races,
    },
    Row {
        scenario: "the login's token (generation 0 of the design) is presented after a million refreshes",
        must: "reuse; the row is no larger than on day one",
        play: faults::a_million,
    },
];

/// Plays the whole table; `each` hears of every row as it is done.
pub(crate) fn compare(options: &CompareOptions, mut each: impl FnMut(&Row)) -> Result<Vec<Compared>> {
    let mut all = Vec::new();
    for row in &ROWS {
        let under = |kind| {
            let outcome = (row.play)(&Trial { kind, options: options.clone() });
            outcome.with_context(|| format!("`{}` could not be played", row.scenario))
        };
        all.push(Compared { row, outcomes: [under(KINDS[0])?, under(KINDS[1])?, under(KINDS[2])?] });
        each(row);
    }
    Ok(all)
}

/// The table, as text, and whether our rule meets every row.
pub(crate) fn report(compared: &[Compared]) -> (String, bool) {
    let ours = compared.iter().all(|one| one.outcomes[0].is_met);
    (table::of(compared), ours)
}

impl Trial {
    fn world(&self, seed: u64) -> crate::world::WorldOptions {
        crate::world::WorldOptions::calm(seed, self.kind, Arc::clone(&self.options.signer))
    }
}

impl Outcome {
    /// So many of so many went well, and all have to.
    fn all(count: usize, of: usize, word: &str) -> Self {
        Self { seen: format!("{word} {count}/{of}"), is_met: count == of }
    }
}
