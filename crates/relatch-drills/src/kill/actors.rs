//! Who lives with the server while it is killed: owners who stay, people who come and go, thieves, forgers.

use super::history::{Asked, Party};
use super::world::{Reply, User, World, password_text};
use crate::dice::Dice;
use crate::wire::{Ask, Grant, Transport};
use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde_json::json;

/// How an owner refreshes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    /// Tabs on one jar, which refresh at once under one attempt id.
    pub(crate) tabs: usize,
    /// More often than once a window, so that most answers are siblings.
    pub(crate) is_hasty: bool,
}

/// Refreshes until the drill is over; nobody ever ends the session. Returns what the owner holds then.
pub(crate) async fn stay(world: &World, mut dice: Dice, habit: Habit, first: Grant) -> Result<Grant> {
    let mut held = first;
    while !world.is_over() {
        let (least, most) = if habit.is_hasty { (10, 60) } else { (110, 180) };
        tokio::time::sleep(dice.percent_of(world.window, least, most)).await;
        held = refresh_in_tabs(world, &mut dice, habit.tabs, &held).await?;
        if dice.once_in(4) {
            let (asked, ask) = world.me(&held);
            world.surely(Party::Owner, asked, &ask).await?;
        }
    }
    Ok(held)
}

/// One refresh by every tab at about the same time; the jar keeps the newest answer.
async fn refresh_in_tabs(world: &World, dice: &mut Dice, tabs: usize, held: &Grant) -> Result<Grant> {
    let (asked, ask) = world.refresh(held, world.new_attempt());
    let tabs = (0..tabs).map(|_| {
        let (asked, ask, wait) = (asked.clone(), &ask, dice.millis(0, 5));
        async move {
            tokio::time::sleep(wait).await;
            world.surely(Party::Owner, asked, ask).await
        }
    });
    let answers = try_join_all(tabs).await?.into_iter().filter_map(|reply| reply.successor(held));
    // Who is refused shows up in the history; the drill goes on to see what else happens.
    Ok(answers.max_by_key(|grant| grant.generation).unwrap_or_else(|| held.clone()))
}

/// Refreshes and ends the session in one of many ways, then logs in for the next, until the drill is over.
/// Whatever was ended is probed at once and goes to the graves.
pub(crate) async fn come_and_go(world: &World, mut dice: Dice, mut user: User, first: Grant) -> Result<()> {
    let mut next = Some(first);
    while let Some(mut held) = next {
        let mut all = vec![held.clone()];
        for _ in 0..dice.below(3) {
            tokio::time::sleep(dice.percent_of(world.window, 5, 130)).await;
            held = world.surely_refresh(Party::Owner, &held).await?.unwrap_or(held);
            all.push(held.clone());
        }
        let way = WAYS[dice.below(WAYS.len())];
        // Another tab refreshes while the session ends: what it is given must die too.
        let (refreshed, is_ended) =
            tokio::join!(race(world, &held), end(world, &mut dice, &mut user, way, &all));
        all.extend(refreshed?);
        if is_ended? {
            probe(world, &all[dice.below(all.len())]).await?;
            world.bury(all);
        }
        next = if world.is_over() { None } else { Some(log_in_again(world, &mut dice, &mut user).await?) };
    }
    Ok(())
}

/// A new session. Where the password is refused, a change of it whose answer was lost had come to pass.
async fn log_in_again(world: &World, dice: &mut Dice, user: &mut User) -> Result<Grant> {
    let transport = [Transport::Cookie, Transport::Body][dice.below(2)];
    if let Some(grant) = world.log_in(*user, transport).await? {
        return Ok(grant);
    }
    user.password += 1;
    world.log_in(*user, transport).await?.context("neither the old nor the new password is taken")
}

async fn race(world: &World, held: &Grant) -> Result<Option<Grant>> {
    let (asked, ask) = world.refresh(held, world.new_attempt());
    Ok(world.once(Party::Owner, asked, &ask).await?.and_then(|reply| reply.successor(held)))
}

/// A way in which sessions end.
#[derive(Clone, Copy, Debug)]
enum Way {
    Logout,
    LogoutAll,
    DeleteOwn,
    OperatorEndsOne,
    OperatorEndsAll,
    ChangePassword,
}

const WAYS: [Way; 7] = [
    Way::Logout,
    Way::Logout,
    Way::LogoutAll,
    Way::DeleteOwn,
    Way::OperatorEndsOne,
    Way::OperatorEndsAll,
    Way::ChangePassword,
];

