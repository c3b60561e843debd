//! The control frames that are due, and how frames get to the wire, the user's and ours.

use super::step::{Step, Told};
use super::{CLOSE_DUE, Endpoint, FRESH, KEY_READY, Lent, PING_DUE, PINGED, PONG_DUE, UNFLUSHED};
use crate::close::{CloseCode, MAX_CLOSE_REASON};
use crate::opcode::Opcode;

impl Endpoint {
    /// Can a control frame that is due be written now? It cannot while a frame of the user's is open:
    /// nothing gets into the middle of a frame (RFC 6455 section 5.4).
    pub const fn control_ready(&self) -> bool {
        let tx = &self.connection.tx;
        // Nothing is sent after a Close.
        self.control.is_some()
            || self.is(PONG_DUE | CLOSE_DUE | PING_DUE) && !tx.is_open() && !tx.is_close()
    }

    /// A mask key for the frame that begins next: fresh from a strong source of randomness (RFC 6455
    /// section 5.3), after [`Step::Key`].
    pub fn set_key(&mut self, key: [u8; 4]) {
        self.connection.tx.set_next_key(key);
        self.set(KEY_READY, true);
    }

    /// Is a key needed before a frame can begin?
    pub(super) const fn needs_key(&self) -> bool {
        self.connection.tx.masks() && !self.is(KEY_READY)
    }

    /// The frame that begins has taken the key.
    pub(super) const fn key_taken(&mut self) {
        self.set(KEY_READY, false);
    }

    /// What to do for the control frame that is [ready](Self::control_ready). It begins here, unless
    /// it has.
    #[inline(never)]
    pub(super) fn control_step(&mut self, reserve: &mut [u8]) -> Step {
        if self.control.is_none() {
            if self.needs_key() {
                return Step::Key;
            }
            let (opcode, length) = if self.is(CLOSE_DUE) {
                self.place_code(reserve);
                (Opcode::Close, self.kept)
            } else if self.is(PONG_DUE) {
                (Opcode::Pong, self.kept)
            } else {
                // What is kept may be half of a Ping of the peer's.
                (Opcode::Ping, 0)
            };
            self.control = Some(opcode);
            self.key_taken();
            self.connection.tx.begin_control(opcode, length.into());
        }
        Step::Write
    }

    /// The payload of a Close: its code, and the reason that [`close`](Self::close) put after it.
    fn place_code(&mut self, reserve: &mut [u8]) {
        if self.close_code == CloseCode::NO_STATUS {
            self.kept = 0;
        } else if let Some(code) = reserve.first_chunk_mut() {
            *code = self.close_code.0.to_be_bytes();
            self.kept = self.kept.max(2);
        }
    }

    /// Asks for a Ping without payload, to see whether the peer is there (RFC 6455 section 5.5.2).
    /// None is sent once a Close is due.
    pub const fn ping(&mut self) {
        if !self.closing() {
            self.set(PING_DUE, true);
        }
    }

    /// Asks for the closing handshake: a Close with `code` (none for [`CloseCode::NO_STATUS`]) is
    /// due, unless one was sent or is due already. A code that may not be on the wire
    /// (section 7.4.1) is sent as 1000.
    pub const fn close(&mut self, code: CloseCode) {
        let silent = code.0 == CloseCode::NO_STATUS.0;
        self.close_with(if silent || code.is_valid_on_wire() {
            code
        } else {
            CloseCode::NORMAL
        });
    }

    /// [`close`](Self::close) with a reason. One that is longer than [`MAX_CLOSE_REASON`] is cut before
    /// the character that no longer fits. While a Pong is half out there is no room for a reason.
    pub(super) fn close_saying(&mut self, code: CloseCode, reason: &str, reserve: &mut [u8]) {
        if !self.closing() {
            self.close(code);
            if self.control != Some(Opcode::Pong) && code != CloseCode::NO_STATUS {
                self.keep_reason(reason, reserve);
            }
        }
    }

