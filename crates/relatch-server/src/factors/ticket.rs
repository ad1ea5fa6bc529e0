//! The ticket between password and code: what a login had proved, sealed, and kept by whoever logs in.
//!
//! The server keeps nothing: an attacker who asks for a million tickets costs it no memory, and gets no more guesses,
//! since those are counted by account.

use crate::environment::Entropy;
use crate::keys::aead;
use base64ct::{Base64UrlUnpadded, Encoding};
use relatch_core::{Epoch, Transport};
use relatch_token::{DeviceHash, KeyRing, Seconds, Secret, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A login whose password was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MfaTicket {
    /// Whose.
    pub user_id: UserId,
    /// The user's epoch as it was *before* the password was checked: a later password voids the ticket.
    pub epoch: Epoch,
    /// When.
    pub issued_at: Timestamp,
    /// The transport that was chosen.
    pub transport: Transport,
    /// Whether the cookies shall outlive the browser window.
    pub remember: bool,
    /// The device cookie that came along, beside which alone the ticket works.
    pub device: Option<DeviceHash>,
    /// The name that the device was given.
    pub device_name: Option<String>,
}

impl MfaTicket {
    /// The ticket's text.
    pub fn seal(&self, ring: &KeyRing, entropy: &dyn Entropy) -> Secret<String> {
        let sealed = Sealed {
            user: *self.user_id.as_bytes(),
            epoch: self.epoch.0,
            issued_at: self.issued_at.as_millis(),
            is_body: self.transport == Transport::Body,
            remember: self.remember,
            device: self.device.map(|device| device.0),
            device_name: self.device_name.clone(),
        };
        let plain = serde_json::to_vec(&sealed)
            .unwrap_or_else(|_| unreachable!("numbers and a string are always JSON"));
        let mut bytes = vec![ring.current_id()];
        bytes.extend(aead::seal(ring, LABEL, LABEL, &plain, entropy));
        Secret::new(format!("{PREFIX}{}", Base64UrlUnpadded::encode_string(&bytes)))
    }

    /// Reads a ticket; `None` where it is none of ours, or too old.
    pub fn open(text: &Secret<String>, ring: &KeyRing, now: Timestamp) -> Option<Self> {
        let encoded = text.expose().strip_prefix(PREFIX).filter(|rest| rest.len() <= ENCODED_BYTES_MAX)?;
        let bytes = Base64UrlUnpadded::decode_vec(encoded).ok()?;
        let (master_id, sealed) = bytes.split_first()?;
        let plain = aead::open(ring, *master_id, LABEL, LABEL, sealed).ok()?;
        let sealed: Sealed = serde_json::from_slice(plain.expose()).ok()?;
        let ticket = Self {
            user_id: UserId::from_bytes(sealed.user),
            epoch: Epoch(sealed.epoch),
            issued_at: Timestamp::from_millis(sealed.issued_at),
            transport: if sealed.is_body { Transport::Body } else { Transport::Cookie },
            remember: sealed.remember,
            device: sealed.device.map(DeviceHash),
            device_name: sealed.device_name,
        };
        (now < ticket.issued_at + MFA_TICKET_LIFE).then_some(ticket)
    }
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    user: [u8; 16],
    epoch: u32,
    issued_at: i64,
    is_body: bool,
    remember: bool,
    device: Option<[u8; 8]>,
    device_name: Option<String>,
}

/// Enough to find the phone.
pub const MFA_TICKET_LIFE: Seconds = Seconds(300);
const PREFIX: &str = "rlm_";
const LABEL: &str = "ticket between password and code";
/// A device name has at most 64 characters; the rest is of fixed size.
const ENCODED_BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;
    use relatch_token::MasterKey;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn ring(instance: &[u8], masters: &[(u8, u8)]) -> KeyRing {
        let key = |&(id, byte): &(u8, u8)| MasterKey { id, secret: Secret::new([byte; 32]) };
        KeyRing::new(instance, masters.iter().map(key).collect()).unwrap()
    }

    fn ticket() -> MfaTicket {
        MfaTicket {
            user_id: UserId::from_bytes([7; 16]),
            epoch: Epoch(3),
            issued_at: NOW,
            transport: Transport::Cookie,
            remember: false,
            device: Some(DeviceHash([9; 8])),
            device_name: Some("𝕏".repeat(64)),
        }
    }

    #[test]
    fn a_ticket_opens_for_five_minutes() {
        let (ring, entropy) = (ring(b"i", &[(1, 1)]), OsEntropy::open().unwrap());
        let text = ticket().seal(&ring, &entropy);
        let last = Timestamp::from_millis(NOW.as_millis() + 299_999);
        for now in [NOW, last] {
            assert_eq!(MfaTicket::open(&text, &ring, now), Some(ticket()));
        }
        assert_eq!(MfaTicket::open(&text, &ring, NOW + Seconds(300)), None);
        let plain = MfaTicket { device: None, device_name: None, transport: Transport::Body, ..ticket() };
        assert_eq!(MfaTicket::open(&plain.seal(&ring, &entropy), &ring, NOW), Some(plain));
    }

    #[test]
    fn a_forged_changed_or_foreign_ticket_stays_shut() {
        let (own, entropy) = (ring(b"i", &[(1, 1)]), OsEntropy::open().unwrap());
        let text = ticket().seal(&own, &entropy);
        for other in [ring(b"j", &[(1, 1)]), ring(b"i", &[(1, 2)]), ring(b"i", &[(2, 1)])] {
            assert_eq!(MfaTicket::open(&text, &other, NOW), None);
        }
        let newer = ring(b"i", &[(2, 2), (1, 1)]);
        assert_eq!(MfaTicket::open(&text, &newer, NOW), Some(ticket()), "a new master key voids none");
        for at in 0..text.expose().len() {
            let mut changed = text.expose().clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = Secret::new(String::from_utf8(changed).unwrap());
            assert_eq!(MfaTicket::open(&changed, &own, NOW), None, "byte {at}");
            let cut = Secret::new(text.expose()[..at].to_owned());
            assert_eq!(MfaTicket::open(&cut, &own, NOW), None, "cut at {at}");
        }
        assert!(!format!("{text:?}").contains("rlm_"));
    }
}
