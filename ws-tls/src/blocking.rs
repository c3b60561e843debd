//! Over a stream that blocks.

use core::fmt;

use embedded_io::{ErrorType, Read, Write};
use embedded_tls::blocking::TlsConnection;
use embedded_tls::{FlushPolicy, TlsContext, TlsError};
use ws_socket::RandomError;
use ws_socket::stack::TlsRecords;

use crate::suite::Suite;
use crate::verify::Verify;
use crate::watch::{Notes, Watch};
use crate::{Error, Identity, Server};

/// What TLS works in, for one connection.
///
/// `RECORD` is the body of the longest record that this server makes, and has to do for its certificates, which
/// come in one record: 16,640 bytes is as long as they get (RFC 8446 section 5.2). Of a shorter one the
/// server is asked for shorter records (RFC 6066 section 4): of 4,096 bytes from 4,352 on, and half of that
/// each from 2,304, 1,280 and 768 on. OpenSSL keeps to it, rustls does not. `WRITE` less 128 is
/// what a record of ours holds; 512 does for opening, and more where the client has a certificate.
#[derive(Debug)]
pub struct Memory<const RECORD: usize = 16_640, const WRITE: usize = 1_024> {
    /// A record until it is whole.
    whole: [u8; RECORD],
    /// The same, decrypted in place.
    read: [u8; RECORD],
    write: [u8; WRITE],
    notes: Notes,
}

impl<const RECORD: usize, const WRITE: usize> Memory<RECORD, WRITE> {
    /// For a connection; then for the next.
    pub const fn new() -> Self {
        Self {
            whole: [0; RECORD],
            read: [0; RECORD],
            write: [0; WRITE],
            notes: Notes::new(),
        }
    }
}

impl<const RECORD: usize, const WRITE: usize> Default for Memory<RECORD, WRITE> {
    fn default() -> Self {
        Self::new()
    }
}

/// A TLS connection to a server that was verified: a stream, for
/// [`BlockingStreams`](ws_socket::stack::BlockingStreams).
///
/// Each write is a record of its own. A read says `TimedOut` where the stream below has nothing, and
/// `Interrupted` after every 2 records: ask once more. [`TlsRecords`] says what can be gone on with.
///
/// Dropped, it ends nothing: see [`close`](Self::close).
pub struct Stream<'m, T: Read + Write, C: FnMut() -> u32>(Connection<'m, T, C>);

type Connection<'m, T, C> = TlsConnection<'m, TlsRecords<'m, Watch<'m, T>, C>, Suite>;

/// Opens TLS over `tcp`, which is connected, with the server that is wanted.
///
/// `tcp` is any stream: TCP, or what a proxy made of it. Its reads say `TimedOut` where nothing came for a
/// short time, 20 ms say; the shorter, the more exactly all timeouts hold. A write that blocks needs a time
/// limit of its own.
///
/// `random` fills a buffer with random bytes of a quality that keys may be made of. `timeout` is for all of
/// opening, in milliseconds of `now`: 24 days at most. `now` may wrap.
///
/// # Errors
///
/// Each is final. None of the WebSocket went out, and `tcp` is dropped.
pub fn connect<'m, T, I, R, C, const RECORD: usize, const WRITE: usize>(
    tcp: T,
    memory: &'m mut Memory<RECORD, WRITE>,
    server: &Server<'_, I>,
    random: R,
    timeout: u32,
    now: C,
) -> Result<Stream<'m, T, C>, Error>
where
    T: Read + Write,
    I: Identity,
    R: FnMut(&mut [u8]) -> Result<(), RandomError>,
    C: FnMut() -> u32,
{
    memory.notes = Notes::new();
    let notes = &memory.notes;
    let mut verify = Verify::new(server, random)?;
    let records = TlsRecords::blocking(Watch::new(tcp, notes), &mut memory.whole, timeout, now);
    let mut tls = Connection::new(records, &mut memory.read, &mut memory.write);
    tls.set_flush_policy(FlushPolicy::Relaxed); // TCP sends by itself
    let opened = {
        let config = verify.config(RECORD);
        tls.open(TlsContext::new(&config, &mut verify))
    };
    verify.verdict(opened, notes, RECORD)?;
    Ok(Stream(tls))
}

impl<T: Read + Write, C: FnMut() -> u32> Stream<'_, T, C> {
    /// Ends TLS (`close_notify`), and gives TCP back, whatever becomes of that.
    pub fn close(self) -> (T, Result<(), TlsError>) {
        match self.0.close() {
            Ok(records) => (records.into_stream().stream, Ok(())),
            Err((records, error)) => (records.into_stream().stream, Err(error)),
        }
    }
}

impl<T: Read + Write, C: FnMut() -> u32> fmt::Debug for Stream<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl<T: Read + Write, C: FnMut() -> u32> ErrorType for Stream<'_, T, C> {
    type Error = TlsError;
}

impl<T: Read + Write, C: FnMut() -> u32> Read for Stream<'_, T, C> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TlsError> {
        self.0.read(buffer)
    }
}

impl<T: Read + Write, C: FnMut() -> u32> Write for Stream<'_, T, C> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, TlsError> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<(), TlsError> {
        self.0.flush()
    }
}
