//! The scenario table of DESIGN section 2, row by row, on the rule alone.
//!
//! `rows` holds the rows that are stories, `tabs` and `burst` those that are about chance, `model` the little system
//! that all play in. What needs a store or a network that fails is `relatch-sim`'s.
#![expect(clippy::unwrap_used, reason = "a test that meets nothing where it expects something has failed")]

mod burst;
#[path = "../common/mod.rs"]
mod common;
mod model;
mod rows;
mod tabs;
