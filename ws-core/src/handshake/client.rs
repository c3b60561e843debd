//! The client's side (RFC 6455 sections 4.1 and 4.2.2).

use super::Sha1;
use super::accept::base64;
use super::fields::{
    ACCEPT, BAD, CONNECTION, Check, Context, EXTENSIONS, Exchange, FIRST, HITS, OLD, PROTOCOL,
    SEEN, TO_UPGRADE, TWICE, UPGRADE, WEBSOCKET,
};
use super::head::{self, HeadError, HeadPart};
use super::request::Request;

/// Where `position` is when the request has to be regenerated no more.
const SENT: usize = usize::MAX;

/// A client's opening handshake: sends the request, reads the response.
///
/// ```
/// # use ws_core::handshake::*;
/// # struct Unit;
/// # impl Sha1 for Unit {
/// #     fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
/// #         use sha1::Digest;
/// #         sha1::Sha1::new().chain_update(key).chain_update(GUID).finalize().into()
/// #     }
/// # }
/// # let mut hash = Unit;
/// let request = Request::new(Host::Text("example.com"), "/chat");
/// request.validate()?;
/// let mut handshake = ClientHandshake::new(b"the sample nonce", 4096);
///
/// let mut scratch = [0; 32];
/// loop {
///     let n = handshake.fill(&request, &mut scratch);
///     if n == 0 {
///         break;
///     }
///     // scratch[..n] goes to the socket, which may take less of it.
///     handshake.sent(n);
/// }
///
/// let from_socket = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi";
/// let (n, upgraded) = handshake.receive(&request, &mut hash, from_socket, &mut |_| {})?;
/// assert_eq!(upgraded, Some(Upgraded { subprotocol: None }));
/// assert_eq!(&from_socket[n..], b"\x81\x02hi");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClientHandshake {
    pub(super) exchange: Exchange,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<ClientHandshake>() <= 52);

/// What the server agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgraded {
    /// The subprotocol, as its index in [`Request::subprotocols`].
    pub subprotocol: Option<u8>,
}

/// Why there is no WebSocket connection (RFC 6455 section 4.1). None of these can be recovered from
/// on the same TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// A well-formed answer other than 101: a redirect, a demand for authentication, a refusal.
    /// Said at its blank line, when all its headers were handed out.
    #[error("the server answered with status {status}")]
    Refused {
        /// The status, 200 to 999.
        status: u16,
    },
    /// What came is not a response of HTTP/1.x, or a 101 of HTTP/1.0. Any other status of HTTP/1.0 is
    /// [`Refused`](Self::Refused).
    #[error("malformed response: {0}")]
    Head(#[from] HeadError),
    /// The stream ended inside the response.
    #[error("the stream ended before the response did")]
    Eof,
    /// A 101 whose Upgrade is not there or not `websocket`.
    #[error("101 without Upgrade: websocket")]
    Upgrade,
    /// A 101 whose Connection is not there or has no `upgrade` in it.
    #[error("101 without Connection: Upgrade")]
    Connection,
    /// A 101 without Sec-WebSocket-Accept.
    #[error("101 without Sec-WebSocket-Accept")]
    NoAccept,
    /// A 101 whose Sec-WebSocket-Accept is not the answer to our key.
    #[error("wrong Sec-WebSocket-Accept")]
    Accept,
    /// A 101 with more than one Sec-WebSocket-Accept.
    #[error("more than one Sec-WebSocket-Accept")]
    RepeatedAccept,
    /// A 101 with an extension, although none was offered.
    #[error("the server chose an extension, none was offered")]
    Extension,
    /// A 101 with a subprotocol that was not offered.
    #[error("the server chose a subprotocol that was not offered")]
    Subprotocol,
    /// A 101 with more than one Sec-WebSocket-Protocol.
    #[error("more than one Sec-WebSocket-Protocol")]
    RepeatedSubprotocol,
}

impl ClientHandshake {
    /// A handshake with a nonce that has to be random (RFC 6455 section 4.1, item 7), and a limit
    /// to the bytes of the response, interim responses included.
    pub fn new(nonce: &[u8; 16], limit: u16) -> Self {
        let mut handshake = Self::without_key(limit);
        handshake.set_nonce(nonce);
        handshake
    }

    /// [`new`](Self::new), but for [`set_nonce`](Self::set_nonce), which is still to come: for who
    /// makes it where it stays.
    #[inline]
    pub const fn without_key(limit: u16) -> Self {
        Self {
            exchange: Exchange::new(head::REPLY, FIRST, limit, [0; 28]),
        }
    }

