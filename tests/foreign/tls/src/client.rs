//! The client of the tests: `ws-tls` with one authority, and no clock where a test wants none.

use embedded_io::{Read, Write};
use rand_core::{OsRng, RngCore};
use ws_socket::asynch::Clock;
use ws_tls::{Error, Memory, NoClockSoExpiredIsAccepted, RandomError, Server, asynch};

/// Milliseconds from any origin; they may wrap.
pub type Now = fn() -> u32;

/// What blocks.
pub type Tls<'m, T> = ws_tls::Stream<'m, T, Now>;

/// When the firmware was built: 2020-06-01.
pub const BUILT: u64 = 1_590_969_600;

/// The system's randomness.
pub fn random(bytes: &mut [u8]) -> Result<(), RandomError> {
    OsRng.try_fill_bytes(bytes).map_err(|_| RandomError)
}

fn no_clock() -> NoClockSoExpiredIsAccepted {
    NoClockSoExpiredIsAccepted { built: BUILT }
}

/// TLS over a stream that blocks, with a server for which `ca` vouches, by who has no clock.
pub fn secure<'m, T: Read + Write, const RECORD: usize, const WRITE: usize>(
    tcp: T,
    memory: &'m mut Memory<RECORD, WRITE>,
    host: &str,
    ca: &[u8],
    timeout: u32,
    now: Now,
) -> Result<Tls<'m, T>, Error> {
    let anchors = [ca];
    let server = Server::new(host, &anchors, no_clock())?;
    ws_tls::connect(tcp, memory, &server, random, timeout, now)
}

/// TLS over an async stream, likewise.
pub async fn secure_async<'m, 'b, T, const RECORD: usize, const WRITE: usize>(
    tcp: T,
    memory: &'b mut asynch::Memory<RECORD, WRITE>,
    place: &'m mut asynch::Place<'b, T>,
    host: &str,
    ca: &[u8],
    timeout: u32,
    clock: impl Clock,
) -> Result<asynch::Stream<'m, 'b, T>, Error>
where
    T: embedded_io_async::Read + embedded_io_async::Write,
{
    let anchors = [ca];
    let server = Server::new(host, &anchors, no_clock())?;
    asynch::connect(tcp, memory, place, &server, random, timeout, clock).await
}

pub use asynch::{Memory as AsyncMemory, Place, Stream as AsyncStream};
