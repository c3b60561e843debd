//! Zephyr's calls, by their names: each is a method of [`AsyncWebSockets`] too.

use core::net::SocketAddr;

use embedded_io_async::{Read, Write};
use embedded_nal_async::{Dns, TcpConnect};
use ws_core::{Opcode, Outgoing, Role};

use super::{AsyncPlatform, AsyncRequest, AsyncWebSockets};
use crate::error::{
    AcceptError, ConnectError, DisconnectError, ReceiveError, RegisterError, SendError,
};
use crate::message::Received;
use crate::table::{Disconnected, PollItem};
use crate::{Handler, Timeout, WebSocketId};

/// Makes a WebSocket of a connected stream: [`AsyncWebSockets::connect`].
///
/// # Errors
/// See [`ConnectError`]. The stream is dropped then, the slot is free.
pub async fn websocket_connect<T: Read + Write, P: AsyncPlatform, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    stream: T,
    request: &AsyncRequest<'_>,
    timeout: impl Into<Timeout>,
) -> Result<WebSocketId, ConnectError<T::Error>> {
    table.connect(stream, request, timeout).await
}

/// TCP and the opening handshake to an address: [`AsyncWebSockets::connect_to`].
///
/// # Errors
/// See [`ConnectError`].
pub async fn websocket_connect_to<'s, T, P, S, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    stack: &'s S,
    remote: SocketAddr,
    request: &AsyncRequest<'_>,
    timeout: impl Into<Timeout>,
) -> Result<WebSocketId, ConnectError<T::Error>>
where
    T: Read + Write,
    P: AsyncPlatform,
    S: TcpConnect<Error = T::Error, Connection<'s> = T>,
{
    table.connect_to(stack, remote, request, timeout).await
}

/// Name, TCP and the opening handshake from a URL: [`AsyncWebSockets::connect_url`].
///
/// # Errors
/// See [`ConnectError`].
pub async fn websocket_connect_url<'s, T, P, S, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    stack: &'s S,
    url: &str,
    request: &AsyncRequest<'_>,
    timeout: impl Into<Timeout>,
) -> Result<WebSocketId, ConnectError<T::Error>>
where
    T: Read + Write,
    P: AsyncPlatform,
    S: TcpConnect<Error = T::Error, Connection<'s> = T> + Dns,
{
    table.connect_url(stack, url, request, timeout).await
}

/// The server's side of a stream that was accepted: [`AsyncWebSockets::accept`].
///
/// # Errors
/// See [`AcceptError`].
pub async fn websocket_accept<'r, T: Read + Write, P: AsyncPlatform, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    stream: T,
    handler: impl Handler<'r>,
) -> Result<Option<WebSocketId>, AcceptError<T::Error>> {
    table.accept(stream, handler).await
}

/// Sends one frame: [`AsyncWebSockets::send_msg`]. `mask` is Zephyr's, and says what the role demands anyway:
/// true for a client, false for a server.
///
/// # Errors
/// See [`SendError`].
pub async fn websocket_send_msg<T: Read + Write, P: AsyncPlatform, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    ws: WebSocketId,
    payload: &[u8],
    opcode: Opcode,
    mask: bool,
    fin: bool,
    timeout: impl Into<Timeout>,
) -> Result<usize, SendError<T::Error>> {
    let frame = Outgoing::whole(opcode, fin).masked(mask);
    table.send_frame(ws, frame, payload, timeout.into()).await
}

/// Receives a piece of a message: [`AsyncWebSockets::recv_msg`].
///
/// # Errors
/// See [`ReceiveError`].
pub async fn websocket_recv_msg<T: Read + Write, P: AsyncPlatform, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    ws: WebSocketId,
    buffer: &mut [u8],
    timeout: impl Into<Timeout>,
) -> Result<Received, ReceiveError<T::Error>> {
    table.recv_msg(ws, buffer, timeout).await
}

/// Waits for several: [`AsyncWebSockets::poll`].
pub async fn websocket_poll<T: Read + Write, P: AsyncPlatform, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    items: &mut [PollItem],
    timeout: impl Into<Timeout>,
) -> usize
where
    P::Clock: Copy,
{
    table.poll(items, timeout).await
}

/// Closes a connection: [`AsyncWebSockets::disconnect`].
///
/// # Errors
/// See [`DisconnectError`].
pub async fn websocket_disconnect<T: Read + Write, P: AsyncPlatform, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    ws: WebSocketId,
    timeout: impl Into<Timeout>,
) -> Result<Disconnected, DisconnectError> {
    table.disconnect(ws, timeout).await
}

/// Takes a stream that was upgraded by somebody else: [`AsyncWebSockets::register`].
///
/// # Errors
/// See [`RegisterError`]; the stream comes back with it.
pub fn websocket_register<T: Read + Write, P: AsyncPlatform, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    stream: T,
    role: Role,
    behind: &[u8],
) -> Result<WebSocketId, (RegisterError, T)> {
    table.register(stream, role, behind)
}

/// Takes a WebSocket out of the table: [`AsyncWebSockets::unregister`].
///
/// # Errors
/// See [`RegisterError`].
pub fn websocket_unregister<T: Read + Write, P: AsyncPlatform, const N: usize>(
    table: &mut AsyncWebSockets<'_, T, P, N>,
    ws: WebSocketId,
) -> Result<T, RegisterError> {
    table.unregister(ws)
}
