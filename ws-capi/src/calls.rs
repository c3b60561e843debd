//! The calls of websocket.h and ws.h.

use core::ffi::{c_char, c_int, c_uint};

use ws_socket::{
    Buffer, CloseCode, Errno, Events, HandleError, Opcode, Platform, PollItem, ReceiveError,
    Received, RegisterError, Role, SendError, Timeout, WebSocketId,
};

use crate::ffi::{self, PollFd};
use crate::port::{Contexts, Failed, Stack, System, TcpSocket, WAITS, close_raw, contexts, failed};

/// How long a Close may take to go out where another thread is sending, or TCP is full.
const CLOSE_MS: u32 = 1_000;

fn table() -> Contexts<'static> {
    contexts(Stack::new())
}

/// A length as C returns it.
fn length(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}

fn opcode(number: c_uint) -> Option<Opcode> {
    Some(match number {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return None,
    })
}

/// `websocket_send_msg`.
///
/// # Safety
/// As websocket.h asks for: `payload` is readable for `payload_len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn websocket_send_msg(
    ws_sock: c_int,
    payload: *const u8,
    payload_len: usize,
    kind: c_uint,
    mask: bool,
    fin: bool,
    timeout: i32,
) -> c_int {
    // A count that no `int` holds could not be returned: the rest is the next call's.
    let (len, whole) = match c_int::try_from(payload_len) {
        Ok(_) => (payload_len, true),
        Err(_) => return failed(Errno::Einval),
    };
    // SAFETY: as websocket.h asks for.
    let payload = unsafe { ffi::bytes(payload, len) };
    let (Some(payload), Some(opcode), true) = (payload, opcode(kind), whole) else {
        return failed(Errno::Einval);
    };
    let ws = WebSocketId::from_raw(ws_sock);
    match ws_socket::websocket_send_msg(&mut table(), ws, payload, opcode, mask, fin, timeout) {
        Ok(sent) => length(sent),
        Err(error) => failed(error.errno()),
    }
}

/// A whole frame if it fits and comes in time; else what of it came.
fn receive(ws: c_int, buffer: &mut [u8], timeout: i32) -> Result<Received, ReceiveError<Failed>> {
    let ws = WebSocketId::from_raw(ws);
    table().recv_frame(ws, buffer, timeout)
}

/// `websocket_recv_msg`.
///
/// # Safety
/// As websocket.h asks for: `buf` is writable for `buf_len` bytes; the two others are NULL or
/// writable.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn websocket_recv_msg(
    ws_sock: c_int,
    buf: *mut u8,
    buf_len: usize,
    message_type: *mut u32,
    remaining: *mut u64,
    timeout: i32,
) -> c_int {
    // SAFETY: as websocket.h asks for.
    let buffer = unsafe { ffi::buffer(buf, buf_len.min(c_int::MAX as usize)) };
    let Some(buffer) = buffer else {
        return failed(Errno::Einval);
    };
    match receive(ws_sock, buffer, timeout) {
        Ok(got) => {
            if !message_type.is_null() {
                // SAFETY: not NULL, so writable.
                unsafe { message_type.write(got.flags.0) }
            }
            if !remaining.is_null() {
                // SAFETY: as above.
                unsafe { remaining.write(got.remaining as u64) }
            }
            length(got.length)
        }
        Err(error) => failed(error.errno()),
    }
}

/// Sends a Close, unless one went out or a frame is open, and takes the TCP socket out.
fn end(ws: c_int, code: u16, reason: &str) -> Result<TcpSocket, RegisterError> {
    let ws = WebSocketId::from_raw(ws);
    let mut table = table();
    let mut payload = [0; 125];
    let payload = ws_socket::write_close(CloseCode(code), reason, &mut payload);
    let payload = payload.unwrap_or_default();
    let since = System.now_ms();
    loop {
        let late = System.now_ms().wrapping_sub(since) >= CLOSE_MS;
        match table.send_msg(ws, payload, Opcode::Close, true, Timeout::NoWait) {
            Err(SendError::Timeout | SendError::Handle(HandleError::Busy)) if !late => {
                let mut stack = Stack::new();
                System.wait(&mut stack, 1);
            }
            _ => break,
        }
    }
    loop {
        match table.unregister(ws) {
            Err(RegisterError::Handle(HandleError::Busy))
                if System.now_ms().wrapping_sub(since) < 2 * CLOSE_MS =>
            {
                let mut stack = Stack::new();
                System.wait(&mut stack, 1);
            }
            done => return done,
        }
    }
}

fn disconnect(ws: c_int, code: u16, reason: &str) -> c_int {
    match end(ws, code, reason) {
        Ok(socket) => {
            if socket.owned {
                close_raw(socket.number);
            }
            0
        }
        Err(RegisterError::Handle(HandleError::Busy)) => failed(Errno::Ebusy),
        Err(_) => failed(Errno::Ebadf),
    }
}

