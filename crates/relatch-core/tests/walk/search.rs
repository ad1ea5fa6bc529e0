//! Breadth first through every history, each state once: the first broken promise has the shortest history.

use crate::cast::{Action, Outcome, Setting};
use crate::common::{POLICY, after, present, session};
use crate::names::Names;
use crate::world::{WINDOW, World};
use relatch_core::{RefreshDecision, Session, Standing, State, Transport, refresh};
use relatch_token::Seconds;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// What a walk has seen.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) states: usize,
    pub(crate) edges: usize,
    pub(crate) outcomes: BTreeMap<Outcome, usize>,
    /// In how many heads' lives owner and thief were both served with aged tokens, at most.
    pub(crate) shared_max: u8,
}

/// A broken promise and the shortest history that breaks it.
pub(crate) struct Broken {
    pub(crate) promise: String,
    pub(crate) history: Vec<Action>,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, by", self.promise)?;
        self.history.iter().try_for_each(|action| writeln!(f, "  {action:?}"))
    }
}

/// Walks every history of at most `depth` actions, and asks `judge` about every state.
pub(crate) fn walk(
    setting: &Setting,
    depth: usize,
    judge: impl Fn(&World) -> Result<(), String>,
) -> Result<Walked, Broken> {
    let mut row = session(Transport::Cookie);
    let mut walked = Walked::default();
    let mut seen = HashSet::new();
    // For every state the state it was first reached from, and by what.
    let mut steps: Vec<(u32, Action)> = vec![(0, Action::Wait(0))];
    let mut names = Names::new(setting.thief);
    let mut frontier = vec![(0u32, World::new())];
    seen.insert(names.fingerprint(&frontier[0].1));
    for _ in 0..depth {
        let mut next = Vec::new();
        for (at, world) in &frontier {
            for action in world.actions(setting) {
                let mut reached = world.clone();
                walked.edges += 1;
                let checked = reached.act(action, setting, &mut row).and_then(|outcome| {
                    *walked.outcomes.entry(outcome).or_default() += 1;
                    judge(&reached)?;
                    refuses_everything_once_revoked(&reached, &mut row)
                });
                if let Err(promise) = checked {
                    return Err(Broken { promise, history: history(&steps, *at, action) });
                }
                if seen.insert(names.fingerprint(&reached)) {
                    walked.shared_max = walked.shared_max.max(reached.shared);
                    let number = steps.len() as u32;
                    steps.push((*at, action));
                    if reached.state == State::Live {
                        next.push((number, reached));
                    }
                }
            }
        }
        frontier = next;
    }
    walked.states = seen.len();
    Ok(walked)
}

/// A revoked row never changes again, so one look at every token, now and later, is a look at every history.
fn refuses_everything_once_revoked(world: &World, row: &mut Session) -> Result<(), String> {
    if world.state == State::Live {
        return Ok(());
    }
    row.state = world.state;
    for head in world.undo.iter().chain([&world.head]) {
        row.head = *head;
        for token in world.tokens() {
            for now in [world.now, world.now + Seconds(1), world.now + WINDOW, after(world.now, 3_600_000)] {
                let presented = present(row, token);
                for attempt in [None, head.attempt] {
                    let decision = refresh(row, &Standing::default(), &presented, attempt, &POLICY, now);
                    if !matches!(decision, RefreshDecision::Refuse(_)) {
                        return Err(format!("after an acknowledged revoke: {decision:?}"));
                    }
                }
            }
        }
    }
    Ok(())
}

fn history(steps: &[(u32, Action)], last: u32, action: Action) -> Vec<Action> {
    let mut history = vec![action];
    let mut at = last;
    while at != 0 {
        let (from, action) = steps[at as usize];
        history.push(action);
        at = from;
    }
    history.reverse();
    history
}
