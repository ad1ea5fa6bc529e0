//! Codes that are mailed, as a link where there is a page for it: single use, short-lived, and never to an
//! address that a request names.

use super::Accounts;
use crate::environment::EntropyExt;
use crate::mail::Message;
use crate::sessions::Doubt;
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_store::{Delivery, Link, LinkAddress, LinkHash, LinkPurpose, NewEvent, User, UserEmail};
use relatch_token::{Seconds, Secret, UserId};
use sha2::{Digest, Sha256};

/// The random part of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkToken(Secret<[u8; 32]>);

impl LinkToken {
    /// Reads what came back; `None` where it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0u8; 32];
        match Base64UrlUnpadded::decode(text.strip_prefix(PREFIX)?, &mut bytes) {
            Ok(decoded) if decoded.len() == 32 => Some(Self(Secret::new(bytes))),
            _ => None,
        }
    }

    /// What the store keeps of it.
    pub fn hash(&self) -> LinkHash {
        LinkHash(Sha256::digest(self.0.expose()).into())
    }

    fn text(&self) -> Secret<String> {
        Secret::new(format!("{PREFIX}{}", Base64UrlUnpadded::encode_string(self.0.expose())))
    }
}

impl Accounts {
    /// Uses up a link that proves an address. `false` where it isn't good.
    pub async fn verify_email(&self, token: &LinkToken) -> Result<bool, Doubt> {
        Ok(self.parts.store.verify_email(token.hash(), self.now()).await?.is_some())
    }

    /// Makes a link and queues the message that carries it to the user's address, in one write with the event
    /// that tells of it. A user without an address gets none.
    pub(super) async fn mail_link(
        &self,
        user: &User,
        purpose: LinkPurpose,
        event: Option<NewEvent>,
    ) -> Result<(), Doubt> {
        let Some(to) = link_address(user) else { return Ok(()) };
        self.mail_link_to(user, purpose, to, event, Vec::new()).await
    }

    /// The same to another address, with messages that go out beside it. Where no mail leaves, there is no link
    /// either.
    pub(super) async fn mail_link_to(
        &self,
        user: &User,
        purpose: LinkPurpose,
        to: LinkAddress,
        event: Option<NewEvent>,
        beside: Vec<Message>,
    ) -> Result<(), Doubt> {
        if !self.can_mail() {
            return match event {
                Some(event) => Ok(self.parts.store.record(event).await?),
                None => Ok(()),
            };
        }
        let (link, message) = self.write_link(user, purpose, to);
        let all = std::iter::once(&message).chain(&beside);
        let deliveries = all.map(|message| self.delivery(message, Some(user.id))).collect();
        self.parts.outbox.queued(self.parts.store.post_link(link, event, deliveries).await?);
        Ok(())
    }

    /// A link to prove the address of somebody who is about to sign up, and its message.
    pub(super) fn welcome(&self, user: &User) -> Option<(Link, Delivery)> {
        let to = link_address(user).filter(|_| self.can_mail())?;
        let (link, message) = self.write_link(user, LinkPurpose::VerifyEmail, to);
        Some((link, self.delivery(&message, Some(user.id))))
    }

    fn write_link(&self, user: &User, purpose: LinkPurpose, to: LinkAddress) -> (Link, Message) {
        let (path, subject, life, what) = match purpose {
            LinkPurpose::ResetPassword => {
                ("reset", "Set a new password", RESET_LIFE, "To set a new password")
            }
            LinkPurpose::VerifyEmail => (
                "verify",
                "Is this your address?",
                VERIFY_LIFE,
                "An account was opened with this address. To confirm that it was you",
            ),
            LinkPurpose::ChangeEmail => (
                "change-email",
                "Is this your new address?",
                CHANGE_LIFE,
                "To move your account to this address",
            ),
        };
        let address = to.address.clone();
        let (token, link) = self.make_link(user, purpose, to, life);
        let service = &self.parts.policy.service_name;
        let code = token.text();
        let policy = &self.parts.policy;
        let pages = match purpose {
            LinkPurpose::ChangeEmail => &policy.hosted_pages_url,
            LinkPurpose::ResetPassword | LinkPurpose::VerifyEmail => &policy.pages_url,
        };
        let way = match pages {
            // Behind a `#`, so that the code reaches no server's log and no Referer header.
            Some(pages) => format!("open this link:\n\n{pages}/{path}#{}", code.expose()),
            None => format!("enter this code where {service} asks for it:\n\n{}", code.expose()),
        };
        let hours = life.0 / 3600;
        let span = if hours == 1 { "an hour".to_owned() } else { format!("{hours} hours") };
        let text = format!(
            "{what}, within {span}, {way}\n\n\
             If you did not ask {service} for this, do nothing: without the code nothing happens.\n"
        );
        let subject = format!("{subject} – {service}");
        (link, Message { to: address, subject, text: Secret::new(text), html: None })
    }

