//! Many WebSockets in one task's hands: the table.

use core::net::SocketAddr;
use core::pin::pin;

use embedded_io_async::{Read, Write};
use embedded_nal_async::{Dns, TcpConnect};
use ws_core::handshake::{HeadPart, Response, ServerHandshake};
use ws_core::{CloseCode, Lent, Opcode, Outgoing, Role, Send, SendInPlace};

use super::AsyncPlatform;
use super::link::Link;
use super::request::{AsyncRequest, dial};
use super::wait::within;
use crate::error::{
    AcceptError, ConnectError, DisconnectError, HandleError, ReceiveError, RegisterError, SendError,
};
use crate::message::Received;
use crate::session::{Entry, State};
use crate::slots::Slots;
use crate::table::Disconnected;
use crate::{Buffer, Config, Handler, Timeout, WebSocketId};

/// `N` WebSockets with ids, in one task's hands: [`Table`](crate::Table) for async code.
///
/// `T` is the stream of a connection: `S::Connection<'a>` of an `embedded_nal_async` stack, a TCP
/// socket that was accepted, TLS. The calls of Zephyr are methods here, and functions of the same
/// names in [this module](super). All are as there; only that they do not block but wait.
///
/// A call has the table to itself while it waits, so that a task that waits for one connection
/// alone leaves the others alone: [`poll`](Self::poll) waits for many. Where each connection has a
/// task of its own, [`WebSocket`](super::WebSocket) is the better fit.
#[derive(Debug)]
pub struct AsyncWebSockets<'buf, T, P, const N: usize> {
    pub(super) slots: Slots<'buf, T, N>,
    pub(super) platform: P,
    pub(super) config: Config,
}

impl<'buf, T, P, const N: usize> AsyncWebSockets<'buf, T, P, N> {
    /// A table of `N` slots, all free, with [`Config::DEFAULT`].
    pub const fn new(platform: P) -> Self {
        Self {
            slots: Slots::new(),
            platform,
            config: Config::DEFAULT,
        }
    }

    /// Lends a buffer to each slot: see
    /// [`WebSocketRequest::buffer`](crate::WebSocketRequest::buffer).
    #[must_use]
    pub fn with_buffers<B: Into<Buffer<'buf>>>(mut self, buffers: [B; N]) -> Self {
        self.slots.lend(buffers);
        self
    }

    #[doc(hidden)]
    /// Has the ids of free slots begin with this generation, for tests.
    pub fn begin_at(&mut self, generation: u32) {
        self.slots.begin_at(generation);
    }

    /// Another configuration. It holds for connections that begin from here on, but
    /// [`keepalive`](Config::keepalive) and [`flush`](Config::flush) for all.
    #[must_use]
    pub const fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// How many slots are taken.
    pub fn in_use(&self) -> usize {
        let taken = (0..N).filter(|index| matches!(self.slots.taken(*index), Ok(Some(_))));
        taken.count()
    }
}

/// A slot while its connection is being made: given back if that does not come to an end.
pub(super) struct Taken<'t, 'buf, T, const N: usize> {
    pub(super) slots: &'t mut Slots<'buf, T, N>,
    pub(super) ws: WebSocketId,
    pub(super) stays: bool,
}

impl<T, const N: usize> Drop for Taken<'_, '_, T, N> {
    fn drop(&mut self) {
        if !self.stays {
            let _ = self.slots.vacate(self.ws, Entry::vacate);
        }
    }
}

impl<'buf, T: Read + Write, P: AsyncPlatform, const N: usize> AsyncWebSockets<'buf, T, P, N> {
    /// Makes a WebSocket of a connected stream: see [`Table::connect`](crate::Table::connect).
    ///
    /// # Errors
    /// See [`ConnectError`]. The stream is dropped then, the slot is free.
    ///
    /// # Cancellation
    /// Dropped, it drops the stream and frees the slot.
    pub async fn connect(
        &mut self,
        stream: T,
        request: &AsyncRequest<'_>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, ConnectError<T::Error>> {
        self.connect_with(stream, request, timeout, |_| {}).await
    }

