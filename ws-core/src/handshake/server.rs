//! The server's side (RFC 6455 sections 4.2.1 and 4.2.2).

use super::fields::{CONNECTION, Exchange, PROTOCOL, Role, SECRET, UPGRADE, bit};
use super::head::{Head, HeadError, HeadPart};
use super::response::Response;
use super::{Sha1, accept_value};

const VERSION: u8 = 5;
const HOST: u8 = 6;
const LENGTH: u8 = 7;
/// Always the first to come. What comes under this number a second time is Transfer-Encoding.
const METHOD: u8 = 8;

static ROLE: Role = Role {
    names: &[
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "host",
        "content-length",
        "transfer-encoding",
    ],
    values: &[
        ["websocket"],
        ["upgrade"],
        [""],
        [""],
        ["13"],
        [""],
        ["0"],
        ["GET"],
    ],
    lists: bit(UPGRADE) | bit(CONNECTION) | bit(PROTOCOL),
    server: true,
};

/// A server's side of the opening handshake: reads the request, sends the response.
///
/// ```
/// # use ws_core::handshake::*;
/// # struct Unit;
/// # impl Sha1 for Unit {
/// #     fn sha1(&mut self, parts: &[&[u8]]) -> [u8; 20] {
/// #         use sha1::Digest;
/// #         parts.iter().fold(sha1::Sha1::new(), |hash, part| hash.chain_update(part)).finalize().into()
/// #     }
/// # }
/// # let mut hash = Unit;
/// let mut handshake = ServerHandshake::new(4096);
/// let from_socket = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Protocol: soap, mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// let supported = ["mqtt"];
/// let outcome = handshake.receive(&supported, &mut hash, from_socket, &mut |_| {});
/// let response = match outcome {
///     Ok((_, Some(requested))) => Response::Upgrade {
///         subprotocol: requested.subprotocol.map(|index| supported[usize::from(index)]),
///         headers: &[],
///     },
///     Ok((_, None)) => panic!("the rest of the request is still to come"),
///     Err(error) => Response::Refuse { status: error.status(), headers: &[] },
/// };
///
/// let mut scratch = [0; 256];
/// let n = handshake.fill(&response, &mut scratch);
/// handshake.sent(n);
/// assert_eq!(&scratch[..n], b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
///     Sec-WebSocket-Protocol: mqtt\r\n\r\n");
/// ```
#[derive(Debug, Clone)]
pub struct ServerHandshake {
    exchange: Exchange,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<ServerHandshake>() <= 48);

/// What the client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requested {
    /// The first of the client's subprotocols that is supported, as its index in the list of those.
    pub subprotocol: Option<u8>,
}

/// Why a request is not a WebSocket handshake (RFC 6455 section 4.2.1).
///
/// All but [`Head`](Self::Head) and [`Eof`](Self::Eof) are said at the blank line of a well-formed
/// head, when all of it was handed out; if more than one holds, it is the first in the order here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// What came is not an HTTP/1.1 request.
    #[error("malformed request: {0}")]
    Head(#[from] HeadError),
    /// The stream ended inside the request.
    #[error("the stream ended before the request did")]
    Eof,
    /// More than one Host (RFC 9112 section 3.2).
    #[error("more than one Host")]
    RepeatedHost,
    /// No Host (RFC 9112 section 3.2).
    #[error("no Host")]
    NoHost,
    /// The method is not GET, with or without an upgrade asked for.
    #[error("the method is not GET")]
    Method,
    /// A GET without `websocket` in Upgrade: an ordinary request, as good as any for a page. What
    /// Content-Length and Transfer-Encoding say of a body was not looked at.
    #[error("no upgrade to websocket is asked for")]
    NotAnUpgrade,
    /// No `upgrade` in Connection.
    #[error("no upgrade in Connection")]
    Connection,
    /// More than one Sec-WebSocket-Version.
    #[error("more than one Sec-WebSocket-Version")]
    RepeatedVersion,
    /// Sec-WebSocket-Version is not there or not 13.
    #[error("Sec-WebSocket-Version is not 13")]
    Version,
    /// More than one Sec-WebSocket-Key.
    #[error("more than one Sec-WebSocket-Key")]
    RepeatedKey,
    /// No Sec-WebSocket-Key.
    #[error("no Sec-WebSocket-Key")]
    NoKey,
    /// Sec-WebSocket-Key is not the base64 of 16 bytes.
    #[error("Sec-WebSocket-Key is not the base64 of 16 bytes")]
    Key,
    /// The request announces a body: a Content-Length other than 0, or a Transfer-Encoding.
    #[error("upgrade request with a body")]
    Body,
}

impl ServerError {
    /// The status to refuse the request with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::NotAnUpgrade | Self::Version => 426,
            Self::Head(HeadError::TooLong) => 431,
            Self::Head(HeadError::Version) => 505,
            _ => 400,
        }
    }
}

