//! An exhaustive walk: every short history of one session, through the rule itself.
//!
//! Method: breadth first from the login, over everything that owner, thief, network, store and clock can do
//! next (`world`), each state once (`search`): two states are one where they differ only in the names of nonces
//! and attempts and in when things happened beyond the window. Every answer of the rule is judged on the spot.
//!
//! What is checked, with the store's lost writes and the logout in every walk:
//! - (a) no history without a thief ends in a reuse, or in doubt; lost writes heal;
//! - (b) nobody is served in settled time with a superseded token, owner and thief never get the same child, and
//!   the two are not kept in step for long: see `a_thief_is_not_served_beside_the_owner_for_long`;
//! - (c) once a revoke was acknowledged (a logout, a reuse), no token of the session is accepted, ever;
//! - (d) the head's generation grows, every answer is a child of the head, a revoked session stays so.
//!
//! What (a) leaves out, because the rule does not promise it:
//! - A round trip is shorter than the window: a message travels at most a third of it. Whoever sleeps on a
//!   request for longer comes too late, like a thief.
//! - The head moves only by a question that is still open: the token in the jar, with the attempt id in storage,
//!   and nothing else of the owner's under way but copies of it. Else two tabs can end up on two branches of the
//!   family, and the jar on the dead one. `refreshes_that_overlap_a_step_can_end_on_a_dead_branch` holds every
//!   shortest such history. Clients avoid it by refreshing one at a time, and repair it by refreshing once more
//!   inside the window, where an answer stayed away or is of a lower generation than they have seen. Ours does.
//! - Without an attempt id, the owner retries a lost answer, and is answered, inside the window.
//! - Limits of time, bindings and lost writes beyond two are rows of `verdicts`; conflicts are the shell's.
//!
//! `RELATCH_WALK_DEEPER=2` walks every history two actions longer.

mod cast;
#[path = "../common/mod.rs"]
mod common;
mod names;
mod search;
mod server;
mod world;

use cast::Action::{Deliver, Drop, Duplicate, LoseWrites, Receive, Round, Send, Steal, Thief, Wait};
use cast::{Action, Outcome, Setting};
use relatch_token::SessionId;
use search::{Walked, walk};
use std::io::Write;
use world::World;

#[test]
fn no_honest_session_is_lost_where_the_attempt_id_is_kept() {
    let walked = checked_walk("two tabs, attempt id kept", HONEST, 24);
    assert_seen(&walked, &[Outcome::Advance, Outcome::Heal, Outcome::Sibling, Outcome::Repeat]);
    assert_eq!(walked.outcomes.get(&Outcome::Reuse), None);
}

#[test]
fn no_honest_session_is_lost_to_a_crash_that_spares_what_is_under_way() {
    let spared = Setting { crash_spares_flight: true, ..HONEST };
    let walked = checked_walk("two tabs, requests outlive the crash", spared, 20);
    assert_seen(&walked, &[Outcome::Advance, Outcome::Heal, Outcome::Sibling, Outcome::Repeat]);
}

#[test]
fn no_honest_session_is_lost_where_a_client_without_attempt_id_retries_in_the_window() {
    let nameless = Setting { attempt_kept: false, ..HONEST };
    let walked = checked_walk("two tabs, no attempt id, retries in the window", nameless, 23);
    assert_seen(&walked, &[Outcome::Advance, Outcome::Heal, Outcome::Sibling]);
    assert_eq!(walked.outcomes.get(&Outcome::Repeat), None);
}

#[test]
fn a_thief_among_two_tabs_breaks_no_promise() {
    let walked = checked_walk("two tabs and a thief", Setting { thief: true, ..HONEST }, 9);
    assert_seen(
        &walked,
        &[Outcome::Advance, Outcome::Heal, Outcome::Sibling, Outcome::Repeat, Outcome::Reuse],
    );
}

