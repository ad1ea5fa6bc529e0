//! The small breakages that `cargo xtask mutants` tries.

use super::Mutant;

/// Each is one slip that a change of the rule could make. A new cell of the rule brings its own.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a child of any parent is a child",
        file: PLACE,
        text: "Some(1) if token.parent == head.nonce => Self::Child,",
        replacement: "Some(1) => Self::Child,",
    },
    Mutant {
        name: "another parent's child heals",
        file: PLACE,
        text: "Some(1) => Self::ChildOfAnother,",
        replacement: "Some(1) => Self::Ahead(1),",
    },
    Mutant {
        name: "a child moves a fresh head",
        file: PLACE,
        text: "Relation::Child if fresh => Verdict::Sibling,",
        replacement: "Relation::Child if fresh => Verdict::Advance,",
    },
    Mutant {
        name: "nobody repeats",
        file: PLACE,
        text: "Relation::Head if attempt.is_some() && attempt == head.attempt => Verdict::Repeat,",
        replacement: "",
    },
    Mutant {
        name: "no attempt id equals no attempt id",
        file: PLACE,
        text: "attempt.is_some() && attempt == head.attempt",
        replacement: "attempt == head.attempt",
    },
    Mutant {
        name: "any attempt id repeats",
        file: PLACE,
        text: "attempt.is_some() && attempt == head.attempt",
        replacement: "attempt.is_some()",
    },
    Mutant {
        name: "the head has siblings for ever",
        file: PLACE,
        text: "Relation::Head if fresh => Verdict::Sibling,",
        replacement: "Relation::Head => Verdict::Sibling,",
    },
    Mutant {
        name: "the previous head is family for ever",
        file: PLACE,
        text: "Relation::PreviousHead if fresh => Verdict::Sibling,",
        replacement: "Relation::PreviousHead => Verdict::Sibling,",
    },
    Mutant {
        name: "the previous head is known by its generation alone",
        file: PLACE,
        text: "None if theirs + 1 == ours && token.nonce == head.parent => Self::PreviousHead,",
        replacement: "None if theirs + 1 == ours => Self::PreviousHead,",
    },
    Mutant {
        name: "another branch is family at any age",
        file: PLACE,
        text: "Relation::ChildOfPrevious if fresh && is_recent(token, window, now) =>",
        replacement: "Relation::ChildOfPrevious if fresh =>",
    },
    Mutant {
        name: "another branch is family after the window",
        file: PLACE,
        text: "Relation::ChildOfPrevious if fresh && is_recent(token, window, now) =>",
        replacement: "Relation::ChildOfPrevious if is_recent(token, window, now) =>",
    },
    Mutant {
        name: "another branch is never family",
        file: PLACE,
        text: "Relation::ChildOfPrevious if fresh && is_recent(token, window, now) => Verdict::Sibling,",
        replacement: "",
    },
    Mutant {
        name: "another branch dies a millisecond early",
        file: PLACE,
        text: "now.millis_since(token.issued_at) <= SIBLING_WINDOWS",
        replacement: "now.millis_since(token.issued_at) < SIBLING_WINDOWS",
    },
    Mutant {
        name: "recent is one window",
        file: PLACE,
        text: "SIBLING_WINDOWS * window.as_millis()",
        replacement: "window.as_millis()",
    },
    Mutant {
        name: "recent is three windows",
        file: PLACE,
        text: "SIBLING_WINDOWS * window.as_millis()",
        replacement: "(SIBLING_WINDOWS + 1) * window.as_millis()",
    },
    Mutant {
        name: "recent is for ever",
        file: PLACE,
        text: "now.millis_since(token.issued_at) <= SIBLING_WINDOWS * window.as_millis()",
        replacement: "token.issued_at <= now || now.millis_since(token.issued_at) <= window.as_millis()",
    },
    Mutant {
        name: "another branch is known by its generation alone",
        file: PLACE,
        text: "Some(0) if token.parent == head.parent => Self::ChildOfPrevious,",
        replacement: "Some(0) => Self::ChildOfPrevious,",
    },
    Mutant {
        name: "a heal has no bound",
        file: PLACE,
        text: "Relation::Ahead(lost) if lost <= HEAL_GENERATIONS_MAX => Verdict::Heal { lost },",
        replacement: "Relation::Ahead(lost) => Verdict::Heal { lost },",
    },
    Mutant {
        name: "a heal stops one short",
        file: PLACE,
        text: "if lost <= HEAL_GENERATIONS_MAX",
        replacement: "if lost < HEAL_GENERATIONS_MAX",
    },
    Mutant {
        name: "the head is fresh a millisecond too long",
        file: SESSION,
        text: "now < self.at + window",
        replacement: "now <= self.at + window",
    },
    Mutant {
        name: "the login is a fresh head",
        file: SESSION,
        text: "self.generation > Generation(0) && now < self.at",
        replacement: "now < self.at",
    },
    Mutant {
        name: "a revoked session is accepted",
        file: SESSION,
        text: "if let State::Revoked(revocation) = self.state {\n            return Err(Ended::Revoked(revocation));\n        }\n",
        replacement: "",
    },
    Mutant {
        name: "the session of the epoch itself is dead",
        file: SESSION,
        text: "if epoch >= self.not_before {",
        replacement: "if epoch > self.not_before {",
    },
    Mutant {
        name: "an earlier epoch lives",
        file: SESSION,
        text: "if epoch >= self.not_before {",
        replacement: "if epoch <= self.not_before {",
    },
    Mutant {
        name: "a disabled user keeps sessions",
        file: SESSION,
        text: "if let Some(at) = self.disabled_at {",
        replacement: "if let Some(at) = self.disabled_at.filter(|_| false) {",
    },
    Mutant {
        name: "the absolute end comes a millisecond late",
        file: SESSION,
        text: "if now >= self.lifetime.expires_at {",
        replacement: "if now > self.lifetime.expires_at {",
    },
    Mutant {
        name: "the idle end comes a millisecond late",
        file: SESSION,
        text: "if now >= self.idle_expires_at() {",
        replacement: "if now > self.idle_expires_at() {",
    },
    Mutant {
        name: "idle time runs from the login",
        file: SESSION,
        text: "self.lifetime.idle_expires_at(self.head.at)",
        replacement: "self.lifetime.idle_expires_at(self.authentication.at)",
    },
    Mutant {
        name: "a revocation is forgotten",
        file: SESSION,
        text: "session.state = State::Revoked(revocation)",
        replacement: "session.remember = session.remember && revocation.at == revocation.at",
    },
    Mutant {
        name: "a change does not count the version",
        file: SESSION,
        text: "session.version.0 += 1;",
        replacement: "",
    },
    Mutant {
        name: "the windows of the transports are swapped",
        file: REFRESH,
        text: "Transport::Cookie => self.cookie,\n            Transport::Body => self.body,",
        replacement: "Transport::Cookie => self.body,\n            Transport::Body => self.cookie,",
    },
    Mutant {
        name: "the binding is not looked at",
        file: REFRESH,
        text: "if let Err(refusal) = check_binding(session, presented) {\n        return RefreshDecision::Refuse(refusal);\n    }\n",
        replacement: "",
    },
    Mutant {
        name: "the end is told before the binding is known",
        file: REFRESH,
        text: "    if let Err(refusal) = check_binding(session, presented) {\n        return RefreshDecision::Refuse(refusal);\n    }\n    if let Err(ended) = session.check(user, now) {\n        return RefreshDecision::Refuse(Refusal::Ended(ended));\n    }\n",
        replacement: "    if let Err(ended) = session.check(user, now) {\n        return RefreshDecision::Refuse(Refusal::Ended(ended));\n    }\n    if let Err(refusal) = check_binding(session, presented) {\n        return RefreshDecision::Refuse(refusal);\n    }\n",
    },
    Mutant {
        name: "the place is looked at before the end",
        file: REFRESH,
        text: "    if let Err(ended) = session.check(user, now) {\n        return RefreshDecision::Refuse(Refusal::Ended(ended));\n    }\n",
        replacement: "    let window = policy.reuse_window.of(session.transport);\n    if let Verdict::Reuse(_) = place(&session.head, &presented.token, attempt, window, now) {\n        return RefreshDecision::InDoubt { lost: 0 };\n    }\n    if let Err(ended) = session.check(user, now) {\n        return RefreshDecision::Refuse(Refusal::Ended(ended));\n    }\n",
    },
    Mutant {
        name: "a missing device cookie will do",
        file: REFRESH,
        text: "if session.device.is_some() && presented",
        replacement: "if presented.device.is_some() && presented",
    },
    Mutant {
        name: "another client will do",
        file: REFRESH,
        text: "if presented.client_id != session.client_id {",
        replacement: "if presented.client_id.is_some() != session.client_id.is_some() {",
    },
    Mutant {
        name: "repeats move head_at",
        file: REFRESH,
        text: "Verdict::Repeat => RefreshDecision::Answer {\n            child: Child::of(&session.head, attempt, session.head.at),\n            repeat: true,\n        },",
        replacement: "Verdict::Repeat => RefreshDecision::Advance {\n            head: Head { at: now, ..session.head },\n            child: Child::of(&session.head, attempt, session.head.at),\n            healed: 0,\n        },",
    },
    Mutant {
        name: "a repeat is issued now",
        file: REFRESH,
        text: "child: Child::of(&session.head, attempt, session.head.at),",
        replacement: "child: Child::of(&session.head, attempt, now),",
    },
    Mutant {
        name: "a sibling is issued when the head moved",
        file: REFRESH,
        text: "child: Child::of(&session.head, attempt, now), repeat",
        replacement: "child: Child::of(&session.head, attempt, session.head.at), repeat",
    },
    Mutant {
        name: "everybody gets the child of the head's attempt",
        file: REFRESH,
        text: "parent: head.nonce, attempt, issued_at }",
        replacement: "parent: head.nonce, attempt: head.attempt, issued_at }",
    },
    Mutant {
        name: "the attempt is not kept",
        file: REFRESH,
        text: "at: now, attempt };",
        replacement: "at: now, attempt: None };",
    },
    Mutant {
        name: "the new head forgets the head before it",
        file: REFRESH,
        text: "parent: token.parent, at: now",
        replacement: "parent: token.nonce, at: now",
    },
    Mutant {
        name: "a new head keeps the time of its token",
        file: REFRESH,
        text: "parent: token.parent, at: now",
        replacement: "parent: token.parent, at: token.issued_at",
    },
    Mutant {
        name: "a child is no further than its parent",
        file: REFRESH,
        text: "generation: self.parent_generation.next(),",
        replacement: "generation: self.parent_generation,",
    },
    Mutant {
        name: "a reuse only refuses",
        file: REFRESH,
        text: "Self::Reuse { revocation, .. } => Some(Update::Revoke(*revocation)),",
        replacement: "Self::Reuse { .. } => None,",
    },
    Mutant {
        name: "a reuse always ends the user's other sessions",
        file: REFRESH,
        text: "scope: policy.on_reuse,",
        replacement: "scope: ReuseScope::User,",
    },
    Mutant {
        name: "logout refuses old tokens",
        file: LOGOUT,
        text: "if check_binding(session, presented).is_err() ||",
        replacement: "if presented.token.generation < session.head.generation\n        || check_binding(session, presented).is_err() ||",
    },
    Mutant {
        name: "anybody's logout counts",
        file: LOGOUT,
        text: "if check_binding(session, presented).is_err() ||",
        replacement: "if check_binding(session, presented).is_err() && false ||",
    },
    Mutant {
        name: "idle time goes beyond the absolute end",
        file: LIFETIME,
        text: "(head_at + self.idle).min(self.expires_at)",
        replacement: "head_at + self.idle",
    },
    Mutant {
        name: "an access token outlives its session",
        file: LIFETIME,
        text: "(now + life).min(lifetime.idle_expires_at(head_at))",
        replacement: "now + life",
    },
    Mutant {
        name: "every attempt has the same nonce",
        file: KEYRING,
        text: "&nonce.0, &attempt.0];",
        replacement: "&nonce.0, &[]];",
    },
    Mutant {
        name: "every head has the same children",
        file: KEYRING,
        text: "&generation.0.to_be_bytes(), &nonce.0,",
        replacement: "&[], &[],",
    },
    Mutant {
        name: "an attempt is known by its length",
        file: KEYRING,
        text: "&[b\"attempt\", attempt_id]",
        replacement: "&[b\"attempt\", &attempt_id.len().to_be_bytes()]",
    },
    Mutant {
        name: "the edge tag is not looked at",
        file: REFRESH_TOKEN,
        text: "if !bool::from(expected.ct_eq(&bytes[BODY_BYTES..BODY_BYTES + EDGE_BYTES])) {",
        replacement: "if expected.len() != EDGE_BYTES {",
    },
    Mutant {
        name: "the seal is not looked at",
        file: REFRESH_TOKEN,
        text: "if bool::from(expected.ct_eq(&self.seal)) {",
        replacement: "if expected.len() == SEAL_BYTES {",
    },
];

pub(super) const PLACE: &str = "relatch-core/src/place.rs";
const SESSION: &str = "relatch-core/src/session.rs";
pub(super) const REFRESH: &str = "relatch-core/src/refresh.rs";
const LOGOUT: &str = "relatch-core/src/logout.rs";
const LIFETIME: &str = "relatch-core/src/lifetime.rs";
const KEYRING: &str = "relatch-token/src/keyring.rs";
const REFRESH_TOKEN: &str = "relatch-token/src/refresh_token.rs";
