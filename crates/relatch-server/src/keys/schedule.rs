//! What has to be done with the keys in the store, decided from their rows alone: pure, and the same on every
//! node. A step that was interrupted is found and finished by the next node that looks.

use super::{Algorithm, KeyPolicy, RotateOrder, RotationRefused, Takeover};
use relatch_store::SigningKeyRecord;
use relatch_token::Timestamp;

/// A change that makes another key sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A new key is made.
    Add {
        algorithm: Algorithm,
        active_at: Timestamp,
        /// A key of another type that was waiting, and now never signs.
        displaces: Option<String>,
    },
    /// The key that was waiting signs at once: its row, changed.
    Activate(SigningKeyRecord),
}

/// By the time at which they begin to sign, the oldest first: each key is followed by its successor.
pub(super) fn in_order(mut records: Vec<SigningKeyRecord>) -> Vec<SigningKeyRecord> {
    records.sort_by(|a, b| (a.active_at, a.created_at, &a.kid).cmp(&(b.active_at, b.created_at, &b.kid)));
    records
}

/// The key that signs at `now`.
pub(super) fn current(records: &[SigningKeyRecord], now: Timestamp) -> Option<&SigningKeyRecord> {
    records.iter().rfind(|record| record.active_at <= now)
}

/// Whether the last token of a key has expired.
pub(super) fn is_retired(record: &SigningKeyRecord, now: Timestamp) -> bool {
    record.retires_at.is_some_and(|retires_at| retires_at <= now)
}

/// The key that the schedule asks for, if any: the first one, or the next.
pub(super) fn due(records: &[SigningKeyRecord], policy: &KeyPolicy, now: Timestamp) -> Option<Step> {
    let Some(current) = current(records, now) else {
        let add = Step::Add { algorithm: policy.algorithm, active_at: now, displaces: None };
        return Some(pending(records, now).map_or(add, |next| activate(next, now)));
    };
    let takes_over_at = current.active_at + policy.rotate_every;
    let is_due = policy.rotate_every.0 != 0 && now + policy.publish_before >= takes_over_at;
    (is_due && pending(records, now).is_none()).then(|| Step::Add {
        algorithm: algorithm(current, policy),
        active_at: takes_over_at.max(now + policy.publish_before),
        displaces: None,
    })
}

/// What an operator's rotation does, or why it would do harm.
pub(super) fn rotation(
    records: &[SigningKeyRecord],
    policy: &KeyPolicy,
    order: RotateOrder,
    now: Timestamp,
) -> Result<Step, RotationRefused> {
    let Some(current) = current(records, now) else { return Ok(replacement(records, policy, now)) };
    let (is, wanted) = (algorithm(current, policy), order.algorithm.unwrap_or(algorithm(current, policy)));
    let next = pending(records, now);
    let add = |active_at| match records.iter().filter(|record| !is_retired(record, now)).count() {
        count if count >= PUBLISHED_MAX => Err(RotationRefused::TooMany(count)),
        _ => {
            let displaces = (is != wanted).then(|| next.map(|next| next.kid.clone())).flatten();
            Ok(Step::Add { algorithm: wanted, active_at, displaces })
        }
    };
    let needed = policy.seen_by_all_after();
    match (order.takeover, next) {
        (Takeover::DangerNow, Some(next)) if is == wanted => Ok(activate(next, now)),
        (Takeover::DangerNow, _) => add(at_once(records, now)),
        _ if is != wanted => Err(RotationRefused::OtherType { current: is.name(), wanted: wanted.name() }),
        (Takeover::Published, None) => add(now + policy.publish_before),
        (Takeover::Published, Some(next)) => Err(RotationRefused::Pending {
            kid: next.kid.clone(),
            seconds: seconds_until(next.active_at, now),
        }),
        (Takeover::Now, Some(next)) if next.created_at + needed <= now => Ok(activate(next, now)),
        (Takeover::Now, next) => Err(RotationRefused::OutrunsVerifiers {
            needed: needed.0,
            wait: next.map(|next| seconds_until(next.created_at + needed, now)),
        }),
    }
}

/// What signs in place of a current key that is taken away.
pub(super) fn replacement(records: &[SigningKeyRecord], policy: &KeyPolicy, now: Timestamp) -> Step {
    let algorithm = current(records, now).map_or(policy.algorithm, |current| algorithm(current, policy));
    let add = || Step::Add { algorithm, active_at: at_once(records, now), displaces: None };
    pending(records, now).map_or_else(add, |next| activate(next, now))
}