/// `websocket_disconnect`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn websocket_disconnect(ws_sock: c_int) -> c_int {
    disconnect(ws_sock, CloseCode::NORMAL.0, "")
}

/// `ws_close`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn ws_close(ws: c_int) -> c_int {
    websocket_disconnect(ws)
}

/// `ws_close_with`.
///
/// # Safety
/// As ws.h asks for: `reason` is NULL or a text.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ws_close_with(
    ws: c_int,
    code: u16,
    reason: *const c_char,
) -> c_int {
    let reason = if reason.is_null() {
        Some("")
    } else {
        // SAFETY: as ws.h asks for.
        unsafe { ffi::text(reason) }
    };
    match reason {
        Some(reason) if CloseCode(code).is_valid_on_wire() => disconnect(ws, code, reason),
        _ => failed(Errno::Einval),
    }
}

/// `websocket_register`.
///
/// # Safety
/// As websocket.h asks for: `recv_buf` is lent until the connection ends.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn websocket_register(
    http_sock: c_int,
    recv_buf: *mut u8,
    recv_buf_len: usize,
) -> c_int {
    // SAFETY: as websocket.h asks for.
    let buffer = unsafe { ffi::buffer(recv_buf, recv_buf_len) };
    let buffer = buffer.and_then(|buffer| Buffer::new(buffer).ok());
    let (Some(buffer), 0..) = (buffer, http_sock) else {
        return failed(Errno::Einval);
    };
    let socket = TcpSocket {
        number: http_sock,
        owned: false,
    };
    match table().register(socket, Role::Server, Some(buffer), 0) {
        Ok(ws) => ws.to_raw(),
        Err((error, _)) => failed(error.errno()),
    }
}

/// `websocket_unregister`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn websocket_unregister(ws_sock: c_int) -> c_int {
    match end(ws_sock, CloseCode::NORMAL.0, "") {
        Ok(socket) => {
            close_raw(socket.number);
            0
        }
        Err(error) => failed(error.errno()),
    }
}

/// `ws_poll`.
///
/// # Safety
/// As ws.h asks for: `fds` has `count` elements.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ws_poll(fds: *mut PollFd, count: usize, timeout: i32) -> c_int {
    let blank = PollItem::new(WebSocketId::from_raw(-1), Events(0));
    let mut items = [blank; WAITS];
    let Some(items) = items.get_mut(..count) else {
        return failed(Errno::Einval);
    };
    if fds.is_null() && count > 0 {
        return failed(Errno::Einval);
    }
    let fds: &mut [PollFd] = if count == 0 {
        &mut []
    } else {
        // SAFETY: not NULL, and of `count` elements as ws.h asks for.
        unsafe { core::slice::from_raw_parts_mut(fds, count) }
    };
    for (item, fd) in items.iter_mut().zip(fds.iter()) {
        let wanted = Events(fd.events.cast_unsigned());
        *item = PollItem::new(WebSocketId::from_raw(fd.ws), wanted);
    }
    let ready = table().poll(items, timeout);
    for (item, fd) in items.iter().zip(fds.iter_mut()) {
        fd.revents = item.revents.0.cast_signed();
    }
    length(ready)
}

/// `ws_send`.
///
/// # Safety
/// As ws.h asks for: `data` is readable for `len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ws_send(
    ws: c_int,
    data: *const u8,
    len: usize,
    timeout: i32,
) -> c_int {
    // SAFETY: as ws.h asks for.
    let data = unsafe { ffi::bytes(data, len.min(c_int::MAX as usize)) };
    let Some(data) = data else {
        return failed(Errno::Einval);
    };
    match table().send(WebSocketId::from_raw(ws), data, timeout) {
        Ok(sent) => length(sent),
        Err(error) => failed(error.errno()),
    }
}

/// `ws_recv`.
///
/// # Safety
/// As ws.h asks for: `data` is writable for `len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ws_recv(
    ws: c_int,
    data: *mut u8,
    len: usize,
    timeout: i32,
) -> c_int {
    // SAFETY: as ws.h asks for.
    let buffer = unsafe { ffi::buffer(data, len.min(c_int::MAX as usize)) };
    let Some(buffer) = buffer else {
        return failed(Errno::Einval);
    };
    match table().recv(WebSocketId::from_raw(ws), buffer, timeout) {
        Ok(count) => length(count),
        Err(ReceiveError::Closed(_) | ReceiveError::Lost | ReceiveError::NotConnected) => 0,
        Err(error) => failed(error.errno()),
    }
}

/// `ws_close_code`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn ws_close_code(ws: c_int) -> c_int {
    match table().close_code(WebSocketId::from_raw(ws)) {
        Ok(code) => code.map_or(0, |code| code.0.into()),
        Err(HandleError::Busy) => failed(Errno::Ebusy),
        Err(_) => failed(Errno::Ebadf),
    }
}