    /// Makes the user's links of this purpose worthless, by one that is given to nobody.
    pub(super) async fn void_links(&self, user: &User, purpose: LinkPurpose) -> Result<(), Doubt> {
        let Some(to) = link_address(user) else { return Ok(()) };
        let (_, link) = self.make_link(user, purpose, to, Seconds(0));
        Ok(self.parts.store.add_link(link).await?)
    }

    /// A new link, which takes the place of an older one of the same purpose once it is kept.
    fn make_link(
        &self,
        user: &User,
        purpose: LinkPurpose,
        to: LinkAddress,
        life: Seconds,
    ) -> (LinkToken, Link) {
        let token = LinkToken(Secret::new(self.parts.surroundings.entropy.array()));
        let link = Link {
            hash: token.hash(),
            purpose,
            user_id: user.id,
            to,
            epoch: user.standing.not_before,
            expires_at: self.now() + life,
        };
        (token, link)
    }

    /// Tells the user something, at the address that they were read with. What it tells of has happened, so that
    /// a store that fails now is only told to the log.
    pub(super) async fn mail_notice(&self, user: &User, subject: &str, text: &str) {
        let notice = self.notice(user, subject, text);
        self.queue_notice(notice, Some(user.id)).await;
    }

    /// The same to somebody who is no user any more, with whom it would leave.
    pub(super) async fn mail_farewell(&self, user: &User, subject: &str, text: &str) {
        let notice = self.notice(user, subject, text);
        self.queue_notice(notice, None).await;
    }

    async fn queue_notice(&self, notice: Option<Message>, user_id: Option<UserId>) {
        let Some(message) = notice.filter(|_| self.can_mail()) else { return };
        if let Err(doubt) = self.parts.outbox.enqueue(self.delivery(&message, user_id)).await {
            tracing::warn!(%doubt, "a notice was not queued");
        }
    }

    /// The message of [`mail_notice`](Self::mail_notice).
    pub(super) fn notice(&self, user: &User, subject: &str, text: &str) -> Option<Message> {
        let to = user.email.as_ref()?.address.clone();
        let subject = format!("{subject} – {}", self.parts.policy.service_name);
        Some(Message { to, subject, text: Secret::new(text.to_owned()), html: None })
    }

    /// Tells somebody who signed up again that they have an account.
    pub(super) async fn mail_reminder(&self, user: &User) -> Result<(), Doubt> {
        let policy = &self.parts.policy;
        let text = format!(
            "Somebody, perhaps you, signed up to {} with this address, which has an account already.\n\n\
             Log in at {} or ask there for a new password.\n",
            policy.service_name, policy.public_url,
        );
        self.mail_notice(user, "You have an account", &text).await;
        Ok(())
    }
}

fn link_address(user: &User) -> Option<LinkAddress> {
    let UserEmail { address, unique_key, .. } = user.email.clone()?;
    Some(LinkAddress { address, unique_key })
}

const PREFIX: &str = "rll_";
/// NIST SP 800-63B §4.2.2.2 allows a day for a mailed recovery code; an hour is enough to read a mail.
const RESET_LIFE: Seconds = Seconds(3600);
/// As for a reset: who holds the code gets the account's address.
const CHANGE_LIFE: Seconds = Seconds(3600);
/// A day, since nothing but the address hangs on it.
const VERIFY_LIFE: Seconds = Seconds(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_token_survives_its_text_and_made_up_ones_are_refused() {
        let token = LinkToken(Secret::new([7; 32]));
        let text = token.text();
        assert_eq!(LinkToken::parse(text.expose()), Some(token));
        for bad in ["", "rll_", "rll_AAAA", &text.expose()[4..], &format!("{}A", text.expose())] {
            assert_eq!(LinkToken::parse(bad), None, "{bad}");
        }
    }
}
