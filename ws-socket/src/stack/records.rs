//! Between TCP and a TLS library that cannot be interrupted: whole records, or nothing.

use embedded_io::{Error, ErrorKind, ErrorType, Read, Write};

use crate::Timeout;
use crate::timeout::Deadline;

/// The header of a record (RFC 8446 section 5.1): type, version, length.
const HEAD: usize = 5;

/// Content types (RFC 8446 section 5.1): a message of the handshake in plain, and what is encrypted.
const HANDSHAKE: u8 = 22;
const ENCRYPTED: u8 = 23;

/// What an encrypted record has at least: its own content type, and the tag.
const LEAST: usize = HEAD + 1 + 16;

/// After so many records the caller has a turn, whatever else is there to read.
const TURN: u8 = 2;

/// A stream below a TLS library, which hands out a record of the peer's once all of it is there.
///
/// embedded-tls 0.19 keeps what it has read of a record's header in the call that reads: a future
/// that is dropped there, or an error for "nothing yet", loses it, and everything behind it. Over
/// this the library waits only between two records, where nothing can be lost: so that a call that
/// receives can have a timeout, keepalive works, and a receive may be dropped (async).
///
/// For a blocking library it is made by [`blocking`](Self::blocking). The stream says
/// [`ErrorKind::TimedOut`] where it has nothing, and
/// [`BlockingStreams`](super::BlockingStreams) keeps the timeouts: once TLS is open, a read tries the
/// stream once for what is missing of a record, and says `TimedOut` if it got only some of that. It
/// keeps what it got. After every 2 records a read says [`ErrorKind::Interrupted`], so that a peer who
/// sends records without data cannot hold a call. Three things have a time limit of their own, since
/// they cannot be interrupted: all of opening, a record on its way out, and the rest of a record that
/// is longer than the buffer.
///
/// An async read lets other tasks run after every 2 records. Opening ends when its future is dropped:
/// give it a timeout.
///
/// A record that nobody may send is [`RecordsError::Unexpected`], and the library does not see it: a
/// second record of the handshake that is not encrypted (embedded-tls 0.19 panics at some once it is
/// open, and anybody in between could send one), and an encrypted record that is too short to have a
/// content type (it panics).
///
/// The buffer is for the body of a record: what the TLS library's own has room for, 16,640 bytes
/// for a server that is not known (RFC 8446 section 5.2). Of a longer record only the beginning is kept back, in no
/// buffer none of it.
///
/// What cannot be gone on with, is not: where a write or a flush did not complete, where a read
/// did not within a record that is longer than the buffer, and after `Unexpected`, all later ones are
/// [`RecordsError::Torn`]. A record that was encrypted and is not out whole would otherwise be
/// followed by one with the same nonce. So over TLS a send that runs out of time, or is dropped
/// before its end, is the end of the connection.
///
/// A stream of it is not to be split, and what is behind TLS's own end (`close_notify`) is not
/// looked at. Reads are of the stream's size, never past a record.
#[derive(Debug)]
pub struct TlsRecords<'b, T, C = ()> {
    pub(crate) stream: T,
    clock: C,
    /// What the deadline is set to, in milliseconds.
    limit: u32,
    /// When what cannot be interrupted has to be over.
    deadline: Deadline,
    /// TLS is open: the client has sent something encrypted, after which it reads nothing of the
    /// handshake (RFC 8446 section 2).
    open: bool,
    /// The peer's record of the handshake in plain was there.
    hello: bool,
    /// Records since the caller had a turn.
    turn: u8,
    /// What the stream has not taken of the record that goes out.
    unsent: usize,
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
    /// Kind `TimedOut`. Either a time limit is over: what it was for has failed. Or the rest of a
    /// record has not come yet: nothing is lost, read again.
    #[error("timed out")]
    TimedOut,
    /// It is the caller's turn: kind `Interrupted`. Nothing is lost, read again.
    #[error("interrupted")]
    Interrupted,
    /// A record that a peer must not send: kind `InvalidData`.
    #[error("unexpected record")]
    Unexpected,
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
            Self::TimedOut => ErrorKind::TimedOut,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Unexpected => ErrorKind::InvalidData,
            Self::Torn => ErrorKind::ConnectionAborted,
            #[cfg(feature = "async")]
            Self::Busy => ErrorKind::Other,
        }
    }
}

impl<'b, T> TlsRecords<'b, T> {
    /// For an async library. Keeps records whose body is no longer than `buffer`.
    pub const fn new(stream: T, buffer: &'b mut [u8]) -> Self {
        Self::with_clock(stream, buffer, (), Deadline::new(Timeout::Forever), 0)
    }
}

impl<'b, T, C: FnMut() -> u32> TlsRecords<'b, T, C> {
    /// For a blocking library. Keeps records whose body is no longer than `buffer`.
    ///
    /// All of opening has to be over within `limit` milliseconds from now, by `clock`: milliseconds
    /// from any origin, which may wrap. Later, a record has as long to go out, and so has what does not
    /// fit `buffer` of a longer record to come. At most 24 days; a limit holds to the wait of one read
    /// or write of the stream. While TLS opens, reads that say `TimedOut` are tried again until then.
    pub fn blocking(stream: T, buffer: &'b mut [u8], limit: u32, mut clock: C) -> Self {
        let deadline = Deadline::from(clock(), Timeout::Millis(limit));
        Self::with_clock(stream, buffer, clock, deadline, limit)
    }