impl ServerHandshake {
    /// A handshake with a limit to the bytes of the request.
    pub const fn new(limit: u16) -> Self {
        Self {
            exchange: Exchange::new(Head::request(limit), METHOD),
        }
    }

    /// How many bytes may be read from the socket and given to [`receive`](Self::receive) without
    /// one of them being behind the request's blank line: 1 to 4, 0 once it was there.
    ///
    /// With a receive buffer there is no need for it.
    pub fn want(&self) -> usize {
        self.exchange.head.want()
    }

    /// How many of the `limit` bytes are left: what was consumed so far, also by the call that
    /// ended in an error such as [`ServerError::NotAnUpgrade`], is the rest.
    pub fn limit_left(&self) -> u16 {
        self.exchange.head.left()
    }

    /// Takes bytes of the request, any number of them, and says how many were consumed: all, or up
    /// to the blank line, when the outcome is there too. Not to be called again after that.
    ///
    /// `subprotocols` are those that are supported, the first 16 of them; it must stay the same.
    /// `on_part` sees each part of the request, offered subprotocols and extensions included.
    ///
    /// # Errors
    ///
    /// All of [`ServerError`] but [`Eof`](ServerError::Eof).
    pub fn receive(
        &mut self,
        subprotocols: &[&str],
        hash: &mut impl Sha1,
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<(usize, Option<Requested>), ServerError> {
        let (consumed, requested) = self.read(subprotocols, bytes, on_part)?;
        if requested.is_some() {
            let key = self.exchange.text.get(..24).unwrap_or_default();
            self.exchange.text = accept_value(key, hash);
        }
        Ok((consumed, requested))
    }

    #[inline(never)]
    fn read(
        &mut self,
        subprotocols: &[&str],
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<(usize, Option<Requested>), ServerError> {
        let mut rest = bytes;
        self.exchange
            .receive(&ROLE, subprotocols, &mut rest, on_part)?;
        let complete = self.exchange.head.is_complete();
        let requested = if complete {
            Some(self.verdict()?)
        } else {
            None
        };
        Ok((bytes.len() - rest.len(), requested))
    }

    /// What a complete request comes to (RFC 6455 section 4.2.1).
    fn verdict(&self) -> Result<Requested, ServerError> {
        let exchange = &self.exchange;
        let (good, bad, twice, seen) =
            (exchange.good, exchange.bad, exchange.twice, exchange.seen());
        Err(if twice & bit(HOST) != 0 {
            ServerError::RepeatedHost
        } else if seen & bit(HOST) == 0 {
            ServerError::NoHost
        } else if good & bit(METHOD) == 0 {
            ServerError::Method
        } else if good & bit(UPGRADE) == 0 {
            ServerError::NotAnUpgrade
        } else if good & bit(CONNECTION) == 0 {
            ServerError::Connection
        } else if twice & bit(VERSION) != 0 {
            ServerError::RepeatedVersion
        } else if good & bit(VERSION) == 0 {
            ServerError::Version
        } else if twice & bit(SECRET) != 0 {
            ServerError::RepeatedKey
        } else if seen & bit(SECRET) == 0 {
            ServerError::NoKey
        } else if bad & bit(SECRET) != 0 || !is_key(&exchange.text) {
            ServerError::Key
        } else if bad & bit(LENGTH) != 0 || twice & bit(METHOD) != 0 {
            ServerError::Body
        } else {
            return Ok(Requested {
                subprotocol: exchange.subprotocol(),
            });
        })
    }

    /// Writes what comes next of the response to `out`, as much as there is room for, and says how
    /// many bytes that are: 0 once all of it is [`sent`](Self::sent) (or `out` is empty).
    ///
    /// To be called once [`receive`](Self::receive) has told the outcome;
    /// [`Response::Upgrade`] only if that was [`Requested`]. Nothing is buffered: the response is
    /// generated anew each time and must stay the same.
    pub fn fill(&self, response: &Response<'_>, out: &mut [u8]) -> usize {
        response.fill(&self.exchange.text, self.exchange.position, out)
    }

    /// The first `n` bytes of what [`fill`](Self::fill) gave have gone out.
    pub fn sent(&mut self, n: usize) {
        self.exchange.position = self.exchange.position.saturating_add(n);
    }

    /// The stream ended before the request did: what that comes to.
    pub fn eof(&self) -> ServerError {
        ServerError::Eof
    }
}

/// Whether `text` is the base64 of 16 bytes, and no more.
fn is_key(text: &[u8; 28]) -> bool {
    text.iter().enumerate().all(|(at, byte)| match at {
        0..22 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'),
        22..24 => *byte == b'=',
        _ => *byte == 0,
    })
}
