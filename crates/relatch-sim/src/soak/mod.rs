//! Random mixtures of actors and faults, and a checker over what clients saw.

mod cast;
mod checker;
mod ledger;
mod play;
mod states;
mod totals;

pub(crate) use cast::Cast;
#[cfg(test)]
pub(crate) use checker::Fate;
pub(crate) use checker::judge;
pub(crate) use play::{SoakOptions, play};
pub(crate) use totals::Totals;
