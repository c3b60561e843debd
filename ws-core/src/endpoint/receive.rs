//! The receiving half: what is read becomes pieces of messages, control frames are dealt with.

use super::{
    CLOSE_DUE, CONTROL_OPEN, EOF, Endpoint, FAILED, Face, Lent, Next, PING_DUE, PONG_DUE, Piece,
    REFUSE_TEXT, RELAYING, REPORT_PINGS, REPORT_PONGS, ReadInto,
};
use crate::error::ProtocolError;
use crate::opcode::Opcode;
use crate::receiver::Frame;

/// What becomes of a frame's payload.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// To the user.
    Deliver,
    /// Into the reserve, for a Pong.
    Keep,
    /// Straight into the Pong, a byte at a time.
    Relay,
    Discard,
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
            if self.control_ready() && !write_blocked {
                return Next::Write;
            }
            if self.failure.is_some() {
                return Next::Ready;
            }
            if self.connection.rx.has_ended() {
                return Next::Ended;
            }
            let rx = &self.connection.rx;
            let frame = rx.frame();
            let fate = match frame {
                Some(frame) => self.fate(frame, face, lent.has_reserve()),
                // A header is taken in the same way as payload that nobody gets.
                None => Fate::Discard,
            };
            let available = self.start < self.end || rx.want() == 0;
            // The Pong that is half out still needs the reserve.
            if self.is(CONTROL_OPEN) && frame.is_some_and(|frame| self.keeps(frame, lent)) {
                return Next::Blocked;
            }
            match fate {
                Fate::Deliver if available || room == 0 => return Next::Ready,
                Fate::Relay if !self.relay_ready() => {
                    return if write_blocked || !self.control_ready() {
                        Next::Blocked
                    } else {
                        Next::Write
                    };
                }
                _ if !available => {
                    return if self.is(EOF) {
                        Next::Ended
                    } else {
                        Next::Read
                    };
                }
                fate => {
                    let end = match fate {
                        Fate::Relay => self.end.min(self.start + 1),
                        _ => self.end,
                    };
                    let bytes = lent.read.get_mut(self.start..end).unwrap_or_default();
                    self.start += self.digest(bytes, fate, lent.reserve);
                }
            }
        }
    }

    fn fate(&self, frame: Frame, face: Face, has_reserve: bool) -> Fate {
        let messages = face == Face::Messages;
        match frame.opcode {
            Opcode::Ping if self.is(RELAYING) => Fate::Relay,
            Opcode::Ping if messages && (self.is(REPORT_PINGS) || !has_reserve) => Fate::Deliver,
            // Nothing is sent behind a Close.
            Opcode::Ping if self.closing() => Fate::Discard,
            // An empty payload needs no place to keep it.
            Opcode::Ping if has_reserve || self.connection.rx.remaining() == 0 => Fate::Keep,
            Opcode::Ping => Fate::Relay,
            Opcode::Pong if messages && self.is(REPORT_PONGS) => Fate::Deliver,
            Opcode::Pong => Fate::Discard,
            Opcode::Close if !messages => Fate::Discard,
            _ => Fate::Deliver,
        }
    }

    /// Is this a Ping whose payload goes into the reserve, delivered or not?
    fn keeps(&self, frame: Frame, lent: &Lent<'_>) -> bool {
        frame.opcode == Opcode::Ping && lent.has_reserve() && !self.closing()
    }

    /// Can the next byte of a Ping go into its Pong? Asks for the Pong to be opened where it can be.
    fn relay_ready(&mut self) -> bool {
        if !self.is(RELAYING) && !self.connection.tx.is_open() {
            self.set(RELAYING, true);
        }
        self.is(RELAYING) && !self.control_ready()
    }

    /// Takes header bytes, or payload of one frame that is not for the user, and says how many.
    #[inline(never)]
    fn digest(&mut self, bytes: &mut [u8], fate: Fate, reserve: &mut [u8]) -> usize {
        let rx = &mut self.connection.rx;
        let in_payload = rx.in_payload();
        let taken = rx.take(bytes, self.limit);
        if in_payload {
            return self.payload_taken(taken, bytes, fate, reserve);
        }
        match taken {
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

    /// The receive machine took payload, or found it wrong: then there is a failure to report.
    fn payload_taken(
        &mut self,
        taken: Result<usize, ProtocolError>,
        bytes: &[u8],
        fate: Fate,
        reserve: &mut [u8],
    ) -> usize {
        match taken {
            Ok(count) => {
                let end = !self.connection.rx.in_payload();
                let taken = bytes.get(..count).unwrap_or_default();
                match fate {
                    Fate::Keep => self.keep(taken, reserve, end),
                    Fate::Relay => self.relay(taken.first().copied()),
                    Fate::Deliver | Fate::Discard => {}
                }
                self.frame_taken(end);
                count
            }
            Err(error) => {
                self.fail(error);
                0
            }
        }
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
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let Some(frame) = self.connection.rx.frame() else {
            return Ok(None);
        };
        let read = lent.read.get(self.start..self.end).unwrap_or_default();
        let taken = self.connection.rx.payload_into(read, out);
        if let Ok(count) = taken {
            self.start += count;
        }
        self.delivered(lent, frame, out, taken)
    }

    /// Where to read after [`Next::Read`]: the lent buffer, or `user` (the buffer of the caller of
    /// `take`; a large piece goes there directly), or `scratch`. All of what it returns may be
    /// filled: none of it is beyond what can be taken.
    pub fn read_buffer<'a>(
        &self,
        lent: &'a mut Lent<'_>,
        face: Face,
        user: &'a mut [u8],
        scratch: &'a mut [u8],
    ) -> &'a mut [u8] {
        self.read_into(lent, face, user.len())
            .buffer(lent.read, user, scratch)
    }

    /// `count` bytes were read into the [`read_buffer`](Self::read_buffer). The same `face`, `user`
    /// and `scratch` as there. Where they went to `user` directly this is the piece, as from
    /// [`take`](Self::take).
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn received(
        &mut self,
        lent: &mut Lent<'_>,
        face: Face,
        user: &mut [u8],
        scratch: &mut [u8],
        count: usize,
    ) -> Result<Option<Piece>, ProtocolError> {
        match self.read_into(lent, face, user.len()) {
            ReadInto::Lent => {
                self.start = 0;
                self.end = count.min(lent.read.len());
                Ok(None)
            }
            ReadInto::User(_) => self.deliver(lent, user.get_mut(..count).unwrap_or_default()),
            // Without a lent buffer: header bytes, or payload that is not for the user.
            ReadInto::Scratch(_) => {
                let bytes = scratch.get_mut(..count).unwrap_or_default();
                let fate = match self.connection.rx.frame() {
                    Some(frame) => self.fate(frame, face, false),
                    None => Fate::Discard,
                };
                self.digest(bytes, fate, &mut []);
                Ok(None)
            }
        }
    }

    /// The stream has ended: no more will be read. What was read before is still handed out.
    pub const fn eof(&mut self) {
        self.set(EOF, true);
    }

    /// Which buffer [`read_buffer`](Self::read_buffer) is, where that of the user has `room` bytes:
    /// for a driver that has the parts of the lent buffer in different places.
    pub fn read_into(&self, lent: &Lent<'_>, face: Face, room: usize) -> ReadInto {
        let capacity = lent.read.len();
        let rx = &self.connection.rx;
        let Some(frame) = rx.frame() else {
            return if capacity == 0 {
                ReadInto::Scratch(rx.want())
            } else {
                ReadInto::Lent
            };
        };
        let count = room.min(rx.remaining());
        match self.fate(frame, face, lent.has_reserve()) {
            Fate::Deliver if count >= capacity => ReadInto::User(count),
            _ if capacity > 0 => ReadInto::Lent,
            Fate::Relay => ReadInto::Scratch(1),
            _ => ReadInto::Scratch(rx.want()),
        }
    }

    /// Payload in the user's buffer, still masked.
    fn deliver(
        &mut self,
        lent: &mut Lent<'_>,
        bytes: &mut [u8],
    ) -> Result<Option<Piece>, ProtocolError> {
        let Some(frame) = self.connection.rx.frame() else {
            return Ok(None);
        };
        let taken = self.connection.rx.take(bytes, self.limit);
        self.delivered(lent, frame, bytes, taken)
    }

    /// What there is of a frame's payload in the user's buffer.
    fn delivered(
        &mut self,
        lent: &mut Lent<'_>,
        frame: Frame,
        bytes: &[u8],
        taken: Result<usize, ProtocolError>,
    ) -> Result<Option<Piece>, ProtocolError> {
        let fate = if self.keeps(frame, lent) {
            Fate::Keep
        } else {
            Fate::Deliver
        };
        let length = self.payload_taken(taken, bytes, fate, lent.reserve);
        match self.failure.take() {
            Some(error) => Err(error),
            None => Ok(Some(Piece {
                length,
                opcode: frame.opcode,
                fin: frame.fin,
                remaining: self.connection.rx.remaining(),
            })),
        }
    }

    /// Payload of a Ping, the last of it where `end`. A Ping that is complete but not answered yet
    /// gives way to it (RFC 6455 section 5.5.3: only the most recent has to be answered).
    fn keep(&mut self, bytes: &[u8], reserve: &mut [u8], end: bool) {
        if self.is(PONG_DUE) {
            self.kept = 0;
        }
        let free = reserve.iter_mut().skip(self.kept.into());
        for (slot, &byte) in free.zip(bytes) {
            *slot = byte;
            self.kept += 1;
        }
        self.set(PONG_DUE, end);
    }

    const fn relay(&mut self, byte: Option<u8>) {
        if let Some(byte) = byte {
            self.relayed = byte;
            self.kept = 1;
        }
    }

    /// A frame has been taken whole where `end`: a Close is answered, with its own code
    /// (section 5.5.1).
    const fn frame_taken(&mut self, end: bool) {
        if end && self.connection.rx.has_ended() {
            self.close_with(self.connection.rx.close_code().0);
        }
    }

    /// Fails the connection (section 7.1.7).
    const fn fail(&mut self, error: ProtocolError) {
        self.set(FAILED, true);
        self.failure = Some(error);
        self.close_with(error.close_code().0);
    }

    /// Makes a Close due, unless one is already. A Pong or Ping that has not begun is dropped: nothing is
    /// sent behind a Close.
    pub(super) const fn close_with(&mut self, code: u16) {
        if !self.closing() {
            self.set(CLOSE_DUE, true);
            self.close_code = code;
            if !self.is(CONTROL_OPEN) {
                self.set(PONG_DUE | PING_DUE, false);
            }
        }
    }
}
