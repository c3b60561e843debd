//! What is read becomes pieces of messages. Control frames are dealt with on the way.

use super::{
    CLOSE_DUE, EOF, Endpoint, FAILED, Face, Lent, NO_PONGS, PING_DUE, PONG_DUE, Piece, REFUSE_TEXT,
    REPORT_PINGS, REPORT_PONGS,
};
use crate::close::CloseCode;
use crate::error::ProtocolError;
use crate::opcode::Opcode;

/// What becomes of a frame's payload: bits, since a Ping may be for the user and for the Pong. With
/// none of them it is discarded, as a header is, which is taken in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate(u8);

/// To the user.
const DELIVER: Fate = Fate(1);
/// Into the reserve, for a Pong.
const KEEP: Fate = Fate(2);
pub(super) const DISCARD: Fate = Fate(0);

impl Fate {
    const fn is(self, bit: Self) -> bool {
        self.0 & bit.0 != 0
    }
}

/// What [`Endpoint::advance`] needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Next {
    /// [`Endpoint::take`] has payload, or the end of a frame.
    Ready,
    /// More bytes from the wire.
    Read,
    /// A control frame is due on the wire.
    Write,
    /// A Ping cannot be taken before the Pong that is half out has made room for it.
    Blocked,
    /// Nothing more will come.
    Ended,
}

impl Endpoint {
    /// Goes as far as it can with what was read, up to payload for the user, and says what is needed
    /// to go on.
    ///
    /// `room` is the length of the user's buffer. With 0 a frame is `Ready` as soon as its header is
    /// known. Without `writing` the wire takes no control frame just now: receiving goes on without
    /// it.
    pub(super) fn advance(
        &mut self,
        lent: &mut Lent<'_>,
        face: Face,
        room: usize,
        writing: bool,
    ) -> Next {
        loop {
            if writing && self.control_ready() {
                return Next::Write;
            }
            if self.connection.rx.has_ended() {
                return Next::Ended;
            }
            self.fate = self.fate_of(face);
            if self.fate.is(KEEP) && self.control.is_some() {
                return Next::Blocked;
            }
            let available =
                self.start < self.end || self.connection.rx.is_complete() || self.is_decoding();
            if self.fate.is(DELIVER) && (available || room == 0) {
                return Next::Ready;
            }
            if !available {
                return if self.is(EOF) {
                    Next::Ended
                } else {
                    Next::Read
                };
            }
            // It is within the buffer. Where a driver lent a shorter one, what was read is gone.
            let Some(bytes) = lent.read.get_mut(self.start..self.end) else {
                return Next::Read;
            };
            self.start += self.digest(bytes, lent.reserve);
        }
    }

    #[inline(always)]
    fn fate_of(&self, face: Face) -> Fate {
        let Some(frame) = self.connection.rx.frame() else {
            return DISCARD;
        };
        let messages = face == Face::Messages;
        match frame.opcode {
            Opcode::Ping => {
                let reported = messages && self.is(REPORT_PINGS);
                let shown = if reported { DELIVER } else { DISCARD };
                // Nothing is sent after a Close.
                if self.closing() || self.is(NO_PONGS) {
                    shown
                } else {
                    Fate(KEEP.0 | shown.0)
                }
            }
            Opcode::Pong if messages && self.is(REPORT_PONGS) => DELIVER,
            Opcode::Pong => DISCARD,
            Opcode::Close if !messages => DISCARD,
            _ if face == Face::Nobody => DISCARD,
            _ => DELIVER,
        }
    }

    /// Takes header bytes, or payload of one frame that is not for the user, and says how many.
    #[inline(never)]
    fn digest(&mut self, bytes: &mut [u8], reserve: &mut [u8]) -> usize {
        #[cfg(feature = "extensions")]
        if self.is_decoding() {
            return self.discard_decoding();
        }
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

    /// Takes payload, out of `from` or where it stands, and says how many bytes; `None` where the
    /// peer did something wrong.
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
        #[cfg(feature = "extensions")]
        if self.connection.rx.is_extended() && self.connection.rx.is_complete() {
            self.connection.rx.end_frame();
        }
        if self.connection.rx.has_ended() {
            // A Close is answered, with its own code (section 5.5.1).
            self.close_with(self.connection.rx.close_code());
        }
        Some(bytes.len())
    }