    /// [`connect`](Self::connect), with a function that sees the server's answer as it streams by.
    ///
    /// # Errors
    /// See [`ConnectError`]; a drop is as with [`connect`](Self::connect).
    pub async fn connect_with(
        &mut self,
        stream: T,
        request: &AsyncRequest<'_>,
        timeout: impl Into<Timeout>,
        on_response: impl FnMut(HeadPart<'_>),
    ) -> Result<WebSocketId, ConnectError<T::Error>> {
        request.request().validate()?;
        let (mut taken, platform, config) = self.take().ok_or(ConnectError::NoFreeSlot)?;
        let clock = platform.clock();
        let entry = taken.slots.entry(taken.ws)?;
        if !entry.has_buffer() {
            return Err(ConnectError::NoBuffer);
        }
        let mut link = Link {
            entry,
            platform,
            config,
        };
        link.begin_client(stream)?;
        let upgraded = within(
            &clock,
            timeout.into(),
            pin!(link.client(request, on_response)),
        )
        .await;
        upgraded.ok_or(ConnectError::Timeout)??;
        taken.stays = true;
        Ok(taken.ws)
    }

    /// [`connect`](Self::connect), with a TCP connection to `remote` made first.
    ///
    /// # Errors
    /// See [`ConnectError`]; a drop is as with [`connect`](Self::connect).
    pub async fn connect_to<'s, S>(
        &mut self,
        stack: &'s S,
        remote: SocketAddr,
        request: &AsyncRequest<'_>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, ConnectError<T::Error>>
    where
        S: TcpConnect<Error = T::Error, Connection<'s> = T>,
    {
        request.request().validate()?;
        self.check_room()?;
        let clock = self.platform.clock();
        let connected = async {
            let stream = stack.connect(remote).await.map_err(ConnectError::Stack)?;
            self.connect(stream, request, Timeout::Forever).await
        };
        let connected = within(&clock, timeout.into(), pin!(connected)).await;
        connected.ok_or(ConnectError::Timeout)?
    }

    /// [`connect_to`](Self::connect_to) what a `ws://` or `wss://` URL names: see
    /// [`Table::connect_url`](crate::Table::connect_url).
    ///
    /// # Errors
    /// See [`ConnectError`]; a drop is as with [`connect`](Self::connect).
    pub async fn connect_url<'s, S>(
        &mut self,
        stack: &'s S,
        url: &str,
        request: &AsyncRequest<'_>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, ConnectError<T::Error>>
    where
        S: TcpConnect<Error = T::Error, Connection<'s> = T> + Dns,
    {
        let (url, request) = request.for_parsed(url, &self.config)?;
        self.check_room()?;
        let timeout = timeout.into();
        let clock = self.platform.clock();
        let connected = async {
            let stream = dial(stack, &url, &clock, timeout).await?;
            self.connect(stream, &request, Timeout::Forever).await
        };
        let connected = within(&clock, timeout, pin!(connected)).await;
        connected.ok_or(ConnectError::Timeout)?
    }

    /// The server's side of a stream that was accepted: see
    /// [`WebSocket::accept`](super::WebSocket::accept). Where all slots are taken the connection is
    /// refused with 503.
    ///
    /// # Errors
    /// See [`AcceptError`]; never `Timeout`.
    ///
    /// # Cancellation
    /// Dropped, it drops the stream and frees the slot.
    pub async fn accept<'r>(
        &mut self,
        mut stream: T,
        mut handler: impl Handler<'r>,
    ) -> Result<Option<WebSocketId>, AcceptError<T::Error>> {
        handler.check()?;
        handler.rules().validate()?;
        let Some((mut taken, platform, config)) = self.take() else {
            let mut scratch = [0; 64];
            let refusal = async {
                let mut rest = busy(&mut scratch);
                while let [_, ..] = rest {
                    let count = stream.write(rest).await?;
                    rest = rest.get(count.max(1)..).unwrap_or_default();
                }
                stream.flush().await
            };
            let clock = self.platform.clock();
            let timeout = Timeout::Millis(self.config.answer_timeout);
            let refused = within(&clock, timeout, pin!(refusal)).await;
            refused.unwrap_or(Ok(())).map_err(AcceptError::Stack)?;
            return Ok(None);
        };
        let Ok(entry) = taken.slots.entry(taken.ws) else {
            return Ok(None);
        };
        if !entry.has_buffer() {
            return Err(AcceptError::NoBuffer);
        }
        let mut link = Link {
            entry,
            platform,
            config,
        };
        link.begin_server(stream);
        taken.stays = link.server(taken.ws, &mut handler).await?;
        Ok(taken.stays.then_some(taken.ws))
    }

