//! How many sessions a user may have at a time, and which of them leave for a new one.

use crate::NewEvent;
use relatch_core::{EventKind, Origin, Revocation, RevokeReason, Session, Transport};

/// How many live sessions a user may have, the new one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of both transports together.
    pub sessions_max: u32,
    /// Of the cookie transport, where it has a bound of its own.
    pub cookie_max: Option<u32>,
    /// The same for the body transport.
    pub body_max: Option<u32>,
    /// What happens when there are as many already.
    pub when_full: WhenFull,
}

/// What happens when a user has as many sessions as they may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The one that began first ends.
    EndOldest,
    /// The one that was not heard of for longest ends.
    EndMostIdle,
    /// The new one does not begin.
    Refuse,
}

/// A session that leaves to make room.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaving {
    /// Which.
    pub session: Session,
    /// [`RevokeReason::Evicted`]; [`RevokeReason::Replaced`] where it is of the same browser as the new one.
    pub reason: RevokeReason,
}

impl Leaving {
    /// When and why it ends.
    pub fn revocation(&self, beginning: &NewEvent) -> Revocation {
        Revocation { at: beginning.at, reason: self.reason }
    }

    /// The event that tells of it: the device is the one that leaves, the rest is from where the new session
    /// comes, which the event `beginning` tells of.
    pub fn event(&self, beginning: &NewEvent) -> NewEvent {
        let device_name = self.session.origin.device_name.clone();
        NewEvent {
            kind: EventKind::SessionRevoked,
            at: beginning.at,
            user_id: self.session.user_id,
            session_id: Some(self.session.id),
            origin: Origin { device_name, ..beginning.origin.clone() },
            reason: Some(self.reason.as_str().to_owned()),
        }
    }
}

impl Room {
    /// Whether there is a place for one more beside `others` live sessions, whatever their transports are: for
    /// a store that can count faster than it can read.
    pub fn is_sure_beside(&self, others: u32) -> bool {
        let least = [self.cookie_max, self.body_max].into_iter().flatten().fold(self.sessions_max, u32::min);
        others < least
    }

    /// Which of the user's live sessions leave for `new`; `None` where it has to be refused.
    ///
    /// One of the same browser leaves first, whatever happens when it is full: the browser has one refresh
    /// cookie, which the new session takes.
    pub fn clear(&self, new: &Session, mut live: Vec<Session>) -> Option<Vec<Leaving>> {
        let is_replaced = |one: &Session| new.device.is_some() && one.device == new.device;
        live.sort_by_key(|one| {
            let since = match self.when_full {
                WhenFull::EndMostIdle => one.head.at,
                WhenFull::EndOldest | WhenFull::Refuse => one.created_at(),
            };
            (!is_replaced(one), since, one.created_at(), one.id)
        });
        let of_transport = match new.transport {
            Transport::Cookie => self.cookie_max,
            Transport::Body => self.body_max,
        };
        let (mut leaving, mut staying) = (Vec::new(), live);
        for (bound, transport) in [(of_transport, Some(new.transport)), (Some(self.sessions_max), None)] {
            let counts = |one: &Session| transport.is_none_or(|transport| transport == one.transport);
            let others_max = bound.unwrap_or(u32::MAX).max(1) as usize - 1;
            let mut excess = staying.iter().filter(|one| counts(one)).count().saturating_sub(others_max);
            let leaves = |one: &mut Session| {
                let leaves = excess > 0 && counts(one);
                excess -= usize::from(leaves);
                leaves
            };
            leaving.extend(staying.extract_if(.., leaves));
        }
        let leaving = leaving.into_iter().map(|session| {
            let is_replaced = is_replaced(&session);
            let reason = if is_replaced { RevokeReason::Replaced } else { RevokeReason::Evicted };
            (is_replaced || self.when_full != WhenFull::Refuse).then_some(Leaving { session, reason })
        });
        leaving.collect()
    }
}
