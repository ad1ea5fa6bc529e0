//! What the checker keeps in mind of each session and each device while it walks through a history.

use super::checker::Fate;
use crate::device::Manners;
use crate::history::CallId;
use crate::rule::{Answer, DoorKind, Grant, Request};
use crate::timeline::Millis;
use std::collections::{BTreeMap, BTreeSet};

/// A session, as its callers know it.
#[derive(Default)]
pub(super) struct SessionState {
    pub(super) is_robbed: bool,
    /// Somebody asked for its end by a logout.
    pub(super) is_end_asked: bool,
    /// Somebody heard that it has ended: nothing that is sent later may be served.
    pub(super) ended_at: Option<Millis>,
    /// The newest generation that anybody heard of.
    pub(super) generation: u64,
    /// What last happened to its jar for which nothing is promised.
    pub(super) overlap: Option<Overlap>,
    pub(super) fate: Option<Fate>,
    /// The children that owner and thief were given.
    pub(super) given: [BTreeSet<String>; 2],
    /// By the generation of the answer: who was served in that head's life with a token older than a window.
    pub(super) lives: BTreeMap<u64, [bool; 2]>,
    /// What kept owner and thief in step: lost answers, lost writes, and requests
    /// that were served inside a head's window with a superseded token (docs/decisions/0005).
    pub(super) excuses: u64,
    pub(super) served_in_calm: [usize; 2],
}

/// The head moved while another refresh of the jar was under way; or for nobody.
pub(super) struct Overlap {
    pub(super) at: Millis,
    /// Nobody waited for it.
    pub(super) is_stray: bool,
    /// The child that was given: where nobody got it, and it is given again to somebody, all is well.
    pub(super) child: Option<String>,
}

/// A refresh that is under way.
pub(super) struct Question {
    pub(super) token: String,
    pub(super) attempt: Option<String>,
    /// Whether its answer is on its way.
    pub(super) is_answered: bool,
}

/// A device, as the checker follows it.
#[derive(Default)]
pub(super) struct DeviceState {
    /// The refresh token in the jar.
    pub(super) jar: Option<Grant>,
    /// Questions under way.
    pub(super) open: BTreeMap<CallId, Question>,
    /// Calls whose answer is waited for.
    pub(super) waiting: BTreeSet<CallId>,
}

impl DeviceState {
    /// Whether this question is not the jar's, or anything but the same question is under way beside it: another
    /// one, or an answer that may come later than this one's.
    pub(super) fn overlaps(&self, id: CallId, request: &Request) -> bool {
        let Request::Refresh { token, attempt, .. } = request else { return false };
        let is_jars = self.jar.as_ref().is_some_and(|jar| jar.refresh_token == *token);
        let is_same =
            |other: &Question| other.token == *token && other.attempt == *attempt && !other.is_answered;
        !is_jars || self.open.iter().any(|(other, question)| *other != id && !is_same(question))
    }

    /// Does what the device does with an answer.
    pub(super) fn hear(&mut self, id: CallId, request: &Request, answer: &Answer, manners: Manners) {
        self.open.remove(&id);
        self.waiting.remove(&id);
        match (request, answer) {
            (Request::LogIn { .. } | Request::Refresh { .. }, Answer::Served(grant)) => {
                let is_body = matches!(request, Request::Refresh { door: DoorKind::Body, .. });
                let is_older = manners == Manners::Ours
                    && is_body
                    && self.jar.as_ref().is_some_and(|jar| jar.generation > grant.generation);
                if !is_older {
                    self.jar = Some(grant.clone());
                }
            }
            (Request::Refresh { .. }, Answer::Refused(_)) | (Request::LogOut { .. }, _) => self.jar = None,
            _ => {}
        }
    }
}