/// The rows whose `retires_at` doesn't follow from their successor, as they should be.
///
/// It is never moved forward, since tokens may live until then, and a retired key never comes back.
pub(super) fn settled(
    records: &[SigningKeyRecord],
    policy: &KeyPolicy,
    now: Timestamp,
) -> Vec<SigningKeyRecord> {
    let should_be = |at: usize| {
        let wanted = records.get(at + 1).map(|successor| successor.active_at + policy.kept_for());
        wanted.map(|wanted| records[at].retires_at.map_or(wanted, |is| is.max(wanted)))
    };
    let changed = |(at, record): (usize, &SigningKeyRecord)| {
        let retires_at = should_be(at);
        let is_wrong = !is_retired(record, now) && record.retires_at != retires_at;
        is_wrong.then(|| SigningKeyRecord { retires_at, ..record.clone() })
    };
    records.iter().enumerate().filter_map(changed).collect()
}

fn pending(records: &[SigningKeyRecord], now: Timestamp) -> Option<&SigningKeyRecord> {
    records.iter().find(|record| record.active_at > now)
}

/// A row whose algorithm we don't know comes from a later version; what follows it is as configured.
fn algorithm(record: &SigningKeyRecord, policy: &KeyPolicy) -> Algorithm {
    record.algorithm.parse().unwrap_or(policy.algorithm)
}

fn activate(next: &SigningKeyRecord, now: Timestamp) -> Step {
    Step::Activate(SigningKeyRecord { active_at: now, ..next.clone() })
}

/// Now, but after every key that signs already, whatever the clock of the node that made it showed.
fn at_once(records: &[SigningKeyRecord], now: Timestamp) -> Timestamp {
    let after = |record: &SigningKeyRecord| Timestamp::from_millis(record.active_at.as_millis() + 1);
    current(records, now).map_or(now, |current| now.max(after(current)))
}

fn seconds_until(at: Timestamp, now: Timestamp) -> i64 {
    // Rounded up: after that many seconds it is so.
    at.millis_since(now).saturating_add(999).div_euclid(1000)
}

