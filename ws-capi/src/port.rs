//! The program's port as an `embedded_nal` stack and a platform, its lock as a critical section, and
//! the one table of contexts.

use core::ffi::c_int;
use core::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpErrorKind, nb};
use ws_socket::{Errno, Platform, RandomError, SharedWebSockets, Table};

use crate::ffi::{self, Call, Port, Wait, ws_port};

/// Contexts: `WS_CAPI_CONTEXTS` in the environment of the build.
const CONTEXTS: usize = match option_env!("WS_CAPI_CONTEXTS") {
    Some(number) => parse(number.as_bytes()),
    None => 8,
};

const fn parse(mut digits: &[u8]) -> usize {
    let mut number = 0;
    while let [digit, rest @ ..] = digits {
        assert!(digit.is_ascii_digit(), "WS_CAPI_CONTEXTS is no number");
        number = number * 10 + (*digit - b'0') as usize;
        digits = rest;
    }
    assert!(number > 0, "WS_CAPI_CONTEXTS is 0");
    number
}

static TABLE: SharedWebSockets<'static, TcpSocket, CONTEXTS> = SharedWebSockets::new();

/// The table for one call.
pub(crate) type Contexts<'c> =
    Table<'static, Stack, System, &'c SharedWebSockets<'static, TcpSocket, CONTEXTS>>;

/// The table for one call, over a stack of its own.
pub(crate) fn contexts(stack: Stack) -> Contexts<'static> {
    TABLE.attach(stack, System).refusing_duplicates()
}

fn port() -> &'static Port {
    // SAFETY: a constant of the program's, of this layout (ws.h).
    unsafe { &ws_port }
}

/// Negative, and of the number that the program's <errno.h> has for it.
pub(crate) fn failed(errno: Errno) -> c_int {
    let code = match errno {
        Errno::Enoent => 0,
        Errno::Eio => 1,
        Errno::Ebadf => 2,
        Errno::Eagain => 3,
        Errno::Ebusy => 4,
        Errno::Eexist => 5,
        Errno::Einval => 6,
        Errno::Enospc => 7,
        Errno::Eproto => 8,
        Errno::Econnaborted => 9,
        Errno::Etimedout => 10,
        Errno::Ealready => 11,
        Errno::Emsgsize => 12,
        Errno::Enotconn => 13,
    };
    // SAFETY: a constant of ws_glue.c.
    let numbers = unsafe { &ffi::ws_glue_errno };
    numbers.get(code).map_or(c_int::MIN, |number| -*number)
}

/// A TCP socket of the program's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TcpSocket {
    pub(crate) number: c_int,
    /// The library's to close: `ws_accept` took it.
    pub(crate) owned: bool,
}

/// What became of a socket call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

impl embedded_nal::TcpError for Failed {
    fn kind(&self) -> TcpErrorKind {
        TcpErrorKind::PipeClosed
    }
}

impl core::fmt::Display for Failed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the port failed")
    }
}

impl core::error::Error for Failed {}

/// A count of the port's.
fn count(result: c_int, most: usize) -> nb::Result<usize, Failed> {
    match usize::try_from(result) {
        Ok(count) if count <= most => Ok(count),
        Err(_) if result == -1 => Err(nb::Error::WouldBlock),
        _ => Err(nb::Error::Other(Failed)),
    }
}

/// How many sockets a call may wait for: `WS_POLL_MAX`.
pub(crate) const WAITS: usize = 32;

const IN: c_int = 1;
const OUT: c_int = 4;

/// The port's sockets, for one call.
pub(crate) struct Stack {
    /// What would have blocked since the last wait.
    waits: [Wait; WAITS],
    count: usize,
    pub(crate) splice: Option<Splice>,
}

/// A request into which `optional_headers_cb` writes lines of its own: after Host, where Zephyr has
/// them.
pub(crate) struct Splice {
    pub(crate) call: *mut Call,
    /// Lines that are to go out first.
    lines: u8,
    /// What it returned, where that was negative.
    pub(crate) refused: Option<c_int>,
}

impl Splice {
    pub(crate) const fn new(call: *mut Call) -> Self {
        Self {
            call,
            lines: 2,
            refused: None,
        }
    }
}

impl Stack {
    pub(crate) const fn new() -> Self {
        Self {
            waits: [Wait { sock: 0, events: 0 }; WAITS],
            count: 0,
            splice: None,
        }
    }

    fn blocked(&mut self, sock: c_int, events: c_int) {
        let (known, free) = self.waits.split_at_mut(self.count.min(WAITS));
        if let Some(wait) = known.iter_mut().find(|wait| wait.sock == sock) {
            wait.events |= events;
        } else if let Some(wait) = free.first_mut() {
            *wait = Wait { sock, events };
            self.count += 1;
        }
    }

    pub(crate) fn send_raw(&mut self, sock: c_int, bytes: &[u8]) -> nb::Result<usize, Failed> {
        // SAFETY: as ws.h asks of a port: it reads `len` bytes.
        let sent = port().send.map_or(-2, |send| unsafe {
            send(sock, bytes.as_ptr(), bytes.len())
        });
        let sent = match count(sent, bytes.len()) {
            Ok(0) => Err(nb::Error::WouldBlock),
            sent => sent,
        };
        if sent == Err(nb::Error::WouldBlock) {
            self.blocked(sock, OUT);
        }
        sent
    }

