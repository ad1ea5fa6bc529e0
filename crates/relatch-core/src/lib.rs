//! The rules of a session, pure: state, the refresh rule, lifetimes, binding.
