//! What a client asks for: Zephyr's `struct websocket_request`.

use ws_core::handshake::{HeadPart, HeaderSource, Host, Request};

use crate::WebSocketId;

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
    pub(crate) on_connect: Option<&'r mut dyn FnMut(WebSocketId)>,
    pub(crate) buffer: Option<&'buf mut [u8]>,
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

    /// Runs once the connection is open, before the call returns.
    #[must_use]
    pub fn on_connect(mut self, callback: &'r mut dyn FnMut(WebSocketId)) -> Self {
        self.connection.on_connect = Some(callback);
        self
    }

    /// Lends a buffer: what is read goes there in bulk, first the handshake, then frames. Any
    /// length works, none too; beyond 125 bytes its last 125 keep the payload of a Ping, and Pings
    /// are answered by the table. It stays with the slot: the next connection there has it unless
    /// that brings one of its own.
    #[must_use]
    pub fn buffer(mut self, buffer: &'buf mut [u8]) -> Self {
        self.connection.buffer = Some(buffer);
        self
    }
}