    /// Takes a stream into the table whose opening handshake is done: see
    /// [`Table::register`](crate::Table::register). The slot's buffer is used; with `buffered`
    /// bytes that were read behind the handshake in it.
    ///
    /// # Errors
    /// See [`RegisterError`]; the stream comes back with it.
    pub fn register(
        &mut self,
        stream: T,
        role: Role,
        behind: &[u8],
    ) -> Result<WebSocketId, (RegisterError, T)> {
        let config = self.config;
        let Some((mut taken, ..)) = self.take() else {
            return Err((RegisterError::NoFreeSlot, stream));
        };
        let Ok(entry) = taken.slots.entry(taken.ws) else {
            return Err((RegisterError::NoFreeSlot, stream));
        };
        if !entry.has_buffer() {
            return Err((RegisterError::NoBuffer, stream));
        }
        let capacity = Lent::read_capacity(entry.lent.len());
        let room = entry.lent.get_mut(..capacity).unwrap_or_default();
        let Some(room) = room.get_mut(..behind.len()) else {
            return Err((RegisterError::Buffered, stream));
        };
        room.copy_from_slice(behind);
        entry.begin(stream, State::Failed);
        entry.opened(role, &config, 0..behind.len(), None);
        taken.stays = true;
        Ok(taken.ws)
    }

    /// Takes a WebSocket out of the table and gives its stream back, as it is: no Close is sent.
    /// What was read and not received is lost.
    ///
    /// # Errors
    /// `EALREADY` for an id that is stale, `ENOENT` for one the table never gave out.
    pub fn unregister(&mut self, ws: WebSocketId) -> Result<T, RegisterError> {
        let stream = self.slots.vacate(ws, Entry::vacate)?;
        Ok(stream.ok_or(HandleError::Stale)?)
    }

