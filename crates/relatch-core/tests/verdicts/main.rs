//! Every cell of the verdict table of DESIGN section 2, and every boundary around it.
//!
//! `table` asks where a token stands and what follows; `gates` asks what is looked at before that, and about
//! logout; `wire` asks what the person's client gets to see.

#![expect(clippy::unwrap_used, reason = "a test that meets nothing where it expects something has failed")]

#[path = "../common/mod.rs"]
mod common;
mod gates;
mod table;
mod wire;
