//! The program `ws`.
fn main() {}
