//! The opening handshake (RFC 6455 section 4), both directions.
//!
//! Everything is a streaming machine without a line buffer: what goes out is regenerated from its
//! description at any position ([`ClientHandshake::fill`], [`ServerHandshake::fill`]), what comes in
//! may be cut anywhere ([`ClientHandshake::receive`], [`ServerHandshake::receive`]) and is never
//! consumed past the blank line, so that the frames behind it are the caller's.
//!
//! A server may answer ordinary requests on the same port: [`ServerHandshake::asked`] tells them
//! apart, [`Page`] is the answer, [`Transfer`] frames its body.

mod accept;
mod authority;
mod base64;
mod client;
#[cfg(feature = "extensions")]
mod extensions;
mod fields;
mod head;
mod page;
mod request;
mod response;
mod server;
#[cfg(any(test, feature = "crates-hash", feature = "compact"))]
mod sha1;
#[cfg(test)]
mod tests;
mod texts;
mod write;

#[cfg(any(feature = "crates-hash", feature = "compact"))]
pub use accept::SoftSha1;
pub use accept::{GUID, Sha1, accept_value, encode_key};
pub use client::{ClientError, ClientHandshake, Upgraded};
#[cfg(feature = "extensions")]
pub use extensions::{ExtensionPart, ExtensionReader, Extensions};
pub use head::{HeadError, HeadPart};
pub use page::{Body, BodyError, BodyWriter, Page, Transfer};
pub use request::{HeaderSource, Headers, Host, HostAddr, Request, RequestError};
pub use response::{Response, ResponseError};
pub use server::{Asked, Requested, Rules, ServerError, ServerHandshake};

pub(crate) use write::{is_host_byte, is_visible};
