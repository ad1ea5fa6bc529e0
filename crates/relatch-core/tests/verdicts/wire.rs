//! What the client gets to see: sealed children, the same for a repeat and another for everybody else.

use crate::common::{LOGIN_AT, LOGIN_NONCE, POLICY, after, present, session, token};
use relatch_core::{Child, RefreshDecision, Session, Standing, Transport, access_expires_at, refresh};
use relatch_token::{
    AttemptHash, KeyRing, MasterKey, Nonce, RefreshToken, SealedToken, Seconds, Secret, SessionKeys,
    Timestamp,
};

/// Goal: what DESIGN promises to a client that kept its attempt id, on the bytes themselves.
#[test]
fn a_repeat_is_byte_for_byte_the_same_child_at_any_age() {
    let mut wire = Wire::new();
    let first = token(1, Nonce([1; 8]), LOGIN_NONCE, LOGIN_AT);
    let advanced = wire.ask(first, Some(b"attempt"), LOGIN_AT);
    let row = wire.session.clone();
    for age in [1, 29_999, 30_000, 30_001, 8 * HOUR_MS, 13 * 24 * HOUR_MS] {
        let repeated = wire.ask(first, Some(b"attempt"), after(LOGIN_AT, age));
        assert_eq!(repeated, advanced, "{age} ms later");
        assert_eq!(wire.session, row, "a repeat writes nothing");
    }
}

/// Goal: two who ask about one head hold different children, which is what gives a copy away.
#[test]
fn a_sibling_is_another_child_issued_now() {
    let mut wire = Wire::new();
    let first = token(1, Nonce([1; 8]), LOGIN_NONCE, LOGIN_AT);
    let given = wire.ask(first, Some(b"owner"), LOGIN_AT);
    let row = wire.session.clone();
    let later = after(LOGIN_AT, 1000);
    let (thief, nameless) = (wire.ask(first, Some(b"thief"), later), wire.ask(first, None, later));
    let other_nameless = wire.ask(first, None, later);
    assert_eq!(wire.session, row, "a sibling writes nothing");
    let all = [given, thief, nameless, other_nameless];
    for (i, one) in all.iter().enumerate() {
        let opened = wire.open(one);
        assert_eq!((opened.generation.0, opened.parent), (2, first.nonce));
        assert_eq!(opened.issued_at, if i == 0 { LOGIN_AT } else { later });
        let same_nonce = all.iter().filter(|other| wire.open(other).nonce == opened.nonce);
        assert_eq!(same_nonce.count(), 1, "every child of one head has a nonce of its own");
    }
}

#[test]
fn a_child_of_the_next_head_differs_even_for_the_same_attempt() {
    let mut wire = Wire::new();
    let first = token(1, Nonce([1; 8]), LOGIN_NONCE, LOGIN_AT);
    let one = wire.ask(first, Some(b"same"), LOGIN_AT);
    let one = wire.open(&one);
    let two = wire.ask(one, Some(b"same"), after(LOGIN_AT, HOUR_MS));
    let two = wire.open(&two);
    assert_ne!(one.nonce, two.nonce);
    assert_eq!((two.generation.0, two.parent, two.issued_at), (3, one.nonce, after(LOGIN_AT, HOUR_MS)));
}

#[test]
fn a_token_from_the_wire_that_was_touched_opens_to_nothing() {
    let mut wire = Wire::new();
    let sealed = wire.ask(token(1, Nonce([1; 8]), LOGIN_NONCE, LOGIN_AT), None, LOGIN_AT);
    let text = sealed.expose();
    for at in 4..text.len() {
        let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        let opened =
            SealedToken::parse(&changed, &wire.ring).and_then(|it| it.open(&wire.ring, &wire.session.secret));
        assert!(opened.is_err(), "changed at {at}");
    }
}

#[test]
fn an_access_token_ends_with_its_session_at_the_latest() {
    let mut session = session(Transport::Cookie);
    session.lifetime.idle = Seconds(3600);
    let life = Seconds(900);
    let ends = |session: &Session, now| access_expires_at(&session.lifetime, session.head.at, life, now);
    assert_eq!(ends(&session, LOGIN_AT), LOGIN_AT + life);
    // A repeat late in the idle time: minted anew, and cut at the idle end.
    for (age, expected) in [(2_699_999, 3_599_999), (2_700_000, 3_600_000), (2_700_001, 3_600_000)] {
        assert_eq!(ends(&session, after(LOGIN_AT, age)), after(LOGIN_AT, expected));
    }
    session.lifetime.expires_at = LOGIN_AT + Seconds(1000);
    assert_eq!(ends(&session, after(LOGIN_AT, 500_000)), LOGIN_AT + Seconds(1000));
}

/// The least shell there is: keys, a row, and random nonces that are merely counted.
struct Wire {
    ring: KeyRing,
    keys: SessionKeys,
    session: Session,
    drawn: u8,
}

impl Wire {
    fn new() -> Self {
        let master = MasterKey { id: 1, secret: Secret::new([3; 32]) };
        let ring = KeyRing::new(b"test", vec![master]).unwrap();
        let session = session(Transport::Cookie);
        let keys = ring.session(1, &session.secret).unwrap();
        Self { ring, keys, session, drawn: 0 }
    }

    fn ask(&mut self, token: RefreshToken, attempt: Option<&[u8]>, now: Timestamp) -> Secret<String> {
        let attempt = attempt.map(|id| self.keys.attempt_hash(id));
        let presented = present(&self.session, token);
        let decision = refresh(&self.session, &Standing::default(), &presented, attempt, &POLICY, now);
        if let Some(update) = decision.update() {
            update.apply(&mut self.session);
        }
        let (RefreshDecision::Advance { child, .. } | RefreshDecision::Answer { child, .. }) = decision
        else {
            panic!("not served: {decision:?}");
        };
        child.token(self.session.id, self.nonce(&child)).seal(&self.ring, &self.keys).unwrap()
    }

    fn nonce(&mut self, child: &Child) -> Nonce {
        let derived =
            |attempt: AttemptHash| self.keys.child_nonce((child.parent_generation, child.parent), attempt);
        child.attempt.map(derived).unwrap_or_else(|| {
            self.drawn += 1;
            Nonce([self.drawn; 8])
        })
    }

    fn open(&self, text: &Secret<String>) -> RefreshToken {
        SealedToken::parse(text.expose(), &self.ring).unwrap().open(&self.ring, &self.session.secret).unwrap()
    }
}

const HOUR_MS: i64 = 3_600_000;