/// Goal: how long a thief can stay beside the owner. A head's life is *shared* where both were served in it with
/// tokens that had aged beyond a window. One shared life is free (the copy itself). Each further one costs
/// something that kept the two in step: an answer to the owner that was lost, a write that the store lost, or a
/// meeting inside one window where one of them still brings a superseded token.
/// Method: the strongest thief: he keeps four tokens, and answers reach him at once and always.
#[test]
fn a_thief_is_not_served_beside_the_owner_for_long() {
    let rounds = Setting { thief: true, messages: false, lossy_store: false, ..HONEST };
    let walked = checked_walk("owner in rounds and a thief", rounds, 9);
    assert_seen(&walked, &[Outcome::Advance, Outcome::Sibling, Outcome::Repeat, Outcome::Reuse]);
    let walked =
        checked_walk("the same, thief with one attempt id", Setting { thief_unnamed: false, ..rounds }, 13);
    assert!(walked.shared_max >= 2, "the walk is too short to see a second shared life");
    checked_walk("the same, and a store that loses writes", Setting { lossy_store: true, ..rounds }, 9);
}

/// The price list of the walk above, from its other side: what two and three shared lives take at the least.
#[test]
fn two_shared_lives_take_one_excuse_and_three_take_two() {
    let rounds = Setting { thief: true, messages: false, ..HONEST };
    let visit = |token| Thief { token, named: true };
    let (answered, lost) = (Round { answered: true }, Round { answered: false });
    let two = [Steal, Wait(7), lost, visit(0), Wait(7), visit(1), answered];
    let three = [Steal, Wait(7), answered, visit(0), Wait(7), lost, visit(0), Wait(7), visit(2), answered];
    for (history, shared, excuses) in [(&two[..], 2, 1), (&three[..], 3, 2)] {
        let mut world = World::new();
        replay(&mut world, history, &rounds).unwrap();
        assert_eq!(world.shared, shared, "{history:?}");
        assert!(world.excuses >= excuses, "{history:?}");
        // And then it is over: whoever of the two comes second after a pause is found out.
        let mut end = world.clone();
        let newest = end.loot.len() as u8 - 1;
        let caught = replay(&mut end, &[Wait(7), answered, visit(newest)], &rounds);
        assert_eq!(caught, Ok(Outcome::Reuse), "{history:?}");
    }
}

/// Goal: know the limits of the rule by history, not by hearsay. Each of these loses an honest session because a
/// refresh overlapped another one that moved the head; none is longer than it must be.
#[test]
fn refreshes_that_overlap_a_step_can_end_on_a_dead_branch() {
    let first = [Send, Deliver(0), Receive(0)];
    let late_sibling = [&first[..], &[Wait(1), Wait(1), Send, Deliver(0), Wait(1), Send]].concat();
    let limits: [(&str, Vec<Action>); 5] = [
        (
            "a sibling given just before the head settles overtakes the answer of a step just after, \
             and nobody returns in the window",
            [&late_sibling[..], &[Deliver(1), Receive(1), Receive(0), Wait(7), Send, Deliver(0)]].concat(),
        ),
        (
            "the same, where the answer of the step is lost",
            [&late_sibling[..], &[Deliver(1), Drop(1), Receive(0), Wait(7), Send, Deliver(0)]].concat(),
        ),
        (
            "two tabs repeat a lost answer; one answer comes after the next step's",
            vec![
                Send,
                Deliver(0),
                Drop(0),
                Wait(3),
                Send,
                Send,
                Deliver(0),
                Deliver(0),
                Receive(0),
                Send,
                Deliver(1),
                Receive(1),
                Receive(0),
                Wait(3),
                Send,
                Deliver(0),
            ],
        ),
        (
            "the network's second copy of an answered request moves the head, and its answer goes to nobody",
            vec![
                Send,
                Deliver(0),
                Wait(1),
                Send,
                Receive(0),
                Deliver(0),
                Wait(1),
                Send,
                Duplicate(1),
                Deliver(1),
                Receive(2),
                Receive(0),
                Wait(1),
                Deliver(0),
                Wait(3),
                Send,
                Deliver(0),
            ],
        ),
        (
            "the store loses a write, and a request that outlived the crash moves the old head another way",
            vec![
                Send,
                Deliver(0),
                Receive(0),
                Send,
                Duplicate(0),
                Deliver(0),
                Receive(1),
                LoseWrites(1),
                Deliver(0),
                Wait(3),
                Send,
                Deliver(0),
            ],
        ),
    ];
    let overlapping = Setting { overlaps: true, crash_spares_flight: true, ..HONEST };
    for (limit, history) in &limits {
        let end = replay(&mut World::new(), history, &overlapping);
        assert!(
            end.as_ref().is_err_and(|promise| promise.contains("honest session was lost")),
            "{limit}: {end:?}"
        );
    }
    // One more refresh inside the window repairs each. A client knows that it needs one when an answer is of a
    // lower generation than it has seen (the first and the third), or when one of its own never came (the second).
    for (limit, history) in &limits {
        let (before, sleep) = history.split_at(history.len() - 3);
        let repaired = [before, &[Send, Deliver(0), Receive(0)], sleep].concat();
        let end = replay(&mut World::new(), &repaired, &overlapping);
        assert_eq!(end, Ok(Outcome::Advance), "{limit}, repaired");
    }
}

