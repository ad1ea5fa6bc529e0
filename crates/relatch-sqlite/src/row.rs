//! How the fixed parts of a session are packed: 41 bytes that a refresh changes, about 45 that never change.

use crate::error::corrupt;
use relatch_core::{Head, Version};
use relatch_store::StoreError;
use relatch_token::{AttemptHash, DeviceHash, Generation, Nonce, SessionId, SessionSecret, Timestamp};
use std::net::IpAddr;

/// What never changes in a session and isn't shared with others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identity {
    pub(crate) id: SessionId,
    pub(crate) secret: SessionSecret,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) device: Option<DeviceHash>,
    pub(crate) ip: Option<IpAddr>,
}

/// Where SQL finds a session: the indexed start of its id, and the rest to compare.
pub(crate) struct IdParts {
    pub(crate) start: i64,
    pub(crate) rest: [u8; REST_BYTES],
}

impl IdParts {
    pub(crate) fn of(id: SessionId) -> Self {
        let [a, b, c, d, e, f, rest @ ..] = *id.as_bytes();
        // Shifted with its sign: SQLite keeps a signed 48-bit number in six bytes.
        Self { start: i64::from_be_bytes([a, b, c, d, e, f, 0, 0]) >> 16, rest }
    }

    fn id(&self) -> SessionId {
        let [.., a, b, c, d, e, f] = self.start.to_be_bytes();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&[a, b, c, d, e, f]);
        bytes[6..].copy_from_slice(&self.rest);
        SessionId::from_bytes(bytes)
    }
}

impl Identity {
    /// `rest of the id (10) · secret (16) · time (6) · flags (1) · device (8, optional) · address (4 or 16)`.
    pub(crate) fn pack(&self) -> Result<Vec<u8>, StoreError> {
        let mut blob = Vec::with_capacity(IDENTITY_BYTES_MAX);
        blob.extend_from_slice(&IdParts::of(self.id).rest);
        blob.extend_from_slice(self.secret.expose());
        blob.extend_from_slice(&pack_time(self.authenticated_at)?);
        blob.push(if self.device.is_some() { FLAG_DEVICE } else { 0 });
        if let Some(DeviceHash(hash)) = self.device {
            blob.extend_from_slice(&hash);
        }
        if let Some(ip) = self.ip {
            blob.extend_from_slice(&pack_ip(ip));
        }
        Ok(blob)
    }

    pub(crate) fn unpack(id_start: i64, blob: &[u8]) -> Result<Self, StoreError> {
        let mut bytes = Bytes(blob);
        let id = IdParts { start: id_start, rest: bytes.take()? }.id();
        let secret = SessionSecret::new(bytes.take()?);
        let authenticated_at = unpack_time(bytes.take()?);
        let [flags] = bytes.take()?;
        let device = if flags & FLAG_DEVICE == 0 { None } else { Some(DeviceHash(bytes.take()?)) };
        let ip = if bytes.0.is_empty() { None } else { Some(unpack_ip(bytes.0)?) };
        Ok(Self { id, secret, authenticated_at, device, ip })
    }
}

/// SQL for `identity` without its address: 33 bytes, and the device's 8 where the flag says so. The flags are
/// the 33rd byte, and the only flag is that one.
macro_rules! identity_without_address {
    () => {
        "substr(identity, 1, CASE WHEN substr(identity, 33, 1) = x'00' THEN 33 ELSE 41 END)"
    };
}
pub(crate) use identity_without_address;

/// `version (4) · generation (6) · nonce (8) · parent (8) · time (6) · flags (1) · attempt (8, zero where none)`.
///
/// Always as long, so that moving the head never moves a row.
pub(crate) fn pack_head(version: Version, head: &Head) -> Result<[u8; HEAD_BYTES], StoreError> {
    let mut blob = [0; HEAD_BYTES];
    blob[..4].copy_from_slice(&pack_version(version)?);
    blob[4..10].copy_from_slice(&pack_generation(head.generation)?);
    blob[10..18].copy_from_slice(&head.nonce.0);
    blob[18..26].copy_from_slice(&head.parent.0);
    blob[26..32].copy_from_slice(&pack_time(head.at)?);
    if let Some(AttemptHash(hash)) = head.attempt {
        blob[32] = FLAG_ATTEMPT;
        blob[33..].copy_from_slice(&hash);
    }
    Ok(blob)
}

