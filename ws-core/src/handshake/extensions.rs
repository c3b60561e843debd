//! The header Sec-WebSocket-Extensions (RFC 6455 sections 9.1 and 11.3.2): a client's offer, a
//! server's answer, and how the other side sees them. What they mean is for the extension.

use super::client::{ClientError, ClientHandshake};
use super::fields::{EXTENSIONS, NAMING, SEEN, bit};
use super::head::HeadPart;
use super::request::{HeaderSource, Headers, Request};
use super::response::{Response, upgrade_start};
use super::server::ServerHandshake;
use super::texts::{group, mark, walk};
use super::write::Writer;

/// The value of a header Sec-WebSocket-Extensions. It cannot end the line.
///
/// In [`Request::headers`](super::Request::headers) it is a client's offer, alone or added to others by
/// [`Headers::extensions`].
///
/// ```
/// # use ws_core::handshake::{Extensions, Headers, Host, Request};
/// let offer = Extensions::new("permessage-deflate").ok_or("not a header's value")?;
/// let mut request = Request::new(Host::Text("example.com"), "/chat");
/// request.headers = Some(&offer);
/// assert_eq!(request.validate(), Ok(()));
///
/// let both = |headers: &mut Headers<'_>| {
///     headers.extensions(offer);
///     headers.add("X-Unit", "7");
/// };
/// request.headers = Some(&both);
/// assert_eq!(request.validate(), Ok(()));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extensions<'a>(&'a str);

impl<'a> Extensions<'a> {
    /// `None` if `value` is empty, or has a byte that is neither visible ASCII nor space nor tab.
    #[must_use]
    pub fn new(value: &'a str) -> Option<Self> {
        let allowed = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
        (!value.is_empty() && value.bytes().all(allowed)).then_some(Self(value))
    }

    fn write(self, writer: &mut Writer<'_>) {
        writer.text("\r\nSec-WebSocket-Extensions: ");
        writer.text(self.0);
    }
}

impl HeaderSource for Extensions<'_> {
    fn add_to(&self, headers: &mut Headers<'_>) {
        headers.extensions(*self);
    }
}

impl Headers<'_> {
    /// Adds an offer of extensions to a [`Request`]. Then the server may answer with extensions: read
    /// the answer with [`ExtensionReader`], and close the connection if it is not one to the offer
    /// (RFC 6455 section 4.1). Without an offer an answer is [`ClientError::Extension`].
    pub fn extensions(&mut self, offer: Extensions<'_>) {
        self.0.offers = true;
        offer.write(&mut self.0);
    }
}

impl Request<'_> {
    fn offers_extensions(&self) -> bool {
        let mut headers = Headers(Writer::new(0, &mut []));
        if let Some(source) = self.headers {
            source.add_to(&mut headers);
        }
        headers.0.offers
    }
}

impl ClientHandshake {
    /// What a response comes to, where extensions were perhaps offered.
    pub(super) fn with_offer(
        &mut self,
        request: &Request<'_>,
        judged: Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        if judged != Err(ClientError::Extension) || !request.offers_extensions() {
            return judged;
        }
        let exchange = &mut self.exchange;
        if let Some(seen) = exchange.notes.get_mut(SEEN) {
            *seen &= !bit(EXTENSIONS);
        }
        exchange.upgraded()
    }
}

impl ServerHandshake {
    /// [`fill`](Self::fill), with an answer to the client's offer of extensions, which must be one
    /// that the client has made. It must stay the same, as `response` must. Only in a 101: another response
    /// goes out without it.
    pub fn fill_extended(
        &self,
        response: &Response<'_>,
        extensions: Extensions<'_>,
        out: &mut [u8],
    ) -> usize {
        let Response::Upgrade {
            subprotocol,
            headers,
        } = *response
        else {
            return self.fill(response, out);
        };
        let room = out.len();
        let exchange = &self.exchange;
        let mut head = Headers(Writer::new(exchange.position, out));
        upgrade_start(&exchange.text, subprotocol, &mut head.0);
        extensions.write(&mut head.0);
        head.finish(headers);
        room - head.0.free()
    }
}

/// Finds the headers Sec-WebSocket-Extensions among the parts of a head.
///
/// Give it each part that `on_part` of [`ClientHandshake::receive`] or
/// [`ServerHandshake::receive`] gets. Use the values only once the head was accepted.
///
/// ```
/// # use ws_core::handshake::{ExtensionPart, ExtensionReader, HeadPart};
/// let mut reader = ExtensionReader::new();
/// let mut value = Vec::new();
/// for part in [
///     HeadPart::Name(b"sec-websocket-"),
///     HeadPart::Name(b"Extensions"),
///     HeadPart::Value(b"permessage-"),
///     HeadPart::Value(b"deflate"),
///     HeadPart::HeaderEnd,
/// ] {
///     match reader.part(part) {
///         Some(ExtensionPart::Value(piece)) => value.extend_from_slice(piece),
///         Some(ExtensionPart::HeaderEnd) => value.push(b'\n'),
///         Some(ExtensionPart::Start) => value.clear(),
///         None => {}
///     }
/// }
/// assert_eq!(value, b"permessage-deflate\n");
/// ```
#[derive(Debug, Clone)]
pub struct ExtensionReader {
    /// Where the name stands among those that are known.
    node: u16,
    is_value: bool,
}

/// What an [`ExtensionReader`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionPart<'a> {
    /// A response begins. Forget the values of an interim one (1xx) before it.
    Start,
    /// A piece of the value, perhaps empty.
    Value(&'a [u8]),
    /// The end of a header. More may follow: they are one list (RFC 6455 section 9.1).
    HeaderEnd,
}

impl Default for ExtensionReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ExtensionReader {
    /// At the start of a head.
    #[must_use]
    pub fn new() -> Self {
        Self {
            node: group(NAMING),
            is_value: false,
        }
    }

    /// The next part of the head. `None` if it is not of a header Sec-WebSocket-Extensions.
    pub fn part<'p>(&mut self, part: HeadPart<'p>) -> Option<ExtensionPart<'p>> {
        match part {
            HeadPart::Status(_) => {
                *self = Self::new();
                Some(ExtensionPart::Start)
            }
            HeadPart::Name(piece) => {
                for byte in piece {
                    self.node = walk(self.node, byte | 0x20);
                }
                None
            }
            HeadPart::Value(piece) => {
                self.name_ends();
                self.is_value.then_some(ExtensionPart::Value(piece))
            }
            HeadPart::HeaderEnd => {
                self.name_ends();
                let is_value = self.is_value;
                *self = Self::new();
                is_value.then_some(ExtensionPart::HeaderEnd)
            }
            _ => None,
        }
    }

    /// The name is complete. This may be said again: it changes nothing.
    fn name_ends(&mut self) {
        self.node = walk(self.node, 0);
        self.is_value = mark(self.node) == EXTENSIONS;
    }
}
