//! The rules of a session: its state, the refresh rule, lifetimes and binding.
//!
//! Pure: no I/O, no clock, no randomness, nothing asynchronous. [`refresh()`] looks at a session, a request and
//! a time, and says what is to be done; the shell does it.
#![no_std]
extern crate alloc;

mod event;
mod lifetime;
mod logout;
mod place;
mod refresh;
mod rule;
mod session;

pub use event::EventKind;
pub use lifetime::{Lifetime, access_expires_at, refresh_in};
pub use logout::{LogoutDecision, logout};
pub use place::{Evidence, HEAL_GENERATIONS_MAX, SIBLING_WINDOWS, Verdict, place};
pub use refresh::{
    Child, Policy, Presentation, RefreshDecision, Refusal, ReuseScope, Windows, check_binding, refresh,
};
pub use rule::Rule;
pub use session::{
    Authentication, Ended, Epoch, Head, Origin, Revocation, RevokeReason, Session, Standing, State,
    Transport, Update, Version,
};
