//! What clients asked and what they heard: by numbers, for no token stands in a history.

use std::collections::HashMap;

/// Microseconds since the drill began.
pub(crate) type Micros = u64;

/// A session, as somebody was told its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionNo(pub(crate) usize);

/// A refresh token: two are the same where their bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TokenNo(pub(crate) usize);

/// A person.
pub(crate) type UserNo = usize;
/// A password of a person, by number.
pub(crate) type PasswordNo = usize;
/// An attempt id.
pub(crate) type AttemptNo = u64;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// The person, on a device that rightly holds the session.
    Owner,
    /// The holder of a copy.
    Thief,
    /// Somebody who tries what must be dead.
    Prober,
    /// Somebody with altered tokens, or with a copy without its device cookie.
    Forger,
    /// Who runs the service.
    Operator,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A login or sign-up.
    Open { user: UserNo, password: PasswordNo },
    /// A refresh.
    Refresh { session: SessionNo, token: TokenNo, attempt: AttemptNo },
    /// `/auth/me`, with an access token of the session.
    Me { session: SessionNo },
    /// The end of one session, in any way.
    End { session: SessionNo },
    /// The end of all sessions of a person.
    EndAll { user: UserNo },
    /// Another password, which ends all sessions and opens one.
    ChangePassword { user: UserNo, from: PasswordNo },
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Tokens.
    Tokens { session: SessionNo, token: TokenNo, generation: u64 },
    /// It is so.
    Done,
    /// No, with a code.
    Refused(u16, String),
    /// Later, perhaps (429 and 503).
    Later,
    /// A fault of the server: any other 5xx.
    Fault(u16),
    /// Nothing: the connection broke, and what became of it is unknown.
    Nothing,
}

/// A request with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) begun: Micros,
    pub(crate) ended: Micros,
    pub(crate) party: Party,
    pub(crate) asked: Asked,
    pub(crate) heard: Heard,
}

/// All calls so far, and the numbers that stand for names.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) calls: Vec<Call>,
    sessions: HashMap<String, usize>,
    tokens: HashMap<String, usize>,
}

impl History {
    /// The number of a session's name.
    pub(crate) fn session(&mut self, name: &str) -> SessionNo {
        SessionNo(number(&mut self.sessions, name))
    }

    /// The number of a refresh token's text.
    pub(crate) fn token(&mut self, text: &str) -> TokenNo {
        TokenNo(number(&mut self.tokens, text))
    }
}

impl Call {
    /// The session that it asked about.
    pub(crate) const fn session(&self) -> Option<SessionNo> {
        match self.asked {
            Asked::Refresh { session, .. } | Asked::Me { session } | Asked::End { session } => Some(session),
            Asked::Open { .. } | Asked::EndAll { .. } | Asked::ChangePassword { .. } => None,
        }
    }

    /// Whether a token of the session was honoured: by a refresh, or as a bearer.
    pub(crate) const fn is_served(&self) -> bool {
        matches!(
            (&self.asked, &self.heard),
            (Asked::Refresh { .. }, Heard::Tokens { .. }) | (Asked::Me { .. }, Heard::Done)
        )
    }

    /// Whether it asked for an end.
    pub(crate) const fn is_end(&self) -> bool {
        matches!(self.asked, Asked::End { .. } | Asked::EndAll { .. } | Asked::ChangePassword { .. })
    }

    /// Whether the answer said yes.
    pub(crate) const fn is_acknowledged(&self) -> bool {
        matches!(self.heard, Heard::Done | Heard::Tokens { .. })
    }
}

fn number(names: &mut HashMap<String, usize>, name: &str) -> usize {
    if let Some(number) = names.get(name) {
        return *number;
    }
    let number = names.len();
    names.insert(name.to_owned(), number);
    number
}
