//! Pages: ordinary HTTP answers on the port of the WebSockets (RFC 9110, RFC 9112).

use super::write::Writer;
use core::ops::Range;

/// An ordinary answer. It is only borrowed, and must stay the same until all of it is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<'a> {
    /// The status, 200 to 599.
    pub status: u16,
    /// The headers: `Content-Type`, say. Connection, Content-Length and Transfer-Encoding are
    /// written by the library.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body. Answers to HEAD and those with status 204 and 304 go out without (RFC 9110
    /// sections 9.3.2, 15.3.5 and 15.4.5).
    pub body: Body<'a>,
    /// End the connection behind it, although the client might have another request.
    pub close: bool,
}

/// The body of a [`Page`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// These bytes; they go out from where they stand.
    Bytes(&'a [u8]),
    /// So many bytes, which are asked for as they are needed.
    Sized(usize),
    /// Bytes that are asked for as they are needed until there are no more: chunked (RFC 9112
    /// section 7.1). To a client of HTTP/1.0, which knows no chunks, as they are until the end of the
    /// connection.
    Chunked,
}

impl Body<'_> {
    /// How long it is, where that is known from the start.
    pub const fn length(&self) -> Option<usize> {
        match *self {
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::Sized(length) => Some(length),
            Self::Chunked => None,
        }
    }
}

impl<'a> Page<'a> {
    /// A page with a status, headers and a body that stands in memory.
    pub const fn new(status: u16, headers: &'a [(&'a str, &'a str)], body: &'a [u8]) -> Self {
        Self {
            status,
            headers,
            body: Body::Bytes(body),
            close: false,
        }
    }

    /// Has the status no body?
    pub const fn is_bodiless(&self) -> bool {
        matches!(self.status, 204 | 304)
    }
}

/// How much of a page's body is out.
///
/// What goes out is generated for each write anew: [`room`](Self::room) says where in a scratch
/// the body's bytes from [`offset`](Self::offset) on are to be put, [`frame`](Self::frame) puts the
/// framing around them, [`sent`](Self::sent) notes how much of that the wire has taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Transfer {
    offset: usize,
    /// How much of the chunk that begins at `offset` is out, [`DONE`] behind the last one.
    sent: u16,
    /// How many bytes of the body that chunk has.
    chunk: u16,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Transfer>() <= 8);

/// A body that cannot go on as it began: the connection has to be closed, for the client to see
/// that the page is not whole (RFC 9112 section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It ended before the length that was announced.
    #[error("the body is shorter than announced")]
    Short,
    /// A chunk that is partly out is not what it was.
    #[error("the body has changed while it was sent")]
    Changed,
}

/// The size of a chunk in four digits and a line break, which makes it as long for each.
const BEFORE: usize = 6;
const AFTER: usize = 2;
/// No chunk is that long, framing included.
const DONE: u16 = u16::MAX;

impl Transfer {
    /// Nothing is out.
    pub const fn new() -> Self {
        Self {
            offset: 0,
            sent: 0,
            chunk: 0,
        }
    }

    /// Where in the body what goes out next begins: what is in front is not needed any more.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Where in `out` the body's bytes from [`offset`](Self::offset) on belong, at most as many as
    /// there is room for. For a body without `length`, `out` has at least 9 bytes and is of the
    /// same length each time.
    pub fn room<'o>(&self, length: Option<usize>, out: &'o mut [u8]) -> &'o mut [u8] {
        let (start, end) = match length {
            Some(length) => (0, out.len().min(length.saturating_sub(self.offset))),
            None => (BEFORE, out.len().min(0xFFFE).saturating_sub(AFTER)),
        };
        out.get_mut(start..end).unwrap_or_default()
    }

    /// `count` bytes of the body were put into [`room`](Self::room), none where it ends: says which
    /// bytes of `out` go out next. No bytes mean that all of the body is out. A `length` of
    /// `usize::MAX` is one that nobody has announced: it ends anywhere.
    ///
    /// # Errors
    ///
    /// See [`BodyError`].
    pub fn frame(
        &mut self,
        length: Option<usize>,
        count: usize,
        out: &mut [u8],
    ) -> Result<Range<usize>, BodyError> {
        let Some(length) = length else {
            return self.chunk(count, out);
        };
        if count == 0 && self.offset < length && length != usize::MAX {
            return Err(BodyError::Short);
        }
        Ok(0..count.min(length.saturating_sub(self.offset)))
    }

    fn chunk(&mut self, count: usize, out: &mut [u8]) -> Result<Range<usize>, BodyError> {
        if self.sent == DONE {
            return Ok(0..0);
        }
        let most = self.room(None, out).len();
        let size = u16::try_from(count.min(most)).unwrap_or_default();
        if self.sent > 0 && self.chunk != size {
            return Err(BodyError::Changed);
        }
        self.chunk = size;
        let mut shift = 16;
        let (before, rest) = out.split_at_mut_checked(BEFORE).unwrap_or_default();
        for (place, end) in before.iter_mut().zip(*b"0000\r\n") {
            *place = end;
            if shift > 0 {
                shift -= 4;
                let digit = usize::from(size >> shift & 15);
                *place = b"0123456789abcdef".get(digit).copied().unwrap_or(end);
            }
        }
        if let Some(after) = rest.get_mut(usize::from(size)..) {
            for (place, end) in after.iter_mut().zip(*b"\r\n") {
                *place = end;
            }
        }
        Ok(usize::from(self.sent)..BEFORE + usize::from(size) + AFTER)
    }

    /// The first `count` bytes of what [`frame`](Self::frame) named are out.
    #[allow(clippy::cast_possible_truncation)] // no chunk is longer
    pub fn sent(&mut self, length: Option<usize>, count: usize) {
        if length.is_some() {
            self.offset = self.offset.saturating_add(count);
            return;
        }
        self.sent = self.sent.saturating_add(count as u16);
        if usize::from(self.sent) >= BEFORE + usize::from(self.chunk) + AFTER {
            self.sent = if self.chunk == 0 { DONE } else { 0 };
            self.offset = self.offset.saturating_add(self.chunk.into());
        }
    }
}

/// Writes a body from its start and keeps what is asked for: for bodies that come from an iterator
/// or from `write!`.
///
/// The body is gone through again for each piece that goes out, so that this is for short ones.
///
/// ```
/// # use ws_core::handshake::BodyWriter;
/// use core::fmt::Write;
///
/// let mut out = [0; 8];
/// let mut body = BodyWriter::new(4, &mut out);
/// for reading in [12, 345, 6789] {
///     let _ = writeln!(body, "{reading}");
/// }
/// let n = body.written();
/// assert_eq!(&out[..n], b"45\n6789\n");
/// ```
pub struct BodyWriter<'o> {
    writer: Writer<'o>,
    room: usize,
}

impl<'o> BodyWriter<'o> {
    /// Leaves out the first `offset` bytes and keeps the next in `out`, as far as there is room.
    pub fn new(offset: usize, out: &'o mut [u8]) -> Self {
        Self {
            room: out.len(),
            writer: Writer::new(offset, out),
        }
    }

    /// What comes next of the body.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.writer.bytes(bytes);
    }

    /// How many bytes were kept. Fewer than there was room for mean that the body ends there.
    pub fn written(&self) -> usize {
        self.room - self.writer.free()
    }
}

impl core::fmt::Write for BodyWriter<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

impl core::fmt::Debug for BodyWriter<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BodyWriter")
            .field("written", &self.written())
            .finish_non_exhaustive()
    }
}