    /// Receives a piece of a message: see [`Table::recv_msg`](crate::Table::recv_msg).
    ///
    /// # Errors
    /// See [`ReceiveError`].
    ///
    /// # Cancellation
    /// Dropped, it has taken nothing away, where the stream's own reads keep to that.
    pub async fn recv_msg(
        &mut self,
        ws: WebSocketId,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<T::Error>> {
        self.link(ws)?.recv_msg(buffer, timeout.into()).await
    }

    /// Waits for what [`recv_msg`](Self::recv_msg) would return next, and takes nothing of it: see
    /// [`Table::peek`](crate::Table::peek).
    ///
    /// # Errors
    /// As `recv_msg`, which says `Protocol` once more. A drop is as there.
    pub async fn peek(
        &mut self,
        ws: WebSocketId,
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<T::Error>> {
        self.link(ws)?.peek(timeout.into()).await
    }

    /// Sends one frame: see [`Table::send_msg`](crate::Table::send_msg).
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
        ws: WebSocketId,
        payload: &[u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<T::Error>> {
        let frame = Outgoing::whole(opcode, fin);
        let mut job = Send::new(frame, payload);
        self.link(ws)?.send_all(&mut job, timeout.into()).await
    }

    /// [`send_msg`](Self::send_msg), where the caller may say of masking.
    pub(super) async fn send_frame(
        &mut self,
        ws: WebSocketId,
        frame: Outgoing,
        payload: &[u8],
        timeout: Timeout,
    ) -> Result<usize, SendError<T::Error>> {
        let mut job = Send::new(frame, payload);
        self.link(ws)?.send_all(&mut job, timeout).await
    }

    /// [`send_msg`](Self::send_msg) without a copy: see
    /// [`Table::send_msg_mut`](crate::Table::send_msg_mut).
    ///
    /// # Errors
    /// See [`SendError`]; a drop is as with [`send_msg`](Self::send_msg).
    pub async fn send_msg_mut(
        &mut self,
        ws: WebSocketId,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<T::Error>> {
        let frame = Outgoing::whole(opcode, fin);
        let mut job = SendInPlace::new(frame, payload);
        self.link(ws)?.send_all(&mut job, timeout.into()).await
    }

    /// Receives what a socket would: see [`Table::recv`](crate::Table::recv).
    ///
    /// # Errors
    /// See [`ReceiveError`]; a drop is as with [`recv_msg`](Self::recv_msg).
    pub async fn recv(
        &mut self,
        ws: WebSocketId,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<usize, ReceiveError<T::Error>> {
        self.link(ws)?.recv(buffer, timeout.into()).await
    }

    /// Sends what a socket would, as Binary: see [`Table::send`](crate::Table::send).
    ///
    /// # Errors
    /// See [`SendError`]; a drop is as with [`send_msg`](Self::send_msg).
    pub async fn send(
        &mut self,
        ws: WebSocketId,
        payload: &[u8],
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<T::Error>> {
        let mut link = self.link(ws)?;
        link.send_stream(Opcode::Binary, payload, timeout.into())
            .await
    }

    /// Closes a connection with 1000: see [`disconnect_with`](Self::disconnect_with).
    ///
    /// # Errors
    /// An invalid id.
    pub async fn disconnect(
        &mut self,
        ws: WebSocketId,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        let code = CloseCode::NORMAL;
        self.disconnect_with(ws, code, "", timeout).await
    }

    /// Closes a connection: see [`Table::disconnect_with`](crate::Table::disconnect_with).
    ///
    /// # Errors
    /// An invalid id, or a code that may not be sent: then nothing has happened.
    ///
    /// # Cancellation
    /// Dropped, it leaves the connection in its slot, and goes on when called again;
    /// [`abort`](Self::abort) is the other way out.
    pub async fn disconnect_with(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        let mut link = self.link(ws)?;
        let closed = link.disconnect(code, reason, true, timeout.into()).await?;
        self.abort(ws)?;
        Ok(closed)
    }

    /// [`disconnect_with`](Self::disconnect_with), but the stream is the caller's afterwards, as
    /// Zephyr leaves it.
    ///
    /// # Errors
    /// As [`disconnect_with`](Self::disconnect_with).
    pub async fn disconnect_keeping_stream(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<(Disconnected, T), DisconnectError> {
        let mut link = self.link(ws)?;
        let closed = link.disconnect(code, reason, false, timeout.into()).await?;
        let stream = self.slots.vacate(ws, Entry::vacate)?;
        Ok((closed, stream.ok_or(HandleError::Stale)?))
    }

    /// Frees the slot and drops the stream at once, without a Close.
    ///
    /// # Errors
    /// An invalid id.
    pub fn abort(&mut self, ws: WebSocketId) -> Result<(), HandleError> {
        self.slots.vacate(ws, Entry::vacate)?;
        Ok(())
    }

    /// The slot of a connection, 0 to N - 1: [`WebSocketId::slot`], also of an id that was made of a
    /// number.
    ///
    /// # Errors
    /// An invalid id.
    pub fn slot(&mut self, ws: WebSocketId) -> Result<usize, HandleError> {
        self.slots.entry(ws)?;
        Ok(Slots::<T, N>::index(ws))
    }

    /// The subprotocol agreed on, as its index in the list that was offered (client) or supported
    /// (server).
    ///
    /// # Errors
    /// An invalid id.
    pub fn subprotocol(&mut self, ws: WebSocketId) -> Result<Option<usize>, HandleError> {
        Ok(self.slots.entry(ws)?.subprotocol())
    }

    /// The code of the peer's Close, once it has been received.
    ///
    /// # Errors
    /// An invalid id.
    pub fn close_code(&mut self, ws: WebSocketId) -> Result<Option<CloseCode>, HandleError> {
        let endpoint = self.slots.entry(ws)?.endpoint();
        Ok(endpoint.and_then(|endpoint| endpoint.peer_close()))
    }

    /// Bytes of the frame that is partly sent and that the next send has to go on with; `None`
    /// where none is.
    ///
    /// # Errors
    /// An invalid id.
    pub fn open_frame(&mut self, ws: WebSocketId) -> Result<Option<usize>, HandleError> {
        Ok(self.slots.entry(ws)?.open_frame())
    }

    pub(super) fn link(&mut self, ws: WebSocketId) -> Result<Link<'_, 'buf, T, P>, HandleError> {
        Ok(Link {
            entry: self.slots.entry(ws)?,
            platform: &mut self.platform,
            config: &self.config,
        })
    }

    /// Is there a free slot, and has it a buffer? What is in want of one is not to be dialed for.
    fn check_room<E: core::fmt::Debug>(&self) -> Result<(), ConnectError<E>> {
        match self.slots.vacancy() {
            None => Err(ConnectError::NoFreeSlot),
            Some(false) => Err(ConnectError::NoBuffer),
            Some(true) => Ok(()),
        }
    }

    /// A free slot, and what a link is made of beside it.
    #[allow(clippy::type_complexity)]
    pub(super) fn take(&mut self) -> Option<(Taken<'_, 'buf, T, N>, &mut P, &Config)> {
        let ws = self.slots.take_free(true)?;
        let taken = Taken {
            slots: &mut self.slots,
            ws,
            stays: false,
        };
        Some((taken, &mut self.platform, &self.config))
    }
}

/// The answer to a connection that finds no slot.
pub(super) fn busy(out: &mut [u8]) -> &[u8] {
    let response = Response::Refuse {
        status: 503,
        headers: &[],
    };
    let count = ServerHandshake::new(0).fill(&response, out);
    out.get(..count).unwrap_or_default()
}
