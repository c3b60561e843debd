//! What the table needs of its surroundings besides a TCP stack.

use embedded_nal::TcpClientStack;

use crate::RandomError;

/// What a call waits for: see [`Platform::wait_for`].
///
/// Where neither `read` nor `write` is set it is something that no socket tells: another task that has
/// the connection for a moment, a socket of the stack that comes free. Look again after a millisecond or
/// a tick then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited<'a, T> {
    /// On this TCP socket; `None` where several are waited for, a listening one, a name, or one that
    /// other tasks use meanwhile.
    pub socket: Option<&'a T>,
    /// That it can be read from (or has ended).
    pub read: bool,
    /// That it takes more.
    pub write: bool,
}

/// Time, randomness and a way to wait: three methods, and no more of a chip than that.
///
/// `S` is the stack, which [`wait`](Self::wait) can reach.
pub trait Platform<S: ?Sized> {
    /// A clock in milliseconds, from any origin; it may wrap from `u32::MAX` to 0.
    ///
    /// It counts on while the device sleeps, and does not go back. It may count in steps (of 10 ms,
    /// say): waits are that much longer then. It has to be read at least once in 24 days while a
    /// call waits.
    ///
    /// A clock that goes back all the same, by a millisecond or by hours, ends no wait early: a call
    /// loses the time since its last look at the clock, a handshake or a keepalive begins its time
    /// anew at the most. A clock that jumps ahead ends waits early.
    fn now_ms(&mut self) -> u32;

    /// Fills `bytes` with randomness that a peer cannot predict: mask keys (RFC 6455 section 5.3)
    /// and handshake keys (section 4.1) come from it.
    ///
    /// # Errors
    /// [`RandomError`] where the source fails, whatever is in `bytes` then. A call that needs a key
    /// fails with an error of the same name (`EIO`): no key is made up, nothing is sent, the
    /// connection goes on. A Pong or Close of ours that is due stays due, and the next call tries
    /// again.
    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError>;

    /// Runs whenever a call has nothing to do but wait, with the milliseconds it may wait at most
    /// (`u32::MAX` where there is no limit; 0 asks to make what progress can be made at once). It
    /// polls a stack that has to be polled, sleeps until an interrupt or a readiness event, yields
    /// to other tasks, or simply returns: then the call spins.
    fn wait(&mut self, stack: &mut S, at_most_ms: u32);

    /// [`wait`](Self::wait), told what for: what wakes a system by readiness of sockets (`poll`, `epoll`,
    /// lwIP's `select`) need not guess. The default calls `wait`. A platform whose `wait` sleeps until
    /// something can be *read* has to look at [`Awaited::write`] here: else a send over a full wire
    /// sleeps until its timeout.
    fn wait_for(&mut self, stack: &mut S, awaited: Awaited<'_, S::TcpSocket>, at_most_ms: u32)
    where
        S: TcpClientStack,
    {
        let _ = awaited;
        self.wait(stack, at_most_ms);
    }

    /// Gives a connection up whose opening handshake failed: nothing on it is worth waiting for.
    /// The default is the stack's `close`, which may keep the socket until the peer has closed, too.
    /// A stack that can reset the connection does so here: `SmoltcpStack::abort`.
    fn abort(&mut self, stack: &mut S, socket: S::TcpSocket)
    where
        S: TcpClientStack,
    {
        let _ = stack.close(socket);
    }

    /// SHA-1 over `key` and [`GUID`](crate::handshake::GUID) after it, for the accept value
    /// (section 4.2.2): 60 bytes in all. The default is software; a chip's hash unit stands in by
    /// overriding it. Without the features `crates-hash` and `compact` there is no default.
    #[cfg(any(feature = "crates-hash", feature = "compact"))]
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        ws_core::handshake::Sha1::sha1(&mut ws_core::handshake::SoftSha1, key)
    }

    /// SHA-1 over `key` and [`GUID`](crate::handshake::GUID) after it, for the accept value
    /// (section 4.2.2).
    #[cfg(not(any(feature = "crates-hash", feature = "compact")))]
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20];
}

impl<S: ?Sized, P: Platform<S> + ?Sized> Platform<S> for &mut P {
    fn now_ms(&mut self) -> u32 {
        P::now_ms(self)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        P::fill_random(self, bytes)
    }

    fn wait(&mut self, stack: &mut S, at_most_ms: u32) {
        P::wait(self, stack, at_most_ms);
    }

    fn wait_for(&mut self, stack: &mut S, awaited: Awaited<'_, S::TcpSocket>, at_most_ms: u32)
    where
        S: TcpClientStack,
    {
        P::wait_for(self, stack, awaited, at_most_ms);
    }

    fn abort(&mut self, stack: &mut S, socket: S::TcpSocket)
    where
        S: TcpClientStack,
    {
        P::abort(self, stack, socket);
    }

    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        P::sha1(self, key)
    }
}