/// A schedule needs three; the rest is room for an operator in trouble. Verifiers read small documents.
const PUBLISHED_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use relatch_token::Seconds;

    fn policy() -> KeyPolicy {
        KeyPolicy {
            rotate_every: Seconds(100_000),
            publish_before: Seconds(10_000),
            verifier_cache: Seconds(3600),
            access_token_life: Seconds(880),
            ..KeyPolicy::default()
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn key(kid: &str, active_at: i64, retires_at: Option<i64>) -> SigningKeyRecord {
        SigningKeyRecord {
            kid: kid.into(),
            algorithm: "ES256".into(),
            public_jwk: String::new(),
            sealed_private: vec![],
            master_id: 1,
            created_at: at(active_at - 10_000),
            active_at: at(active_at),
            retires_at: retires_at.map(at),
        }
    }

    fn add(active_at: i64) -> Step {
        Step::Add { algorithm: Algorithm::Es256, active_at: at(active_at), displaces: None }
    }

    #[test]
    fn the_next_key_is_made_just_in_time_and_late_only_after_the_fact() {
        let due = |records: &[SigningKeyRecord], now| due(records, &policy(), at(now));
        assert_eq!(due(&[], 5), Some(add(5)));
        let one = [key("a", 0, None)];
        assert_eq!(due(&one, 89_999), None);
        assert_eq!(due(&one, 90_000), Some(add(100_000)));
        assert_eq!(due(&one, 500_000), Some(add(510_000)), "after a long sleep it is published as long");
        assert_eq!(due(&[key("a", 0, None), key("b", 100_000, None)], 95_000), None);
        let by_hand = KeyPolicy { rotate_every: Seconds(0), ..policy() };
        assert_eq!(super::due(&one, &by_hand, at(i64::MAX / 1000)), None);
        let early = [key("a", 100, None)];
        assert!(matches!(due(&early, 50), Some(Step::Activate(next)) if next.active_at == at(50)));
    }

    #[test]
    fn a_key_retires_when_the_last_token_of_a_late_node_has_expired() {
        let settled = |records: &[SigningKeyRecord], now| settled(records, &policy(), at(now));
        assert_eq!(settled(&[key("a", 0, None)], 0), []);
        let two = [key("a", 0, None), key("b", 1000, None)];
        assert_eq!(settled(&two, 0), [key("a", 0, Some(2000))]);
        assert_eq!(settled(&[key("a", 0, Some(2000)), key("b", 1000, None)], 0), []);
        assert_eq!(settled(&[key("a", 0, Some(1500)), key("b", 1000, None)], 0), [key("a", 0, Some(2000))]);
        assert_eq!(settled(&[key("a", 0, Some(2500)), key("b", 1000, None)], 0), [], "never sooner");
        assert_eq!(settled(&[key("a", 0, Some(2000))], 0), [key("a", 0, None)], "its successor was revoked");
        assert_eq!(settled(&[key("a", 0, Some(2000))], 2000), [], "what is over stays over");
    }

    #[test]
    fn an_operator_can_not_outrun_verifiers_by_mistake() {
        let order = |takeover| RotateOrder { takeover, algorithm: None };
        let rotation = |records: &[SigningKeyRecord], takeover, now| {
            rotation(records, &policy(), order(takeover), at(now))
        };
        let one = [key("a", 0, None)];
        assert_eq!(rotation(&one, Takeover::Published, 100), Ok(add(10_100)));
        assert_eq!(
            rotation(&one, Takeover::Now, 100),
            Err(RotationRefused::OutrunsVerifiers { needed: 3720, wait: None })
        );
        assert_eq!(rotation(&one, Takeover::DangerNow, 100), Ok(add(100)));

        // Made at 10,000, to sign from 20,000 on; every verifier knows it at 13,720.
        let two = [key("a", 0, Some(21_000)), key("b", 20_000, None)];
        let activated = |now| Ok(Step::Activate(key("b", 20_000, None)).at(now));
        assert_eq!(
            rotation(&two, Takeover::Published, 11_000),
            Err(RotationRefused::Pending { kid: "b".into(), seconds: 9000 })
        );
        assert_eq!(
            rotation(&two, Takeover::Now, 13_719),
            Err(RotationRefused::OutrunsVerifiers { needed: 3720, wait: Some(1) })
        );
        assert_eq!(rotation(&two, Takeover::Now, 13_720), activated(13_720));
        assert_eq!(rotation(&two, Takeover::DangerNow, 10_001), activated(10_001));
    }

    #[test]
    fn another_type_of_key_replaces_at_once_or_not_at_all() {
        let two = [key("a", 0, Some(21_000)), key("b", 20_000, None)];
        let rotation = |takeover| {
            let order = RotateOrder { takeover, algorithm: Some(Algorithm::EdDsa) };
            rotation(&two, &policy(), order, at(15_000))
        };
        for takeover in [Takeover::Published, Takeover::Now] {
            let refused = RotationRefused::OtherType { current: "ES256", wanted: "EdDSA" };
            assert_eq!(rotation(takeover), Err(refused));
        }
        let displaces = Some("b".into());
        let step = Step::Add { algorithm: Algorithm::EdDsa, active_at: at(15_000), displaces };
        assert_eq!(rotation(Takeover::DangerNow), Ok(step));
    }

    #[test]
    fn the_published_set_is_bounded_and_a_new_key_comes_after_every_other() {
        let order = RotateOrder { takeover: Takeover::DangerNow, algorithm: None };
        let mut keys: Vec<_> = (0..7).map(|n| key(&n.to_string(), n, None)).collect();
        let now = Timestamp::from_millis(6000);
        let after = Timestamp::from_millis(6001);
        let step = Step::Add { algorithm: Algorithm::Es256, active_at: after, displaces: None };
        assert_eq!(rotation(&keys, &policy(), order, now), Ok(step));
        keys.push(key("7", 6, None));
        assert_eq!(rotation(&keys, &policy(), order, now), Err(RotationRefused::TooMany(8)));
        keys[0].retires_at = Some(now);
        assert!(rotation(&keys, &policy(), order, now).is_ok());
    }

    impl Step {
        fn at(self, now: i64) -> Self {
            match self {
                Self::Activate(record) => Self::Activate(SigningKeyRecord { active_at: at(now), ..record }),
                add => add,
            }
        }
    }
}