/// Ends the session, by any of its tokens; `false` where nobody can tell whether it has ended.
async fn end(world: &World, dice: &mut Dice, user: &mut User, way: Way, all: &[Grant]) -> Result<bool> {
    let held = all.last().context("a session has tokens")?;
    let (party, asked, ask) = request_of(world, dice, *user, way, all, held);
    // Now and then the asker gives up after a lost answer: then the session may live or not.
    let reply = match dice.once_in(4) {
        true => world.once(party, asked, &ask).await?,
        false => Some(world.surely(party, asked, &ask).await?),
    };
    if let (Way::ChangePassword, Some(Reply::Tokens(new))) = (way, &reply) {
        user.password += 1;
        let new = Grant { device: held.device.clone(), ..new.clone() };
        if world.surely_refresh(Party::Owner, &new).await?.is_some() {
            let session = world.history().session(&new.session);
            let ask = Ask::post("/auth/logout").presenting(new.transport, &new.refresh_token, &new.device);
            world.surely(Party::Owner, Asked::End { session }, &ask).await?;
            world.bury([new]);
        }
    }
    Ok(reply.is_some())
}

fn request_of(
    world: &World,
    dice: &mut Dice,
    user: User,
    way: Way,
    all: &[Grant],
    held: &Grant,
) -> (Party, Asked, Ask) {
    let one = Asked::End { session: world.history().session(&held.session) };
    let everything = Asked::EndAll { user: user.no };
    let bearer = &held.access_token;
    match way {
        Way::Logout => {
            // Any genuine token of the session will do.
            let any = &all[dice.below(all.len())];
            let ask = Ask::post("/auth/logout");
            (Party::Owner, one, ask.presenting(any.transport, &any.refresh_token, &any.device))
        }
        Way::LogoutAll => {
            (Party::Owner, everything, Ask::post("/auth/logout-all").bearer(bearer).json(&json!({})))
        }
        Way::DeleteOwn => {
            let ask = Ask::delete(format!("/auth/sessions/{}", held.session));
            (Party::Owner, one, ask.bearer(bearer))
        }
        Way::OperatorEndsOne => {
            let ask = Ask::delete(format!("/admin/sessions/{}", held.session));
            (Party::Operator, one, ask.bearer(&world.api_key))
        }
        Way::OperatorEndsAll => {
            let ask = Ask::post(format!("/admin/users/{}/logout-all", held.user));
            (Party::Operator, everything, ask.bearer(&world.api_key))
        }
        Way::ChangePassword => {
            let ask = Ask::post("/auth/password").bearer(bearer).json(&json!({
                "current_password": password_text(user.no, user.password),
                "new_password": password_text(user.no, user.password + 1),
            }));
            (Party::Owner, Asked::ChangePassword { user: user.no, from: user.password }, ask)
        }
    }
}

/// Tries the tokens of a session that must be dead.
async fn probe(world: &World, dead: &Grant) -> Result<()> {
    let (asked, ask) = world.refresh(dead, world.new_attempt());
    world.once(Party::Prober, asked, &ask).await?;
    let (asked, ask) = world.me(dead);
    world.once(Party::Prober, asked, &ask).await?;
    Ok(())
}

/// Digs at graves, and tries what a forger would on the sessions of `owners`.
pub(crate) async fn dig_and_forge(world: &World, mut dice: Dice, owners: &[Grant]) -> Result<()> {
    while !world.is_over() {
        tokio::time::sleep(dice.millis(5, 40)).await;
        if let Some(dead) = world.grave(|count| dice.below(count)) {
            probe(world, &dead).await?;
        }
        let mut forged = owners[dice.below(owners.len())].clone();
        if forged.device.is_empty() || dice.once_in(2) {
            let at = "rlt_".len() + dice.below(forged.refresh_token.len() - "rlt_".len());
            let other = if forged.refresh_token.as_bytes()[at] == b'A' { "B" } else { "A" };
            forged.refresh_token.replace_range(at..=at, other);
        } else {
            forged.device.clear();
        }
        let (asked, ask) = world.refresh(&forged, world.new_attempt());
        world.once(Party::Forger, asked, &ask).await?;
    }
    Ok(())
}

/// Logs in on a session to be sacrificed, copies its token, and lets owner and thief go on in turn until one is
/// refused; again until the drill is over. Answers how many thefts came out.
pub(crate) async fn steal(world: &World, mut dice: Dice, user: User) -> Result<usize> {
    let mut found_out = 0;
    while !world.is_over() {
        let transport = [Transport::Cookie, Transport::Body][dice.below(2)];
        let mut owner = world.log_in(user, transport).await?.context("a login was refused")?;
        let mut thief = owner.clone();
        // The thief comes inside the window, or after it.
        let lag = if dice.once_in(2) { (5, 60) } else { (110, 150) };
        for _ in 0..ROUNDS_MAX {
            let Some(next) = world.surely_refresh(Party::Owner, &owner).await? else { break };
            owner = next;
            tokio::time::sleep(dice.percent_of(world.window, lag.0, lag.1)).await;
            let Some(next) = world.surely_refresh(Party::Thief, &thief).await? else { break };
            thief = next;
            // Whoever comes back sooner than two windows later looks like a tab.
            tokio::time::sleep(dice.percent_of(world.window, 230, 270)).await;
        }
        // One was refused, so both must be.
        if world.surely_refresh(Party::Owner, &owner).await?.is_none() {
            found_out += 1;
            world.bury([owner, thief]);
        }
    }
    Ok(found_out)
}

/// One more than a theft may take to come out, and then some.
const ROUNDS_MAX: usize = 5;
