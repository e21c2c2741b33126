//! The `recotem` program.

fn main() {}
