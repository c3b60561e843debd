//! The server's handshake: one connection after another, each read into the buffer it will have.

use core::ffi::{c_char, c_int};

use embedded_nal::nb;
use ws_socket::handshake::{Response, Rules, ServerHandshake, SoftSha1};
use ws_socket::{Buffer, Errno, Platform, Role};

use crate::ffi::{self, Texts};
use crate::port::{Stack, System, TcpSocket, close_raw, contexts, failed};

/// The longest request.
const MAX_HANDSHAKE: u16 = 8192;
/// What is read of it at a time, so that a buffer holds what came after it.
const PIECE: usize = 64;

/// The end of a call's time.
struct Deadline {
    since: u32,
    millis: Option<u32>,
}

impl Deadline {
    fn new(timeout: i32) -> Self {
        Self {
            since: System.now_ms(),
            millis: u32::try_from(timeout).ok(),
        }
    }

    fn left(&self) -> u32 {
        let passed = System.now_ms().wrapping_sub(self.since);
        self.millis
            .map_or(u32::MAX, |millis| millis.saturating_sub(passed))
    }

    /// Waits for what would have blocked; false where the time is over.
    fn wait(&self, stack: &mut Stack) -> bool {
        let left = self.left();
        System.wait(stack, left);
        left > 0
    }
}

/// `ws_accept`.
///
/// # Safety
/// As ws.h asks for: `buf` is lent until the connection ends, `protocols` is NULL or a list of texts.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ws_accept(
    listening: c_int,
    buf: *mut u8,
    len: usize,
    protocols: *const *const c_char,
    timeout: i32,
) -> c_int {
    // SAFETY: as ws.h asks for.
    let (buffer, names) = unsafe { (ffi::buffer(buf, len), Texts::new(protocols)) };
    let buffer = buffer.filter(|buffer| buffer.len() >= Buffer::MIN);
    let (Some(buffer), 0..) = (buffer, listening) else {
        return failed(Errno::Einval);
    };
    let mut supported = [""; 16];
    let mut count = 0;
    for name in names.iter() {
        match (name, supported.get_mut(count)) {
            (None, _) => return failed(Errno::Einval),
            (_, None) => return failed(Errno::Enospc),
            (Some(name), Some(slot)) => *slot = name,
        }
        count += 1;
    }
    let rules = Rules {
        subprotocols: supported.get(..count).unwrap_or_default(),
        ..Rules::NONE
    };
    let deadline = Deadline::new(timeout);
    let mut stack = Stack::new();
    loop {
        let sock = match stack.accept_raw(listening) {
            Ok(sock) => sock,
            Err(nb::Error::Other(_)) => return failed(Errno::Eio),
            Err(nb::Error::WouldBlock) if deadline.wait(&mut stack) => continue,
            Err(nb::Error::WouldBlock) => return failed(Errno::Eagain),
        };
        let Some(buffered) = shake_hands(&mut stack, sock, &rules, buffer, &deadline) else {
            close_raw(sock);
            continue;
        };
        let socket = TcpSocket {
            number: sock,
            owned: true,
        };
        let lent = Buffer::new(buffer).ok();
        let registered = contexts(stack).register(socket, Role::Server, lent, buffered);
        return match registered {
            Ok(ws) => ws.to_raw(),
            Err((error, _)) => {
                close_raw(sock);
                failed(error.errno())
            }
        };
    }
}

/// How many bytes behind the request are at the front of `buffer`; `None` where there is no
/// connection.
fn shake_hands(
    stack: &mut Stack,
    sock: c_int,
    rules: &Rules<'_>,
    buffer: &mut [u8],
    deadline: &Deadline,
) -> Option<usize> {
    let mut handshake = ServerHandshake::new(MAX_HANDSHAKE);
    let (rest, requested) = loop {
        let piece = buffer.get_mut(..PIECE)?;
        let count = match stack.receive_raw(sock, piece) {
            Ok(0) | Err(nb::Error::Other(_)) => return None,
            Ok(count) => count,
            Err(nb::Error::WouldBlock) if deadline.wait(stack) => continue,
            Err(nb::Error::WouldBlock) => return None,
        };
        let bytes = buffer.get(..count)?;
        match handshake.receive(rules, &mut SoftSha1, bytes, &mut |_| {}) {
            Ok((_, None)) => {}
            Ok((taken, Some(requested))) => break (taken..count, Ok(requested)),
            Err(error) => break (0..0, Err(error)),
        }
    };
    let response = match requested {
        Ok(requested) => Response::Upgrade {
            subprotocol: requested
                .subprotocol
                .and_then(|index| rules.subprotocols.get(usize::from(index)).copied()),
            headers: &[],
        },
        Err(error) => Response::Refuse {
            status: error.status(),
            headers: &[],
        },
    };
    let mut scratch = [0; 64];
    loop {
        let count = handshake.fill(&response, &mut scratch);
        let bytes = scratch.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        match stack.send_raw(sock, bytes) {
            Ok(count) => handshake.sent(count),
            Err(nb::Error::WouldBlock) if deadline.wait(stack) => {}
            Err(_) => return None,
        }
    }
    let length = rest.len();
    buffer.copy_within(rest, 0);
    requested.ok().map(|_| length)
}
