//! The `cartool` command.
fn main() {}
