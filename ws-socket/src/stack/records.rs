//! Between TCP and a TLS library that cannot be interrupted: whole records, or nothing.

use embedded_io::{Error, ErrorKind, ErrorType, Read, Write};

/// The header of a record (RFC 8446 section 5.1): type, version, length.
const HEAD: usize = 5;

/// A stream below a TLS library, which hands out a record of the peer's once all of it is there.
///
/// embedded-tls 0.19 keeps what it has read of a record's header in the call that reads: a future
/// that is dropped there, or an error for "nothing yet", loses it, and everything behind it. Over
/// this the library waits only between two records, where nothing can be lost: so that a call that
/// receives can have a timeout, keepalive works, and a receive may be dropped (async). A blocking
/// stream says [`ErrorKind::TimedOut`] where it has nothing, and
/// [`BlockingStreams`](super::BlockingStreams) keeps the timeouts.
///
/// The buffer is for the body of a record: what the TLS library's own has room for, 16,640 bytes
/// for a server that is not known (RFC 8446 section 5.2). Of a longer record only the beginning is kept back, in no
/// buffer none of it.
///
/// What cannot be gone on with, is not: where a write or a flush did not complete, and where a read
/// did not within a record that is longer than the buffer, all later ones are
/// [`RecordsError::Torn`]. A record that was encrypted and is not out whole would otherwise be
/// followed by one with the same nonce. So over TLS a send that runs out of time, or is dropped
/// before its end, is the end of the connection.
///
/// A stream of it is not to be split, and what is behind TLS's own end (`close_notify`) is not
/// looked at. Reads are of the stream's size, never past a record.
#[derive(Debug)]
pub struct TlsRecords<'b, T> {
    pub(crate) stream: T,
    head: [u8; HEAD],
    body: &'b mut [u8],
    /// Bytes of this record that were read.
    read: usize,
    /// Bytes of this record that were handed out.
    given: usize,
    /// A call that cannot be gone on with has begun, and not ended.
    pub(crate) torn: bool,
}

/// What goes wrong with [`TlsRecords`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError<E> {
    /// The stream failed.
    #[error("{0}")]
    Io(E),
    /// A call before was dropped, or failed, inside a record: kind `ConnectionAborted`.
    #[error("a record was left incomplete")]
    Torn,
    /// Another call is under way: kind `Other`. See [`TlsBelow`](crate::asynch::TlsBelow).
    #[cfg(feature = "async")]
    #[error("another call is under way")]
    Busy,
}

impl<E: Error> Error for RecordsError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(error) => error.kind(),
            Self::Torn => ErrorKind::ConnectionAborted,
            #[cfg(feature = "async")]
            Self::Busy => ErrorKind::Other,
        }
    }
}

impl<'b, T> TlsRecords<'b, T> {
    /// Keeps records whose body is no longer than `buffer`.
    pub const fn new(stream: T, buffer: &'b mut [u8]) -> Self {
        Self {
            stream,
            head: [0; HEAD],
            body: buffer,
            read: 0,
            given: 0,
            torn: false,
        }
    }

    /// The stream back. What was read and not handed out is lost.
    pub fn into_stream(self) -> T {
        self.stream
    }

    /// The length of this record, once its header is read.
    fn length(&self) -> usize {
        let [_, _, _, high, low] = self.head;
        HEAD + usize::from(u16::from_be_bytes([high, low]))
    }

    /// How many bytes of this record have to be there before the first is handed out.
    fn whole(&self) -> usize {
        match self.read {
            ..HEAD => HEAD,
            _ => self.length().min(HEAD + self.body.len()),
        }
    }

    /// Hands out what may be: at least one byte, or nothing may be.
    fn give(&mut self, out: &mut [u8]) -> usize {
        let whole = self.whole();
        if self.read < whole || self.read < HEAD {
            return 0;
        }
        let from = match self.given.checked_sub(HEAD) {
            None => self.head.get(self.given..),
            Some(begin) => self.body.get(begin..whole - HEAD),
        };
        let count = from.map_or(0, |from| {
            let count = from.len().min(out.len());
            for (to, from) in out.iter_mut().zip(from) {
                *to = *from;
            }
            count
        });
        self.given += count;
        self.end();
        count
    }

