//! The second step of a login: a ticket for the password, and a code.

use super::proof::amr;
use super::second_factor::{CodeRefusal, Guess, GuessFrom};
use super::{Accounts, TypedCode, Visitor};
use crate::factors::{Method, Methods, MfaTicket};
use crate::sessions::{Doubt, OpenRefusal, Tokens};
use relatch_core::EventKind;
use relatch_store::{User, UserKey};
use relatch_token::{Seconds, Secret};
use std::net::IpAddr;

/// What a login is answered where the password alone is not enough.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// To be sent with the code.
    pub ticket: Secret<String>,
    /// What may be sent.
    pub methods: Methods,
}

/// A code beside the ticket of a login.
#[derive(Debug)]
pub struct AnswerChallenge {
    /// The ticket, opened.
    pub ticket: MfaTicket,
    /// Of which kind the code is.
    pub method: Method,
    /// The code.
    pub code: TypedCode,
    /// Who asks. Its transport must be the ticket's.
    pub visitor: Visitor,
    /// From which network address.
    pub address: IpAddr,
}

/// Why a second step is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeRefusal {
    /// The ticket is too old, another browser's, or from before the password changed.
    InvalidTicket,
    /// The code is wrong, or was used before.
    WrongCode,
    /// The code is right, but there are as many sessions as one person may have.
    TooManySessions,
    /// Too many wrong ones.
    TooMany {
        /// When to try again.
        retry_after: Seconds,
    },
}

impl Accounts {
    /// What the password of this login has to be followed by; `None` where the user has no second factor. Asked
    /// when the password is known to be right, so that nobody else learns who has one.
    pub(super) async fn challenge(&self, user: &User, visitor: &Visitor) -> Result<Option<Challenge>, Doubt> {
        let factors = self.parts.store.second_factors(user.id).await?;
        let Some(methods) = Methods::of(&factors) else { return Ok(None) };
        let ticket = MfaTicket {
            user_id: user.id,
            epoch: user.standing.not_before,
            issued_at: self.now(),
            transport: visitor.transport,
            remember: visitor.remember,
            device: visitor.device.filter(|_| visitor.is_returning),
            device_name: visitor.origin.device_name.clone(),
        };
        let ticket = ticket.seal(self.parts.sessions.ring(), &*self.parts.surroundings.entropy);
        Ok(Some(Challenge { ticket, methods }))
    }

    /// Reads a ticket; `None` where it is none of ours, or too old.
    pub fn open_ticket(&self, text: &Secret<String>) -> Option<MfaTicket> {
        MfaTicket::open(text, self.parts.sessions.ring(), self.now())
    }

    /// Opens the session that a right password and a right code allow.
    pub async fn answer_challenge(
        &self,
        answer: AnswerChallenge,
    ) -> Result<Result<Tokens, ChallengeRefusal>, Doubt> {
        let AnswerChallenge { ticket, method, code, visitor, address } = answer;
        let invalid = Ok(Err(ChallengeRefusal::InvalidTicket));
        // Without a device cookie then, without one now: a browser gets its first with its session.
        let device = visitor.device.filter(|_| visitor.is_returning);
        if device != ticket.device || visitor.transport != ticket.transport {
            return invalid;
        }
        let Some(user) = self.parts.store.user(&UserKey::Id(ticket.user_id)).await? else { return invalid };
        if user.standing.not_before != ticket.epoch || user.standing.disabled_at.is_some() {
            return invalid;
        }
        let factors = self.parts.store.second_factors(user.id).await?;
        // Removed since the password was checked: what would a code prove? The next login asks for none.
        if Methods::of(&factors).is_none() {
            return invalid;
        }
        let known_device = self.known_device(Some(user.id), &visitor).await?;
        let guess = Guess {
            user_id: user.id,
            factors: &factors,
            method: Some(method),
            code: &code,
            from: GuessFrom::Login(known_device),
            address,
            origin: &visitor.origin,
        };
        match self.judge_code(guess).await? {
            Ok(()) => {}
            Err(CodeRefusal::Wrong) => return Ok(Err(ChallengeRefusal::WrongCode)),
            Err(CodeRefusal::TooMany { retry_after }) => {
                return Ok(Err(ChallengeRefusal::TooMany { retry_after }));
            }
        }
        if method == Method::RecoveryCode {
            self.mail_notice(&user, "A recovery code was used", RECOVERY_CODE_USED).await;
        }
        // Stale: all sessions were ended while the code was being checked.
        Ok(match self.open_session(user, &visitor, EventKind::Login, amr(true)).await? {
            Ok(tokens) => Ok(tokens),
            Err(OpenRefusal::Stale) => Err(ChallengeRefusal::InvalidTicket),
            Err(OpenRefusal::Full) => Err(ChallengeRefusal::TooManySessions),
        })
    }
}

const RECOVERY_CODE_USED: &str = "Somebody logged in to your account with its password and one of its recovery codes.\n\n\
     If that was not you, change your password and make new recovery codes at once.\n";