pub(crate) fn unpack_head(blob: &[u8]) -> Result<(Version, Head), StoreError> {
    let mut bytes = Bytes(blob);
    let version = Version(u32::from_be_bytes(bytes.take()?).into());
    let [a, b, c, d, e, f] = bytes.take()?;
    let generation = Generation(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    let (nonce, parent) = (Nonce(bytes.take()?), Nonce(bytes.take()?));
    let at = unpack_time(bytes.take()?);
    let [flags] = bytes.take()?;
    let attempt = AttemptHash(bytes.take()?);
    let attempt = (flags & FLAG_ATTEMPT != 0).then_some(attempt);
    Ok((version, Head { generation, nonce, parent, at, attempt }))
}

/// The first bytes of a packed head. Four thousand million changes of one row are more than one a second for
/// a hundred years.
pub(crate) fn pack_version(version: Version) -> Result<[u8; 4], StoreError> {
    u32::try_from(version.0).map(u32::to_be_bytes).map_err(|_| beyond("version", version.0))
}

/// Wider than the version, which grows by one at a time: a heal may leap.
fn pack_generation(generation: Generation) -> Result<[u8; 6], StoreError> {
    match generation.0.to_be_bytes() {
        [0, 0, a, b, c, d, e, f] => Ok([a, b, c, d, e, f]),
        _ => Err(beyond("generation", generation.0)),
    }
}

/// An address as its 4 or 16 bytes.
pub(crate) fn pack_ip(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub(crate) fn unpack_ip(bytes: &[u8]) -> Result<IpAddr, StoreError> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::from(v4));
    }
    let v6 = <[u8; 16]>::try_from(bytes).map_err(|_| corrupt("an address has neither 4 nor 16 bytes"))?;
    Ok(IpAddr::from(v6))
}

fn pack_time(at: Timestamp) -> Result<[u8; 6], StoreError> {
    let millis = at.as_millis();
    let [.., a, b, c, d, e, f] = millis.to_be_bytes();
    // 48 bits reach 4,400 years either way.
    if (millis << 16) >> 16 == millis { Ok([a, b, c, d, e, f]) } else { Err(beyond("time", millis)) }
}

fn unpack_time([a, b, c, d, e, f]: [u8; 6]) -> Timestamp {
    Timestamp::from_millis(i64::from_be_bytes([a, b, c, d, e, f, 0, 0]) >> 16)
}

fn beyond(what: &str, value: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{what} {value} is beyond what a session's row can hold"))
}

/// What is left of a blob that is being read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (taken, left) =
            self.0.split_first_chunk().ok_or_else(|| corrupt("a packed part of a session is too short"))?;
        self.0 = left;
        Ok(*taken)
    }
}

pub(crate) const HEAD_BYTES: usize = 41;
/// The part of a session id that the index doesn't hold.
pub(crate) const REST_BYTES: usize = 10;
const IDENTITY_BYTES_MAX: usize = REST_BYTES + 16 + 6 + 1 + 8 + 16;
const FLAG_ATTEMPT: u8 = 1;
const FLAG_DEVICE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(device: Option<[u8; 8]>, ip: Option<&str>) -> Identity {
        Identity {
            id: SessionId::from_bytes([0x80, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xFF]),
            secret: SessionSecret::new([7; 16]),
            authenticated_at: Timestamp::from_millis(1_763_000_000_123),
            device: device.map(DeviceHash),
            ip: ip.map(|ip| ip.parse().unwrap()),
        }
    }

    #[test]
    fn an_identity_survives_packing_with_and_without_each_part() {
        for device in [None, Some([0; 8]), Some([9; 8])] {
            for ip in [None, Some("203.0.113.9"), Some("2001:db8::1"), Some("::ffff:203.0.113.9")] {
                let identity = identity(device, ip);
                let (parts, blob) = (IdParts::of(identity.id), identity.pack().unwrap());
                assert_eq!(Identity::unpack(parts.start, &blob).unwrap(), identity);
                assert!((-(1 << 47)..1 << 47).contains(&parts.start));
            }
        }
        assert_eq!(identity(Some([1; 8]), Some("203.0.113.9")).pack().unwrap().len(), 45);
    }

    #[test]
    fn a_head_survives_packing_and_is_always_as_long() {
        for attempt in [None, Some(AttemptHash([0; 8])), Some(AttemptHash([3; 8]))] {
            for (count, generation) in [(0, 0), (1, 1), (u64::from(u32::MAX), (1 << 48) - 1)] {
                let head = Head {
                    generation: Generation(generation),
                    nonce: Nonce([1; 8]),
                    parent: Nonce([2; 8]),
                    at: Timestamp::from_millis(-1),
                    attempt,
                };
                let blob = pack_head(Version(count), &head).unwrap();
                assert_eq!(unpack_head(&blob).unwrap(), (Version(count), head));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_a_short_blob_is_corrupt() {
        assert!(pack_version(Version(u64::from(u32::MAX) + 1)).is_err());
        assert!(pack_generation(Generation(1 << 48)).is_err());
        assert!(pack_time(Timestamp::from_millis((1 << 47) - 1)).is_ok());
        assert!(pack_time(Timestamp::from_millis(1 << 47)).is_err());
        assert!(pack_time(Timestamp::from_millis(-(1 << 47))).is_ok());
        assert!(pack_time(Timestamp::from_millis(-(1 << 47) - 1)).is_err());
        assert!(matches!(unpack_head(&[0; HEAD_BYTES - 1]), Err(StoreError::Corrupt(_))));
        assert!(matches!(Identity::unpack(0, &[0; 32]), Err(StoreError::Corrupt(_))));
    }
}