    /// Where the next bytes are read to; into `out` where they cannot be kept.
    fn target<'o>(&'o mut self, out: &'o mut [u8]) -> (&'o mut T, &'o mut [u8]) {
        let whole = self.whole();
        let rest = match self.read {
            ..HEAD => self.head.get_mut(self.read..),
            _ if self.read < whole => self.body.get_mut(self.read - HEAD..whole - HEAD),
            _ => {
                let most = out.len().min(self.length().saturating_sub(self.read));
                out.get_mut(..most)
            }
        };
        (&mut self.stream, rest.unwrap_or_default())
    }

    /// So many bytes were read to [`target`](Self::target): what the read comes to, where it is
    /// done with that.
    fn took(&mut self, count: usize) -> Option<usize> {
        self.torn = false;
        let kept = self.read < self.whole();
        self.read += count;
        if !kept {
            self.given += count;
            self.end();
        }
        (count == 0 || !kept).then_some(count)
    }

    /// Behind the last byte of a record comes another.
    fn end(&mut self) {
        if self.read >= HEAD && self.given == self.length() {
            (self.read, self.given) = (0, 0);
        }
    }

    /// A call begins that is `torn` where it does not end.
    pub(crate) fn begin<E>(&mut self, torn: bool) -> Result<(), RecordsError<E>> {
        if self.torn {
            return Err(RecordsError::Torn);
        }
        self.torn = torn;
        Ok(())
    }
}

impl<T: ErrorType> ErrorType for TlsRecords<'_, T> {
    type Error = RecordsError<T::Error>;
}

impl<T: Read> Read for TlsRecords<'_, T> {
    /// An error, `TimedOut` too, has taken nothing away; except in the middle of a record that is
    /// longer than the buffer.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        while !out.is_empty() {
            self.begin(self.given > 0 && self.given == self.read)?;
            let given = self.give(out);
            if given > 0 {
                self.torn = false;
                return Ok(given);
            }
            let (stream, target) = self.target(out);
            let count = stream.read(target).map_err(RecordsError::Io)?;
            if let Some(count) = self.took(count) {
                return Ok(count);
            }
        }
        Ok(0)
    }
}

impl<T: Write> Write for TlsRecords<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.begin(true)?;
        let count = self.stream.write(bytes).map_err(RecordsError::Io)?;
        self.torn = false;
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.begin(true)?;
        self.stream.flush().map_err(RecordsError::Io)?;
        self.torn = false;
        Ok(())
    }
}

#[cfg(feature = "async")]
impl<T: embedded_io_async::Read> embedded_io_async::Read for TlsRecords<'_, T> {
    /// Dropped, it has taken nothing away, where the stream's own reads keep to that; except in the
    /// middle of a record that is longer than the buffer.
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        while !out.is_empty() {
            self.begin(self.given > 0 && self.given == self.read)?;
            let given = self.give(out);
            if given > 0 {
                self.torn = false;
                return Ok(given);
            }
            let (stream, target) = self.target(out);
            let count = stream.read(target).await.map_err(RecordsError::Io)?;
            if let Some(count) = self.took(count) {
                return Ok(count);
            }
        }
        Ok(0)
    }
}

#[cfg(feature = "async")]
impl<T: embedded_io_async::Write> embedded_io_async::Write for TlsRecords<'_, T> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.begin(true)?;
        let count = self.stream.write(bytes).await.map_err(RecordsError::Io)?;
        self.torn = false;
        Ok(count)
    }

    /// Where flushing means to wait for the peer's acknowledgement (embassy-net), have the TLS
    /// library not ask for it: embedded-tls' `FlushPolicy::Relaxed`.
    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.begin(true)?;
        self.stream.flush().await.map_err(RecordsError::Io)?;
        self.torn = false;
        Ok(())
    }
}
