//! The receiving half: what is read becomes pieces of messages, control frames are dealt with.

use super::{
    CLOSE_DUE, EOF, Endpoint, FAILED, Face, Lent, Next, PING_DUE, PONG_DUE, Piece, REFUSE_TEXT,
    RELAYING, REPORT_PINGS, REPORT_PONGS, ReadInto,
};
use crate::error::ProtocolError;
use crate::opcode::Opcode;

/// What becomes of a frame's payload: bits, since a Ping may be for the user and for the Pong. With
/// none of them it is discarded, as a header is, which is taken in the same way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate(u8);

/// To the user.
const DELIVER: Fate = Fate(1);
/// Into the reserve, for a Pong.
const KEEP: Fate = Fate(2);
/// Straight into the Pong, a byte at a time.
const RELAY: Fate = Fate(4);
pub(super) const DISCARD: Fate = Fate(0);

impl Fate {
    const fn is(self, bit: Self) -> bool {
        self.0 & bit.0 != 0
    }
}

impl Endpoint {
    /// Goes as far as it can with what has been read, up to payload for the user, and says what is
    /// needed to go on.
    ///
    /// `room` is the length of the buffer that [`take`](Self::take) will be given. With 0 a frame
    /// is `Ready` as soon as its header is known. `write_blocked` says that the wire would not
    /// take a control frame just now: receiving goes on without it.
    pub fn advance(
        &mut self,
        lent: &mut Lent<'_>,
        face: Face,
        room: usize,
        write_blocked: bool,
    ) -> Next {
        loop {
            if !write_blocked && self.control_ready() {
                return Next::Write;
            }
            if self.failure.is_some() {
                return Next::Ready;
            }
            if self.connection.rx.has_ended() {
                return Next::Ended;
            }
            let fate = self.fate_of(face, lent.has_reserve());
            self.fate = fate;
            if fate.is(KEEP) && self.control.is_some() {
                // The Pong that is half out still needs the reserve.
                return Next::Blocked;
            }
            let mut end = self.end;
            if fate.is(RELAY) {
                if !self.connection.tx.is_open() {
                    self.set(RELAYING, true);
                }
                let due = self.control_ready();
                if due && !write_blocked {
                    return Next::Write;
                }
                if due || !self.is(RELAYING) {
                    return Next::Blocked;
                }
                end = end.min(self.start + 1);
            }
            let available = self.start < self.end || self.connection.rx.is_complete();
            if fate.is(DELIVER) && (available || room == 0) {
                return Next::Ready;
            }
            if !available {
                return if self.is(EOF) {
                    Next::Ended
                } else {
                    Next::Read
                };
            }
            let bytes = lent.read.get_mut(self.start..end).unwrap_or_default();
            self.start += self.digest(bytes, lent.reserve);
        }
    }

    #[inline(always)]
    fn fate_of(&self, face: Face, has_reserve: bool) -> Fate {
        let Some(frame) = self.connection.rx.frame() else {
            return DISCARD;
        };
        let messages = face == Face::Messages;
        match frame.opcode {
            Opcode::Ping => {
                let delivered = messages && (self.is(REPORT_PINGS) || !has_reserve);
                let shown = if delivered { DELIVER } else { DISCARD };
                if self.is(RELAYING) {
                    RELAY
                } else if self.closing() {
                    // Nothing is sent behind a Close.
                    shown
                } else if has_reserve {
                    Fate(KEEP.0 | shown.0)
                } else if delivered {
                    DELIVER
                } else if self.connection.rx.remaining() == 0 {
                    // An empty payload needs no place to keep it.
                    KEEP
                } else {
                    RELAY
                }
            }
            Opcode::Pong if messages && self.is(REPORT_PONGS) => DELIVER,
            Opcode::Pong => DISCARD,
            Opcode::Close if !messages => DISCARD,
            _ => DELIVER,
        }
    }

    /// Takes header bytes, or payload of one frame that is not for the user, and says how many.
    #[inline(never)]
    fn digest(&mut self, bytes: &mut [u8], reserve: &mut [u8]) -> usize {
        let rx = &mut self.connection.rx;
        if rx.in_payload() {
            return self.payload(None, bytes, reserve).unwrap_or(0);
        }
        match rx.header(bytes, self.limit) {
            Ok(count) => {
                self.check_type();
                count
            }
            Err(error) => {
                self.fail(error);
                0
            }
        }
    }

