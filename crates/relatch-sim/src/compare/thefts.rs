//! The rows about a thief with a copy.

use super::hands::{self, BROWSER, Hands};
use super::{Outcome, Trial};
use crate::rule::{DoorKind, HOUR, SECOND};
use crate::timeline::Millis;
use crate::world::WorldOptions;
use anyhow::Result;

pub(super) fn near(trial: &Trial) -> Result<Outcome> {
    let options = trial.world(1);
    let cases = [1, 9, 29, -5, -29].map(|lag| (options.clone(), BROWSER, lag));
    found_out(&cases, 2)
}

pub(super) fn far(trial: &Trial) -> Result<Outcome> {
    let options = trial.world(2);
    let mut cases = [31, 1800, -1800].map(|lag| (options.clone(), BROWSER, lag)).to_vec();
    cases.push((options, DoorKind::Body, 31));
    found_out(&cases, 1)
}

pub(super) fn without_window(trial: &Trial) -> Result<Outcome> {
    let options = trial.world(3).window(0);
    let lags = [1, 9, 29, 31, 1800, -5, -29, -1800];
    found_out(&lags.map(|lag| (options.clone(), BROWSER, lag)), 1)
}

/// The thief is served nothing, and the session ends.
pub(super) fn superseded(trial: &Trial) -> Result<Outcome> {
    let cases = [("previous", 1, HOUR / 2), ("5 back", 5, 3 * SECOND)];
    let mut seen = Vec::new();
    let mut is_met = true;
    for (name, back, after) in cases {
        let (is_served, is_over) =
            hands::play(&trial.world(4), BROWSER, move |hands| presents_old(hands, back, after))?;
        is_met &= !is_served && is_over;
        seen.push(match (is_served, is_over) {
            (true, _) => format!("{name}: thief served"),
            (false, true) => format!("{name}: revoked"),
            (false, false) => format!("{name}: refused, session lives"),
        });
    }
    Ok(Outcome { seen: seen.join(", "), is_met })
}

async fn presents_old(hands: Hands, back: usize, after: Millis) -> Result<(bool, bool)> {
    let mut held = vec![hands.first.refresh_token.clone()];
    for step in 0..8 {
        hands.wait(HOUR).await;
        let jar = held[held.len() - 1].clone();
        held.extend(
            hands.refresh(&jar, Some(&format!("step {step}"))).await.map(|grant| grant.refresh_token),
        );
    }
    hands.wait(after).await;
    let copy = held[held.len() - 1 - back].clone();
    let is_served = hands.refresh(&copy, Some("thief")).await.is_some();
    let newest = held[held.len() - 1].clone();
    Ok((is_served, hands.refresh(&newest, Some("owner")).await.is_none()))
}

/// When the session ends in each of the cases, and whether that is in time in all of them.
fn found_out(cases: &[(WorldOptions, DoorKind, i64)], cycles_max: u32) -> Result<Outcome> {
    let mut seen: Vec<(String, Vec<String>)> = Vec::new();
    let mut is_met = true;
    for (options, door, lag) in cases {
        let lag = *lag;
        let cycle = hands::play(options, *door, move |hands| theft(hands, lag * SECOND))?;
        is_met &= cycle.is_some_and(|cycle| cycle <= cycles_max);
        let end =
            cycle.map_or("thief served for ever".to_owned(), |cycle| format!("revoked in cycle {cycle}"));
        let at = format!("{lag:+} s");
        match seen.iter_mut().find(|(known, _)| *known == end) {
            Some((_, lags)) if !lags.contains(&at) => lags.push(at),
            Some(_) => {}
            None => seen.push((end, vec![at])),
        }
    }
    let parts: Vec<String> = seen.iter().map(|(end, lags)| format!("{end} ({})", lags.join(", "))).collect();
    Ok(Outcome { seen: parts.join("; "), is_met })
}

/// Owner and thief refresh once an hour each, the thief so long after the owner, from a copy that he took after
/// the owner's first refresh. The cycle in which the session ends; `None` where it never does.
async fn theft(hands: Hands, lag: Millis) -> Result<Option<u32>> {
    hands.wait(HOUR).await;
    let first = hands.first.refresh_token.clone();
    let mut jar = hands.refresh(&first, Some("before")).await.map_or(first, |grant| grant.refresh_token);
    let mut loot = jar.clone();
    // So that a thief who comes before the owner has time to.
    hands.wait(HOUR).await;
    let begin = hands.world.timeline.now();
    for cycle in 1..=CYCLES_MAX {
        let owner_at = begin + i64::from(cycle) * HOUR;
        let mut visits = [(owner_at, true), (owner_at + lag, false)];
        visits.sort_unstable();
        for (at, is_owner) in visits {
            hands.world.timeline.sleep_until(at).await;
            let (hand, name) = if is_owner { (&mut jar, "owner") } else { (&mut loot, "thief") };
            match hands.refresh(hand, Some(&format!("{name} {cycle}"))).await {
                Some(grant) => *hand = grant.refresh_token,
                // Whoever it was that was refused, the session is over.
                None => return Ok(Some(cycle)),
            }
        }
    }
    Ok(None)
}

/// Two days: long enough for "for ever".
const CYCLES_MAX: u32 = 50;
