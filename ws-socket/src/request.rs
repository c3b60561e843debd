//! What a client asks for: Zephyr's `struct websocket_request`.

use ws_core::handshake::{HeadPart, HeaderSource, Host, Request};

use crate::{Buffer, WebSocketId};

/// The program does not want a connection: [`WebSocketRequest::on_connect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the program refused the connection")]
pub struct Refused;

/// A client's opening handshake and what belongs to its connection.
///
/// | Zephyr | here |
/// | --- | --- |
/// | `host`, `url` | [`new`](Self::new) |
/// | `optional_headers`, `optional_headers_cb` | [`headers`](Self::headers) |
/// | `cb` | [`on_connect`](Self::on_connect) |
/// | `http_cb` | [`on_response`](Self::on_response) |
/// | `tmp_buf`, `tmp_buf_len` | [`buffer`](Self::buffer) |
pub struct WebSocketRequest<'r, 'buf> {
    pub(crate) handshake: Request<'r>,
    pub(crate) connection: ConnectionOptions<'r, 'buf>,
}

/// What belongs to a connection and is not sent.
#[derive(Default)]
pub(crate) struct ConnectionOptions<'r, 'buf> {
    pub(crate) on_response: Option<&'r mut dyn FnMut(HeadPart<'_>)>,
    pub(crate) on_connect: Option<&'r mut dyn FnMut(WebSocketId) -> Result<(), Refused>>,
    pub(crate) buffer: Option<Buffer<'buf>>,
}

impl<'r, 'buf> WebSocketRequest<'r, 'buf> {
    /// A request to `host` (the Host header: name or address, with the port unless it is 80) for
    /// `url` (path and query: "/chat?room=1"; "" is "/").
    pub const fn new(host: &'r str, url: &'r str) -> Self {
        Self::from_handshake(Request::new(Host::Text(host), url))
    }

    /// A request for what the URL names that is given beside it
    /// ([`websocket_connect_url`](crate::websocket_connect_url)).
    pub const fn for_url() -> Self {
        Self::new("", "")
    }

    /// A request whose handshake is `handshake`.
    pub const fn from_handshake(handshake: Request<'r>) -> Self {
        let connection = ConnectionOptions {
            on_response: None,
            on_connect: None,
            buffer: None,
        };
        Self {
            handshake,
            connection,
        }
    }

    /// Headers to send besides those of the handshake: `&[("Name", "value")]`, a reference to a slice
    /// of such, or to a function `Fn(&mut Headers<'_>)` that adds them; it runs several times and must
    /// add the same each time ([`HeaderSource`]).
    #[must_use]
    pub const fn headers(mut self, headers: &'r dyn HeaderSource) -> Self {
        self.handshake.headers = Some(headers);
        self
    }

    /// The subprotocols to offer, at most 16, the preferred first (RFC 6455 section 1.9).
    #[must_use]
    pub const fn subprotocols(mut self, subprotocols: &'r [&'r str]) -> Self {
        self.handshake.subprotocols = subprotocols;
        self
    }

    /// The Origin header, which a browser would send.
    #[must_use]
    pub const fn origin(mut self, origin: &'r str) -> Self {
        self.handshake.origin = Some(origin);
        self
    }

    /// Sees the server's answer as it streams by, whatever it is: status and headers, in pieces
    /// that may be cut anywhere.
    #[must_use]
    pub fn on_response(mut self, callback: &'r mut dyn FnMut(HeadPart<'_>)) -> Self {
        self.connection.on_response = Some(callback);
        self
    }

    /// Runs once the connection is open, before the call returns. With [`Refused`] the program does not
    /// want it, for what the server's headers said, say: the call fails with
    /// [`ConnectError::ByProgram`](crate::ConnectError).
    #[must_use]
    pub fn on_connect(
        mut self,
        callback: &'r mut dyn FnMut(WebSocketId) -> Result<(), Refused>,
    ) -> Self {
        self.connection.on_connect = Some(callback);
        self
    }

    /// Lends the connection a buffer, Zephyr's `tmp_buf`: at least [`Buffer::MIN`] bytes. In place of
    /// the one that the slot has, if it has one; it stays with the slot. All but its last 125 bytes are
    /// read into; those keep the payload of a Ping until its Pong is out.
    ///
    /// An array is checked where the program is compiled, a slice by [`Buffer::new`].
    #[must_use]
    pub fn buffer(mut self, buffer: impl Into<Buffer<'buf>>) -> Self {
        self.connection.buffer = Some(buffer.into());
        self
    }
}
