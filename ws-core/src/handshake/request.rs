//! What a client asks for, and how it is written (RFC 6455 section 4.1).

use super::write::{self, Writer};
use core::net::SocketAddr;

/// Who is asked: the value of the Host header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// A name or an address, with a port if that is not the default of the URL's scheme. An IPv6
    /// address with a port stands in `[` and `]`; one without either is written in them. Its zone, if
    /// it has one, is left out.
    Text(&'a str),
    /// A name or an address and a port, which is left out if it is 80.
    Port(&'a str, u16),
    /// An address.
    Addr(&'a HostAddr),
}

/// Headers to send besides those of the handshake: an array of names and values, a slice of them, or
/// a function that is given [`Headers`] to add to.
///
/// ```
/// # use ws_core::handshake::{Headers, Host, Request};
/// let mut request = Request::new(Host::Text("example.com"), "/chat");
/// request.headers = Some(&[("Authorization", "Basic abc"), ("X-Unit", "7")]);
/// assert_eq!(request.validate(), Ok(()));
///
/// let token = std::env::var("TOKEN").unwrap_or_default();
/// let bearer = |headers: &mut Headers<'_>| headers.add("X-Token", &token);
/// request.headers = Some(&bearer);
/// assert_eq!(request.validate(), Ok(()));
/// ```
///
/// `Sync`, so that what keeps a request may go from one task to another.
pub trait HeaderSource: Sync {
    /// Adds each header. It runs many times and must add the same each time: a request is not kept,
    /// but written anew for each piece of it.
    fn add_to(&self, headers: &mut Headers<'_>);
}

impl core::fmt::Debug for dyn HeaderSource + '_ {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HeaderSource")
    }
}

impl<F: Fn(&mut Headers<'_>) + Sync> HeaderSource for F {
    fn add_to(&self, headers: &mut Headers<'_>) {
        self(headers);
    }
}

impl<const N: usize> HeaderSource for [(&str, &str); N] {
    fn add_to(&self, headers: &mut Headers<'_>) {
        headers.add_all(self);
    }
}

impl HeaderSource for &[(&str, &str)] {
    fn add_to(&self, headers: &mut Headers<'_>) {
        headers.add_all(self);
    }
}

/// Where a [`HeaderSource`] adds its headers.
pub struct Headers<'o>(pub(super) Writer<'o>);

impl core::fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Headers").finish_non_exhaustive()
    }
}

impl Headers<'_> {
    /// Adds a header: a token, and a value without control characters but HTAB. A header of the
    /// handshake's own can't be added: see [`RequestError::OwnedHeader`].
    #[inline(never)]
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.header(name, value);
    }

    /// Adds each of a list.
    pub(super) fn add_all(&mut self, headers: &[(&str, &str)]) {
        for (name, value) in headers {
            self.add(name, value);
        }
    }

    /// The end of the head.
    pub(super) fn end(&mut self) {
        self.0.put(write::END, b"");
    }
}

/// A client's opening handshake (RFC 6455 section 4.1). It is only borrowed, and must stay the same
/// until the handshake is over.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The server's name.
    pub host: Host<'a>,
    /// Path and query; `""` is `/` and `"?q"` is `/?q`.
    pub target: &'a str,
    /// The value of the Origin header, as a browser would send it.
    pub origin: Option<&'a str>,
    /// The subprotocols to offer, in order of preference, at most 16, each a different token.
    pub subprotocols: &'a [&'a str],
    /// More headers, if there are any.
    pub headers: Option<&'a dyn HeaderSource>,
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

impl<'a> Request<'a> {
    /// A request without origin, subprotocols and extra headers.
    pub const fn new(host: Host<'a>, target: &'a str) -> Self {
        Self {
            host,
            target,
            origin: None,
            subprotocols: &[],
            headers: None,
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
        let mut writer = Headers(Writer::new(0, &mut []));
        self.write(&[], &mut writer);
        match writer.0.fault() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Writes the request's bytes from `position` on to `out`, and says how many.
    pub(super) fn fill(&self, key: &[u8], position: usize, out: &mut [u8]) -> usize {
        let room = out.len();
        let mut writer = Headers(Writer::new(position, out));
        self.write(key, &mut writer);
        room - writer.0.free()
    }

    #[inline(never)]
    fn write(&self, key: &[u8], headers: &mut Headers<'_>) {
        let w = &mut headers.0;
        let target = self.target.as_bytes();
        let start = target.first().copied().unwrap_or(b'?');
        let mut place = write::GET;
        if start != b'/' {
            place = write::GET_ROOT;
            w.check(start == b'?', RequestError::Target);
        }
        w.put(place, target);
        // A fragment is no part of a target. `contains` would be a `memchr`: ten times the code.
        #[allow(clippy::manual_contains)]
        let fragment = target.iter().any(|byte| *byte == b'#');
        w.check(!fragment, RequestError::Target);
        let (host, port) = match self.host {
            Host::Text(text) => (text.as_bytes(), 80),
            Host::Port(name, port) => (name.as_bytes(), port),
            Host::Addr(addr) => (addr.bytes(), 80),
        };
        write_host(host, w);
        w.port(port);
        w.put(write::KEY, key);
        if let Some(origin) = self.origin {
            w.put(write::ORIGIN, origin.as_bytes());
        }
        w.check(
            self.subprotocols.len() <= 16,
            RequestError::TooManySubprotocols,
        );
        w.subprotocols(self.subprotocols);
        if let Some(source) = self.headers {
            source.add_to(headers);
        }
        headers.end();
    }
}

/// The host in a Host header. An IPv6 address, which alone has more than one colon, stands in
/// brackets and without its zone (RFC 3986 section 3.2.2, RFC 6874 section 1).
fn write_host(host: &[u8], w: &mut Writer<'_>) {
    if host.iter().filter(|byte| **byte == b':').count() < 2 {
        w.put(write::HOST, host);
        return;
    }
    let inner = host.strip_prefix(b"[").unwrap_or(host);
    let end = |end: u8| inner.iter().position(|byte| *byte == end);
    let bracket = end(b']');
    let end = end(b'%').or(bracket).unwrap_or(inner.len());
    let address = inner.get(..end).unwrap_or_default();
    let valid = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    w.check(address.iter().all(valid), RequestError::Host);
    w.put(write::HOST, b"[");
    w.bytes(address);
    let behind = bracket.and_then(|at| inner.get(at..));
    w.put(write::IN_HOST_TOO, behind.unwrap_or(b"]"));
}

/// The value of Host for an address and a port, which is left out if it is 80. IPv6 is written in
/// brackets and without abbreviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostAddr {
    // The longest there is: `[ffff:...:ffff]:65535`.
    text: [u8; 47],
    len: u8,
}

impl HostAddr {
    /// The text for `addr`.
    #[allow(clippy::cast_possible_truncation)] // at most 47
    pub fn new(addr: SocketAddr) -> Self {
        let mut text = [0; 47];
        let mut writer = Writer::new(0, &mut text);
        let w = &mut writer;
        match addr {
            SocketAddr::V4(addr) => {
                let mut before = "";
                for octet in addr.ip().octets() {
                    w.text(before);
                    w.number(octet.into(), write::DECIMAL);
                    before = ".";
                }
            }
            SocketAddr::V6(addr) => {
                let mut before = "[";
                for group in addr.ip().segments() {
                    w.text(before);
                    w.number(group.into(), write::HEXADECIMAL);
                    before = ":";
                }
                w.text("]");
            }
        }
        w.port(addr.port());
        let free = writer.free();
        Self {
            text,
            len: 47 - free as u8,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.text.get(..self.len.into()).unwrap_or_default()
    }
}
