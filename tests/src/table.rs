//! Tables over the scripted stack.

use std::cell::Cell;
use std::rc::Rc;

use ws_socket::{AcceptOptions, Buffer, Config, WebSocketId, WebSocketRequest, WebSockets};

use crate::frames::{head, request, switching};
use crate::platform::{Clock, HandPlatform};
use crate::script::{Line, ScriptStack};

/// A table of `N` slots over the script.
pub type Scripted<const N: usize> = WebSockets<'static, ScriptStack, HandPlatform, N>;

/// A buffer to lend, for the rest of the test.
pub fn lent(length: usize) -> Buffer<'static> {
    borrowed(Box::leak(vec![0; length].into_boxed_slice()))
}

/// Bytes as a buffer to lend: long enough, or the test is wrong.
#[track_caller]
pub fn borrowed(bytes: &mut [u8]) -> Buffer<'_> {
    Buffer::new(bytes).unwrap()
}

/// A clock that stands at 1.
pub fn clock() -> Clock {
    Rc::new(Cell::new(1))
}

/// A table with a buffer of `length` bytes lent to each slot.
pub fn table<const N: usize>(stack: &ScriptStack, length: usize) -> Scripted<N> {
    with_config(stack, length, Config::DEFAULT)
}

/// The same with a configuration.
pub fn with_config<const N: usize>(
    stack: &ScriptStack,
    length: usize,
    config: Config,
) -> Scripted<N> {
    WebSockets::new(stack.clone(), HandPlatform::new(&clock(), 7))
        .with_buffers([(); N].map(|()| lent(length)))
        .with_config(config)
}

/// A table without buffers: each connection has to bring its own.
pub fn bare<const N: usize>(stack: &ScriptStack) -> Scripted<N> {
    WebSockets::new(stack.clone(), HandPlatform::new(&clock(), 7))
}

/// Answers a request with 101 as soon as it is there, and `behind` in the same segment.
pub fn upgrade(line: &mut Line, behind: &[u8]) {
    if let Some((request, _)) = head(&line.outgoing) {
        let answer = [switching(request, "").as_bytes(), behind].concat();
        line.sent();
        line.feed(&answer, usize::MAX);
    }
}

/// An open connection of a client, and its socket.
pub fn client<const N: usize>(table: &mut Scripted<N>) -> (WebSocketId, u8) {
    let stack = table.stack().clone();
    let socket = stack.connected();
    stack.answer(|line| upgrade(line, b""));
    let ws = table
        .connect(socket, WebSocketRequest::new("host", "/"), 100)
        .unwrap();
    stack.answer(|_| {});
    (ws, socket)
}

/// An accepted connection of a server, and its socket.
pub fn server<const N: usize>(table: &mut Scripted<N>) -> (WebSocketId, u8) {
    let stack = table.stack().clone();
    let mut listener = stack.connected();
    let socket = stack.arrive();
    stack.line(socket, |line| line.feed(request("").as_bytes(), usize::MAX));
    let ws = table
        .accept(&mut listener, &AcceptOptions::default(), 100)
        .unwrap();
    stack.line(socket, Line::sent);
    embedded_nal::TcpClientStack::close(table.stack(), listener).unwrap();
    (ws, socket)
}

/// All messages and the end that come until nothing more does: type, payload.
pub fn receive_all<const N: usize>(
    table: &mut Scripted<N>,
    ws: WebSocketId,
    room: usize,
) -> (
    Vec<(ws_socket::Opcode, Vec<u8>)>,
    ws_socket::ReceiveError<crate::script::ScriptError>,
) {
    let mut messages = Vec::new();
    let mut partial = [Vec::new(), Vec::new()];
    let mut buffer = vec![0; room];
    loop {
        match table.recv_msg(ws, &mut buffer, 5) {
            Ok(piece) => {
                let partial = &mut partial[usize::from(piece.opcode().is_control())];
                partial.extend_from_slice(&buffer[..piece.length]);
                if piece.is_complete() {
                    messages.push((piece.opcode(), std::mem::take(partial)));
                }
            }
            Err(error) => return (messages, error),
        }
    }
}
