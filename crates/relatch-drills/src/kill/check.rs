//! The checker: promises, each a question to what clients saw. It knows nothing of the server's state.

use super::history::{Asked, Call, Heard, Micros, Party, SessionNo, TokenNo, UserNo};
use crate::Finding;
use std::collections::{HashMap, HashSet};

/// A history with what several promises ask of it.
pub(crate) struct Evidence<'h> {
    calls: &'h [Call],
    window: Micros,
    /// Since when every owner comes back once more; none while the drill runs.
    last_round: Option<Micros>,
    /// Who owns a session that somebody was given, and the call that gave it.
    opened: HashMap<SessionNo, (UserNo, &'h Call)>,
    /// When the end of a session had been acknowledged first.
    ended: HashMap<SessionNo, Micros>,
    /// When a session may have ended first: an end was asked for, or a thief came.
    doubtful: HashMap<SessionNo, Micros>,
}

/// Asks for every promise.
pub(crate) fn check(calls: &[Call], window: Micros, last_round: Option<Micros>) -> Vec<Finding> {
    let evidence = Evidence::of(calls, window, last_round);
    let ask =
        |(promise, question): &(&'static str, Question)| Finding { promise, violations: question(&evidence) };
    PROMISES.iter().map(ask).collect()
}

type Question = fn(&Evidence<'_>) -> Vec<String>;

const PROMISES: &[(&str, Question)] = &[
    ("an acknowledged logout, revocation or change of password is never undone", undone_ends),
    ("what was once said to have ended stays ended", risen_sessions),
    ("no honest holder of a live session is refused", refused_owners),
    ("every live session refreshes at the end", lost_sessions),
    ("a superseded copy serves nobody once the window has passed", served_copies),
    ("owner and thief are not both served in three settled periods", unnoticed_thefts),
    ("a retry with its attempt id gets the same token, byte for byte", different_repeats),
    ("generations never go back: no acknowledged rotation is lost", lost_rotations),
    ("an altered token, or one without its device cookie, is refused", served_forgers),
    ("after a change of password the old one opens nothing", old_passwords),
    ("no answer is a 5xx other than 503", faults),
];

impl<'h> Evidence<'h> {
    fn of(calls: &'h [Call], window: Micros, last_round: Option<Micros>) -> Self {
        let mut opened = HashMap::new();
        for call in calls {
            let (Asked::Open { user, .. } | Asked::ChangePassword { user, .. }) = call.asked else {
                continue;
            };
            if let Heard::Tokens { session, .. } = call.heard {
                opened.insert(session, (user, call));
            }
        }
        let mut evidence =
            Self { calls, window, last_round, opened, ended: HashMap::new(), doubtful: HashMap::new() };
        for call in calls {
            evidence.note_end(call);
        }
        evidence
    }

    fn note_end(&mut self, call: &Call) {
        if call.party == Party::Thief {
            call.session().into_iter().for_each(|session| earliest(&mut self.doubtful, session, call.begun));
        }
        if !call.is_end() {
            return;
        }
        let kept = match call.heard {
            Heard::Tokens { session, .. } => Some(session),
            _ => None,
        };
        let whose = match call.asked {
            Asked::EndAll { user } | Asked::ChangePassword { user, .. } => Some(user),
            _ => None,
        };
        let mut named: Vec<(SessionNo, bool)> =
            call.session().map(|session| (session, true)).into_iter().collect();
        for (session, (user, opening)) in &self.opened {
            if Some(*user) == whose && Some(*session) != kept && opening.begun < call.ended {
                // One whose opening overlaps the end may have come after it.
                named.push((*session, opening.ended < call.begun));
            }
        }
        for (session, is_surely_meant) in named {
            earliest(&mut self.doubtful, session, call.begun);
            if is_surely_meant && call.is_acknowledged() {
                earliest(&mut self.ended, session, call.ended);
            }
        }
    }

    fn served(&self) -> impl Iterator<Item = (SessionNo, &'h Call)> {
        self.calls.iter().filter(|call| call.is_served()).filter_map(|call| Some((call.session()?, call)))
    }

    /// Refreshes by session, in the order in which they began.
    fn refreshes(&self) -> HashMap<SessionNo, Vec<Refresh<'h>>> {
        let mut by_session: HashMap<SessionNo, Vec<Refresh<'_>>> = HashMap::new();
        for call in self.calls {
            if let Asked::Refresh { session, token, attempt } = call.asked {
                by_session.entry(session).or_default().push(Refresh { call, token, attempt });
            }
        }
        by_session.values_mut().for_each(|refreshes| refreshes.sort_by_key(|refresh| refresh.call.begun));
        by_session
    }

    /// The generation of every refresh token that was handed out.
    fn generations(&self) -> HashMap<TokenNo, u64> {
        let told = |call: &Call| match call.heard {
            Heard::Tokens { token, generation, .. } => Some((token, generation)),
            _ => None,
        };
        self.calls.iter().filter_map(told).collect()
    }
}

struct Refresh<'h> {
    call: &'h Call,
    token: TokenNo,
    attempt: u64,
}

