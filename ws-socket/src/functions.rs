//! The front door: Zephyr's functions, same names, order and meaning, each a call on the table.

use embedded_nal::{TcpClientStack, TcpFullStack};
use ws_core::{Opcode, Outgoing, Role};

use crate::error::{
    AcceptError, ConnectError, DisconnectError, ReceiveError, RegisterError, SendError,
};
use crate::slots::SlotStore;
use crate::{
    Buffer, Disconnected, Handler, Platform, PollItem, Polled, Received, Table, Timeout,
    WebSocketId, WebSocketRequest,
};

/// Makes a WebSocket of a connected TCP socket: see [`Table::connect`].
///
/// # Errors
/// See [`ConnectError`].
pub fn websocket_connect<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    socket: S::TcpSocket,
    request: WebSocketRequest<'_, 'buf>,
    timeout: impl Into<Timeout>,
) -> Result<WebSocketId, ConnectError<S::Error>>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.connect(socket, request, timeout)
}

/// Connects to what a URL names, name resolution and TCP included: see [`Table::connect_url`].
/// [`Table::connect_url_all`] tries all addresses of the name.
///
/// # Errors
/// See [`ConnectError`].
pub fn websocket_connect_url<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    url: &str,
    request: WebSocketRequest<'_, 'buf>,
    timeout: impl Into<Timeout>,
) -> Result<WebSocketId, ConnectError<<S as TcpClientStack>::Error>>
where
    S: TcpClientStack + embedded_nal::Dns,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.connect_url(url, request, timeout)
}

/// Accepts a WebSocket from a listening TCP socket: see [`Table::accept`].
///
/// # Errors
/// See [`AcceptError`].
pub fn websocket_accept<'buf, 'r, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    listener: &mut S::TcpSocket,
    handler: impl Handler<'r>,
    timeout: impl Into<Timeout>,
) -> Result<WebSocketId, AcceptError<S::Error>>
where
    S: TcpFullStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.accept(listener, handler, timeout)
}

/// Waits for a new WebSocket and for events on several others: see [`Table::poll_accept`].
///
/// # Errors
/// See [`AcceptError`].
pub fn websocket_poll_accept<'buf, 'r, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    listener: &mut S::TcpSocket,
    handler: impl Handler<'r>,
    items: &mut [PollItem],
    timeout: impl Into<Timeout>,
) -> Result<Polled, AcceptError<S::Error>>
where
    S: TcpFullStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.poll_accept(listener, handler, items, timeout)
}

/// Sends a frame: see [`Table::send_msg`], and [`Table::send_msg_mut`] for the zero-copy form.
///
/// `mask` is Zephyr's, and says what the role demands anyway: true for a client, false for a server. The
/// methods do without it.
///
/// # Errors
/// See [`SendError`].
pub fn websocket_send_msg<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    ws: WebSocketId,
    payload: &[u8],
    opcode: Opcode,
    mask: bool,
    fin: bool,
    timeout: impl Into<Timeout>,
) -> Result<usize, SendError<S::Error>>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    let frame = Outgoing::whole(opcode, fin).masked(mask);
    table.send_frame(ws, frame, payload, timeout.into())
}

/// Receives a piece of a message: see [`Table::recv_msg`].
///
/// # Errors
/// See [`ReceiveError`].
pub fn websocket_recv_msg<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    ws: WebSocketId,
    buffer: &mut [u8],
    timeout: impl Into<Timeout>,
) -> Result<Received, ReceiveError<S::Error>>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.recv_msg(ws, buffer, timeout)
}

/// Closes a WebSocket with 1000, and its TCP socket: see [`Table::disconnect`],
/// [`Table::disconnect_with`] for another code, and [`Table::disconnect_keeping_socket`] for
/// Zephyr's way with the socket.
///
/// # Errors
/// See [`DisconnectError`].
pub fn websocket_disconnect<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    ws: WebSocketId,
    timeout: impl Into<Timeout>,
) -> Result<Disconnected, DisconnectError>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.disconnect(ws, timeout)
}

/// Takes a TCP socket into the table that somebody else upgraded: see [`Table::register`].
///
/// # Errors
/// See [`RegisterError`].
pub fn websocket_register<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    socket: S::TcpSocket,
    role: Role,
    buffer: Option<Buffer<'buf>>,
    buffered: usize,
) -> Result<WebSocketId, (RegisterError, S::TcpSocket)>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.register(socket, role, buffer, buffered)
}

/// Takes a WebSocket out of the table, its TCP socket comes back: see [`Table::unregister`].
///
/// # Errors
/// See [`RegisterError`].
pub fn websocket_unregister<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    ws: WebSocketId,
) -> Result<S::TcpSocket, RegisterError>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.unregister(ws)
}

/// Waits for events on several WebSockets: see [`Table::poll`].
pub fn websocket_poll<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    items: &mut [PollItem],
    timeout: impl Into<Timeout>,
) -> usize
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.poll(items, timeout)
}

/// Sends as a socket would: see [`Table::send`].
///
/// # Errors
/// See [`SendError`].
pub fn send<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    ws: WebSocketId,
    payload: &[u8],
    timeout: impl Into<Timeout>,
) -> Result<usize, SendError<S::Error>>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.send(ws, payload, timeout)
}

/// Receives as a socket would: see [`Table::recv`].
///
/// # Errors
/// See [`ReceiveError`].
pub fn recv<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    ws: WebSocketId,
    buffer: &mut [u8],
    timeout: impl Into<Timeout>,
) -> Result<usize, ReceiveError<S::Error>>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.recv(ws, buffer, timeout)
}

/// Closes as a socket would: a Close if it goes out at once, and TCP.
///
/// # Errors
/// See [`DisconnectError`].
pub fn close<'buf, S, P, L>(
    table: &mut Table<'buf, S, P, L>,
    ws: WebSocketId,
) -> Result<(), DisconnectError>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table.disconnect(ws, Timeout::NoWait).map(|_| ())
}
