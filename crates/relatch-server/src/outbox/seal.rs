//! The seal of a delivery: a dump of the database gives away no link that waits to be mailed.

use crate::environment::Entropy;
use crate::keys::aead::{self, Shut};
use relatch_store::{Channel, DeliveryId};
use relatch_token::{KeyRing, Secret};
use std::fmt::Write;

/// Seals under the current master key, whose number stands in front. The seal is bound to the delivery's name
/// and way: in another row it doesn't open.
pub(super) fn seal(
    ring: &KeyRing,
    id: DeliveryId,
    channel: &Channel,
    open: &Secret<Vec<u8>>,
    entropy: &dyn Entropy,
) -> Vec<u8> {
    let mut payload = vec![ring.current_id()];
    payload.extend(aead::seal(ring, LABEL, &bound_to(id, channel), open.expose(), entropy));
    payload
}

/// Opens what [`seal`] made.
pub(super) fn open(
    ring: &KeyRing,
    id: DeliveryId,
    channel: &Channel,
    payload: &[u8],
) -> Result<Secret<Vec<u8>>, Shut> {
    let (master_id, sealed) = payload.split_first().ok_or(Shut::WrongMaster)?;
    aead::open(ring, *master_id, LABEL, &bound_to(id, channel), sealed)
}

/// A delivery's name as people and receivers see it.
pub(super) fn name_of(id: DeliveryId) -> String {
    id.0.iter().fold(String::with_capacity(32), |mut text, byte| {
        // A `String` takes every write.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bound_to(id: DeliveryId, channel: &Channel) -> String {
    match channel {
        Channel::Mail => format!("{}\nmail", name_of(id)),
        Channel::Webhook(name) => format!("{}\nwebhook\n{name}", name_of(id)),
    }
}

const LABEL: &str = "outbox";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::OsEntropy;
    use relatch_token::MasterKey;

    #[test]
    fn a_delivery_opens_under_its_master_key_name_and_channel_alone() {
        let ring =
            |id, byte| KeyRing::new(b"i", vec![MasterKey { id, secret: Secret::new([byte; 32]) }]).unwrap();
        let (here, id) = (ring(3, 1), DeliveryId([5; 16]));
        let text = Secret::new(b"rll_a_link_that_must_not_show".to_vec());
        let entropy = OsEntropy::open().unwrap();
        let payload = seal(&here, id, &Channel::Mail, &text, &entropy);
        assert_eq!(open(&here, id, &Channel::Mail, &payload), Ok(text.clone()));
        assert!(!payload.windows(8).any(|part| text.expose().windows(8).any(|secret| secret == part)));
        let other = Channel::Webhook("mail".into());
        assert_eq!(open(&here, id, &other, &payload), Err(Shut::WrongMaster));
        assert_eq!(open(&here, DeliveryId([6; 16]), &Channel::Mail, &payload), Err(Shut::WrongMaster));
        assert_eq!(open(&ring(3, 2), id, &Channel::Mail, &payload), Err(Shut::WrongMaster));
        assert_eq!(open(&ring(4, 1), id, &Channel::Mail, &payload), Err(Shut::NoSuchMaster));
        assert_eq!(open(&here, id, &Channel::Mail, &[]), Err(Shut::WrongMaster));
    }
}
