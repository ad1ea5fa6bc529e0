//! The store traits, the memory store, and the conformance suite that every store must pass.
