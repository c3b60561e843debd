//! One WebSocket on one stream, in one task's hands.

use core::net::SocketAddr;
use core::pin::pin;

use embedded_io_async::{Read, Write};
use embedded_nal_async::{Dns, TcpConnect};
use ws_core::handshake::HeadPart;
use ws_core::{CloseCode, Opcode, Outgoing, Role, Send, SendInPlace};

use super::AsyncPlatform;
use super::link::Link;
use super::request::{AsyncRequest, dial};
use super::stream::Framing;
use super::wait::within;
use crate::error::{AcceptError, ConnectError, DisconnectError, ReceiveError, SendError};
use crate::message::Received;
use crate::session::{Entry, State};
use crate::table::Disconnected;
use crate::{Buffer, Config, Handler, Timeout, WebSocketId};

/// One WebSocket on one stream: a TCP connection, TLS, anything that reads and writes.
///
/// For a program with a task to each connection, or with one connection; a table of them is
/// [`AsyncWebSockets`](super::AsyncWebSockets). Calls, rules and errors are the same.
///
/// It is a stream of bytes, too, for what speaks to sockets: [`embedded_io_async::Read`] and
/// `Write`, see [`Framing`].
///
/// Dropped, it drops its stream without a Close: [`disconnect`](Self::disconnect) before.
#[derive(Debug)]
pub struct WebSocket<'buf, T, P> {
    pub(super) entry: Entry<'buf, T>,
    pub(super) platform: P,
    pub(super) config: Config,
    pub(super) framing: Framing,
}

impl<'buf, T: Read + Write, P: AsyncPlatform> WebSocket<'buf, T, P> {
    /// Makes a WebSocket of a connected stream: the client's opening handshake (RFC 6455
    /// section 4.1), at most for `timeout`. `buffer` is lent as with
    /// [`WebSocketRequest::buffer`](crate::WebSocketRequest::buffer): at least
    /// [`Buffer::MIN`](crate::Buffer::MIN) bytes. What came behind the answer in the same segment is received first.
    ///
    /// # Errors
    /// See [`ConnectError`].
    ///
    /// # Cancellation
    /// Dropped, it drops the stream.
    pub async fn connect(
        stream: T,
        request: &AsyncRequest<'_>,
        buffer: impl Into<Buffer<'buf>>,
        platform: P,
        config: Config,
        timeout: impl Into<Timeout>,
    ) -> Result<Self, ConnectError<T::Error>> {
        Self::connect_with(stream, request, buffer, platform, config, timeout, |_| {}).await
    }

    /// [`connect`](Self::connect), with a function that sees the server's answer as it streams by,
    /// whatever it is: status and headers, in pieces that may be cut anywhere.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_with(
        stream: T,
        request: &AsyncRequest<'_>,
        buffer: impl Into<Buffer<'buf>>,
        platform: P,
        config: Config,
        timeout: impl Into<Timeout>,
        on_response: impl FnMut(HeadPart<'_>),
    ) -> Result<Self, ConnectError<T::Error>> {
        request.request().validate()?;
        let mut ws = Self::new(buffer.into(), platform, config);
        ws.link().begin_client(stream)?;
        let clock = ws.platform.clock();
        let mut link = ws.link();
        let upgraded = within(
            &clock,
            timeout.into(),
            pin!(link.client(request, on_response)),
        )
        .await;
        upgraded.ok_or(ConnectError::Timeout)??;
        Ok(ws)
    }

