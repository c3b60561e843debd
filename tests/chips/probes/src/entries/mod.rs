//! What is measured, for the proof that nothing in it panics. The probes include these files by
//! themselves.

pub mod client;
pub mod frames;
pub mod server;