    /// A limited time begins.
    fn limited(&mut self) {
        self.deadline = Deadline::from((self.clock)(), Timeout::Millis(self.limit));
    }

    fn in_time<E>(&mut self) -> Result<(), RecordsError<E>> {
        match self.deadline.left((self.clock)()) {
            0 => Err(RecordsError::TimedOut),
            _ => Ok(()),
        }
    }
}

impl<'b, T, C> TlsRecords<'b, T, C> {
    const fn with_clock(
        stream: T,
        buffer: &'b mut [u8],
        clock: C,
        deadline: Deadline,
        limit: u32,
    ) -> Self {
        Self {
            stream,
            clock,
            limit,
            deadline,
            open: false,
            hello: false,
            turn: 0,
            unsent: 0,
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
    fn took<E>(&mut self, count: usize) -> Result<Option<usize>, RecordsError<E>> {
        let kept = self.read < self.whole();
        let headless = self.read < HEAD;
        self.read += count;
        self.torn = headless && self.read >= HEAD && !self.expected();
        if self.torn {
            return Err(RecordsError::Unexpected);
        }
        if !kept {
            self.given += count;
            self.end();
        }
        Ok((count == 0 || !kept).then_some(count))
    }

    /// May a record begin like that?
    fn expected(&mut self) -> bool {
        match self.head {
            [HANDSHAKE, ..] => !core::mem::replace(&mut self.hello, true),
            [ENCRYPTED, ..] => self.length() >= LEAST,
            _ => true,
        }
    }

    /// A record is about to begin: has the caller a turn first?
    fn is_over(&mut self) -> bool {
        let over = self.read == 0 && self.turn >= TURN;
        if over {
            self.turn = 0;
        }
        over
    }

    /// The rest of a record that cannot be kept is being read.
    fn in_tail(&self) -> bool {
        self.given > 0 && self.given == self.read
    }

    /// Behind the last byte of a record comes another.
    fn end(&mut self) {
        if self.read >= HEAD && self.given == self.length() {
            (self.read, self.given) = (0, 0);
            self.turn = self.turn.saturating_add(1);
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

impl<T: ErrorType, C> ErrorType for TlsRecords<'_, T, C> {
    type Error = RecordsError<T::Error>;
}

impl<T: Read, C: FnMut() -> u32> Read for TlsRecords<'_, T, C> {
    /// An error, `TimedOut` and `Interrupted` too, has taken nothing away; except while TLS opens, and in the middle of a
    /// record that is longer than the buffer.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        while !out.is_empty() {
            self.begin(self.in_tail())?;
            let given = self.give(out);
            if given > 0 {
                self.torn = false;
                return Ok(given);
            }
            if self.open && self.is_over() {
                return Err(RecordsError::Interrupted);
            }
            let tail = self.in_tail();
            if self.open && tail && self.read == self.whole() {
                self.limited();
            }
            let limited = tail || !self.open;
            if limited {
                self.in_time()?;
            }
            let (stream, target) = self.target(out);
            let asked = target.len();
            let count = match stream.read(target) {
                Ok(count) => count,
                Err(error) => match error.kind() {
                    ErrorKind::TimedOut | ErrorKind::Interrupted if !self.open => {
                        self.torn = false;
                        continue;
                    }
                    _ => {
                        self.turn = 0;
                        return Err(RecordsError::Io(error));
                    }
                },
            };
            if let Some(count) = self.took(count)? {
                return Ok(count);
            }
            if count < asked && !limited {
                return Err(RecordsError::TimedOut);
            }
        }
        Ok(0)
    }
}

impl<T: Write, C: FnMut() -> u32> Write for TlsRecords<'_, T, C> {
    /// A record, or what is left of one.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.begin(true)?;
        if self.open && self.unsent == 0 {
            self.limited();
        }
        self.in_time()?;
        let count = self.stream.write(bytes).map_err(RecordsError::Io)?;
        if !self.open && self.unsent == 0 && bytes.first() == Some(&ENCRYPTED) {
            self.open = true;
            self.turn = 0;
        }
        self.unsent = bytes.len().saturating_sub(count);
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
impl<T: embedded_io_async::Read, C> embedded_io_async::Read for TlsRecords<'_, T, C> {
    /// Dropped, it has taken nothing away, where the stream's own reads keep to that; except in the
    /// middle of a record that is longer than the buffer.
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
        while !out.is_empty() {
            self.begin(self.in_tail())?;
            let given = self.give(out);
            if given > 0 {
                self.torn = false;
                return Ok(given);
            }
            if self.is_over() {
                embassy_futures::yield_now().await;
            }
            let (stream, target) = self.target(out);
            let count = stream.read(target).await.map_err(RecordsError::Io)?;
            if let Some(count) = self.took(count)? {
                return Ok(count);
            }
        }
        Ok(0)
    }
}

#[cfg(feature = "async")]
impl<T: embedded_io_async::Write, C> embedded_io_async::Write for TlsRecords<'_, T, C> {
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
