//! What a server answers, and how it is written (RFC 6455 section 4.2.2).

use super::page::Page;
use super::write::{self, DECIMAL, HeaderFault, Writer};

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
    /// 426 says what would be welcome instead (RFC 6455 section 4.4, RFC 9110 section 15.5.22), 405
    /// which method is (RFC 9110 section 15.5.6).
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

impl From<HeaderFault> for ResponseError {
    fn from(fault: HeaderFault) -> Self {
        match fault {
            HeaderFault::Name => Self::HeaderName,
            HeaderFault::Value => Self::HeaderValue,
            HeaderFault::Owned => Self::OwnedHeader,
        }
    }
}

impl Response<'_> {
    /// Whether the response is well-formed whatever its arguments hold.
    ///
    /// # Errors
    ///
    /// The argument that is not.
    pub fn validate(&self) -> Result<(), ResponseError> {
        let headers = match *self {
            Self::Upgrade {
                subprotocol,
                headers,
            } => {
                if subprotocol.is_some_and(|name| !write::is_token_text(name)) {
                    return Err(ResponseError::Subprotocol);
                }
                headers
            }
            Self::Refuse { status, headers }
            | Self::Page(Page {
                status, headers, ..
            }) => {
                if !matches!(status, 200..600) {
                    return Err(ResponseError::Status);
                }
                headers
            }
        };
        for (name, value) in headers {
            write::check_header(name, value)?;
        }
        Ok(())
    }

    /// Writes the response's bytes from `position` on to `out`, and says how many. With `close` the
    /// client wants no other page.
    #[inline(never)]
    pub(super) fn fill(
        &self,
        accept: &[u8],
        close: bool,
        position: usize,
        out: &mut [u8],
    ) -> usize {
        let room = out.len();
        let mut writer = Writer::new(position, out);
        let w = &mut writer;
        w.text("HTTP/1.1");
        let headers = match *self {
            Self::Upgrade {
                subprotocol,
                headers,
            } => {
                w.text(" 101 Switching Protocols");
                w.text(write::UPGRADE);
                w.header("Sec-WebSocket-Accept", accept);
                if let Some(name) = subprotocol {
                    w.text(write::PROTOCOL);
                    w.text(name);
                }
                headers
            }
            Self::Refuse { status, headers } => {
                w.number(b' ', status, DECIMAL);
                // The reason phrase is empty, the space in front of it is not (RFC 9112 section 4).
                w.text(" \r\nConnection: close\r\nContent-Length: 0");
                if status == 426 {
                    w.text(write::UPGRADE);
                    w.header("Sec-WebSocket-Version", b"13");
                }
                if status == 405 {
                    w.header("Allow", b"GET");
                }
                headers
            }
            Self::Page(ref page) => {
                w.number(b' ', page.status, DECIMAL);
                w.text(" ");
                if close || page.close {
                    w.header("Connection", b"close");
                }
                if !page.is_bodiless() {
                    match page.body.length() {
                        Some(length) => {
                            w.header("Content-Length", write::decimal(length, &mut [0; 20]));
                        }
                        None => w.header("Transfer-Encoding", b"chunked"),
                    }
                }
                page.headers
            }
        };
        for (name, value) in headers {
            w.header(name, value.as_bytes());
        }
        w.text("\r\n\r\n");
        room - writer.free()
    }
}
