//! The server's side (RFC 6455 sections 4.2.1 and 4.2.2).

use super::Sha1;
use super::fields::{
    ABSOLUTE, BAD, CLOSE, CONNECTION, Check, Context, ELSEWHERE, ENCODING, Exchange, FIRST, GET,
    HEAD, HITS, HOST, INVALID_HOST, KEY, LENGTH, METHOD, NONE, OLD, OPTIONS, ORIGIN, PROTOCOL,
    QUERY, SEEN, TARGET, THIRTEEN, TO_UPGRADE, TWICE, UPGRADE, VERSION, WEBSOCKET, bit,
};
use super::head::{self, HeadError, HeadPart};
use super::page::Body;
use super::response::{Response, ResponseError};

/// In the notes on what was asked, besides [`CLOSE`] and [`HEAD`]: there is an Origin.
const HAS_ORIGIN: u8 = 1;
/// The same: the client speaks HTTP/1.0.
const HTTP_1_0: u8 = 2;

/// What a request must be to be an upgrade, in the order of [`ServerError`].
static CHECKS: [Check; 16] = [
    Check::not(TWICE, HOST),
    Check::some(SEEN, HOST),
    Check::not(HITS, INVALID_HOST),
    Check::not(BAD, HOST),
    Check::some(HITS, GET),
    Check::some(HITS, WEBSOCKET),
    Check::not(HITS, OLD),
    Check::some(HITS, TO_UPGRADE),
    Check::not(TWICE, VERSION),
    Check::some(HITS, THIRTEEN),
    Check::not(TWICE, KEY),
    Check::some(SEEN, KEY),
    Check::not(BAD, KEY),
    Check::not(BAD, ORIGIN),
    Check::not(BAD, LENGTH),
    Check::not(SEEN, ENCODING),
];

/// The fields that are lists, and those that [`Exchange::request`] looks at.
const SPECIAL: u32 = 1 << UPGRADE
    | 1 << CONNECTION
    | 1 << PROTOCOL
    | 1 << FIRST
    | 1 << TARGET
    | 1 << QUERY
    | 1 << HOST;

/// A server's side of the opening handshake: reads the request, sends the response.
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
/// let mut handshake = ServerHandshake::new(4096);
/// let from_socket = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Protocol: soap, mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// let rules = Rules { subprotocols: &["mqtt"], ..Rules::NONE };
/// let outcome = handshake.receive(&rules, &mut hash, from_socket, &mut |_| {});
/// let response = match outcome {
///     Ok((_, Some(requested))) => Response::Upgrade {
///         subprotocol: requested.subprotocol.map(|index| rules.subprotocols[usize::from(index)]),
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
    pub(super) exchange: Exchange,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<ServerHandshake>() <= 52);

/// What requests are compared with as they stream by: at most 16 entries to each list, those
/// behind are not looked at. It must stay the same for the whole of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules<'a> {
    /// The subprotocols that are supported (RFC 6455 section 1.9).
    pub subprotocols: &'a [&'a str],
    /// Paths: [`Asked::target`] says which of them the request is for. The query, from the `?` on,
    /// is not compared; case counts, and so does how it is escaped. Of a target that is a whole URL,
    /// as for a proxy, the path is compared.
    pub targets: &'a [&'a str],
    /// The names this server goes by, as they stand in Host: with the port, unless it is the
    /// default one. Another Host is refused with 421, which keeps DNS rebinding out. Where the target
    /// is a whole URL, its host and port are compared instead. Case does not count (RFC 9110 section
    /// 4.2.3). Empty: any, and a request of HTTP/1.0 may have none.
    pub hosts: &'a [&'a str],
    /// The origins whose scripts may open a WebSocket: `scheme://host`, with the port unless it is
    /// the scheme's own. An upgrade with another Origin is refused with 403 (RFC 6455 section
    /// 10.2). One without Origin does not come from a browser, and passes. Case does not count (RFC
    /// 6454 section 4). Empty: any.
    pub origins: &'a [&'a str],
}

