//! The client's handshake.

use core::ffi::c_int;

use ws_socket::handshake::{HeadPart, Headers, Host, Request};
use ws_socket::{Buffer, Errno, WebSocketId, WebSocketRequest};

use crate::ffi::{self, Call, GlueRequest, Texts};
use crate::port::{Splice, Stack, TcpSocket, contexts, failed};

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

/// A line of `optional_headers`, with or without its end.
fn header(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_suffix("\r\n").unwrap_or(line);
    let (name, value) = line.split_once(':')?;
    Some((name, value.trim_matches([' ', '\t'])))
}

/// The subprotocols that the lines offer; -EINVAL where a line is none.
fn offered(lines: Texts, out: &mut [&str; 17]) -> Result<usize, Errno> {
    let mut count = 0;
    for line in lines.iter() {
        let (name, value) = line.and_then(header).ok_or(Errno::Einval)?;
        if name.eq_ignore_ascii_case(PROTOCOL) {
            for protocol in value.split(',') {
                let slot = out.get_mut(count).ok_or(Errno::Enospc)?;
                *slot = protocol.trim_matches([' ', '\t']);
                count += 1;
            }
        }
    }
    Ok(count)
}

/// `websocket_connect`, behind the part in C.
///
/// # Safety
/// As ws_glue.c calls it: what `request` points to is as websocket.h asks for.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ws_glue_connect(
    sock: c_int,
    request: &GlueRequest,
    timeout: i32,
    call: *mut Call,
) -> c_int {
    // SAFETY: texts, and a buffer that is lent until the connection ends.
    let (host, url, buffer, lines) = unsafe {
        (
            ffi::text(request.host),
            ffi::text(request.url),
            ffi::buffer(request.buffer, request.buffer_len),
            Texts::new(request.headers),
        )
    };
    let buffer = buffer.and_then(|buffer| Buffer::new(buffer).ok());
    let (Some(host), Some(url), Some(buffer)) = (host, url, buffer) else {
        return failed(Errno::Einval);
    };
    let mut protocols = [""; 17];
    let count = match offered(lines, &mut protocols) {
        Ok(count) => count,
        Err(errno) => return failed(errno),
    };
    let headers = move |headers: &mut Headers<'_>| {
        for (name, value) in lines.iter().flatten().filter_map(header) {
            if !name.eq_ignore_ascii_case(PROTOCOL) {
                headers.add(name, value);
            }
        }
    };
    let mut handshake = Request::new(Host::Text(host), url);
    handshake.subprotocols = protocols.get(..count).unwrap_or_default();
    handshake.headers = Some(&headers);

    let mut stack = Stack::new();
    if request.sends_headers != 0 {
        stack.splice = Some(Splice::new(call));
    }
    let mut table = contexts(stack);
    let mut status = 0;
    let mut wanted = true;
    let mut see = |part: c_int, status: u16, at: &[u8]| {
        // SAFETY: `call` is C's for as long as this call lasts; it reads `at` and keeps nothing.
        wanted &=
            unsafe { ffi::ws_glue_head(call, part, status.into(), at.as_ptr(), at.len()) } == 0;
    };
    let mut on_response = |part: HeadPart<'_>| match part {
        HeadPart::Status(found) => {
            status = found;
            see(0, found, &[]);
        }
        HeadPart::Name(name) => see(1, status, name),
        HeadPart::Value(value) => see(2, status, value),
        _ => {}
    };
    let request = WebSocketRequest::from_handshake(handshake)
        .on_response(&mut on_response)
        .buffer(buffer);
    let socket = TcpSocket {
        number: sock,
        owned: false,
    };
    let connected = table.connect(socket, request, timeout);
    if matches!(
        connected,
        Ok(_)
            | Err(ws_socket::ConnectError::Handshake(
                ws_socket::handshake::ClientError::Refused { .. }
            ))
    ) {
        see(3, status, &[]);
    }
    let ws = match connected {
        Ok(ws) => ws,
        Err(error) => {
            let refused = table.stack().splice.as_ref().and_then(|it| it.refused);
            return refused.unwrap_or_else(|| failed(error.errno()));
        }
    };
    let verdict = if wanted {
        // SAFETY: as above.
        unsafe { ffi::ws_glue_connected(call, ws.to_raw()) }
    } else {
        failed(Errno::Econnaborted)
    };
    if verdict < 0 {
        // The callback may have ended it itself; what is left goes, and TCP stays the program's.
        let _ = table.unregister(WebSocketId::from_raw(ws.to_raw()));
        return verdict;
    }
    ws.to_raw()
}