    /// The nonce, before anything else is done.
    pub fn set_nonce(&mut self, nonce: &[u8; 16]) {
        let (key, _) = self.exchange.text.split_at_mut(24);
        base64(nonce, key);
    }

    /// Writes what comes next of the request to `out`, as much as there is room for, and says how
    /// many bytes that are: 0 once all of it is [`sent`](Self::sent) (or `out` is empty).
    ///
    /// Nothing is buffered: the request is generated anew each time.
    pub fn fill(&self, request: &Request<'_>, out: &mut [u8]) -> usize {
        let key = self.exchange.text.get(..24).unwrap_or_default();
        request.fill(key, self.exchange.position, out)
    }

    /// The first `n` bytes of what [`fill`](Self::fill) gave have gone out.
    pub fn sent(&mut self, n: usize) {
        self.exchange.position = self.exchange.position.wrapping_add(n);
    }

    /// Whether all of the request is out.
    pub fn request_sent(&self, request: &Request<'_>) -> bool {
        self.fill(request, &mut [0]) == 0
    }

    /// How many bytes may be read from the socket and given to [`receive`](Self::receive) without
    /// one of them being behind the response's blank line: 1 to 4, 0 once it was there.
    ///
    /// With a receive buffer there is no need for it.
    pub fn want(&self) -> usize {
        self.exchange.want()
    }

    /// How many of the `limit` bytes are left: what was consumed so far, also by the call that
    /// ended in [`ClientError::Refused`], is the rest.
    pub fn limit_left(&self) -> u16 {
        self.exchange.left
    }

    /// Takes bytes of the response, any number of them, and says how many were consumed: all, or up
    /// to the blank line, when the outcome is there too. To be called when the request is out, or
    /// can't go out (a server may refuse and close early): what is still missing will not be sent.
    /// Not to be called again once there was an outcome.
    ///
    /// `on_part` sees each part of the response, those of interim (1xx) responses too. None of it
    /// can be trusted before the outcome is there.
    ///
    /// # Errors
    ///
    /// All of [`ClientError`] but [`Eof`](ClientError::Eof).
    pub fn receive(
        &mut self,
        request: &Request<'_>,
        hash: &mut impl Sha1,
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<(usize, Option<Upgraded>), ClientError> {
        let exchange = &mut self.exchange;
        if exchange.position != SENT {
            exchange.position = SENT;
            exchange.accept(hash);
        }
        let before = exchange.left;
        let judged = exchange.response(request.subprotocols, bytes, on_part);
        #[cfg(feature = "extensions")]
        let judged = self.with_offer(request, judged);
        judged?;
        let exchange = &self.exchange;
        let upgraded = (exchange.state == head::COMPLETE).then_some(Upgraded {
            subprotocol: exchange.subprotocol(),
        });
        Ok((usize::from(before - exchange.left), upgraded))
    }

    /// The stream ended before the response did: what that comes to.
    pub fn eof(&self) -> ClientError {
        ClientError::Eof
    }
}

impl Exchange {
    /// Reads bytes of the response, and judges it when it is complete.
    fn response(
        &mut self,
        subprotocols: &[&str],
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<(), ClientError> {
        let cx = &mut Context {
            secret: ACCEPT,
            special: 1 << CONNECTION,
            rules: &[subprotocols],
            on_part,
            own: Exchange::element,
            bytes,
            part: 0..0,
        };
        self.receive(cx)?;
        if self.state != head::COMPLETE {
            return Ok(());
        }
        match self.number {
            101 => self.upgraded(),
            status => Err(ClientError::Refused { status }),
        }
    }

    /// What a complete 101 comes to (RFC 6455 section 4.1, the items under "validate the response").
    pub(super) fn upgraded(&self) -> Result<(), ClientError> {
        Err(match self.verdict(&CHECKS) {
            0 => ClientError::Head(HeadError::Version),
            1 | 2 => ClientError::Upgrade,
            3 => ClientError::Connection,
            4 => ClientError::NoAccept,
            5 => ClientError::Accept,
            6 => ClientError::RepeatedAccept,
            7 => ClientError::Extension,
            8 => ClientError::Subprotocol,
            9 => ClientError::RepeatedSubprotocol,
            _ => return Ok(()),
        })
    }
}

static CHECKS: [Check; 10] = [
    Check::not(HITS, OLD),
    Check::some(HITS, WEBSOCKET),
    Check::not(BAD, UPGRADE),
    Check::some(HITS, TO_UPGRADE),
    Check::some(SEEN, ACCEPT),
    Check::not(BAD, ACCEPT),
    Check::not(TWICE, ACCEPT),
    Check::not(SEEN, EXTENSIONS),
    Check::not(BAD, PROTOCOL),
    Check::not(TWICE, PROTOCOL),
];