impl Refresh<'_> {
    const fn given(&self) -> Option<(TokenNo, u64)> {
        match self.call.heard {
            Heard::Tokens { token, generation, .. } => Some((token, generation)),
            _ => None,
        }
    }
}

fn undone_ends(evidence: &Evidence<'_>) -> Vec<String> {
    served_after(evidence, &evidence.ended)
}

fn risen_sessions(evidence: &Evidence<'_>) -> Vec<String> {
    let mut said = HashMap::new();
    for call in evidence.calls {
        if let (Some(session), Heard::Refused(_, code)) = (call.session(), &call.heard)
            && ["session_revoked", "token_revoked", "token_reused"].contains(&code.as_str())
        {
            earliest(&mut said, session, call.ended);
        }
    }
    served_after(evidence, &said)
}

fn served_after(evidence: &Evidence<'_>, ends: &HashMap<SessionNo, Micros>) -> Vec<String> {
    let too_late =
        |(session, call): &(SessionNo, &Call)| ends.get(session).is_some_and(|end| call.begun > *end);
    evidence.served().filter(too_late).map(|(_, call)| story(call)).collect()
}

fn refused_owners(evidence: &Evidence<'_>) -> Vec<String> {
    let is_wronged = |call: &&Call| {
        let Some(session) = call.session() else { return false };
        call.party == Party::Owner
            && matches!(call.heard, Heard::Refused(..))
            && evidence.doubtful.get(&session).is_none_or(|doubt| *doubt > call.ended)
    };
    evidence.calls.iter().filter(is_wronged).map(story).collect()
}

fn lost_sessions(evidence: &Evidence<'_>) -> Vec<String> {
    let Some(last_round) = evidence.last_round else { return Vec::new() };
    let back: HashSet<SessionNo> = evidence
        .served()
        .filter(|(_, call)| call.begun >= last_round && matches!(call.asked, Asked::Refresh { .. }))
        .map(|(session, _)| session)
        .collect();
    let is_lost = |session: &&SessionNo| !evidence.doubtful.contains_key(session) && !back.contains(session);
    evidence
        .opened
        .keys()
        .filter(is_lost)
        .map(|session| format!("{session:?} was not served again"))
        .collect()
}

fn served_copies(evidence: &Evidence<'_>) -> Vec<String> {
    let generations = evidence.generations();
    let mut violations = Vec::new();
    for refreshes in evidence.refreshes().values() {
        // Since when a token is known to have been exchanged for a later one, and with which attempts it came.
        let mut superseded: HashMap<TokenNo, Micros> = HashMap::new();
        let mut attempts: HashSet<(TokenNo, u64)> = HashSet::new();
        for refresh in refreshes {
            let is_new_attempt = attempts.insert((refresh.token, refresh.attempt));
            let Some((_, generation)) = refresh.given() else { continue };
            let since = superseded.get(&refresh.token);
            let is_stale = since.is_some_and(|since| refresh.call.begun > since + evidence.window + SLACK);
            if is_new_attempt && is_stale {
                violations.push(story(refresh.call));
            }
            if generations.get(&refresh.token).is_some_and(|own| generation > *own) {
                earliest(&mut superseded, refresh.token, refresh.call.ended);
            }
        }
    }
    violations
}

