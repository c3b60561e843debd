//! Many WebSockets in one task's hands: the table.

use core::net::SocketAddr;
use core::pin::pin;

use embedded_io_async::{Read, Write};
use embedded_nal_async::{Dns, TcpConnect};
use ws_core::handshake::{HeadPart, Response, ServerHandshake};
use ws_core::{CloseCode, Lent, Opcode, Role};

use super::keepalive::Alive;
use super::link::Link;
use super::request::{WebSocketRequest, resolve};
use super::wait::within;
use super::{Clock, Platform};
use crate::error::{
    AcceptError, ConnectError, DisconnectError, HandleError, ReceiveError, RegisterError, SendError,
};
use crate::message::Received;
use crate::session::{Entry, Outgoing, Payload, State};
use crate::slots::Slots;
use crate::table::Disconnected;
use crate::{Config, Handler, Timeout, WebSocketId};

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
pub struct WebSockets<'buf, T, P, const N: usize> {
    pub(super) slots: Slots<'buf, T, N>,
    pub(super) alive: [Alive; N],
    pub(super) platform: P,
    pub(super) config: Config,
}

impl<'buf, T, P, const N: usize> WebSockets<'buf, T, P, N> {
    /// A table of `N` slots, all free, with [`Config::DEFAULT`].
    pub const fn new(platform: P) -> Self {
        Self {
            slots: Slots::new(),
            alive: [Alive::NEW; N],
            platform,
            config: Config::DEFAULT,
        }
    }

    /// Lends a buffer to each slot: see
    /// [`WebSocketRequest::buffer`](crate::WebSocketRequest::buffer).
    #[must_use]
    pub fn with_buffers(mut self, buffers: [&'buf mut [u8]; N]) -> Self {
        self.slots.lend(buffers);
        self
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

impl<'buf, T: Read + Write, P: Platform, const N: usize> WebSockets<'buf, T, P, N> {
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
        request: &WebSocketRequest<'_>,
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
        request: &WebSocketRequest<'_>,
        timeout: impl Into<Timeout>,
        on_response: impl FnMut(HeadPart<'_>),
    ) -> Result<WebSocketId, ConnectError<T::Error>> {
        request.request().validate()?;
        let (mut taken, alive, platform, config) = self.take().ok_or(ConnectError::NoFreeSlot)?;
        let clock = platform.clock();
        let mut link = Link {
            entry: taken.slots.entry(taken.ws)?,
            alive,
            platform,
            config,
            one_key: false,
        };
        link.begin_client(stream);
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
        request: &WebSocketRequest<'_>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, ConnectError<T::Error>>
    where
        S: TcpConnect<Error = T::Error, Connection<'s> = T>,
    {
        request.request().validate()?;
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
        request: &WebSocketRequest<'_>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, ConnectError<T::Error>>
    where
        S: TcpConnect<Error = T::Error, Connection<'s> = T> + Dns,
    {
        let (url, request) = request.for_parsed(url, &self.config)?;
        let clock = self.platform.clock();
        let connected = async {
            let remote = resolve(stack, &url).await?;
            let stream = stack.connect(remote).await.map_err(ConnectError::Stack)?;
            self.connect(stream, &request, Timeout::Forever).await
        };
        let connected = within(&clock, timeout.into(), pin!(connected)).await;
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
        let Some((mut taken, alive, platform, config)) = self.take() else {
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
        let mut link = Link {
            entry,
            alive,
            platform,
            config,
            one_key: false,
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
        let now = self.platform.clock().now_ms();
        let config = self.config;
        let Some((mut taken, alive, ..)) = self.take() else {
            return Err((RegisterError::NoFreeSlot, stream));
        };
        let Ok(entry) = taken.slots.entry(taken.ws) else {
            return Err((RegisterError::NoFreeSlot, stream));
        };
        let capacity = Lent::read_capacity(entry.lent.len());
        let room = entry.lent.get_mut(..capacity).unwrap_or_default();
        let Some(room) = room.get_mut(..behind.len()) else {
            return Err((RegisterError::Buffered, stream));
        };
        room.copy_from_slice(behind);
        entry.begin(stream, State::Failed);
        entry.opened(role, &config, 0..behind.len(), None);
        *alive = Alive::opened(now);
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
        mask: bool,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<T::Error>> {
        let frame = Outgoing::whole(opcode, fin, Some(mask));
        let payload = Payload::Keep(payload);
        let mut link = self.link(ws)?;
        link.send_frame(frame, payload, timeout.into()).await
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
        mask: bool,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<T::Error>> {
        let frame = Outgoing::whole(opcode, fin, Some(mask));
        let payload = Payload::Mask(payload);
        let mut link = self.link(ws)?;
        link.send_frame(frame, payload, timeout.into()).await
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
    /// An id that is none.
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
    /// An id that is none, or a code that may not be sent: then nothing has happened.
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
    /// An id that is none.
    pub fn abort(&mut self, ws: WebSocketId) -> Result<(), HandleError> {
        self.slots.vacate(ws, Entry::vacate)?;
        Ok(())
    }

    /// The subprotocol agreed on, as its index in the list that was offered (client) or supported
    /// (server).
    ///
    /// # Errors
    /// An id that is none.
    pub fn subprotocol(&mut self, ws: WebSocketId) -> Result<Option<usize>, HandleError> {
        Ok(self.slots.entry(ws)?.subprotocol())
    }

    /// The code of the peer's Close, once it has been received.
    ///
    /// # Errors
    /// An id that is none.
    pub fn close_code(&mut self, ws: WebSocketId) -> Result<Option<CloseCode>, HandleError> {
        let endpoint = self.slots.entry(ws)?.endpoint();
        Ok(endpoint.and_then(|endpoint| endpoint.peer_close()))
    }

    /// Bytes of the frame that is partly sent and that the next send has to go on with; `None`
    /// where none is.
    ///
    /// # Errors
    /// An id that is none.
    pub fn open_frame(&mut self, ws: WebSocketId) -> Result<Option<usize>, HandleError> {
        let link = self.link(ws)?;
        let unsaid = link.alive.unsaid.map(|_| 0);
        Ok(link.entry.open_frame().or(unsaid))
    }

    pub(super) fn link(&mut self, ws: WebSocketId) -> Result<Link<'_, 'buf, T, P>, HandleError> {
        let alive = self.alive.get_mut(ws.slot()).ok_or(HandleError::Unknown)?;
        Ok(Link {
            entry: self.slots.entry(ws)?,
            alive,
            platform: &mut self.platform,
            config: &self.config,
            one_key: false,
        })
    }

    /// A free slot, and what a link is made of beside it.
    #[allow(clippy::type_complexity)]
    pub(super) fn take(&mut self) -> Option<(Taken<'_, 'buf, T, N>, &mut Alive, &mut P, &Config)> {
        let ws = self.slots.take_free(true)?;
        let alive = self.alive.get_mut(ws.slot())?;
        let taken = Taken {
            slots: &mut self.slots,
            ws,
            stays: false,
        };
        Some((taken, alive, &mut self.platform, &self.config))
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
