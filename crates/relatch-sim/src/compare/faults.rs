//! The rows about lost answers, lost writes, forgeries, races and age.

use super::hands::{self, BROWSER, Hands};
use super::{Outcome, Trial};
use crate::dice::{Dice, Room};
use crate::rule::{Answer, DoorKind, EndReason, HOUR, Request, SECOND};
use crate::seeds;
use crate::store::FaultProfile;
use crate::thief::changed;
use anyhow::Result;

pub(super) fn two_tabs(trial: &Trial) -> Result<Outcome> {
    let attempts = [[Some("one"), Some("one")], [Some("one"), Some("two")], [None, None]];
    let mut served = 0;
    for attempts in attempts {
        for last_answer in [0, 1] {
            let is_served = hands::play(&trial.world(1), BROWSER, move |hands| async move {
                let first = hands.first.refresh_token.clone();
                hands.wait(HOUR).await;
                let one = hands.refresh(&first, attempts[0]).await;
                hands.wait(50).await;
                let two = hands.refresh(&first, attempts[1]).await;
                let (Some(one), Some(two)) = (one, two) else { return Ok(false) };
                let jar = if last_answer == 0 { one } else { two };
                Ok(goes_on(&hands, jar.refresh_token).await)
            })?;
            served += usize::from(is_served);
        }
    }
    Ok(Outcome::all(served, 6, "served"))
}

pub(super) fn retry_soon(trial: &Trial) -> Result<Outcome> {
    let cases =
        [(BROWSER, Some("two")), (BROWSER, None), (DoorKind::Body, Some("two")), (DoorKind::Body, None)];
    let mut served = 0;
    for (door, retry) in cases {
        let is_served = hands::play(&trial.world(1), door, move |hands| async move {
            let first = hands.first.refresh_token.clone();
            hands.wait(HOUR).await;
            hands.refresh(&first, Some("one")).await;
            hands.wait(5 * SECOND).await;
            let Some(retried) = hands.refresh(&first, retry).await else { return Ok(false) };
            Ok(goes_on(&hands, retried.refresh_token).await)
        })?;
        served += usize::from(is_served);
    }
    Ok(Outcome::all(served, cases.len(), "served"))
}

pub(super) fn retry_late(trial: &Trial) -> Result<Outcome> {
    let mut same = 0;
    for door in [BROWSER, DoorKind::Body] {
        let is_same = hands::play(&trial.world(1), door, move |hands| async move {
            let first = hands.first.refresh_token.clone();
            hands.wait(HOUR).await;
            let lost = hands.refresh(&first, Some("one")).await;
            hands.wait(8 * HOUR).await;
            let again = hands.refresh(&first, Some("one")).await;
            let (Some(lost), Some(again)) = (lost, again) else { return Ok(false) };
            let is_same = lost.refresh_token == again.refresh_token;
            Ok(is_same && goes_on(&hands, again.refresh_token).await)
        })?;
        same += usize::from(is_same);
    }
    Ok(Outcome::all(same, 2, "served the same child"))
}

pub(super) fn writes_lost(trial: &Trial) -> Result<Outcome> {
    let (mut served, mut healed) = (0, 0);
    for lost in [1, 2] {
        let (is_served, is_healed) = hands::play(&trial.world(1), BROWSER, move |hands| async move {
            let session = hands.first.session.clone();
            let mut jar = hands.first.refresh_token.clone();
            for step in 0..3 {
                hands.wait(HOUR).await;
                let answer = hands.refresh(&jar, Some(&format!("step {step}"))).await;
                jar = answer.map_or(jar, |grant| grant.refresh_token);
            }
            hands.world.rule.lose_last_moves(lost);
            hands.wait(7 * SECOND).await;
            let is_served = goes_on(&hands, jar).await;
            Ok((is_served, hands.world.rule.row(&session).is_healed))
        })?;
        served += usize::from(is_served);
        healed += usize::from(is_healed);
    }
    let seen = format!("served {served}/2, healing recorded {healed}/2");
    Ok(Outcome { seen, is_met: served == 2 && healed == 2 })
}

pub(super) fn forged(trial: &Trial) -> Result<Outcome> {
    for door in [BROWSER, DoorKind::Body] {
        let seed = 1;
        let (refused, of, is_untouched, lives) =
            hands::play(&trial.world(seed), door, move |hands| async move {
                let session = hands.first.session.clone();
                hands.wait(HOUR).await;
                let first = hands.first.refresh_token.clone();
                let jar = hands.refresh(&first, Some("one")).await.map_or(first, |grant| grant.refresh_token);
                hands.wait(HOUR).await;
                let before = hands.world.rule.row(&session).writes;
                let dice = Dice::new(seed, Room::Actors);
                let (mut refused, mut of) = (0, 0);
                for _ in 0..FORGERIES {
                    for (text, door) in forgeries(&jar, door, &dice) {
                        let answer = hands.refresh_through(&text, None, door).await;
                        refused += u64::from(matches!(answer, Some(Answer::Refused(_))));
                        of += 1;
                    }
                }
                let is_untouched = hands.world.rule.row(&session).writes == before;
                Ok((refused, of, is_untouched, goes_on(&hands, jar).await))
            })?;
        if refused < of || !is_untouched || !lives {
            let row = if is_untouched { "not written" } else { "written" };
            let seen =
                format!("refused {refused}/{of}, row {row}, owner {}", if lives { "served" } else { "lost" });
            return Ok(Outcome { seen, is_met: false });
        }
    }
    Ok(Outcome { seen: "refused, row not written, owner served".to_owned(), is_met: true })
}

