//! The receiving half: what is read becomes pieces of messages, control frames are dealt with.

use super::{
    CLOSE_DUE, CONTROL_OPEN, EOF, Endpoint, FAILED, Face, Next, PONG_DUE, Piece, RELAYING,
    REPORT_PINGS, REPORT_PONGS,
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

/// Where the next read goes.
enum Target {
    Lent,
    User,
    Scratch(usize),
}

impl Endpoint<'_> {
    /// Goes as far as it can with what has been read, up to payload for the user, and says what is
    /// needed to go on.
    ///
    /// `room` is the length of the buffer that [`take`](Self::take) will be given. With 0 a frame
    /// is `Ready` as soon as its header is known. `write_blocked` says that the wire would not
    /// take a control frame just now: receiving goes on without it.
    pub fn advance(&mut self, face: Face, room: usize, write_blocked: bool) -> Next {
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
            let Some(frame) = self.connection.rx.frame() else {
                if self.start == self.end {
                    return self.read_or_ended();
                }
                self.take_header();
                continue;
            };
            let available = self.start < self.end || self.connection.rx.want() == 0;
            let fate = self.fate(frame, face);
            // The Pong that is half out still needs the reserve.
            if self.keeps(frame) && self.is(CONTROL_OPEN) {
                return Next::Blocked;
            }
            match fate {
                Fate::Deliver if available || room == 0 => return Next::Ready,
                Fate::Relay if !self.relay_ready() => {
                    if write_blocked || !self.control_ready() {
                        return Next::Blocked;
                    }
                }
                _ if !available => return self.read_or_ended(),
                fate => self.take_buffered(fate),
            }
        }
    }

    const fn read_or_ended(&self) -> Next {
        if self.is(EOF) {
            Next::Ended
        } else {
            Next::Read
        }
    }

    fn fate(&self, frame: Frame, face: Face) -> Fate {
        let messages = face == Face::Messages;
        match frame.opcode {
            Opcode::Ping if self.is(RELAYING) => Fate::Relay,
            Opcode::Ping if messages && (self.is(REPORT_PINGS) || !self.has_reserve()) => {
                Fate::Deliver
            }
            // Nothing is sent behind a Close.
            Opcode::Ping if self.closing() => Fate::Discard,
            // An empty payload needs no place to keep it.
            Opcode::Ping if self.has_reserve() || self.connection.rx.remaining() == 0 => Fate::Keep,
            Opcode::Ping => Fate::Relay,
            Opcode::Pong if messages && self.is(REPORT_PONGS) => Fate::Deliver,
            Opcode::Pong => Fate::Discard,
            Opcode::Close if !messages => Fate::Discard,
            _ => Fate::Deliver,
        }
    }

    /// Is this a Ping whose payload goes into the reserve, delivered or not?
    fn keeps(&self, frame: Frame) -> bool {
        frame.opcode == Opcode::Ping && self.has_reserve() && !self.closing()
    }

    /// Can the next byte of a Ping go into its Pong? Asks for the Pong to be opened where it can be.
    fn relay_ready(&mut self) -> bool {
        if !self.is(RELAYING) && !self.connection.tx.is_open() {
            self.set(RELAYING, true);
        }
        self.is(RELAYING) && !self.control_ready()
    }

    fn take_header(&mut self) {
        let bytes = self.lent.get(self.start..self.end).unwrap_or_default();
        match self.connection.rx.header(bytes, self.limit) {
            Ok(count) => self.start += count,
            Err(error) => self.fail(error),
        }
    }

    /// Payload that is not for the user, from the lent buffer (or none, at the end of a frame).
    fn take_buffered(&mut self, fate: Fate) {
        let end = if fate == Fate::Relay {
            self.end.min(self.start + 1)
        } else {
            self.end
        };
        let bytes = self.lent.get_mut(self.start..end).unwrap_or_default();
        match self.connection.rx.payload(bytes) {
            Ok((count, end)) => {
                let taken = self.start..self.start + count;
                self.start = taken.end;
                if fate == Fate::Keep {
                    self.keep_begins();
                    for at in taken {
                        self.keep(self.lent.get(at).copied().unwrap_or_default());
                    }
                    self.set(PONG_DUE, end);
                } else if fate == Fate::Relay {
                    self.relay(self.lent.get(taken).unwrap_or_default().first().copied());
                }
                self.frame_taken(end);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Hands out what [`advance`](Self::advance) found ready: up to `out.len()` bytes of one
    /// frame's payload, from what was read already. `None` where nothing was ready.
    ///
    /// # Errors
    /// What the peer did wrong, once.
    pub fn take(&mut self, out: &mut [u8]) -> Result<Option<Piece>, ProtocolError> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let lent = self.lent.get(self.start..self.end).unwrap_or_default();
        let count = lent
            .len()
            .min(out.len())
            .min(self.connection.rx.remaining());
        let (Some(out), Some(lent)) = (out.get_mut(..count), lent.get(..count)) else {
            return Ok(None);
        };
        out.copy_from_slice(lent);
        self.start += count;
        self.deliver(out)
    }

    /// Where to read after [`Next::Read`]: the lent buffer, or `user` (the buffer of the caller of
    /// `take`; a large piece goes there directly), or `scratch`. All of what it returns may be
    /// filled: none of it is beyond what can be taken.
    pub fn read_buffer<'a>(
        &'a mut self,
        face: Face,
        user: &'a mut [u8],
        scratch: &'a mut [u8],
    ) -> &'a mut [u8] {
        match self.target(face, user.len()) {
            Target::Lent => {
                let capacity = self.reserve();
                self.lent.get_mut(..capacity).unwrap_or_default()
            }
            Target::User => {
                let count = user.len().min(self.connection.rx.remaining());
                user.get_mut(..count).unwrap_or_default()
            }
            Target::Scratch(count) => {
                let count = count.min(scratch.len());
                scratch.get_mut(..count).unwrap_or_default()
            }
        }
    }

    /// `count` bytes were read into the [`read_buffer`](Self::read_buffer). The same `face`, `user`
    /// and `scratch` as there. Where they went to `user` directly this is the piece, as from
    /// [`take`](Self::take).
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn received(
        &mut self,
        face: Face,
        user: &mut [u8],
        scratch: &mut [u8],
        count: usize,
    ) -> Result<Option<Piece>, ProtocolError> {
        match self.target(face, user.len()) {
            Target::Lent => {
                self.start = 0;
                self.end = count.min(self.reserve());
                Ok(None)
            }
            Target::User => self.deliver(user.get_mut(..count).unwrap_or_default()),
            Target::Scratch(_) => {
                let bytes = scratch.get_mut(..count).unwrap_or_default();
                self.take_scratch(bytes);
                Ok(None)
            }
        }
    }

    /// The stream has ended: no more will be read. What was read before is still handed out.
    pub const fn eof(&mut self) {
        self.set(EOF, true);
    }

    fn target(&self, face: Face, room: usize) -> Target {
        let capacity = self.reserve();
        let rx = &self.connection.rx;
        let Some(frame) = rx.frame() else {
            return if capacity == 0 {
                Target::Scratch(rx.want())
            } else {
                Target::Lent
            };
        };
        match self.fate(frame, face) {
            Fate::Deliver if room.min(rx.remaining()) >= capacity => Target::User,
            _ if capacity > 0 => Target::Lent,
            Fate::Relay => Target::Scratch(1),
            _ => Target::Scratch(rx.want()),
        }
    }

    /// Without a lent buffer: header bytes, or payload that is not for the user.
    fn take_scratch(&mut self, bytes: &mut [u8]) {
        let rx = &mut self.connection.rx;
        if !rx.in_payload() {
            if let Err(error) = rx.header(bytes, self.limit) {
                self.fail(error);
            }
            return;
        }
        match rx.payload(bytes) {
            Ok((_, end)) => {
                if self.is(RELAYING) {
                    self.relay(bytes.first().copied());
                }
                self.frame_taken(end);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Payload in the user's buffer, still masked.
    fn deliver(&mut self, bytes: &mut [u8]) -> Result<Option<Piece>, ProtocolError> {
        let Some(frame) = self.connection.rx.frame() else {
            return Ok(None);
        };
        let keeps = self.keeps(frame);
        match self.connection.rx.payload(bytes) {
            Ok((length, end)) => {
                if keeps {
                    self.keep_begins();
                    for &byte in bytes.iter() {
                        self.keep(byte);
                    }
                    self.set(PONG_DUE, end);
                }
                self.frame_taken(end);
                let remaining = self.connection.rx.remaining();
                Ok(Some(Piece {
                    length,
                    opcode: frame.opcode,
                    fin: frame.fin,
                    remaining,
                }))
            }
            Err(error) => {
                self.fail(error);
                self.failure = None;
                Err(error)
            }
        }
    }

    /// Payload of a Ping follows. One that is complete but not answered yet gives way to it
    /// (RFC 6455 section 5.5.3: only the most recent has to be answered).
    const fn keep_begins(&mut self) {
        if self.is(PONG_DUE) {
            self.set(PONG_DUE, false);
            self.kept = 0;
        }
    }

    fn keep(&mut self, byte: u8) {
        let at = self.reserve() + usize::from(self.kept);
        if let Some(slot) = self.lent.get_mut(at) {
            *slot = byte;
            self.kept += 1;
        }
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

    /// Makes a Close due, unless one is already. A Pong that has not begun is dropped: nothing is
    /// sent behind a Close.
    pub(super) const fn close_with(&mut self, code: u16) {
        if !self.closing() {
            self.set(CLOSE_DUE, true);
            self.close_code = code;
            if !self.is(CONTROL_OPEN) {
                self.set(PONG_DUE, false);
            }
        }
    }
}
