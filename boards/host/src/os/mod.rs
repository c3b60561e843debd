//! The operating system under the table: its sockets, its clock, its randomness, and waiting for
//! it to say that a socket is ready instead of asking again and again.

mod platform;
mod stack;
mod wire;

pub(crate) use platform::{OsPlatform, fill_random};
pub(crate) use stack::{OsSocket, OsStack};
pub(crate) use wire::Blocks;

/// WebSockets over the system's sockets.
pub(crate) type WebSockets<'buf, const N: usize> =
    ws_socket::WebSockets<'buf, OsStack, OsPlatform, N>;