    /// Is the message that begins of a type that is not wanted?
    fn check_type(&mut self) {
        let frame = self.connection.rx.frame();
        if self.is(REFUSE_TEXT) && frame.is_some_and(|frame| frame.opcode == Opcode::Text) {
            self.connection.rx.end();
            self.fail(ProtocolError::UnwantedText);
        }
    }

    /// Takes payload, out of `from` or where it stands, and says how many bytes; `None` where it is
    /// wrong, and that is to be reported.
    #[inline(never)]
    fn payload(
        &mut self,
        from: Option<&[u8]>,
        bytes: &mut [u8],
        reserve: &mut [u8],
    ) -> Option<usize> {
        let bytes = match self.connection.rx.payload(from, bytes) {
            Ok(bytes) => &*bytes,
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        if self.fate.is(KEEP) {
            let end = !self.connection.rx.in_payload();
            self.keep(bytes, reserve, end);
        }
        if self.fate.is(RELAY)
            && let Some(&byte) = bytes.first()
        {
            self.relayed = [byte];
            self.kept = 1;
        }
        if self.connection.rx.has_ended() {
            // A Close is answered, with its own code (section 5.5.1).
            self.close_with(self.connection.rx.close_code().0);
        }
        Some(bytes.len())
    }

    /// Hands out what [`advance`](Self::advance) found ready: up to `out.len()` bytes of one
    /// frame's payload, from what was read already. `None` where nothing was ready.
    ///
    /// # Errors
    /// What the peer did wrong, once.
    pub fn take(
        &mut self,
        lent: &mut Lent<'_>,
        out: &mut [u8],
    ) -> Result<Option<Piece>, ProtocolError> {
        let length = self.take_bytes(lent, out, None);
        self.outcome(length)
    }

    /// [`take`](Self::take), or [`received`](Self::received) of `direct` bytes that were read straight
    /// into `out`, for a driver that takes an outcome apart by itself: the length alone, with
    /// [`piece`](Self::piece) for the rest; `None` where nothing was ready or where there is a
    /// [`failure`](Self::failure).
    pub fn take_bytes(
        &mut self,
        lent: &mut Lent<'_>,
        out: &mut [u8],
        direct: Option<usize>,
    ) -> Option<usize> {
        if self.failure.is_some() || !self.connection.rx.in_payload() || !self.fate.is(DELIVER) {
            return None;
        }
        if let Some(count) = direct {
            let bytes = out.get_mut(..count).unwrap_or_default();
            return self.payload(None, bytes, lent.reserve);
        }
        let read = lent.read.get(self.start..self.end).unwrap_or_default();
        let length = self.payload(Some(read), out, lent.reserve)?;
        self.start += length;
        Some(length)
    }

    /// The piece of `length` bytes that was handed out just now.
    pub const fn piece(&self, length: usize) -> Piece {
        let frame = self.connection.rx.last_frame();
        Piece {
            length,
            opcode: frame.opcode,
            fin: frame.fin,
            remaining: self.connection.rx.remaining(),
        }
    }

    /// What [`advance`](Self::advance) found ready, without taking it: the type of the frame, how
    /// much of its payload is still to come, and no bytes. `None` where nothing is ready.
    ///
    /// # Errors
    /// What the peer did wrong; [`take`](Self::take) says it too.
    pub fn peek(&self) -> Result<Option<Piece>, ProtocolError> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        let ready = self.connection.rx.in_payload() && self.fate.is(DELIVER);
        Ok(ready.then(|| self.piece(0)))
    }

    /// What the peer did wrong, once.
    pub const fn failure(&mut self) -> Option<ProtocolError> {
        self.failure.take()
    }

    fn outcome(&mut self, length: Option<usize>) -> Result<Option<Piece>, ProtocolError> {
        match self.failure() {
            Some(error) => Err(error),
            None => Ok(length.map(|length| self.piece(length))),
        }
    }