impl Rules<'_> {
    /// Compares nothing.
    pub const NONE: Self = Self {
        subprotocols: &[],
        targets: &[],
        hosts: &[],
        origins: &[],
    };

    /// Whether all of it is looked at.
    ///
    /// # Errors
    ///
    /// [`ResponseError::TooManyRules`].
    pub const fn validate(&self) -> Result<(), ResponseError> {
        if self.subprotocols.len() > 16
            || self.targets.len() > 16
            || self.hosts.len() > 16
            || self.origins.len() > 16
        {
            return Err(ResponseError::TooManyRules);
        }
        Ok(())
    }
}

/// A request that is in order: what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    target: u8,
    subprotocol: u8,
    upgrade: bool,
    notes: u8,
}

impl Asked {
    /// An upgrade to WebSocket; else a page.
    pub const fn upgrade(&self) -> bool {
        self.upgrade
    }

    /// Which of [`Rules::targets`] it is for; `None` where it is for none of them.
    pub const fn target(&self) -> Option<usize> {
        match self.target {
            NONE => None,
            index => Some(index as usize),
        }
    }

    /// The first of the client's subprotocols that is among [`Rules::subprotocols`], as its index
    /// there.
    pub const fn subprotocol(&self) -> Option<usize> {
        match self.subprotocol {
            NONE => None,
            index => Some(index as usize),
        }
    }

    /// The method is HEAD: nobody will see the page's body. It is not sent, whatever the answer.
    pub const fn head_only(&self) -> bool {
        self.notes >> HEAD & 1 != 0
    }

    /// The client has not asked for the end of the connection after the answer, and speaks
    /// HTTP/1.1 or later (RFC 9112 section 9.3).
    pub const fn keep_alive(&self) -> bool {
        self.notes >> CLOSE & 1 == 0
    }

    /// The length to frame a page's body by ([`Transfer`](super::Transfer)), `None` for chunks. Chunks
    /// are not for a client of HTTP/1.0: there it is `usize::MAX`, and the body ends where the
    /// connection does (RFC 9112 section 6.3).
    pub const fn body_length(&self, body: &Body<'_>) -> Option<usize> {
        match body.length() {
            None if self.notes & HTTP_1_0 != 0 => Some(usize::MAX),
            length => length,
        }
    }

    /// There is an Origin, as browsers send it.
    pub const fn has_origin(&self) -> bool {
        self.notes & HAS_ORIGIN != 0
    }
}

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
    /// What came is not a request of HTTP/1.x.
    #[error("malformed request: {0}")]
    Head(#[from] HeadError),
    /// The stream ended inside the request.
    #[error("the stream ended before the request did")]
    Eof,
    /// More than one Host (RFC 9112 section 3.2).
    #[error("more than one Host")]
    RepeatedHost,
    /// No Host (RFC 9112 section 3.2). A request of HTTP/1.0 needs one only where
    /// [`Rules::hosts`] are given.
    #[error("no Host")]
    NoHost,
    /// The value of Host is not a host and perhaps a port (RFC 9112 section 3.2).
    #[error("Host is not a host")]
    InvalidHost,
    /// Host is none of [`Rules::hosts`] (RFC 9110 section 15.5.20).
    #[error("not the host that is asked for")]
    Host,
    /// The method is not GET, with or without an upgrade asked for.
    #[error("the method is not GET")]
    Method,
    /// The method is OPTIONS, without an upgrade asked for, as health checks have it. It is answered with
    /// status 200 and what is allowed (RFC 9110 section 9.3.7), where pages are served or not.
    #[error("OPTIONS asks what is allowed")]
    Options,
    /// A GET without `websocket` in Upgrade: an ordinary request, as good as any for a page
    /// ([`ServerHandshake::asked`]). What Content-Length and Transfer-Encoding say of a body was
    /// not looked at.
    #[error("no upgrade to websocket is asked for")]
    NotAnUpgrade,
    /// An upgrade is asked for by HTTP/1.0, which has none (RFC 6455 section 4.2.1, item 1).
    #[error("upgrade asked for by HTTP/1.0")]
    Http10,
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
    /// Origin is none of [`Rules::origins`] (RFC 6455 section 10.2).
    #[error("the origin is not allowed")]
    Origin,
    /// The request announces a body: a Content-Length other than 0, or a Transfer-Encoding.
    #[error("request with a body")]
    Body,
}

