//! The whole system under a seeded clock, network and store that fail on purpose.
//!
//! What runs is the real shell of `relatch-server`, the real rule and the real stores; what is simulated is
//! everything around them. One seed has one history. `compare` plays DESIGN's scenario table under our rule and
//! under two others, `soak` plays random mixtures of actors and faults and lets a checker judge what clients saw,
//! `replay` tells one of those histories line by line.

mod cli;
mod clock;
mod compare;
mod device;
mod dice;
mod history;
mod network;
mod plant;
mod rivals;
mod rule;
mod seeds;
mod shell;
mod signer;
mod soak;
mod store;
#[cfg(test)]
mod tests;
mod thief;
mod timeline;
mod world;

pub use cli::main;
