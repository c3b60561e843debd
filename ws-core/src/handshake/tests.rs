//! The handshakes as drivers use them.

mod client;
#[cfg(feature = "extensions")]
mod extensions;
mod http;
mod page;
mod request;
mod server;
pub(super) mod testing;
