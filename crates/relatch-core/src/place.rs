//! Where a presented token stands towards the head, and what follows: the verdict table of the refresh rule.
//!
//! A head may be talked to again while it is *fresh*. Children of one parent differ, so the owner and a thief
//! who both refresh hold different ones, and the second one presented after the window is proof of a copy.

use crate::Head;
use relatch_token::{AttemptHash, RefreshToken, Seconds, Timestamp};

/// What the rule says to a genuine, rightly bound token of a live session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It becomes the head; answer with its child.
    Advance,
    /// Answer with another child of the head; nothing is written.
    Sibling,
    /// The same question again: answer with the same child; nothing is written.
    Repeat,
    /// The store lost its last writes: accept it as an advance and record that.
    Heal {
        /// How many generations the store had lost.
        lost: u64,
    },
    /// Two parties hold copies: end the session.
    Reuse(Evidence),
    /// Further ahead than lost writes explain: refuse in doubt and alarm the operator.
    InDoubt {
        /// How many generations the store would have lost.
        lost: u64,
    },
}

/// What gave a copied token away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The head, long after it was exchanged, and not by the attempt that exchanged it.
    ExchangedBefore,
    /// The head before the head, after the window.
    PreviousHead,
    /// Another child of the previous head, presented after the window or long after it was issued: two lines of
    /// one family.
    OtherBranch,
    /// A child of a token that is not the head.
    OtherParent,
    /// Older than all of these.
    Older,
}

impl Evidence {
    /// The word for it in the audit.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExchangedBefore => "exchanged_before",
            Self::PreviousHead => "previous_head",
            Self::OtherBranch => "other_branch",
            Self::OtherParent => "other_parent",
            Self::Older => "older",
        }
    }
}

/// How many generations a token may be ahead of what the store remembers.
///
/// The head moves at most once a window, and a crash or failover loses seconds; more than this is an old
/// backup, which is for the operator to put right and not for the token to decide.
pub const HEAL_GENERATIONS_MAX: u64 = 16;

/// For how many windows after it was issued another child of the previous head is family.
///
/// A head gives out siblings for one window, and the head after it is fresh for one more: an honest refresh that
/// straddles both is almost two windows old. With one window, every such refresh would end its session.
/// See `docs/decisions/0005-recent-is-two-windows.md`.
pub const SIBLING_WINDOWS: i64 = 2;

/// The verdict on a token. With a `window` of zero no head is ever fresh: the strict rule.
pub fn place(
    head: &Head,
    token: &RefreshToken,
    attempt: Option<AttemptHash>,
    window: Seconds,
    now: Timestamp,
) -> Verdict {
    let fresh = head.is_fresh(window, now);
    match Relation::of(token, head) {
        Relation::Child if fresh => Verdict::Sibling,
        Relation::Child => Verdict::Advance,
        Relation::Head if attempt.is_some() && attempt == head.attempt => Verdict::Repeat,
        Relation::Head if fresh => Verdict::Sibling,
        Relation::Head => Verdict::Reuse(Evidence::ExchangedBefore),
        Relation::PreviousHead if fresh => Verdict::Sibling,
        Relation::PreviousHead => Verdict::Reuse(Evidence::PreviousHead),
        Relation::ChildOfPrevious if fresh && is_recent(token, window, now) => Verdict::Sibling,
        Relation::ChildOfPrevious => Verdict::Reuse(Evidence::OtherBranch),
        Relation::Ahead(lost) if lost <= HEAL_GENERATIONS_MAX => Verdict::Heal { lost },
        Relation::Ahead(lost) => Verdict::InDoubt { lost },
        Relation::ChildOfAnother => Verdict::Reuse(Evidence::OtherParent),
        Relation::Older => Verdict::Reuse(Evidence::Older),
    }
}

/// A token's kinship with the head.
enum Relation {
    Head,
    Child,
    ChildOfAnother,
    /// Further ahead than a child: this many generations between head and token are unknown to the store.
    Ahead(u64),
    PreviousHead,
    ChildOfPrevious,
    Older,
}

impl Relation {
    fn of(token: &RefreshToken, head: &Head) -> Self {
        let (theirs, ours) = (token.generation.0, head.generation.0);
        match theirs.checked_sub(ours) {
            Some(0) if token.nonce == head.nonce => Self::Head,
            Some(0) if token.parent == head.parent => Self::ChildOfPrevious,
            Some(0) => Self::Older,
            Some(1) if token.parent == head.nonce => Self::Child,
            Some(1) => Self::ChildOfAnother,
            Some(ahead) => Self::Ahead(ahead - 1),
            None if theirs + 1 == ours && token.nonce == head.parent => Self::PreviousHead,
            None => Self::Older,
        }
    }
}

fn is_recent(token: &RefreshToken, window: Seconds, now: Timestamp) -> bool {
    now.millis_since(token.issued_at) <= SIBLING_WINDOWS * window.as_millis()
}
