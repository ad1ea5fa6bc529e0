//! The whole system under a seeded clock, network and store that fail on purpose.