    pub(crate) fn receive_raw(
        &mut self,
        sock: c_int,
        bytes: &mut [u8],
    ) -> nb::Result<usize, Failed> {
        // SAFETY: as ws.h asks of a port: it writes at most `len` bytes.
        let received = port().recv.map_or(-2, |recv| unsafe {
            recv(sock, bytes.as_mut_ptr(), bytes.len())
        });
        let received = count(received, bytes.len());
        if received == Err(nb::Error::WouldBlock) {
            self.blocked(sock, IN);
        }
        received
    }

    /// A connection of a listening socket's.
    pub(crate) fn accept_raw(&mut self, listening: c_int) -> nb::Result<c_int, Failed> {
        // SAFETY: as ws.h asks of a port.
        let taken = port()
            .accept
            .map_or(-2, |accept| unsafe { accept(listening) });
        let taken = match taken {
            0.. => Ok(taken),
            -1 => Err(nb::Error::WouldBlock),
            _ => Err(nb::Error::Other(Failed)),
        };
        if taken == Err(nb::Error::WouldBlock) {
            self.blocked(listening, IN);
        }
        taken
    }
}

pub(crate) fn close_raw(sock: c_int) {
    if let Some(close) = port().close {
        // SAFETY: as ws.h asks of a port.
        unsafe { close(sock) }
    }
}

impl TcpClientStack for Stack {
    type TcpSocket = TcpSocket;
    type Error = Failed;

    fn socket(&mut self) -> Result<TcpSocket, Failed> {
        Err(Failed)
    }

    fn connect(&mut self, _: &mut TcpSocket, _: SocketAddr) -> nb::Result<(), Failed> {
        Err(nb::Error::Other(Failed))
    }

    fn send(&mut self, socket: &mut TcpSocket, bytes: &[u8]) -> nb::Result<usize, Failed> {
        let Some(lines @ 1..) = self.splice.as_ref().map(|splice| splice.lines) else {
            return self.send_raw(socket.number, bytes);
        };
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let end = ends.map(|(at, _)| at + 1).nth(usize::from(lines) - 1);
        let first = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
        let sent = self.send_raw(socket.number, first)?;
        let gone = first.iter().take(sent).filter(|byte| **byte == b'\n');
        let gone = gone.count();
        if let Some(splice) = &mut self.splice {
            splice.lines = splice.lines.saturating_sub(u8::try_from(gone).unwrap_or(2));
            if splice.lines == 0 {
                // SAFETY: the call of C's that this one serves lasts.
                let result = unsafe { ffi::ws_glue_headers(splice.call) };
                if result < 0 {
                    splice.refused = Some(result);
                    return Err(nb::Error::Other(Failed));
                }
            }
        }
        Ok(sent)
    }

    fn receive(&mut self, socket: &mut TcpSocket, bytes: &mut [u8]) -> nb::Result<usize, Failed> {
        if let Some(Splice {
            refused: Some(_), ..
        }) = self.splice
        {
            return Err(nb::Error::Other(Failed));
        }
        self.receive_raw(socket.number, bytes)
    }

    /// A TCP socket of the program's stays the program's.
    fn close(&mut self, socket: TcpSocket) -> Result<(), Failed> {
        if socket.owned {
            close_raw(socket.number);
        }
        Ok(())
    }
}

/// The port's clock, randomness and way to wait.
pub(crate) struct System;

/// The longest wait in one piece: what another thread did to the id shows after it.
const LONGEST: u32 = 50;

impl Platform<Stack> for System {
    fn now_ms(&mut self) -> u32 {
        // SAFETY: as ws.h asks of a port.
        port().now_ms.map_or(0, |now| unsafe { now() })
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        // SAFETY: as ws.h asks of a port: it writes `len` bytes.
        let result = port().random.map_or(-1, |random| unsafe {
            random(bytes.as_mut_ptr(), bytes.len())
        });
        if result == 0 {
            Ok(())
        } else {
            Err(RandomError)
        }
    }

    fn wait(&mut self, stack: &mut Stack, at_most_ms: u32) {
        let waits = stack.waits.get(..stack.count).unwrap_or_default();
        // Without a socket it was another thread that had the context: for a moment.
        let longest = if waits.is_empty() { 1 } else { LONGEST };
        if let Some(wait) = port().wait {
            // SAFETY: as ws.h asks of a port: it reads `count` elements.
            unsafe { wait(waits.as_ptr(), waits.len(), at_most_ms.min(longest)) }
        }
        stack.count = 0;
    }
}

struct Lock;

critical_section::set_impl!(Lock);

// SAFETY: the port's lock keeps others out, as ws.h asks; a port without one is that of a program
// without threads. Nothing here takes it twice.
unsafe impl critical_section::Impl for Lock {
    unsafe fn acquire() -> critical_section::RawRestoreState {
        if let Some(lock) = port().lock {
            // SAFETY: as ws.h asks of a port.
            unsafe { lock() }
        }
        Default::default()
    }

    unsafe fn release(_: critical_section::RawRestoreState) {
        if let Some(unlock) = port().unlock {
            // SAFETY: as ws.h asks of a port.
            unsafe { unlock() }
        }
    }
}