/// Texts that are not a token of this door.
fn forgeries(jar: &str, door: DoorKind, dice: &Dice) -> Vec<(String, DoorKind)> {
    let cut = dice.below(jar.len() as u64) as usize;
    let mut texts = vec![
        (changed(jar, dice), door),
        (jar[..cut].to_owned(), door),
        (format!("{jar}A"), door),
        (String::new(), door),
    ];
    let others: &[DoorKind] = match door {
        DoorKind::Cookie(_) => {
            &[DoorKind::Cookie(None), DoorKind::Cookie(Some(*b"another!")), DoorKind::Body]
        }
        DoorKind::Body => &[DoorKind::Cookie(None), DoorKind::Cookie(Some(*b"another!"))],
    };
    texts.extend(others.iter().map(|other| (jar.to_owned(), *other)));
    texts
}

/// Refresh and revoke at nearly the same time, over a store that takes its time; then every token that anybody
/// got is presented again.
pub(super) fn races(trial: &Trial) -> Result<Outcome> {
    let ends = [None, Some(EndReason::PasswordChanged), Some(EndReason::LogOutAll)];
    let races = seeds::play(
        0..trial.options.seeds.min(RACES_MAX),
        || true,
        |seed| {
            let mut options = trial.world(seed);
            options.faults = FaultProfile { latency: (0, 10), ..FaultProfile::default() };
            let end = ends[(seed % 3) as usize];
            hands::play(&options, BROWSER, move |hands| race(hands, seed, end))
        },
    )?;
    let clean = races.iter().filter(|(_, accepted)| *accepted == 0).count();
    Ok(Outcome::all(clean, races.len(), "nothing accepted after"))
}

/// How many tokens were accepted after the revoke had been answered.
async fn race(hands: Hands, seed: u64, end: Option<EndReason>) -> Result<usize> {
    hands.wait(HOUR).await;
    let dice = Dice::new(seed, Room::Actors);
    let jar = hands.first.refresh_token.clone();
    let offsets = [dice.between((0, 40)), dice.between((0, 40))];
    let revoke = match end {
        None => Request::LogOut { token: jar.clone(), door: hands.door },
        Some(reason) => Request::EndAll { user: 0, reason },
    };
    let (sender, refreshed) = tokio::sync::oneshot::channel();
    let (racer, token) = (hands.clone(), jar.clone());
    hands.world.stage.spawn(async move {
        racer.wait(offsets[0]).await;
        // The story waits for it.
        let _ = sender.send(racer.refresh(&token, Some("race")).await);
    });
    hands.wait(offsets[1]).await;
    let revoked = hands.world.rule.serve(revoke).await;
    anyhow::ensure!(revoked.is_some_and(|reply| reply.answer == Answer::Done), "the revoke was not answered");
    // In-flight refreshes may still answer with what they had decided; whatever is asked from now on is refused.
    let mut accepted = usize::from(hands.refresh(&jar, Some("race")).await.is_some());
    let given = refreshed.await?;
    for later in [0, 31 * SECOND, HOUR] {
        hands.wait(later).await;
        for token in std::iter::once(&jar).chain(given.as_ref().map(|grant| &grant.refresh_token)) {
            for attempt in [Some("race"), Some("another"), None] {
                accepted += usize::from(hands.refresh(token, attempt).await.is_some());
            }
        }
    }
    Ok(accepted)
}

pub(super) fn a_million(trial: &Trial) -> Result<Outcome> {
    let count = (trial.options.seeds * REFRESHES_PER_SEED).min(REFRESHES_MAX);
    let (served, is_same, is_reuse) =
        hands::play(&trial.world(1).window(1), BROWSER, move |hands| async move {
            let session = hands.first.session.clone();
            let first = hands.first.refresh_token.clone();
            let born = hands.world.rule.row(&session).bytes;
            let mut jar = first.clone();
            for step in 0..count {
                hands.wait(SECOND).await;
                let Some(grant) = hands.refresh(&jar, None).await else { return Ok((step, false, false)) };
                jar = grant.refresh_token;
            }
            let grown = hands.world.rule.row(&session).bytes;
            let answer = hands.refresh_through(&first, None, hands.door).await;
            let is_reuse = answer == Some(Answer::Refused(crate::rule::Why::Reused));
            Ok((count, born == grown, is_reuse))
        })?;
    let row = if is_same { "row no larger" } else { "row larger" };
    let end = if is_reuse { "reuse" } else { "no reuse" };
    let seen = format!("{end} after {served}, {row}");
    Ok(Outcome { seen, is_met: served == count && is_same && is_reuse })
}

/// Whether the owner is served an hour from now, and an hour after that.
async fn goes_on(hands: &Hands, mut jar: String) -> bool {
    for hour in 1..=2 {
        hands.wait(HOUR).await;
        match hands.refresh(&jar, Some(&format!("later {hour}"))).await {
            Some(grant) => jar = grant.refresh_token,
            None => return false,
        }
    }
    true
}

/// Rounds of every kind of forgery.
const FORGERIES: usize = 100;
/// Three kinds of revoke, some hundreds of orders of events each.
const RACES_MAX: u64 = 1500;
/// 2,000 seeds make a million.
const REFRESHES_PER_SEED: u64 = 500;
const REFRESHES_MAX: u64 = 1_000_000;
