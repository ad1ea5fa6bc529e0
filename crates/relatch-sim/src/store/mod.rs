//! Stores that fail on purpose.

mod backend;
mod faults;
mod faulty;
mod through;

pub(crate) use backend::{Backend, StoreKind};
pub(crate) use faults::{FaultCounts, FaultProfile, Faults};
pub(crate) use faulty::{FaultyStore, Meter};