/// The case for two windows (`docs/decisions/0005-recent-is-two-windows.md`): no message is lost here or longer under
/// way than a third of a window, and with one window this ended the session. The burst of `scenarios` has more.
#[test]
fn a_refresh_that_straddles_the_windows_boundary_is_served() {
    // A token as old as the head is sent as the head settles, and a sibling moves the head before it arrives.
    let sibling_given = [Send, Deliver(0), Receive(0), Wait(1), Wait(1), Send, Deliver(0), Wait(1)];
    let overtaken = [Send, Receive(0), Send, Deliver(1), Wait(1), Deliver(0)];
    let overlapping = Setting { overlaps: true, ..HONEST };
    let mut world = World::new();
    let end = replay(&mut world, &[&sibling_given[..], &overtaken].concat(), &overlapping);
    assert_eq!(end, Ok(Outcome::Sibling));
    // And once the answers are in, the session goes on.
    let end = replay(&mut world, &[Receive(0), Receive(0), Wait(7), Send, Deliver(0)], &overlapping);
    assert_eq!(end, Ok(Outcome::Advance));
}

fn checked_walk(name: &str, setting: Setting, depth: usize) -> Walked {
    let deeper: isize = std::env::var("RELATCH_WALK_DEEPER")
        .map_or(0, |more| more.parse().expect("RELATCH_WALK_DEEPER is a number of actions, like 2 or -2"));
    let depth = depth.saturating_add_signed(deeper);
    let kept_in_step = |world: &World| match world.shared {
        shared if shared > 1 + world.excuses => {
            Err(format!("{shared} shared lives, {} excuses", world.excuses))
        }
        _ => Ok(()),
    };
    let walked = walk(&setting, depth, kept_in_step).unwrap_or_else(|broken| panic!("{name}: {broken:?}"));
    // Straight to the terminal: the figures are to be seen where the test passes.
    let _ = writeln!(
        std::io::stderr(),
        "walk: {name}: depth {depth}, {} states, {} edges, {:?}, shared lives at most {}",
        walked.states,
        walked.edges,
        walked.outcomes,
        walked.shared_max,
    );
    walked
}

/// A walk that never met a verdict proves nothing about it.
fn assert_seen(walked: &Walked, outcomes: &[Outcome]) {
    for outcome in outcomes {
        assert!(walked.outcomes.contains_key(outcome), "never seen: {outcome:?}");
    }
}

fn replay(world: &mut World, history: &[Action], setting: &Setting) -> Result<Outcome, String> {
    let mut row = common::session(relatch_core::Transport::Cookie);
    let mut last = Outcome::Other;
    for action in history {
        assert!(world.actions(setting).contains(action), "{action:?} can't happen here");
        last = world.act(*action, setting, &mut row)?;
    }
    Ok(last)
}

const SESSION_ID: SessionId = SessionId::from_bytes([7; 16]);

const HONEST: Setting = Setting {
    messages: true,
    attempt_kept: true,
    thief: false,
    lossy_store: true,
    crash_spares_flight: false,
    overlaps: false,
    thief_unnamed: true,
    loot_max: 4,
};
