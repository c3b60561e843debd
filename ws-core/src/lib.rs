//! The WebSocket protocol, sans-IO.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod close;
mod connection;
mod endpoint;
mod error;
pub mod handshake;
mod mask;
mod opcode;
mod receiver;
#[cfg(test)]
mod testing;
mod transmitter;
pub mod url;
mod utf8;

pub use close::{CloseCode, MAX_CLOSE_REASON, MAX_CONTROL_PAYLOAD, parse_close, write_close};
pub use connection::Connection;
pub use endpoint::{Endpoint, Face, Next, Piece, SCRATCH};
pub use error::{FrameError, ProtocolError};
pub use opcode::{Opcode, Role};
pub use receiver::{Decoded, Frame, Receiver};
pub use transmitter::{MAX_HEADER, Transmitter};
