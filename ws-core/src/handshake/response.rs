//! What a server answers, and how it is written (RFC 6455 section 4.2.2).

use super::fields::{CLOSE, HEAD, OLD, bit};
use super::page::Page;
use super::request::{Headers, RequestError};
use super::write::{self, Writer};

/// A server's answer to an opening handshake. It is only borrowed, and must stay the same until all
/// of it is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response<'a> {
    /// 101: the connection is a WebSocket from here on.
    Upgrade {
        /// The subprotocol, which must be one of those the client offered.
        subprotocol: Option<&'a str>,
        /// More headers.
        headers: &'a [(&'a str, &'a str)],
    },
    /// No upgrade, no body, and the end of the connection.
    ///
    /// 426 says what would be welcome instead (RFC 6455 section 4.4, RFC 9110 section 15.5.22). 405, and
    /// 200 to OPTIONS, say which methods are: GET, HEAD and OPTIONS, without HEAD where it is HEAD that is
    /// refused (RFC 9110 sections 15.5.6 and 9.3.7).
    Refuse {
        /// The status, 200 to 599.
        status: u16,
        /// More headers, as `WWW-Authenticate` or `Location`.
        headers: &'a [(&'a str, &'a str)],
    },
    /// A page: no upgrade, but a body, and perhaps the next request on the same connection.
    Page(Page<'a>),
}

/// The argument of a [`Response`] that can't be sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The status of a refusal or page is not 200 to 599.
    #[error("status is not 200 to 599")]
    Status,
    /// The subprotocol is not a token (RFC 9110 section 5.6.2).
    #[error("subprotocol is not a token")]
    Subprotocol,
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
    /// A list of [`Rules`](super::Rules) has more than 16 entries.
    #[error("more than 16 entries in a list of rules")]
    TooManyRules,
}

impl Response<'_> {
    /// Whether the response is well-formed whatever its arguments hold.
    ///
    /// # Errors
    ///
    /// The argument that is not.
    #[inline]
    pub fn validate(&self) -> Result<(), ResponseError> {
        if let Self::Refuse { status, .. } | Self::Page(Page { status, .. }) = *self
            && !matches!(status, 200..600)
        {
            return Err(ResponseError::Status);
        }
        let mut writer = Headers(Writer::new(0, &mut []));
        self.write(&[], 0, &mut writer);
        match writer.0.fault() {
            None => Ok(()),
            Some(RequestError::Subprotocol) => Err(ResponseError::Subprotocol),
            Some(RequestError::HeaderName) => Err(ResponseError::HeaderName),
            Some(RequestError::HeaderValue) => Err(ResponseError::HeaderValue),
            Some(_) => Err(ResponseError::OwnedHeader),
        }
    }

    /// Writes the response's bytes from `position` on to `out`, and says how many. `asked` is what
    /// was noted of the request.
    #[inline]
    pub(super) fn fill(&self, accept: &[u8], asked: u16, position: usize, out: &mut [u8]) -> usize {
        let room = out.len();
        let mut writer = Headers(Writer::new(position, out));
        self.write(accept, asked, &mut writer);
        room - writer.0.free()
    }

    /// Each kind has a function of its own, so that who never gives a page has no code for one.
    #[inline(always)]
    fn write(&self, accept: &[u8], asked: u16, head: &mut Headers<'_>) {
        match *self {
            Self::Upgrade {
                subprotocol,
                headers,
            } => upgrade(accept, subprotocol, headers, head),
            Self::Refuse { status, headers } => refusal(status, headers, asked, head),
            Self::Page(ref page) => page_head(page, asked, head),
        }
    }
}

#[inline(never)]
fn upgrade(
    accept: &[u8],
    subprotocol: Option<&str>,
    headers: &[(&str, &str)],
    head: &mut Headers<'_>,
) {
    upgrade_start(accept, subprotocol, &mut head.0);
    head.finish(headers);
}

/// What stands before the headers of others.
#[inline(always)]
pub(super) fn upgrade_start(accept: &[u8], subprotocol: Option<&str>, w: &mut Writer<'_>) {
    w.text(write::SWITCHING);
    w.text(write::UPGRADE);
    w.text("\r\nSec-WebSocket-Accept: ");
    w.bytes(accept);
    if let Some(name) = subprotocol {
        w.put(write::PROTOCOL, name.as_bytes());
    }
}

#[inline(never)]
fn refusal(status: u16, headers: &[(&str, &str)], asked: u16, head: &mut Headers<'_>) {
    let w = &mut head.0;
    w.status(status);
    w.text(" \r\nConnection: close\r\nContent-Length: 0");
    if status == 426 {
        w.text(write::UPGRADE_13);
    }
    if matches!(status, 405 | 200) {
        w.text("\r\nAllow: GET");
        // Who refuses HEAD has no pages.
        if asked & bit(HEAD) == 0 {
            w.text(", HEAD");
        }
        w.text(", OPTIONS");
    }
    head.finish(headers);
}

#[inline(never)]
fn page_head(page: &Page<'_>, asked: u16, head: &mut Headers<'_>) {
    let w = &mut head.0;
    w.status(page.status);
    w.text(" ");
    if asked & bit(CLOSE) != 0 || page.close {
        w.text("\r\nConnection: close");
    }
    if !page.is_bodiless() {
        if let Some(length) = page.body.length() {
            w.text("\r\nContent-Length: ");
            w.number(length, write::DECIMAL);
        } else if asked & bit(OLD) == 0 {
            w.text("\r\nTransfer-Encoding: chunked");
        }
    }
    head.finish(page.headers);
}
