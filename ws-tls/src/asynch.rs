//! Over an async stream.

use core::fmt;

use embassy_futures::select::{Either, select};
use embedded_io_async::{ErrorType, Read, Write};
use embedded_tls::{TlsConnection, TlsContext, TlsError};
use ws_socket::RandomError;
use ws_socket::asynch::{Clock, TlsBelow, TlsStream, TlsStreamError};

use crate::suite::Suite;
use crate::verify::Verify;
use crate::watch::{Notes, Watch};
use crate::{Error, Identity, Server};

/// What TLS works in, for one connection: as [`Memory`](crate::Memory), and a record of ours until TCP has
/// taken it.
#[derive(Debug)]
pub struct Memory<const RECORD: usize = 16_640, const WRITE: usize = 1_024> {
    whole: [u8; RECORD],
    read: [u8; RECORD],
    write: [u8; WRITE],
    out: [u8; WRITE],
    notes: Notes,
}

impl<const RECORD: usize, const WRITE: usize> Memory<RECORD, WRITE> {
    /// For a connection; then for the next.
    pub const fn new() -> Self {
        Self {
            whole: [0; RECORD],
            read: [0; RECORD],
            write: [0; WRITE],
            out: [0; WRITE],
            notes: Notes::new(),
        }
    }
}

impl<const RECORD: usize, const WRITE: usize> Default for Memory<RECORD, WRITE> {
    fn default() -> Self {
        Self::new()
    }
}

/// Where TCP is, while TLS is above it. Declare it behind the [`Memory`].
#[derive(Debug)]
pub struct Place<'b, T>(Option<TlsBelow<'b, Watch<'b, T>>>);

impl<T> Place<'_, T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self(None)
    }

    /// TCP back, once nothing is above it.
    pub fn into_stream(self) -> Option<T> {
        self.0.map(|below| below.into_stream().stream)
    }
}

impl<T> Default for Place<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A TLS connection to a server that was verified: a stream whose reads, writes and flushes may be dropped,
/// as those of TCP. [`TlsStream`] says what its calls mean.
///
/// It does not split: one task that receives and sends by `select` can do both. A future that holds it is not
/// `Send`. Dropped, it ends nothing: see [`close`](Self::close).
pub struct Stream<'m, 'b, T: Read + Write>(Inner<'m, 'b, T>);

type Inner<'m, 'b, T> = TlsStream<'m, 'b, Connection<'m, 'b, T>, Watch<'b, T>>;
type Connection<'m, 'b, T> = TlsConnection<'m, &'m TlsBelow<'b, Watch<'b, T>>, Suite>;

/// Opens TLS over `tcp`, which is connected, with the server that is wanted.
///
/// `tcp` is any stream: TCP, or what a proxy made of it. `random` fills a buffer with random bytes of a
/// quality that keys may be made of. `timeout` is for all of opening, in milliseconds of `clock`. Other
/// tasks run after every 2 records, whatever the server sends.
///
/// Dropped before its end, the connection has ended. TCP is in `place` then, as after an error.
///
/// # Errors
///
/// Each is final. None of the WebSocket went out.
pub async fn connect<'m, 'b, T, I, R, const RECORD: usize, const WRITE: usize>(
    tcp: T,
    memory: &'b mut Memory<RECORD, WRITE>,
    place: &'m mut Place<'b, T>,
    server: &Server<'_, I>,
    random: R,
    timeout: u32,
    clock: impl Clock,
) -> Result<Stream<'m, 'b, T>, Error>
where
    T: Read + Write,
    I: Identity,
    R: FnMut(&mut [u8]) -> Result<(), RandomError>,
{
    memory.notes = Notes::new();
    let notes = &memory.notes;
    let below = TlsBelow::new(Watch::new(tcp, notes), &mut memory.whole, &mut memory.out);
    let below = &*place.0.insert(below);
    let mut verify = Verify::new(server, random)?;
    let mut tls = Connection::new(below, &mut memory.read, &mut memory.write);
    let opened = {
        let config = verify.config(RECORD);
        let open = tls.open(TlsContext::new(&config, &mut verify));
        match select(open, clock.sleep_ms(timeout)).await {
            Either::First(opened) => opened,
            Either::Second(()) => return Err(Error::TimedOut),
        }
    };
    verify.verdict(opened, notes, RECORD)?;
    Ok(Stream(TlsStream::new(tls, below)))
}

impl<T: Read + Write> Stream<'_, '_, T> {
    /// Ends TLS (`close_notify`). TCP is in its [`Place`]. Give it a timeout.
    ///
    /// # Errors
    ///
    /// What TCP says.
    pub async fn close(self) -> Result<(), TlsError> {
        let closed = self.0.into_tls().close().await;
        closed.map(|_| ()).map_err(|(_, error)| error)
    }
}

impl<T: Read + Write> fmt::Debug for Stream<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl<T: Read + Write> ErrorType for Stream<'_, '_, T> {
    type Error = TlsStreamError<TlsError, T::Error>;
}

impl<T: Read + Write> Read for Stream<'_, '_, T> {
    /// Dropped, it has taken nothing away.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read(buffer).await
    }
}

impl<T: Read + Write> Write for Stream<'_, '_, T> {
    /// Dropped, it has taken nothing.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(bytes).await
    }

    /// Dropped, it goes on when called again, and with each read and write.
    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.0.flush().await
    }
}
