//! What a client asks for, and how it is written (RFC 6455 section 4.1).

use super::write::{self, DECIMAL, HEX, HeaderFault, Writer};
use core::net::SocketAddr;

/// Who is asked: the value of the Host header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// Verbatim: a name or an address, `[` and `]` around it if it is IPv6, with a port if that is
    /// not the default of the URL's scheme.
    Text(&'a str),
    /// A name and a port, which is left out if it is 80.
    Port(&'a str, u16),
    /// An address and a port, which is left out if it is 80. IPv6 is written in brackets and
    /// without abbreviation.
    Addr(SocketAddr),
}

/// A function that hands header after header, name and value, to the function it gets.
pub type MoreHeaders<'a> = &'a dyn Fn(&mut dyn FnMut(&str, &str));

/// A client's opening handshake (RFC 6455 section 4.1). It is only borrowed, and must stay the same
/// until the handshake is over.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The server's name.
    pub host: Host<'a>,
    /// Path and query; `""` is `/` and `"?q"` is `/?q`.
    pub target: &'a str,
    /// The value of the Origin header, as a browser would send it.
    pub origin: Option<&'a str>,
    /// The subprotocols to offer, in order of preference, at most 16, each a different token.
    pub subprotocols: &'a [&'a str],
    /// More headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Still more headers: a function that hands each to the function it gets. It is called many
    /// times and must hand out the same each time.
    pub more_headers: Option<MoreHeaders<'a>>,
}

impl core::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Request")
            .field("host", &self.host)
            .field("target", &self.target)
            .field("origin", &self.origin)
            .field("subprotocols", &self.subprotocols)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// The argument of a [`Request`] that can't be sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The host is empty or has a character that no host has.
    #[error("host is empty or has an invalid character")]
    Host,
    /// The target starts with neither `/` nor `?`, or has a character that is not visible ASCII,
    /// or a fragment.
    #[error("target must be path and query, in visible ASCII, without fragment")]
    Target,
    /// The origin has a character that is not visible ASCII, or is empty.
    #[error("origin is empty or has an invalid character")]
    Origin,
    /// A subprotocol is not a token (RFC 9110 section 5.6.2).
    #[error("subprotocol is not a token")]
    Subprotocol,
    /// A subprotocol is offered more than once.
    #[error("subprotocol offered more than once")]
    RepeatedSubprotocol,
    /// More than 16 subprotocols.
    #[error("more than 16 subprotocols")]
    TooManySubprotocols,
    /// An extra header's name is not a token.
    #[error("header name is not a token")]
    HeaderName,
    /// An extra header's value has a control character other than HTAB.
    #[error("control character in a header value")]
    HeaderValue,
    /// An extra header is one that the handshake itself is in charge of: Host, Upgrade, Connection,
    /// Sec-WebSocket-*, Content-Length, Transfer-Encoding.
    #[error("header belongs to the handshake")]
    OwnedHeader,
}

impl From<HeaderFault> for RequestError {
    fn from(fault: HeaderFault) -> Self {
        match fault {
            HeaderFault::Name => Self::HeaderName,
            HeaderFault::Value => Self::HeaderValue,
            HeaderFault::Owned => Self::OwnedHeader,
        }
    }
}

impl<'a> Request<'a> {
    /// A request without origin, subprotocols and extra headers.
    pub const fn new(host: Host<'a>, target: &'a str) -> Self {
        Self {
            host,
            target,
            origin: None,
            subprotocols: &[],
            headers: &[],
            more_headers: None,
        }
    }

    /// Whether the request is well-formed whatever its arguments hold: nothing in them can end a
    /// line, add a header or take the place of one of the handshake's own.
    ///
    /// To be called before the handshake; [`ClientHandshake`](super::ClientHandshake) writes what
    /// it is given.
    ///
    /// # Errors
    ///
    /// The argument that is not.
    pub fn validate(&self) -> Result<(), RequestError> {
        if let Host::Text(host) | Host::Port(host, _) = self.host {
            let valid =
                |byte| write::is_host_byte(byte) || matches!(byte, b':' | b'[' | b']' | b'%');
            if host.is_empty() || !host.bytes().all(valid) {
                return Err(RequestError::Host);
            }
        }
        let valid = |byte| write::is_visible(byte) && byte != b'#';
        if !matches!(self.target.as_bytes(), [] | [b'/' | b'?', ..])
            || !self.target.bytes().all(valid)
        {
            return Err(RequestError::Target);
        }
        if let Some(origin) = self.origin
            && (origin.is_empty() || !origin.bytes().all(write::is_visible))
        {
            return Err(RequestError::Origin);
        }
        if self.subprotocols.len() > 16 {
            return Err(RequestError::TooManySubprotocols);
        }
        let mut rest = self.subprotocols;
        while let [first, others @ ..] = rest {
            if !write::is_token_text(first) {
                return Err(RequestError::Subprotocol);
            }
            if others.contains(first) {
                return Err(RequestError::RepeatedSubprotocol);
            }
            rest = others;
        }
        let mut result = Ok(());
        self.each_header(&mut |name, value| {
            if result.is_ok() {
                result = write::check_header(name, value);
            }
        });
        Ok(result?)
    }

    fn each_header(&self, each: &mut dyn FnMut(&str, &str)) {
        for (name, value) in self.headers {
            each(name, value);
        }
        if let Some(more) = self.more_headers {
            more(each);
        }
    }

    /// Writes the request's bytes from `position` on to `out`, and says how many.
    #[inline(never)]
    pub(super) fn fill(&self, key: &[u8], position: usize, out: &mut [u8]) -> usize {
        let room = out.len();
        let mut writer = Writer::new(position, out);
        let w = &mut writer;
        w.text("GET ");
        if !self.target.starts_with('/') {
            w.text("/");
        }
        w.text(self.target);
        w.text(" HTTP/1.1\r\nHost: ");
        self.host.write(w);
        w.text(write::UPGRADE);
        w.text("\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
        w.bytes(key);
        if let Some(origin) = self.origin {
            w.header("Origin", origin.as_bytes());
        }
        let mut before = write::PROTOCOL;
        for name in self.subprotocols {
            w.text(before);
            w.text(name);
            before = ", ";
        }
        self.each_header(&mut |name, value| w.header(name, value.as_bytes()));
        w.text("\r\n\r\n");
        room - writer.free()
    }
}

impl Host<'_> {
    fn write(&self, w: &mut Writer<'_>) {
        let port = match *self {
            Self::Text(text) => {
                w.text(text);
                return;
            }
            Self::Port(name, port) => {
                w.text(name);
                port
            }
            Self::Addr(SocketAddr::V4(addr)) => {
                let mut before = 0;
                for octet in addr.ip().octets() {
                    w.number(before, octet.into(), DECIMAL);
                    before = b'.';
                }
                addr.port()
            }
            Self::Addr(SocketAddr::V6(addr)) => {
                let mut before = b'[';
                for &group in addr.ip().octets().as_chunks().0 {
                    w.number(before, u16::from_be_bytes(group), HEX);
                    before = b':';
                }
                w.text("]");
                addr.port()
            }
        };
        if port != 80 {
            w.number(b':', port, DECIMAL);
        }
    }
}
