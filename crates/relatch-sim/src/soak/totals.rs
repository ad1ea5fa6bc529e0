//! The sums of many seeds: so that one sees that sessions really ended in every way and faults really struck.

use super::checker::{Fate, Judgement};
use super::play::Played;
use crate::history::{Party, What};
use crate::network::WeatherCounts;
use crate::rule::{Answer, Request};
use crate::store::FaultCounts;
use std::collections::BTreeMap;
use std::fmt;

/// Sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Seeds played.
    pub(crate) seeds: u64,
    /// Sessions by how they ended.
    pub(crate) fates: BTreeMap<Fate, u64>,
    /// Refreshes by who asked and what the server decided.
    pub(crate) verdicts: BTreeMap<(&'static str, String), u64>,
    /// Requests of every kind that clients sent.
    pub(crate) calls: u64,
    /// What struck.
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// Adds a seed.
    pub(crate) fn add(&mut self, played: &Played, judgement: &Judgement) {
        self.seeds += 1;
        self.calls += played.history.calls.len() as u64;
        for fate in &judgement.fates {
            *self.fates.entry(*fate).or_default() += 1;
        }
        for moment in &played.history.moments {
            match &moment.what {
                What::Decided { call, reply, .. } => {
                    let call = &played.history.calls[*call];
                    if let Request::Refresh { .. } = call.request {
                        let key = (party(call.party), verdict(&reply.answer));
                        *self.verdicts.entry(key).or_default() += 1;
                    }
                }
                What::Clock { .. } => self.count("clock steps", 1),
                What::Store { is_down: true } => self.count("store outages", 1),
                _ => {}
            }
        }
        let WeatherCounts { requests_lost, answers_lost, copies, stragglers } = played.weather;
        let FaultCounts { slow, unavailable, unknown, crashes, moves_lost } = played.faults;
        for (name, count) in [
            ("requests lost", requests_lost),
            ("answers lost", answers_lost),
            ("requests doubled", copies),
            ("messages late by seconds", stragglers),
            ("store verbs slow", slow),
            ("store verbs failed", unavailable),
            ("store verbs of unknown outcome", unknown),
            ("crashes", crashes),
            ("moves of heads lost", moves_lost),
        ] {
            self.count(name, count);
        }
    }

    fn count(&mut self, name: &'static str, count: u64) {
        *self.faults.entry(name).or_default() += count;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} seeds, {} calls", self.seeds, self.calls)?;
        writeln!(f, "sessions")?;
        for (fate, count) in &self.fates {
            writeln!(f, "  {count:>9}  {}", words(*fate))?;
        }
        writeln!(f, "refreshes")?;
        for ((party, verdict), count) in &self.verdicts {
            writeln!(f, "  {count:>9}  {party}: {verdict}")?;
        }
        writeln!(f, "faults")?;
        for (name, count) in &self.faults {
            writeln!(f, "  {count:>9}  {name}")?;
        }
        Ok(())
    }
}

fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::Kept => "kept",
        Fate::EndedAsAsked => "ended as somebody asked",
        Fate::CopyFoundOut => "copied, and the copy found out",
        Fate::LostWithoutAttempt => "lost by a client without lock and attempt id (nothing is promised)",
        Fate::LostWithoutLock => "lost by a client without lock (nothing is promised)",
        Fate::LostToOverlap => "lost to two refreshes under way at once (nothing is promised)",
        Fate::LostToStray => "lost to a request that came twice, or long after (nothing is promised)",
        Fate::LeftBehind => "left behind by its device",
    }
}

fn party(party: Party) -> &'static str {
    match party {
        Party::Owner(..) => "owner",
        Party::Thief(_) => "thief",
        Party::Forger(_) => "forger",
        Party::Operator => "operator",
    }
}

fn verdict(answer: &Answer) -> String {
    match answer {
        Answer::Served(_) => "200".to_owned(),
        Answer::Done => "204".to_owned(),
        Answer::Refused(why) => format!("401 {}", why.code()),
        Answer::TryLater => "503".to_owned(),
    }
}
