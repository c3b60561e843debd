//! What the tests share: a clock that is moved by hand, a stack that follows a script, smoltcp over
//! a link with faults, frames made and read by hand.

pub mod counting;
pub mod drip;
pub mod drivers;
pub mod drops;
pub mod embassy;
pub mod frames;
pub mod halves;
pub mod hand;
pub mod link;
pub mod net;
pub mod platform;
pub mod script;
pub mod site;
pub mod table;
pub mod wire;

/// What docs/async.md shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/async.md")]
struct AsyncDocs;
