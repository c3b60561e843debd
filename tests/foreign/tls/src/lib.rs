//! What the tests share: certificates, a server of rustls that speaks WebSocket by hand, and streams
//! between it and embedded-tls.

pub mod authority;
pub mod broker;
pub mod client;
pub mod peer;
pub mod rogue;
pub mod tcp;
pub mod wires;

/// The example of docs/tls.md.
#[path = "../../../../docs/example/wss.rs"]
pub mod wss;

#[path = "../../../src/drops.rs"]
pub mod drops;
#[path = "../../../src/frames.rs"]
pub mod frames;
#[path = "../../../src/hand.rs"]
pub mod hand;
#[path = "../../../src/platform.rs"]
pub mod platform;
#[path = "../../../src/wire.rs"]
pub mod wire;
