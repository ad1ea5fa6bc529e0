//! What messages say, in each language: as plain text and as a page.

mod de;
mod en;
mod language;
mod write;

pub use language::Language;
pub use write::Letters;

use relatch_token::{Secret, Seconds};

/// What a message is about.
#[derive(Clone, Debug)]
pub enum About {
    /// A link to set a new password.
    Reset(Way),
    /// A link to prove an address.
    Verify(Way),
    /// A link to move the account to the address that it goes to.
    ChangeEmail(Way),
    /// To the present address: somebody asked to move the account.
    MoveAsked,
    /// To the old address: the account has moved.
    Moved,
    /// Somebody signed up with an address that has an account.
    HasAccount {
        /// Where to log in.
        login: String,
    },
    /// The account is deleted.
    Deleted,
}

/// How a code comes back to us.
#[derive(Clone, Debug)]
pub struct Way {
    /// The link with the code in it, or the code alone where there is no page for it.
    pub secret: Secret<String>,
    /// Whether it is a link.
    pub is_link: bool,
    /// For how long it is good.
    pub life: Seconds,
}

/// The words of one language. `{service}`, `{span}` and `{login}` are filled in.
struct Words {
    code: &'static str,
    an_hour: &'static str,
    hours: &'static str,
    by_link: &'static str,
    by_code: &'static str,
    not_you: &'static str,
    reset: Note,
    verify: Note,
    change_email: Note,
    move_asked: Note,
    moved: Note,
    has_account: Note,
    deleted: Note,
}

/// The words of one kind of message.
struct Note {
    subject: &'static str,
    /// Paragraphs, before the link where there is one.
    text: &'static [&'static str],
    /// What the link's button says; empty where there is no link.
    button: &'static str,
}