    /// [`connect`](Self::connect), with a TCP connection to `remote` made first.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_to<'s, S>(
        stack: &'s S,
        remote: SocketAddr,
        request: &AsyncRequest<'_>,
        buffer: impl Into<Buffer<'buf>>,
        platform: P,
        config: Config,
        timeout: impl Into<Timeout>,
    ) -> Result<Self, ConnectError<S::Error>>
    where
        S: TcpConnect<Error = T::Error, Connection<'s> = T>,
    {
        request.request().validate()?;
        let clock = platform.clock();
        let connected = async {
            let stream = stack.connect(remote).await.map_err(ConnectError::Stack)?;
            Self::connect(stream, request, buffer, platform, config, Timeout::Forever).await
        };
        let connected = within(&clock, timeout.into(), pin!(connected)).await;
        connected.ok_or(ConnectError::Timeout)?
    }

    /// [`connect_to`](Self::connect_to) what a `ws://` or `wss://` URL names: its name is resolved,
    /// its host and target take the place of those in `request`. `wss` needs a stack that does TLS
    /// ([`Config::secure`]).
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_url<'s, S>(
        stack: &'s S,
        url: &str,
        request: &AsyncRequest<'_>,
        buffer: impl Into<Buffer<'buf>>,
        platform: P,
        config: Config,
        timeout: impl Into<Timeout>,
    ) -> Result<Self, ConnectError<T::Error>>
    where
        S: TcpConnect<Error = T::Error, Connection<'s> = T> + Dns,
    {
        let (url, request) = request.for_parsed(url, &config)?;
        let timeout = timeout.into();
        let clock = platform.clock();
        let connected = async {
            let stream = dial(stack, &url, &clock, timeout).await?;
            Self::connect(stream, &request, buffer, platform, config, Timeout::Forever).await
        };
        let connected = within(&clock, timeout, pin!(connected)).await;
        connected.ok_or(ConnectError::Timeout)?
    }

    /// The server's side of a stream that was accepted: answers requests as `handler` says
    /// ([`&AcceptOptions`](crate::AcceptOptions) or a [`Handler`]) until one is upgraded. `None`
    /// where the connection ended otherwise: refused, lost, out of time
    /// ([`Config::handshake_timeout`] for each request, [`Config::answer_timeout`] and
    /// [`Config::answer_rate`] for each answer), or its pages are out.
    ///
    /// # Errors
    /// See [`AcceptError`]; never `Timeout`.
    ///
    /// # Cancellation
    /// Dropped, it drops the stream.
    pub async fn accept<'r>(
        stream: T,
        mut handler: impl Handler<'r>,
        buffer: impl Into<Buffer<'buf>>,
        platform: P,
        config: Config,
    ) -> Result<Option<Self>, AcceptError<T::Error>> {
        handler.check()?;
        handler.rules().validate()?;
        let mut ws = Self::new(buffer.into(), platform, config);
        let mut link = ws.link();
        link.begin_server(stream);
        let id = WebSocketId::ONLY;
        let upgraded = link.server(id, &mut handler).await?;
        Ok(upgraded.then_some(ws))
    }

    /// Takes a stream whose opening handshake is done, by somebody else. `role` is what this end
    /// is; the first `buffered` bytes of `buffer` are what was read behind the handshake (no more
    /// than its length less 125, or its length where that is no more than 125).
    pub fn from_upgraded(
        stream: T,
        role: Role,
        buffer: impl Into<Buffer<'buf>>,
        buffered: usize,
        platform: P,
        config: Config,
    ) -> Self {
        let mut ws = Self::new(buffer.into(), platform, config);
        ws.entry.begin(stream, State::Failed);
        ws.entry.opened(role, &ws.config, 0..buffered, None);
        ws
    }

    pub(super) fn new(buffer: Buffer<'buf>, platform: P, config: Config) -> Self {
        let mut entry = Entry::new();
        entry.lend(Some(buffer));
        Self {
            entry,
            platform,
            config,
            framing: Framing::default(),
        }
    }

    pub(super) const fn link(&mut self) -> Link<'_, 'buf, T, P> {
        Link {
            entry: &mut self.entry,
            platform: &mut self.platform,
            config: &self.config,
        }
    }

    /// Receives a piece of a message: see [`Table::recv_msg`](crate::Table::recv_msg).
    ///
    /// # Errors
    /// See [`ReceiveError`]. `Timeout` takes nothing away: call again. After all
    /// others nothing more comes, and [`disconnect`](Self::disconnect) is what is left to do.
    ///
    /// # Cancellation
    /// Dropped, it has taken nothing away, where the stream's own reads keep to that.
    pub async fn recv_msg(
        &mut self,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<T::Error>> {
        self.link().recv_msg(buffer, timeout.into()).await
    }

    /// Waits for what [`recv_msg`](Self::recv_msg) would return next, and takes nothing of it: see
    /// [`Table::peek`](crate::Table::peek).
    ///
    /// # Errors
    /// As `recv_msg`, which says `Protocol` once more. A drop is as there.
    pub async fn peek(
        &mut self,
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<T::Error>> {
        self.link().peek(timeout.into()).await
    }

    /// Sends one frame: see [`Table::send_msg`](crate::Table::send_msg). It
    /// returns fewer bytes than all of the payload only when the time was up.
    ///
    /// # Errors
    /// See [`SendError`].
    ///
    /// # Cancellation
    /// Dropped before the first byte went out, it is as if it had not been called. Dropped later it
    /// leaves the frame open: [`open_frame`](Self::open_frame) says how many bytes of the payload
    /// are to be sent next, by a call with the same opcode and `fin`: also with none, where all that
    /// is left is to flush the stream.
    pub async fn send_msg(
        &mut self,
        payload: &[u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<T::Error>> {
        let frame = Outgoing::whole(opcode, fin);
        let mut job = Send::new(frame, payload);
        self.link().send_all(&mut job, timeout.into()).await
    }

    /// [`send_msg`](Self::send_msg) without a copy: a client masks the payload where it stands. Its
    /// content is unspecified afterwards, except that a frame that was taken back leaves it as it
    /// was.
    ///
    /// # Errors
    /// As [`send_msg`](Self::send_msg); a drop is as there.
    pub async fn send_msg_mut(
        &mut self,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<T::Error>> {
        let frame = Outgoing::whole(opcode, fin);
        let mut job = SendInPlace::new(frame, payload);
        self.link().send_all(&mut job, timeout.into()).await
    }

    /// Sends a part of a frame whose payload is not all at hand: see
    /// [`Table::send_part`](crate::Table::send_part).
    ///
    /// # Errors
    /// As [`send_msg`](Self::send_msg); `PartTooLong` where `part` is longer than `rest`. A drop is
    /// as there.
    pub async fn send_part(
        &mut self,
        part: &[u8],
        rest: usize,
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<T::Error>> {
        let frame = Outgoing::part(opcode, fin, rest, part).ok_or(SendError::PartTooLong)?;
        let mut job = Send::new(frame, part);
        self.link().send_all(&mut job, timeout.into()).await
    }

    /// [`send_part`](Self::send_part) by one write of the stream below, without a flush: it returns
    /// as soon as some bytes of the payload are out, and how many. On the stream's terms, as
    /// [`Write`]: an open frame takes whatever comes next, `rest`, `opcode` and `fin` count where one
    /// begins.
    ///
    /// # Errors
    /// As [`send_part`](Self::send_part), without `Timeout`.
    ///
    /// # Cancellation
    /// Dropped, it has sent nothing of `part`, where the stream's own writes keep to that.
    pub async fn write_part(
        &mut self,
        part: &[u8],
        rest: usize,
        opcode: Opcode,
        fin: bool,
    ) -> Result<usize, SendError<T::Error>> {
        let frame = Outgoing {
            stream: true,
            at_once: true,
            ..Outgoing::part(opcode, fin, rest, part).ok_or(SendError::PartTooLong)?
        };
        let mut job = Send::new(frame, part);
        self.link().send(&mut job).await
    }

    /// Receives what a socket would: see [`Table::recv`](crate::Table::recv).
    ///
    /// # Errors
    /// See [`ReceiveError`]. A drop is as with [`recv_msg`](Self::recv_msg).
    pub async fn recv(
        &mut self,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<usize, ReceiveError<T::Error>> {
        self.link().recv(buffer, timeout.into()).await
    }

    /// Sends what a socket would: a message of the type in [`Framing::opcode`]. Returns how many
    /// bytes went out within `timeout`; the next call goes on with whatever comes next, also inside
    /// a frame that is open.
    ///
    /// # Errors
    /// See [`SendError`]. A drop is as with [`send_msg`](Self::send_msg).
    pub async fn send(
        &mut self,
        payload: &[u8],
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<T::Error>> {
        let opcode = self.framing.opcode;
        self.link()
            .send_stream(opcode, payload, timeout.into())
            .await
    }

    /// Waits until [`recv_msg`](Self::recv_msg) would return at once: there is a piece, the end, or
    /// an error. On the way Pings are answered. Dropped, it has taken nothing away.
    pub async fn readable(&mut self) {
        self.link().readable(ws_core::Face::Messages).await;
    }

    /// Closes the connection with 1000: see [`disconnect_with`](Self::disconnect_with).
    ///
    /// # Errors
    /// None: it has the form of the others.
    pub async fn disconnect(
        &mut self,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        self.disconnect_with(CloseCode::NORMAL, "", timeout).await
    }

    /// Closes the connection: sends a Close with `code` and `reason` (the first 123 bytes of it),
    /// drops what data still comes until the peer's Close, and waits for the server to close TCP
    /// (RFC 6455 section 7.1.1), all at most for `timeout`. What is left to do is to drop it, and
    /// the stream with it. Where a frame is partly sent there can be no Close in the middle of it,
    /// and that is all that is left.
    ///
    /// # Errors
    /// A code that may not be sent: then nothing has happened.
    ///
    /// # Cancellation
    /// Dropped, it goes on when called again, with the same `code` and `reason`.
    pub async fn disconnect_with(
        &mut self,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        let timeout = timeout.into();
        self.link().disconnect(code, reason, true, timeout).await
    }

    /// [`disconnect_with`](Self::disconnect_with) that does not wait for the server to close: the
    /// stream is for another use after [`into_stream`](Self::into_stream), as Zephyr leaves it.
    ///
    /// # Errors
    /// As [`disconnect_with`](Self::disconnect_with).
    pub async fn disconnect_keeping_stream(
        &mut self,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        let timeout = timeout.into();
        self.link().disconnect(code, reason, false, timeout).await
    }

    /// The stream back, as it is. What was read and not received is lost.
    pub fn into_stream(mut self) -> Option<T> {
        self.entry.vacate()
    }

    /// The stream, to look at: its addresses, its options. Not to read or write.
    pub const fn stream(&mut self) -> Option<&mut T> {
        self.entry.socket_mut()
    }

    /// How [`Write`] cuts what it is given into messages.
    pub const fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// The subprotocol agreed on, as its index in the list that was offered (client) or supported
    /// (server).
    pub fn subprotocol(&self) -> Option<usize> {
        self.entry.subprotocol()
    }

    /// The code of the peer's Close, once it has been received.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.entry.endpoint()?.peer_close()
    }

    /// Bytes of the frame that is partly sent and that the next send has to go on with; `None`
    /// where none is.
    pub fn open_frame(&self) -> Option<usize> {
        self.entry.open_frame()
    }

    /// Is a message of ours partly sent as fragments, so that the next data frame has to be a
    /// [`Continuation`](Opcode::Continuation)?
    pub fn in_message(&self) -> bool {
        let endpoint = self.entry.endpoint();
        endpoint.is_some_and(|endpoint| endpoint.connection().tx.in_message())
    }
}