fn unnoticed_thefts(evidence: &Evidence<'_>) -> Vec<String> {
    let mut violations = Vec::new();
    for (session, refreshes) in evidence.refreshes() {
        let served: Vec<&Refresh<'_>> =
            refreshes.iter().filter(|refresh| refresh.given().is_some()).collect();
        let Some(theft) = served.iter().find(|refresh| refresh.call.party == Party::Thief) else { continue };
        // Periods in which each was served, from the one of the theft on; a period ends with a pause in which
        // every sibling settles (docs/decisions/0005-recent-is-two-windows.md).
        let (mut period, mut end) = (0, 0);
        let (mut owners, mut thiefs) = (HashSet::new(), HashSet::new());
        for refresh in &served {
            if refresh.call.begun > end + SETTLING_WINDOWS * evidence.window + SLACK {
                period += 1;
            }
            end = end.max(refresh.call.ended);
            match refresh.call.party {
                Party::Thief => thiefs.insert(period),
                _ => end + evidence.window >= theft.call.begun && owners.insert(period),
            };
        }
        if owners.len() >= SETTLED_PERIODS && thiefs.len() >= SETTLED_PERIODS {
            violations.push(format!(
                "{session:?}: the owner was served in {} periods, the thief in {}",
                owners.len(),
                thiefs.len()
            ));
        }
    }
    violations
}

/// Where the answer's generation is no later than the token's, the head was still fresh: such a sibling is issued
/// anew each time, by design.
fn different_repeats(evidence: &Evidence<'_>) -> Vec<String> {
    let generations = evidence.generations();
    let mut violations = Vec::new();
    for refreshes in evidence.refreshes().values() {
        let mut given: HashMap<(TokenNo, u64), TokenNo> = HashMap::new();
        for refresh in refreshes {
            let Some((token, generation)) = refresh.given() else { continue };
            if generations.get(&refresh.token).is_none_or(|own| generation <= *own) {
                continue;
            }
            let first = *given.entry((refresh.token, refresh.attempt)).or_insert(token);
            if first != token {
                violations.push(format!("{}; another answer was {first:?}", story(refresh.call)));
            }
        }
    }
    violations
}

fn lost_rotations(evidence: &Evidence<'_>) -> Vec<String> {
    let mut violations = Vec::new();
    for refreshes in evidence.refreshes().values() {
        // The greatest generation among answers that had come by now, and answers that may still be under way.
        let mut reached = 0;
        let mut under_way: Vec<(Micros, u64)> = Vec::new();
        for refresh in refreshes {
            let Some((_, generation)) = refresh.given() else { continue };
            under_way.retain(|(ended, told)| {
                let has_come = *ended < refresh.call.begun;
                reached = if has_come { reached.max(*told) } else { reached };
                !has_come
            });
            if generation < reached {
                violations.push(format!("{}; generation {reached} had been given", story(refresh.call)));
            }
            under_way.push((refresh.call.ended, generation));
        }
    }
    violations
}

fn served_forgers(evidence: &Evidence<'_>) -> Vec<String> {
    let is_fooled = |call: &&Call| call.party == Party::Forger && call.is_served();
    evidence.calls.iter().filter(is_fooled).map(story).collect()
}

fn old_passwords(evidence: &Evidence<'_>) -> Vec<String> {
    let mut changed = HashMap::new();
    for call in evidence.calls.iter().filter(|call| call.is_acknowledged()) {
        if let Asked::ChangePassword { user, from } = call.asked {
            earliest(&mut changed, (user, from), call.ended);
        }
    }
    let is_old = |call: &&Call| match call.asked {
        Asked::Open { user, password } => {
            call.is_acknowledged() && changed.get(&(user, password)).is_some_and(|end| call.begun > *end)
        }
        _ => false,
    };
    evidence.calls.iter().filter(is_old).map(story).collect()
}

fn faults(evidence: &Evidence<'_>) -> Vec<String> {
    evidence.calls.iter().filter(|call| matches!(call.heard, Heard::Fault(_))).map(story).collect()
}

fn earliest<K: Eq + std::hash::Hash>(times: &mut HashMap<K, Micros>, key: K, at: Micros) {
    times.entry(key).and_modify(|known| *known = at.min(*known)).or_insert(at);
}

fn story(call: &Call) -> String {
    let Call { begun, ended, party, asked, heard } = call;
    let seconds = |micros: &Micros| std::time::Duration::from_micros(*micros);
    format!("{:.3?} to {:.3?}: {party:?} asked {asked:?} and heard {heard:?}", seconds(begun), seconds(ended))
}

/// Two holders who both come back within so many windows look like two tabs.
const SETTLING_WINDOWS: Micros = 2;
const SETTLED_PERIODS: usize = 3;
/// The server's clock counts whole milliseconds, and ours is another.
const SLACK: Micros = 5_000;

#[cfg(test)]
mod tests;
