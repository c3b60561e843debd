//! A TLS library whose calls may not be dropped, made into a stream whose calls may.

use core::cell::{RefCell, RefMut};
use core::fmt::Debug;

use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};

use crate::stack::{RecordsError, TlsRecords};

/// What a TLS library has in place of its TCP connection, for a [`TlsStream`] above it: a reference
/// to this is `Read + Write`.
///
/// It is [`TlsRecords`] for what comes, and keeps what goes out, a record at a time, until TCP has
/// taken it.
///
/// Not `Sync`, so that a future that holds it is not `Send`. A TLS connection over it is not to be split: where two calls are under
/// way at once, one of them is [`RecordsError::Busy`].
#[derive(Debug)]
pub struct TlsBelow<'b, T>(RefCell<Below<'b, T>>);

#[derive(Debug)]
struct Below<'b, T> {
    records: TlsRecords<'b, T>,
    out: &'b mut [u8],
    /// What TCP has not taken yet: `out[from..to]`.
    from: usize,
    to: usize,
    /// A [`TlsStream`] sees to it that this goes out.
    covered: bool,
}

/// A TLS connection as a stream whose reads, writes and flushes may be dropped, as those of TCP: so
/// that all timeouts, keepalive and `select` work over it.
///
/// `S` is the library's connection, open, over a reference to `below`: for embedded-tls 0.19 a
/// `TlsConnection`. What it asks of one: a call waits for nothing but its stream, a write and a flush
/// make one record at most, and a read that waits for the first byte of a record may be dropped.
///
/// A flush ends when TCP has taken everything, and does not flush TCP.
#[derive(Debug)]
pub struct TlsStream<'r, 'b, S, T> {
    tls: S,
    below: &'r TlsBelow<'b, T>,
}

/// What goes wrong with a [`TlsStream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsStreamError<S: Debug, T: Debug> {
    /// TLS, or TCP as the TLS library says it.
    #[error("{0:?}")]
    Tls(S),
    /// TCP, when what TLS had sent went out.
    #[error("{0:?}")]
    Below(RecordsError<T>),
}

impl<S: Error, T: Error> Error for TlsStreamError<S, T> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Tls(error) => error.kind(),
            Self::Below(error) => error.kind(),
        }
    }
}

impl<'b, T> TlsBelow<'b, T> {
    /// Over a connection. `input` is [`TlsRecords`]' buffer, `output` as long as the TLS library's for
    /// writing: where a record does not fit it, a write that is dropped is the end of the connection.
    pub const fn new(tcp: T, input: &'b mut [u8], output: &'b mut [u8]) -> Self {
        Self(RefCell::new(Below {
            records: TlsRecords::new(tcp, input),
            out: output,
            from: 0,
            to: 0,
            covered: false,
        }))
    }

    /// The connection back. What was read and not handed out, or has not gone out, is lost.
    pub fn into_stream(self) -> T {
        self.0.into_inner().records.into_stream()
    }

    fn below<E>(&self) -> Result<RefMut<'_, Below<'b, T>>, RecordsError<E>> {
        self.0.try_borrow_mut().map_err(|_| RecordsError::Busy)
    }

    fn cover(&self, covered: bool) {
        if let Ok(mut below) = self.0.try_borrow_mut() {
            below.covered = covered;
        }
    }
}

impl<T: Write> Below<'_, T> {
    /// Has TCP take what is kept. Dropped, it goes on when called again.
    async fn drain(&mut self) -> Result<(), RecordsError<T::Error>> {
        while let Some(rest @ [_, ..]) = self.out.get(self.from..self.to) {
            let count = self.records.stream.write(rest).await;
            match count.map_err(RecordsError::Io)? {
                0 => return Err(RecordsError::Torn),
                count => self.from += count,
            }
        }
        (self.from, self.to) = (0, 0);
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<usize, RecordsError<T::Error>> {
        let full = self.to == self.out.len();
        if self.covered && !full {
            self.records.begin(false)?;
            let room = self.out.get_mut(self.to..).unwrap_or_default();
            let count = room.len().min(bytes.len());
            for (to, from) in room.iter_mut().zip(bytes) {
                *to = *from;
            }
            self.to += count;
            return Ok(count);
        }
        self.records.begin(true)?;
        self.drain().await?;
        let count = self.records.stream.write(bytes).await;
        let count = count.map_err(RecordsError::Io)?;
        self.records.torn = false;
        Ok(count)
    }

    async fn flush(&mut self) -> Result<(), RecordsError<T::Error>> {
        if self.covered {
            return Ok(());
        }
        self.drain().await?;
        self.records.flush().await
    }
}

impl<T: ErrorType> ErrorType for &TlsBelow<'_, T> {
    type Error = RecordsError<T::Error>;
}

#[expect(
    clippy::await_holding_refcell_ref,
    reason = "who else asks is told that it is busy"
)]
impl<T: Read> Read for &TlsBelow<'_, T> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        self.below()?.records.read(out).await
    }
}

#[expect(clippy::await_holding_refcell_ref, reason = "as above")]
impl<T: Write> Write for &TlsBelow<'_, T> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.below()?.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.below()?.flush().await
    }
}

impl<'r, 'b, S, T> TlsStream<'r, 'b, S, T> {
    /// Of an open TLS connection over `below`.
    pub fn new(tls: S, below: &'r TlsBelow<'b, T>) -> Self {
        below.cover(true);
        Self { tls, below }
    }

    /// The TLS connection back, to be closed by its own means.
    pub fn into_tls(self) -> S {
        self.below.cover(false);
        self.tls
    }
}

impl<S: Error, T: Error> From<RecordsError<T>> for TlsStreamError<S, T> {
    fn from(error: RecordsError<T>) -> Self {
        Self::Below(error)
    }
}

impl<S: ErrorType, T: ErrorType> ErrorType for TlsStream<'_, '_, S, T> {
    type Error = TlsStreamError<S::Error, T::Error>;
}

impl<S: ErrorType, T: Write> TlsStream<'_, '_, S, T> {
    #[expect(clippy::await_holding_refcell_ref, reason = "as above")]
    async fn drain(&self) -> Result<(), TlsStreamError<S::Error, T::Error>> {
        Ok(self.below.below()?.drain().await?)
    }
}

impl<S: Read, T: Read + Write> Read for TlsStream<'_, '_, S, T> {
    /// Dropped, it has taken nothing away.
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        self.drain().await?;
        self.tls.read(out).await.map_err(TlsStreamError::Tls)
    }
}

impl<S: Write, T: Write> Write for TlsStream<'_, '_, S, T> {
    /// Dropped, it has taken nothing.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.drain().await?;
        self.tls.write(bytes).await.map_err(TlsStreamError::Tls)
    }

    /// Dropped, it goes on when called again, and with each read and write.
    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.drain().await?;
        self.tls.flush().await.map_err(TlsStreamError::Tls)?;
        self.drain().await
    }
}
