//! A TCP stack and a platform in memory, for measurements: what the peer sends is known beforehand,
//! and how slow the stack is can be chosen. It takes next to no stack of its own.

use core::net::{Ipv4Addr, SocketAddr};

use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, nb};
use ws_socket::Platform;

/// What a call on the stack may do, and what its peer sends.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// What the peer sends first.
    pub head: &'static [u8],
    /// How many zeros it sends behind that.
    pub zeros: usize,
    /// How many bytes a call moves at most.
    pub piece: usize,
    /// How many calls in a row block before one moves something.
    pub blocks: u32,
}

/// The stack. Its socket is a number.
#[derive(Debug)]
pub struct Scripted {
    script: Script,
    blocked: u32,
}

/// Its one error: a call that has no place in a script.
#[derive(Debug)]
pub struct Unscripted;

impl TcpError for Unscripted {
    fn kind(&self) -> TcpErrorKind {
        TcpErrorKind::Other
    }
}

impl Scripted {
    /// A stack that follows a script.
    pub const fn new(script: Script) -> Self {
        Self { script, blocked: 0 }
    }

    /// Is all that the peer sends received?
    pub const fn is_received(&self) -> bool {
        self.script.head.is_empty() && self.script.zeros == 0
    }

    /// How many bytes of `length` a call moves.
    fn moves(&mut self, length: usize) -> nb::Result<usize, Unscripted> {
        if self.blocked < self.script.blocks {
            self.blocked += 1;
            return Err(nb::Error::WouldBlock);
        }
        self.blocked = 0;
        Ok(length.min(self.script.piece))
    }
}

impl TcpClientStack for Scripted {
    type TcpSocket = u32;
    type Error = Unscripted;

    fn socket(&mut self) -> Result<u32, Unscripted> {
        Ok(0)
    }

    #[inline(never)]
    fn connect(&mut self, _: &mut u32, _: SocketAddr) -> nb::Result<(), Unscripted> {
        Ok(())
    }

    #[inline(never)]
    fn send(&mut self, _: &mut u32, buffer: &[u8]) -> nb::Result<usize, Unscripted> {
        self.moves(buffer.len())
    }

    #[inline(never)]
    fn receive(&mut self, _: &mut u32, buffer: &mut [u8]) -> nb::Result<usize, Unscripted> {
        if self.is_received() {
            return Err(nb::Error::WouldBlock);
        }
        let room = self.moves(buffer.len())?;
        let Script { head, zeros, .. } = &mut self.script;
        if head.is_empty() {
            let count = room.min(*zeros);
            buffer[..count].fill(0);
            *zeros -= count;
            return Ok(count);
        }
        let count = room.min(head.len());
        let (now, later) = head.split_at(count);
        buffer[..count].copy_from_slice(now);
        *head = later;
        Ok(count)
    }

    #[inline(never)]
    fn close(&mut self, _: u32) -> Result<(), Unscripted> {
        Ok(())
    }
}

impl TcpFullStack for Scripted {
    fn bind(&mut self, _: &mut u32, _: u16) -> Result<(), Unscripted> {
        Ok(())
    }

    fn listen(&mut self, _: &mut u32) -> Result<(), Unscripted> {
        Ok(())
    }

    #[inline(never)]
    fn accept(&mut self, _: &mut u32) -> nb::Result<(u32, SocketAddr), Unscripted> {
        if self.is_received() {
            return Err(nb::Error::WouldBlock);
        }
        Ok((0, (Ipv4Addr::LOCALHOST, 80).into()))
    }
}

/// A platform on which time goes by only while a call waits, and whose randomness is the nonce of
/// RFC 6455 section 1.3: the answer to it is known beforehand.
#[derive(Debug, Default)]
pub struct Timeless {
    now_ms: u32,
    wait: u32,
}

impl Timeless {
    /// One whose waits take so many turns of a loop.
    pub const fn waiting(wait: u32) -> Self {
        Self { now_ms: 0, wait }
    }
}

impl<S> Platform<S> for Timeless {
    fn now_ms(&mut self) -> u32 {
        self.now_ms
    }

    #[inline(never)]
    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        for (byte, nonce) in bytes.iter_mut().zip(b"the sample nonce".iter().cycle()) {
            *byte = *nonce;
        }
        Ok(())
    }

    #[inline(never)]
    fn wait(&mut self, _: &mut S, _: u32) {
        self.now_ms += 1;
        for turn in 0..self.wait {
            core::hint::black_box(turn);
        }
    }
}
