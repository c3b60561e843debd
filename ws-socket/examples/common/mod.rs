//! What the examples share: the operating system's sockets, clock and randomness.
#![allow(dead_code)] // not every example needs all of it

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use embedded_nal::{TcpClientStack, TcpFullStack};
use ws_socket::stack::{StdError, StdSocket, StdStack};
use ws_socket::{Platform, WebSockets};

/// A table of 16 slots over the operating system's sockets.
pub type Table = WebSockets<'static, StdStack, Host, 16>;

/// The host as a platform.
pub struct Host(Instant);

impl Platform<StdStack> for Host {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    // Good enough for a server, which masks nothing. A client needs the system's generator.
    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        for byte in bytes {
            *byte = RandomState::new().hash_one(0) as u8;
        }
        Ok(())
    }

    fn wait(&mut self, _: &mut StdStack, at_most_ms: u32) {
        std::thread::sleep(Duration::from_millis(at_most_ms.min(1).into()));
    }
}

/// A table with a buffer for each slot, and a socket that listens on `port` of the loopback
/// address (0 picks a port).
pub fn listen(port: u16) -> Result<(Table, StdSocket), StdError> {
    let mut stack = StdStack::new().with_bind_addr([127, 0, 0, 1].into());
    let mut listener = stack.socket()?;
    stack.bind(&mut listener, port)?;
    stack.listen(&mut listener)?;
    let buffers = [(); 16].map(|()| &mut *Box::leak(Box::new([0; 1024])));
    let table = Table::new(stack, Host(Instant::now())).with_buffers(buffers);
    Ok((table, listener))
}
