//! What the tests of the stack adapters share.
#![allow(dead_code, unreachable_pub)]

pub mod conformance;
#[cfg(feature = "smoltcp")]
pub mod net;
#[cfg(feature = "smoltcp")]
pub mod pair;
#[cfg(feature = "async")]
pub mod pipe;
