//! What a client can ask of a server and what it can hear, whichever refresh rule the server follows.

use crate::timeline::Millis;

/// What a client sends. Texts are what crosses the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A login; the password is not what is simulated.
    LogIn {
        /// Which of the world's people.
        user: usize,
        /// How the tokens are to travel, and beside which device cookie.
        door: DoorKind,
    },
    /// A refresh.
    Refresh {
        /// The refresh token.
        token: String,
        /// How it comes.
        door: DoorKind,
        /// The `Idempotency-Key`.
        attempt: Option<String>,
    },
    /// A logout on this device.
    LogOut {
        /// Any refresh token of the session.
        token: String,
        /// How it comes.
        door: DoorKind,
    },
    /// The end of all sessions of a user.
    EndAll {
        /// Whose.
        user: usize,
        /// Why.
        reason: EndReason,
    },
    /// A look at a protected route.
    Me {
        /// The access token.
        access_token: String,
    },
}

/// How a refresh token travels: in a cookie beside a device cookie, or in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoorKind {
    /// With the hash of the device cookie that comes along; none where a thief did not copy it.
    Cookie(Option<[u8; 8]>),
    /// Alone.
    Body,
}

/// Why all sessions of a user end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// They logged out everywhere.
    LogOutAll,
    /// They changed their password.
    PasswordChanged,
    /// An operator disabled them.
    Disabled,
}

/// What comes back, as far as clients tell answers apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 with tokens.
    Served(Grant),
    /// 200 or 204 without.
    Done,
    /// 401, for that reason.
    Refused(Why),
    /// 429 or 503: nothing is decided.
    TryLater,
}

/// The tokens of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The session's name.
    pub(crate) session: String,
    /// The generation of the refresh token.
    pub(crate) generation: u64,
    /// The refresh token.
    pub(crate) refresh_token: String,
    /// The access token.
    pub(crate) access_token: String,
}

/// Why a request is refused: the `code` of a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// `invalid_token`
    Invalid,
    /// `device_mismatch`
    WrongDevice,
    /// `session_expired`
    Expired,
    /// `session_revoked`
    Revoked,
    /// `token_reused`
    Reused,
    /// `invalid_credentials`: the user may not log in.
    NotWelcome,
}

impl Why {
    /// The word for it on the wire.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_token",
            Self::WrongDevice => "device_mismatch",
            Self::Expired => "session_expired",
            Self::Revoked => "session_revoked",
            Self::Reused => "token_reused",
            Self::NotWelcome => "invalid_credentials",
        }
    }
}

/// An answer, and how many writes it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// What the client hears.
    pub(crate) answer: Answer,
    /// Changes that the store applied for it.
    pub(crate) writes: u32,
}

/// A server that follows some refresh rule.
#[async_trait::async_trait(?Send)]
pub(crate) trait Rule {
    /// Answers a request; `None` where the server crashed meanwhile.
    async fn serve(&self, request: Request) -> Option<Reply>;

    /// A crash after which the newest `count` moves of heads are gone. Answers how many really are.
    fn lose_last_moves(&self, count: usize) -> usize;

    /// What the server keeps of a session, for the rows of the table that speak of it.
    fn row(&self, session: &str) -> RowView;
}

/// A look behind the counter, for `compare` only: the checker of `soak` judges by what clients saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowView {
    /// Changes of the row so far.
    pub(crate) writes: u64,
    /// Bytes that it takes.
    pub(crate) bytes: usize,
    /// Whether a healing was recorded.
    pub(crate) is_healed: bool,
}

impl Answer {
    /// The tokens, where there are any.
    pub(crate) fn grant(self) -> Option<Grant> {
        match self {
            Self::Served(grant) => Some(grant),
            _ => None,
        }
    }
}

/// The time between two refreshes in the scenario table.
pub(crate) const HOUR: Millis = 3_600_000;
/// A second.
pub(crate) const SECOND: Millis = 1000;