impl ServerError {
    /// The status to refuse the request with.
    pub const fn status(self) -> u16 {
        let over: u8 = match self {
            Self::Options => return 200,
            Self::Origin => 3,
            Self::Method => 5,
            Self::Host => 21,
            Self::NotAnUpgrade | Self::Http10 | Self::Version => 26,
            Self::Head(HeadError::TooLong) => 31,
            Self::Head(HeadError::Version) => 105,
            _ => 0,
        };
        400 + over as u16
    }
}

impl ServerHandshake {
    /// A handshake with a limit to the bytes of the request.
    pub const fn new(limit: u16) -> Self {
        Self {
            exchange: Exchange::new(head::METHOD_START, METHOD, limit, [0; 28]),
        }
    }

    /// How many bytes may be read from the socket and given to [`receive`](Self::receive) without
    /// one of them being behind the request's blank line: 1 to 4, 0 once it was there.
    ///
    /// With a receive buffer there is no need for it.
    pub fn want(&self) -> usize {
        self.exchange.want()
    }

    /// How many of the `limit` bytes are left: what was consumed so far, also by the call that
    /// ended in an error such as [`ServerError::NotAnUpgrade`], is the rest.
    pub fn limit_left(&self) -> u16 {
        self.exchange.left
    }

    /// Takes bytes of the request, any number of them, and says how many were consumed: all, or up
    /// to the blank line, when the outcome is there too. Not to be called again after that.
    ///
    /// `rules` must stay the same. `on_part` sees each part of the request, offered subprotocols and extensions included.
    ///
    /// # Errors
    ///
    /// All of [`ServerError`] but [`Eof`](ServerError::Eof).
    pub fn receive(
        &mut self,
        rules: &Rules<'_>,
        hash: &mut impl Sha1,
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<(usize, Option<Requested>), ServerError> {
        let before = self.exchange.left;
        self.read(rules, bytes, on_part)?;
        let exchange = &mut self.exchange;
        let mut requested = None;
        if exchange.state == head::COMPLETE {
            exchange.accept(hash);
            requested = Some(Requested {
                subprotocol: exchange.subprotocol(),
            });
        }
        Ok((usize::from(before - exchange.left), requested))
    }

    fn read(
        &mut self,
        rules: &Rules<'_>,
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<(), ServerError> {
        let cx = &mut Context {
            secret: KEY,
            special: SPECIAL,
            rules: &[
                rules.subprotocols,
                rules.targets,
                rules.hosts,
                rules.origins,
            ],
            on_part,
            own: Exchange::request,
            bytes,
            part: 0..0,
        };
        if let Err(mut error) = self.exchange.receive(cx) {
            // At the end of the line: not a version at all.
            if error == HeadError::Version && self.exchange.state == head::FIRST_CR {
                error = HeadError::StartLine;
            }
            return Err(error.into());
        }
        if self.exchange.state != head::COMPLETE {
            return Ok(());
        }
        self.verdict(rules)
    }

    /// What a complete request comes to (RFC 6455 section 4.2.1).
    fn verdict(&mut self, rules: &Rules<'_>) -> Result<(), ServerError> {
        let exchange = &mut self.exchange;
        // HTTP/1.0: the connection is not kept.
        let hits = exchange.notes[HITS];
        let old = hits >> OLD & 1;
        exchange.notes[HITS] = hits | old << CLOSE | u16::from(!exchange.is_host()) << INVALID_HOST;
        let bad = &mut exchange.notes[BAD];
        if rules.hosts.is_empty() || hits & bit(ABSOLUTE) != 0 {
            *bad &= !bit(HOST);
        }
        if rules.hosts.is_empty() {
            exchange.notes[SEEN] |= old << HOST;
        } else {
            *bad |= hits & bit(ELSEWHERE);
        }
        let bad = &mut exchange.notes[BAD];
        if rules.origins.is_empty() {
            *bad &= !bit(ORIGIN);
        }
        if !is_key(&exchange.text) {
            *bad |= bit(KEY);
        }
        Err(match exchange.verdict(&CHECKS) {
            0 => ServerError::RepeatedHost,
            1 => ServerError::NoHost,
            2 => ServerError::InvalidHost,
            3 => ServerError::Host,
            4 if hits & (bit(OPTIONS) | bit(WEBSOCKET)) == bit(OPTIONS) => ServerError::Options,
            4 => ServerError::Method,
            5 => ServerError::NotAnUpgrade,
            6 => ServerError::Http10,
            7 => ServerError::Connection,
            8 => ServerError::RepeatedVersion,
            9 => ServerError::Version,
            10 => ServerError::RepeatedKey,
            11 => ServerError::NoKey,
            12 => ServerError::Key,
            13 => ServerError::Origin,
            14 | 15 => ServerError::Body,
            _ => return Ok(()),
        })
    }

    /// What the outcome of [`receive`](Self::receive) comes to where pages are served too: a GET
    /// or HEAD that asks for no upgrade is in order then. A body is refused all the same: nothing
    /// behind the blank line is mistaken for the next request.
    ///
    /// # Errors
    ///
    /// `outcome`'s, unless that is such a request; [`ServerError::Body`].
    #[allow(clippy::cast_possible_truncation)] // at most 16; bits
    pub fn asked(&self, outcome: Result<Requested, ServerError>) -> Result<Asked, ServerError> {
        let exchange = &self.exchange;
        let upgrade = match outcome {
            Ok(_) => true,
            Err(ServerError::NotAnUpgrade) => false,
            Err(ServerError::Method) if exchange.noted(HITS, HEAD) => false,
            Err(error) => return Err(error),
        };
        if self.has_body() {
            return Err(ServerError::Body);
        }
        Ok(Asked {
            target: exchange.number as u8,
            subprotocol: exchange.chosen,
            upgrade,
            notes: exchange.notes[HITS] as u8 & (1 << CLOSE | 1 << HEAD)
                | u8::from(exchange.noted(SEEN, ORIGIN))
                | u8::from(exchange.noted(HITS, OLD)) << 1,
        })
    }

    /// Is a body announced?
    fn has_body(&self) -> bool {
        self.exchange.noted(BAD, LENGTH) || self.exchange.noted(SEEN, ENCODING)
    }

    /// Writes what comes next of the response to `out`, as much as there is room for, and says how
    /// many bytes that are: 0 once all of it is [`sent`](Self::sent) (or `out` is empty).
    ///
    /// To be called once [`receive`](Self::receive) has told the outcome;
    /// [`Response::Upgrade`] only if that was [`Requested`]. Nothing is buffered: the response is
    /// generated anew each time and must stay the same. Of a [`Response::Page`] this is the head;
    /// [`Transfer`](super::Transfer) is for its body.
    pub fn fill(&self, response: &Response<'_>, out: &mut [u8]) -> usize {
        let exchange = &self.exchange;
        response.fill(&exchange.text, exchange.notes[HITS], exchange.position, out)
    }

    /// The first `n` bytes of what [`fill`](Self::fill) gave have gone out. `n` bytes of a page's
    /// body may be reported here too, once the head is out: [`written`](Self::written) counts them.
    pub const fn sent(&mut self, n: usize) {
        self.exchange.position = self.exchange.position.saturating_add(n);
    }

    /// How many bytes were reported by [`sent`](Self::sent), at most `usize::MAX`.
    pub const fn written(&self) -> usize {
        self.exchange.position
    }

    /// The stream ended before the request did: what that comes to.
    pub fn eof(&self) -> ServerError {
        ServerError::Eof
    }
}

/// Whether `text` is the base64 of 16 bytes, and no more.
fn is_key(text: &[u8; 28]) -> bool {
    let (digits, end) = text.split_at(22);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    digits.iter().all(is_digit) && end == b"==\0\0\0\0"
}
