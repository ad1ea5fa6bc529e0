//! The binary `relatch`.
fn main() {}
