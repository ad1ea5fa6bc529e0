//! The first layer of limits: how often something may be tried, counted in bounded memory.
//!
//! | limit | counted by | over it |
//! | --- | --- | --- |
//! | [`LoginLimits`], one for passwords and one for codes | account, address, subnet and all together; apart from those, account and known device | login answers 429 |
//! | [`MailLimits`] | what for, and address; what for, and account | sign-up answers 429; no mail is sent |
//! | [`RefreshLimits`] | session, never address | refresh answers 429 |
//! | [`RefusalNotes`] | session and rule | a refused refresh leaves no event |
//!
//! [`LastNetworks`] limits nothing: it is what the rules of risk remember of each session, in a table of the same kind.
//!
//! Counts live in this process: they begin anew with it, and every node counts for itself.

mod limiter;
mod login;
mod mail;
mod network;
mod networks;
mod notes;
mod refresh;

pub use limiter::{Limited, Limiter, Quota};
pub use login::LoginLimits;
pub use mail::{MailLimits, Purpose};
pub use networks::LastNetworks;
pub use notes::RefusalNotes;
pub use refresh::RefreshLimits;