    /// Where to read after [`Next::Read`]: the lent buffer, or `user` (the buffer of the caller of
    /// `take`; a large piece goes there directly), or `scratch`. All of what it returns may be
    /// filled: none of it is beyond what can be taken.
    pub fn read_buffer<'a>(
        &self,
        lent: &'a mut Lent<'_>,
        user: &'a mut [u8],
        scratch: &'a mut [u8],
    ) -> &'a mut [u8] {
        self.read_into(lent, user.len())
            .buffer(lent.read, user, scratch)
    }

    /// `count` bytes were read into the [`read_buffer`](Self::read_buffer). The same `user` and
    /// `scratch` as there. Where they went to `user` directly this is the piece, as from
    /// [`take`](Self::take).
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn received(
        &mut self,
        lent: &mut Lent<'_>,
        user: &mut [u8],
        scratch: &mut [u8],
        count: usize,
    ) -> Result<Option<Piece>, ProtocolError> {
        let into = self.read_into(lent, user.len());
        if let ReadInto::User(_) = into {
            let length = self.take_bytes(lent, user, Some(count));
            return self.outcome(length);
        }
        self.stored(into, lent, scratch, count);
        Ok(None)
    }

    /// `count` bytes were read [`into`](Self::read_into) the lent buffer or the scratch.
    pub fn stored(&mut self, into: ReadInto, lent: &Lent<'_>, scratch: &mut [u8], count: usize) {
        if let ReadInto::Lent = into {
            self.start = 0;
            self.end = count.min(lent.read.len());
        } else {
            // Without a lent buffer: header bytes, or payload that is not for the user.
            self.digest(scratch.get_mut(..count).unwrap_or_default(), &mut []);
        }
    }

    /// The part of what is [read](Lent::parts) into that holds nothing, until the next read: for
    /// what is to be sent.
    pub fn unused<'b>(&self, read: &'b mut [u8]) -> &'b mut [u8] {
        let end = if self.start == self.end { 0 } else { self.end };
        read.get_mut(end..).unwrap_or_default()
    }

    /// The stream has ended: no more will be read. What was read before is still handed out.
    pub const fn eof(&mut self) {
        self.set(EOF, true);
    }

    /// Which buffer [`read_buffer`](Self::read_buffer) is, where that of the user has `room` bytes:
    /// for a driver that has the parts of the lent buffer in different places.
    pub fn read_into(&self, lent: &Lent<'_>, room: usize) -> ReadInto {
        let capacity = lent.read.len();
        let rx = &self.connection.rx;
        let count = room.min(rx.remaining());
        if self.fate.is(DELIVER) && count >= capacity {
            ReadInto::User(count)
        } else if capacity > 0 {
            ReadInto::Lent
        } else if self.fate.is(RELAY) {
            ReadInto::Scratch(1)
        } else {
            ReadInto::Scratch(rx.want())
        }
    }

    /// Payload of a Ping, the last of it where `end`. A Ping that is complete but not answered yet
    /// gives way to it (RFC 6455 section 5.5.3: only the most recent has to be answered).
    #[allow(clippy::cast_possible_truncation)] // a Ping has at most 125 bytes
    fn keep(&mut self, bytes: &[u8], reserve: &mut [u8], end: bool) {
        if self.is(PONG_DUE) {
            self.kept = 0;
        }
        let kept = usize::from(self.kept);
        if let Some(free) = reserve.get_mut(kept..kept + bytes.len()) {
            free.copy_from_slice(bytes);
            self.kept += bytes.len() as u8;
        }
        self.set(PONG_DUE, end);
    }

    /// Fails the connection (section 7.1.7).
    const fn fail(&mut self, error: ProtocolError) {
        self.set(FAILED, true);
        self.failure = Some(error);
        self.close_with(error.close_code().0);
    }

    /// Makes a Close due, unless one is already. A Pong or Ping that has not begun is dropped: nothing is
    /// sent behind a Close.
    #[inline(never)]
    pub(super) const fn close_with(&mut self, code: u16) {
        if !self.closing() {
            self.set(CLOSE_DUE, true);
            self.close_code = code.to_be_bytes();
            if self.control.is_none() {
                self.set(PONG_DUE | PING_DUE, false);
            }
        }
    }
}
