//! An account moves to another address, which is proved before it counts.

use super::proof::Proved;
use super::{Accounts, LinkToken, Proof, ProofRefusal};
use crate::email::EmailAddress;
use crate::limits::Purpose;
use crate::sessions::Doubt;
use relatch_core::{EventKind, Origin};
use relatch_store::{EmailChange, LinkAddress, LinkPurpose, UserKey};
use relatch_token::Seconds;

/// A change of address as it was asked for.
#[derive(Debug)]
pub struct ChangeEmail {
    /// The current password, and who asks.
    pub proof: Proof,
    /// The address from now on.
    pub new: EmailAddress,
}

/// Why a change of address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeEmailRefusal {
    /// It was not proved that the owner asks.
    Proof(ProofRefusal),
    /// Too many messages asked for.
    TooMany {
        /// When to try again.
        retry_after: Seconds,
    },
    /// This server sends no mail, so that no address can be proved.
    NoMail,
}

/// Why a change of address is not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmEmailRefusal {
    /// The code was never good, is used up, too old, or void since the password changed.
    InvalidLink,
    /// The address has another account by now. Only who reads its mail gets to know.
    EmailTaken,
}

impl Accounts {
    /// Mails a single-use code to the new address, good for an hour, and a notice to the old one. Nothing
    /// changes before [`confirm_email_change`](Self::confirm_email_change); a change or reset of the
    /// password, and the end of all sessions, void the code.
    ///
    /// The answer is the same whether or not the new address has an account. Over the budget of messages to
    /// one address nothing is sent, and nothing shows.
    pub async fn change_email(&self, change: ChangeEmail) -> Result<Result<(), ChangeEmailRefusal>, Doubt> {
        if !self.can_mail() {
            return Ok(Err(ChangeEmailRefusal::NoMail));
        }
        let address = change.proof.address;
        let Proved { user, session, origin, .. } = match self.prove(change.proof).await? {
            Ok(proved) => proved,
            Err(refusal) => return Ok(Err(ChangeEmailRefusal::Proof(refusal))),
        };
        let (limits, now) = (&self.parts.mail_limits, self.now());
        if let Err(limited) = limits.check_address(Purpose::ChangeOfAddress, address, now) {
            return Ok(Err(ChangeEmailRefusal::TooMany { retry_after: limited.retry_after }));
        }
        if limits.check_account(Purpose::ChangeOfAddress, change.new.unique_key(), now).is_err() {
            return Ok(Ok(()));
        }
        let mut event = self.event(EventKind::EmailChangeRequested, user.id, &origin, None);
        event.session_id = Some(session.id);
        let to = LinkAddress {
            address: change.new.display().to_owned(),
            unique_key: change.new.unique_key().to_owned(),
        };
        let beside = self.notice(&user, "Your address is about to change", NOTICE).into_iter().collect();
        self.mail_link_to(&user, LinkPurpose::ChangeEmail, to, Some(event), beside).await?;
        Ok(Ok(()))
    }

    /// Uses up a code that [`change_email`](Self::change_email) mailed: the account moves to the address that
    /// the code was mailed to, which is proved thereby. Sessions live on; every other code of the user is
    /// void, and the old address is told. Needs no session: whoever has the code reads that address's mail.
    pub async fn confirm_email_change(
        &self,
        token: &LinkToken,
        origin: Origin,
    ) -> Result<Result<(), ConfirmEmailRefusal>, Doubt> {
        let link = self.parts.store.link(token.hash(), LinkPurpose::ChangeEmail, self.now()).await?;
        let before = match link {
            Some(link) => self.parts.store.user(&UserKey::Id(link.user_id)).await?,
            None => None,
        };
        Ok(match self.parts.store.change_email(token.hash(), self.now(), origin).await? {
            EmailChange::Done(_) => {
                if let Some(user) = before {
                    self.mail_notice(&user, "Your account has moved", MOVED).await;
                }
                Ok(())
            }
            EmailChange::Taken => Err(ConfirmEmailRefusal::EmailTaken),
            EmailChange::BadLink => Err(ConfirmEmailRefusal::InvalidLink),
        })
    }
}

/// Without the new address: this mailbox may be another person's by now.
const NOTICE: &str = "Somebody who knows the password of your account asked to move it to another address, to which a code \
     was mailed.\n\n\
     If that was not you, change your password at once: as long as the code has not been used, it is void then.\n";
/// To the old address, which no longer opens the account.
const MOVED: &str = "Your account has moved to another address, as somebody asked who knows its password.\n\n\
     If that was not you, somebody else has your account: tell those who run this service now.\n";