    /// Hands out what [`advance`](Self::advance) found ready: up to `out.len()` bytes of one frame's
    /// payload, from what was read already. `None` where the peer did something wrong.
    pub(super) fn take(&mut self, lent: &mut Lent<'_>, out: &mut [u8]) -> Option<usize> {
        let read = lent.read.get(self.start..self.end)?;
        let length = self.payload(Some(read), out, lent.reserve)?;
        self.start += length;
        Some(length)
    }

    /// `bytes` of the payload for the user were read straight into their buffer. `None` where the peer
    /// did something wrong.
    pub(super) fn take_direct(&mut self, lent: &mut Lent<'_>, bytes: &mut [u8]) -> Option<usize> {
        self.heard();
        self.payload(None, bytes, lent.reserve)
    }

    /// Has the frame in hand nothing more than its end?
    pub(super) const fn frame_is_over(&self) -> bool {
        self.connection.rx.is_complete() && !self.is_decoding()
    }

    /// Is there something to decode that needs no read?
    #[cfg(not(feature = "extensions"))]
    #[allow(clippy::unused_self)] // it is a question with an extension
    const fn is_decoding(&self) -> bool {
        false
    }

    /// The piece of `length` bytes that was handed out just now.
    pub(super) const fn piece(&self, length: usize) -> Piece {
        let frame = self.connection.rx.last_frame();
        Piece {
            length,
            opcode: frame.opcode,
            fin: frame.fin,
            #[cfg(not(feature = "extensions"))]
            remaining: self.connection.rx.remaining(),
            #[cfg(feature = "extensions")]
            remaining: self.left_of_frame(),
        }
    }

    /// How many bytes of the frame in hand can be read straight into a buffer of `room` bytes of the
    /// user's: 0 where the borrowed buffer takes as many. A Ping that is kept goes through the
    /// borrowed buffer: while it is read another task may begin the Pong to the one before.
    pub(super) fn direct(&self, lent: &Lent<'_>, room: usize) -> usize {
        let count = room.min(self.connection.rx.remaining());
        if self.fate == DELIVER && count >= lent.read.len() && !self.connection.rx.is_extended() {
            count
        } else {
            0
        }
    }

    /// `count` bytes were read into the borrowed buffer: 0 at the end of the stream.
    pub(super) fn received(&mut self, lent: &Lent<'_>, count: usize) {
        self.heard();
        if count == 0 {
            self.eof();
        } else {
            self.start = 0;
            self.end = count.min(lent.read.len());
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
            // Not by `copy_from_slice`, which may keep its panic.
            for (place, byte) in free.iter_mut().zip(bytes) {
                *place = *byte;
            }
            self.kept += bytes.len() as u8;
        }
        self.set(PONG_DUE, end);
    }

    /// Fails the connection (section 7.1.7).
    pub(super) const fn fail(&mut self, error: ProtocolError) {
        self.set(FAILED, true);
        self.failure = Some(error);
        self.close_with(error.close_code());
    }

    /// Makes a Close due, unless one is already. A Pong or Ping that has not begun is dropped: nothing is
    /// sent after a Close.
    #[inline(never)]
    pub(super) const fn close_with(&mut self, code: CloseCode) {
        if !self.closing() {
            self.set(CLOSE_DUE, true);
            self.close_code = code;
            if self.control.is_none() {
                self.set(PONG_DUE | PING_DUE, false);
            }
            // A Pong that is half out still needs its payload.
            if !matches!(self.control, Some(Opcode::Pong)) {
                self.kept = 0;
            }
        }
    }
}