    #[allow(clippy::cast_possible_truncation)] // a reason has at most 123 bytes
    fn keep_reason(&mut self, reason: &str, reserve: &mut [u8]) {
        let mut length = reason.len().min(MAX_CLOSE_REASON);
        while !reason.is_char_boundary(length) {
            length -= 1;
        }
        let place = reserve.get_mut(2..2 + length).unwrap_or_default();
        for (place, byte) in place.iter_mut().zip(reason.bytes()) {
            *place = byte;
        }
        self.kept = 2 + length as u8;
    }

    /// What goes to the wire next of the open frame, a control frame of ours or the user's, of whose
    /// payload `rest` is not on the wire yet: `rest` where it stands, if that is how it goes; else
    /// header and payload, masked, in `scratch`. To be reported with
    /// [`Told::Written`](super::Told::Written); what the wire did not take is generated anew by the next
    /// call.
    pub fn outgoing<'s>(&self, rest: &'s [u8], reserve: &[u8], scratch: &'s mut [u8]) -> &'s [u8] {
        let tx = &self.connection.tx;
        if self.control.is_none() && tx.is_plain() {
            return rest.get(..tx.remaining()).unwrap_or(rest);
        }
        let payload = if self.control.is_some() {
            // The rest of what is kept.
            let kept = usize::from(self.kept);
            let sent = kept.saturating_sub(tx.remaining());
            reserve.get(sent..kept).unwrap_or_default()
        } else {
            rest
        };
        let count = tx.fill(payload, scratch);
        scratch.get(..count).unwrap_or_default()
    }

    /// Where to write from: the part of what is [read](super::Lent::parts) into that holds nothing until
    /// the next read, or `scratch` where that is longer.
    #[inline(never)] // 48 bytes less at z than within a driver's loop.
    pub fn scratch<'s>(&self, read: &'s mut [u8], scratch: &'s mut [u8]) -> &'s mut [u8] {
        let end = if self.start == self.end { 0 } else { self.end };
        let unused = read.get_mut(end..).unwrap_or_default();
        if unused.len() > scratch.len() {
            unused
        } else {
            scratch
        }
    }

    /// Takes in what a job was told. Returns how many bytes of the user's payload went out.
    #[inline(never)]
    pub(super) fn take_in(&mut self, lent: &Lent<'_>, told: Told) -> usize {
        match told {
            Told::Resumed | Told::ReadBlocked | Told::Busy => {}
            Told::Read(count) => self.received(lent, count),
            Told::ReadFailed => self.eof(),
            Told::Written(count) => return self.written(count),
            Told::Flushed => self.set(UNFLUSHED, false),
            Told::WriteBlocked | Told::WriteFailed | Told::NoKey => {
                if told == Told::NoKey && self.is(PING_DUE) {
                    // It was not asked, so that it cannot fail to answer: later.
                    self.heard();
                }
                if self.control.is_some() && self.connection.tx.rollback() {
                    // Still due, but a later Ping may take its place.
                    self.control = None;
                }
            }
        }
        0
    }

    /// The wire took `count` bytes of the open frame: of the user's, or of a control frame.
    fn written(&mut self, count: usize) -> usize {
        let tx = &mut self.connection.tx;
        let payload = tx.sent(count);
        self.set(UNFLUSHED, true);
        let Some(opcode) = self.control else {
            // Who takes a frame while a Ping after it has to wait is there.
            self.flags |= if self.is(PING_DUE) { FRESH } else { 0 };
            return payload;
        };
        if self.connection.tx.is_open() {
            return 0;
        }
        self.control = None;
        if opcode != Opcode::Ping {
            self.kept = 0;
        }
        // What became due meanwhile stays so, if it may come after this frame.
        let done = match opcode {
            Opcode::Ping => PING_DUE,
            Opcode::Close => CLOSE_DUE | PING_DUE | PONG_DUE,
            _ => PONG_DUE,
        };
        if opcode == Opcode::Ping {
            // From here on an answer is awaited.
            self.set(FRESH | PINGED, true);
        }
        self.set(done, false);
        0
    }
}
