//! The handshakes as drivers use them.

mod client;
mod http;
mod page;
mod request;
mod server;
pub(super) mod testing;
