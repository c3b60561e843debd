//! What a server does with requests.

use ws_core::handshake::{Asked, HeadPart, Response, ResponseError, Rules};

use crate::WebSocketId;

/// What a server does with requests: those that ask for a WebSocket, and those for a page on the
/// same port. [`AcceptOptions`] is the ready-made one that takes every WebSocket and has no pages.
///
/// Many requests can be under way at once, a few bytes of each at a time. Each call says by its id
/// which one it is about: [`WebSocketId::slot`] is an index into an array of as many states as the
/// table has slots. For what [`Rules`] can compare (paths, subprotocols, Host, Origin) no state is
/// needed at all.
///
/// The lifetime is that of the lists in [`Rules`], which are mostly constants.
///
/// ```
/// use ws_socket::handshake::{Asked, Page, Response, Rules};
/// use ws_socket::{Handler, WebSocketId};
///
/// struct Site;
///
/// impl<'r> Handler<'r> for Site {
///     fn rules(&self) -> Rules<'r> {
///         Rules {
///             targets: &["/", "/live"],
///             hosts: &["device.local"],
///             origins: &["http://device.local"],
///             ..Rules::NONE
///         }
///     }
///
///     fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
///         match (asked.target(), asked.upgrade()) {
///             (Some(0), false) => Response::Page(Page::new(
///                 200,
///                 &[("Content-Type", "text/html")],
///                 b"<script>new WebSocket('/live')</script>",
///             )),
///             (Some(1), true) => Response::Upgrade { subprotocol: None, headers: &[] },
///             _ => Response::Page(Page::new(404, &[], b"")),
///         }
///     }
/// }
/// ```
pub trait Handler<'r> {
    /// What requests are compared with, at most 16 entries to a list. Has to stay the same while
    /// there are requests.
    fn rules(&self) -> Rules<'r> {
        Rules::NONE
    }

    /// A request may begin on `ws`: what its slot held belongs to an earlier one.
    fn begin(&mut self, ws: WebSocketId) {
        let _ = ws;
    }

    /// A piece of the request's head, as it streams by: method, target, headers, those of the
    /// handshake too. Pieces may be cut anywhere. Nothing is known of the request as a whole before
    /// [`answer`](Self::answer), which does not come if the request is malformed or takes too long.
    fn part(&mut self, ws: WebSocketId, part: HeadPart<'_>) {
        let _ = (ws, part);
    }

    /// The answer to a request that is in order. OPTIONS is answered already, with 200 and what is
    /// allowed. Requests that are not in order have been refused, with 400, 403 (Origin), 405, 408, 421 (Host), 426, 431 or 505. A client of HTTP/1.0 gets
    /// pages as others do, without chunks, and its connection is closed after the answer.
    ///
    /// It is not kept but asked for again for each piece that goes out, and must be the same until
    /// [`end`](Self::end). One that cannot be sent as it is, since a header would break out of its
    /// line, say, becomes 500; an upgrade that was not asked for becomes 426.
    ///
    /// In [`Response::Upgrade`] the subprotocol has to be one that the client offered: that of
    /// [`Asked::subprotocol`], or one seen in [`part`](Self::part).
    fn answer(&mut self, ws: WebSocketId, asked: &Asked) -> Response<'_>;

    /// The bytes of the answer's body from `offset` on, put into `out`: at least one unless the
    /// body ends there, and how many. Only for [`Body::Sized`](ws_core::handshake::Body) and
    /// [`Body::Chunked`](ws_core::handshake::Body). It may be asked for the same bytes again, as
    /// many times as it takes to get them out.
    ///
    /// [`BodyWriter`](ws_core::handshake::BodyWriter) makes this from an iterator or a `write!`. A
    /// body that is shorter than announced ends the connection.
    fn body(&mut self, ws: WebSocketId, asked: &Asked, offset: usize, out: &mut [u8]) -> usize {
        let _ = (ws, asked, offset, out);
        0
    }

    /// The request on `ws` is over, and no WebSocket came of it: the answer is out, or the
    /// connection lost. What was kept for it can go. Not called where the application itself closes
    /// the connection by its id.
    fn end(&mut self, ws: WebSocketId) {
        let _ = ws;
    }

    /// Looked at once by each call that accepts: fixed arguments that cannot be sent.
    ///
    /// # Errors
    /// What is wrong with them; the call returns it.
    fn check(&self) -> Result<(), ResponseError> {
        Ok(())
    }
}

impl<'r, H: Handler<'r> + ?Sized> Handler<'r> for &mut H {
    fn rules(&self) -> Rules<'r> {
        H::rules(self)
    }

    fn begin(&mut self, ws: WebSocketId) {
        H::begin(self, ws);
    }

    fn part(&mut self, ws: WebSocketId, part: HeadPart<'_>) {
        H::part(self, ws, part);
    }

    fn answer(&mut self, ws: WebSocketId, asked: &Asked) -> Response<'_> {
        H::answer(self, ws, asked)
    }

    fn body(&mut self, ws: WebSocketId, asked: &Asked, offset: usize, out: &mut [u8]) -> usize {
        H::body(self, ws, asked, offset, out)
    }

    fn end(&mut self, ws: WebSocketId) {
        H::end(self, ws);
    }

    fn check(&self) -> Result<(), ResponseError> {
        H::check(self)
    }
}

/// A [`Handler`] that takes every WebSocket, whatever the path, and has no pages (426).
#[derive(Debug, Clone, Copy, Default)]
pub struct AcceptOptions<'r> {
    /// The subprotocols that are supported, at most 16: the first of the client's list that is
    /// among them is chosen (RFC 6455 section 4.2.2).
    pub subprotocols: &'r [&'r str],
    /// Headers to send with the 101.
    pub headers: &'r [(&'r str, &'r str)],
    /// The names this server goes by: see [`Rules::hosts`]. Empty: any.
    pub hosts: &'r [&'r str],
    /// The origins whose scripts may connect: see [`Rules::origins`]. Empty: any.
    pub origins: &'r [&'r str],
}

impl<'r> Handler<'r> for &AcceptOptions<'r> {
    fn rules(&self) -> Rules<'r> {
        Rules {
            subprotocols: self.subprotocols,
            targets: &[],
            hosts: self.hosts,
            origins: self.origins,
        }
    }

    fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
        let chosen = asked.subprotocol();
        Response::Upgrade {
            subprotocol: chosen.and_then(|index| self.subprotocols.get(index).copied()),
            headers: self.headers,
        }
    }

    fn check(&self) -> Result<(), ResponseError> {
        let upgrade = |subprotocol| Response::Upgrade {
            subprotocol,
            headers: self.headers,
        };
        upgrade(None).validate()?;
        self.subprotocols
            .iter()
            .try_for_each(|name| upgrade(Some(name)).validate())
    }
}
