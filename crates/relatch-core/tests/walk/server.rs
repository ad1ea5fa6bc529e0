//! The server of the walk: asks the rule, does what it says, and judges it.

use crate::cast::{Outcome, Party};
use crate::common::{POLICY, present};
use crate::world::{WINDOW, World};
use relatch_core::{
    Child, Head, LogoutDecision, Policy, RefreshDecision, Refusal, RevokeReason, Session, Standing, State,
    Windows, logout, refresh,
};
use relatch_token::{AttemptHash, Nonce, RefreshToken};

impl World {
    /// A refresh on the server: decide, commit, answer; and judge what was decided.
    pub(crate) fn ask(
        &mut self,
        party: Party,
        token: &RefreshToken,
        attempt: Option<AttemptHash>,
        row: &mut Session,
    ) -> Result<(Outcome, Option<RefreshToken>), String> {
        self.lay_out(row);
        let presented = present(row, *token);
        let decision = refresh(row, &Standing::default(), &presented, attempt, &SHORT_POLICY, self.now);
        let was_settled = !self.head.is_fresh(WINDOW, self.now);
        let is_child = token.parent == self.head.nonce && token.generation == self.head.generation.next();
        let is_head = token.nonce == self.head.nonce;
        let is_movers = is_head && self.mover == party;
        if let Some(update) = decision.update() {
            update.apply(row);
        }
        let was_live = self.state == State::Live;
        self.state = row.state;
        let (outcome, child) = match decision {
            RefreshDecision::Advance { child, healed, .. } => {
                self.move_head(row.head, party)?;
                if healed > 0 && !self.writes_lost {
                    return Err("a heal although the store lost nothing".into());
                }
                (if healed > 0 { Outcome::Heal } else { Outcome::Advance }, child)
            }
            RefreshDecision::Answer { child, repeat: true } => {
                if self.mover != party && !self.writes_lost {
                    return Err("a repeat for somebody who did not move the head".into());
                }
                (Outcome::Repeat, child)
            }
            RefreshDecision::Answer { child, repeat: false } => {
                self.excuses += u8::from(!is_head && !is_child);
                if was_settled {
                    return Err(format!("{party:?} got a sibling of a settled head"));
                }
                (Outcome::Sibling, child)
            }
            RefreshDecision::Reuse { evidence, .. } => {
                if self.state == State::Live {
                    return Err("a reuse that ended nothing".into());
                }
                if !self.thief_came {
                    return Err(format!("an honest session was lost: {evidence:?}"));
                }
                return Ok((Outcome::Reuse, None));
            }
            RefreshDecision::Refuse(Refusal::Ended(_)) if !was_live => {
                return Ok((Outcome::Other, None));
            }
            other => return Err(format!("{party:?} met {other:?}")),
        };
        if !was_live || self.state != State::Live {
            return Err("a token was accepted after an acknowledged revoke".into());
        }
        if was_settled && !self.writes_lost && !is_child && !is_movers {
            return Err(format!("{party:?} was served in settled time with a superseded token"));
        }
        self.note_served(party, token);
        let given = self.issue(&child);
        if given.generation != self.head.generation.next() || given.parent != self.head.nonce {
            return Err("an answer that is no child of the head".into());
        }
        Ok((outcome, Some(given)))
    }

    /// A logout on the server, with the jar's token.
    pub(crate) fn log_out(&mut self, row: &mut Session) -> Result<Outcome, String> {
        self.lay_out(row);
        let presented = present(row, self.jar);
        match logout(row, &Standing::default(), &presented, RevokeReason::Logout, self.now) {
            LogoutDecision::Revoke(update) => update.apply(row),
            LogoutDecision::Nothing => return Err("a logout with the jar's token did nothing".into()),
        }
        self.state = row.state;
        if self.state == State::Live {
            return Err("a logout that ended nothing".into());
        }
        Ok(Outcome::LoggedOut)
    }

    fn move_head(&mut self, head: Head, party: Party) -> Result<(), String> {
        if head.generation <= self.head.generation {
            return Err("the head's generation did not grow".into());
        }
        self.undo.push(self.head);
        if self.undo.len() > 2 {
            self.undo.remove(0);
        }
        self.head = head;
        self.mover = party;
        self.served = [false; 2];
        Ok(())
    }

    fn note_served(&mut self, party: Party, token: &RefreshToken) {
        let has_aged = self.now.millis_since(token.issued_at) > WINDOW.as_millis();
        if has_aged && !self.served[party as usize] {
            self.served[party as usize] = true;
            self.shared += u8::from(self.served == [true; 2]);
        }
    }

    /// The row as the store holds it.
    fn lay_out(&self, row: &mut Session) {
        row.head = self.head;
        row.state = self.state;
    }

    pub(crate) fn new_attempt(&mut self) -> AttemptHash {
        self.attempts += 1;
        AttemptHash(u64::from(self.attempts).to_be_bytes())
    }

    /// Stands for `SessionKeys::child_nonce`: the nonce says which attempt it was derived for, so that two
    /// worlds that will derive the same nonces later can be told from two that will not.
    pub(crate) fn issue(&mut self, child: &Child) -> RefreshToken {
        let attempt = child.attempt.unwrap_or_else(|| self.new_attempt());
        let mut hash = 0xCBF2_9CE4_8422_2325u64;
        for byte in child.parent.0.into_iter().chain(attempt.0).chain(child.parent_generation.0.to_be_bytes())
        {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        let mut nonce = hash.to_be_bytes();
        nonce[..2].copy_from_slice(&attempt.0[6..]);
        child.token(crate::SESSION_ID, Nonce(nonce))
    }
}

const SHORT_POLICY: Policy = Policy { reuse_window: Windows { cookie: WINDOW, body: WINDOW }, ..POLICY };
