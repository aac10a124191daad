//! The `pinfix` command.

fn main() {}
