//! The WebSocket protocol (RFC 6455) as state machines: no I/O, no clock, no randomness, no heap.
//!
//! Bytes from the peer go in, what they mean comes out; what is to be said goes in, bytes for the
//! peer come out. Who moves the bytes and how they wait is not this crate's business, so blocking,
//! async and C drivers share all of it. For sockets with timeouts there is the crate `ws-socket`.
//!
//! # The layers
//!
//! Each stands on its own; the ones above use those below.
//!
//! ## The opening handshake: [`handshake`]
//!
//! [`ClientHandshake`](handshake::ClientHandshake) writes a [`Request`](handshake::Request) and
//! judges the answer; [`ServerHandshake`](handshake::ServerHandshake) reads a request and writes a
//! [`Response`](handshake::Response). Neither has a line buffer, neither takes a byte behind the
//! blank line. The SHA-1 in it is a trait, for chips with a hash unit. [`url`] takes `ws://` and
//! `wss://` URLs apart.
//!
//! ## The open connection: [`Endpoint`]
//!
//! Both machines, the control frames that are due, keepalive, and how a connection ends. A user's
//! call is a [`Job`] on it: [`Receive`] hands out [`Piece`]s of messages, or with [`Face::Stream`] a
//! plain stream of bytes; [`Send`] sends a frame; [`Close`] is the closing handshake. A job says
//! [step](Step) by step what it needs of the driver. The [`Buffer`] that a connection borrows is read
//! into.
//!
//! ## The frames: [`Connection`]
//!
//! [`Receiver`] and [`Transmitter`], one for each direction, together at most 30 bytes where `usize` has
//! 32 bits. They store no payload: the receiver unmasks in place whatever piece of a frame it is given,
//! the transmitter masks into whatever scratch there is. All that RFC 6455 demands of a frame is
//! checked here; [`ProtocolError`] says what a peer did wrong and
//! [which code](ProtocolError::close_code) to close with, [`FrameError`] what we may not send.
//!
//! # Frames
//!
//! ```
//! use ws_core::{Connection, Opcode, Role};
//!
//! let mut client = Connection::new(Role::Client);
//! let mut server = Connection::new(Role::Server);
//!
//! // The payload stays as it is. The scratch may be of any length, and the wire may take less
//! // than it is offered: what it did not take is written anew.
//! let payload = b"Hello";
//! let key = [0x37, 0xFA, 0x21, 0x3D]; // random, and another for each frame
//! client.tx.begin(Opcode::Text, true, payload.len(), key)?;
//! let mut wire = Vec::new();
//! let mut taken = 0;
//! while client.tx.is_open() {
//!     let mut scratch = [0; 4];
//!     let count = client.tx.fill(&payload[taken..], &mut scratch);
//!     wire.extend_from_slice(&scratch[..count]);
//!     taken += client.tx.sent(count);
//! }
//! assert_eq!(wire, [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]);
//!
//! // The other end: bytes cut anywhere.
//! let mut message = Vec::new();
//! for bytes in wire.chunks_mut(3) {
//!     let mut rest = bytes;
//!     while !rest.is_empty() {
//!         let decoded = server.rx.decode(rest, 64 * 1024)?;
//!         message.extend_from_slice(decoded.payload);
//!         let consumed = decoded.consumed;
//!         rest = &mut rest[consumed..];
//!     }
//! }
//! assert_eq!(message, b"Hello");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # A driver
//!
//! The loop behind every call, of every kind of driver; only reading, writing and waiting differ.
//!
//! ```
//! use ws_core::{
//!     Endpoint, Face, Job, Lent, Opcode, Receive, Role, SCRATCH, Step, Told,
//! };
//!
//! # use std::io::{Read, Write};
//! # struct Wire(&'static [u8], Vec<u8>);
//! # impl Wire {
//! #     fn read(&mut self, to: &mut [u8]) -> usize { self.0.read(to).unwrap() }
//! #     fn write(&mut self, from: &[u8]) -> usize { self.1.write(from).unwrap() }
//! # }
//! # fn random_key() -> [u8; 4] { [1, 2, 3, 4] }
//! fn drive(job: &mut impl Job, endpoint: &mut Endpoint, lent: &mut Lent<'_>, wire: &mut Wire) {
//!     let mut scratch = [0; SCRATCH];
//!     let mut told = Told::Resumed;
//!     loop {
//!         told = match job.step(endpoint, lent, told) {
//!             Step::Done => return,
//!             Step::Read | Step::ReadNow => Told::Read(wire.read(lent.read_buffer())),
//!             Step::ReadUser => Told::Read(wire.read(job.user_buffer())),
//!             Step::Write => {
//!                 let (read, reserve) = lent.parts();
//!                 let scratch = endpoint.scratch(read, &mut scratch);
//!                 let bytes = endpoint.outgoing(job.rest(), reserve, scratch);
//!                 Told::Written(wire.write(bytes))
//!             }
//!             Step::Key => {
//!                 endpoint.set_key(random_key());
//!                 Told::Resumed
//!             }
//!             Step::Flush | Step::FlushLast => Told::Flushed,
//!             Step::Yield | Step::Blocked => Told::Resumed, // after a wait
//!         }
//!     }
//! }
//!
//! // A Ping, then a message.
//! let mut wire = Wire(b"\x89\x01!\x81\x05Hello", Vec::new());
//!
//! let mut buffer = [0; 256];
//! let lent = &mut Lent::new(&mut buffer);
//! let mut endpoint = Endpoint::new(Role::Client, lent, 0..0, 64 * 1024);
//!
//! let mut out = [0; 64];
//! let mut job = Receive::new(Face::Messages, &mut out);
//! drive(&mut job, &mut endpoint, lent, &mut wire);
//! let piece = job.result().unwrap().unwrap();
//! assert_eq!((&out[..piece.length], piece.opcode), (&b"Hello"[..], Opcode::Text));
//! assert_eq!(wire.1, [0x8A, 0x81, 1, 2, 3, 4, b'!' ^ 1]); // the Pong
//! ```
//!
//! # Features
//!
//! - `crates-hash` (default): `handshake::SoftSha1` by the crate `sha1`.
//! - `compact`: the same by this crate's own code, 3 kB of flash less; it wins if both are on.
//!
//! With neither there is no `SoftSha1`: bring a [`Sha1`](handshake::Sha1) of your own.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod address;
mod close;
mod connection;
mod endpoint;
mod error;
#[cfg(feature = "extensions")]
pub mod extension;
pub mod handshake;
mod mask;
mod opcode;
mod receiver;
#[cfg(test)]
mod testing;
mod text;
mod transmitter;
pub mod url;

pub use close::{
    CloseCode, MAX_CLOSE_REASON, MAX_CONTROL_PAYLOAD, check_close, parse_close, write_close,
};
pub use connection::Connection;
pub use endpoint::{
    Answer, Buffer, BufferTooShort, Close, Ended, Endpoint, Face, Job, Keepalive, Lent, Outgoing,
    Piece, Reason, Receive, Refusal, SCRATCH, Send, SendClose, SendInPlace, Step, Told, elapsed,
};
#[cfg(feature = "extensions")]
pub use endpoint::{EncodedRefusal, SendEncoded};
pub use error::{FrameError, ProtocolError, RandomError};
pub use opcode::{Opcode, Role};
pub use receiver::{Decoded, Frame, Receiver};
pub use transmitter::{MAX_HEADER, Transmitter};
