//! The rules of a session: its state, the refresh rule, lifetimes and binding.
//!
//! Pure: no I/O, no clock, no randomness, nothing asynchronous. [`refresh()`] looks at a session, a request and
//! a time, and says what is to be done; the shell does it.
#![no_std]
extern crate alloc;

mod binding;
mod event;
mod lifetime;
mod logout;
mod place;
mod refresh;
mod risk;
mod rule;
mod session;

pub use binding::{AddressMatch, Binding, Bindings, Differences, Mismatch};
pub use event::EventKind;
pub use lifetime::{Lifetime, access_expires_at, refresh_in};
pub use logout::{LogoutDecision, logout};
pub use place::{Evidence, HEAL_GENERATIONS_MAX, SIBLING_WINDOWS, Verdict, place};
pub use refresh::{
    Child, Policy, Presentation, RefreshDecision, Refusal, ReuseScope, Windows, check_binding, refresh,
};
pub use risk::{
    Action, Assessment, Moment, RiskNote, Signal, Signals, Thresholds, Weights, assess, is_same_network,
    network_of,
};
pub use rule::Rule;
pub use session::{
    Authentication, Ended, Epoch, Head, Origin, Revocation, RevokeReason, Session, Standing, State,
    Transport, Update, Version,
};
