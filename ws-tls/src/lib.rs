//! `wss` on microcontrollers: TLS 1.3 below a WebSocket, without heap.
//!
//! There is one way to a stream: [`connect`], or `asynch::connect`. It opens TLS over any stream that is
//! connected, asks the server for what [`Server`] says it has to show, and gives the stream when all of that
//! was shown. The rest, why not, is an [`Error`].
//!
//! TLS is that of embedded-tls 0.19, certificates are verified by rustls-webpki. Between them and the
//! network stand the order of the handshake's messages and [`TlsRecords`], so that what a server
//! sends panics nobody, and timeouts lose nothing.
//!
//! # Example
//!
//! ```
//! # use embedded_io::{Read, Write};
//! # use ws_tls::*;
//! # fn random(bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> { Ok(()) }
//! # fn now_ms() -> u32 { 0 }
//! # fn seconds_since_1970() -> Option<u64> { None }
//! # const ROOT: &[u8] = &[];
//! # fn wss<T: Read + Write>(tcp: T) -> Result<(), Error> {
//! let time = Clock { now: seconds_since_1970(), built: 1_790_000_000 };
//! let anchors = [ROOT]; // certificates of authorities, DER
//! let server = Server::new("broker.example.com", &anchors, time)?;
//!
//! let mut memory: Memory = Memory::new(); // 34 kB; a static on a chip
//! let tls = connect(tcp, &mut memory, &server, random, 10_000, now_ms)?;
//! // tls: a stream for `ws_socket::stack::BlockingStreams`
//! # Ok(()) }
//! ```
//!
//! A proxy's CONNECT stands between TCP and this: `connect` takes the stream when the proxy has answered.
//!
//! # Features
//!
//! | feature | |
//! | --- | --- |
//! | `async` | `asynch`: over async streams |
//! | `p384` | certificates and keys of P-384 and SHA-384 too |
//! | `ed25519` | certificates and keys of Ed25519 too |
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "async")]
pub mod asynch;
mod blocking;
mod error;
mod identity;
mod keys;
mod random;
mod server;
mod suite;
mod time;
mod verify;
mod watch;

pub use embedded_tls::TlsError;
pub use embedded_tls::alert::AlertDescription;
pub use ws_socket::RandomError;
#[doc(no_inline)]
pub use ws_socket::stack::TlsRecords;

pub use blocking::{Memory, Stream, connect};
pub use error::Error;
pub use identity::{Anonymous, ClientCertificate, Identity};
pub use server::{Pin, Server, ToHost};
pub use time::{Clock, NoClockSoExpiredIsAccepted, Time};
pub use verify::INTERMEDIATES;
