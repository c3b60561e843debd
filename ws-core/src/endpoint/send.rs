//! The sending half: the user's frames, and the control frames that are due.

use super::{CLOSE_DUE, CONTROL_OPEN, Endpoint, Lent, PING_DUE, PINGING, PONG_DUE, RELAYING};
use crate::close::CloseCode;
use crate::error::FrameError;
use crate::opcode::Opcode;

impl Endpoint {
    /// Can a control frame that is due be written now? It cannot while a frame of the user's is
    /// open: nothing gets into the middle of a frame (RFC 6455 section 5.4).
    pub const fn control_ready(&self) -> bool {
        let tx = &self.connection.tx;
        if self.is(CONTROL_OPEN) {
            !self.is(RELAYING) || tx.header_due() > 0 || self.kept > 0
        } else {
            !tx.is_open() && self.is(PONG_DUE | CLOSE_DUE | RELAYING | PING_DUE)
        }
    }

    /// Writes what is due of a control frame into `out` and returns how many bytes; 0 where nothing
    /// can be written now. `key` is asked for when a frame begins (not on a server). To be reported
    /// with [`control_sent`](Self::control_sent).
    pub fn control(
        &mut self,
        lent: &Lent<'_>,
        key: impl FnOnce() -> [u8; 4],
        out: &mut [u8],
    ) -> usize {
        if !self.control_ready() || !self.is(CONTROL_OPEN) && !self.begin_control(key) {
            return 0;
        }
        let tx = &self.connection.tx;
        let code = self.close_code.to_be_bytes();
        let relayed = [self.relayed];
        let payload = if tx.opcode() == Some(Opcode::Close) {
            &code[..]
        } else if self.is(RELAYING) {
            relayed.get(..usize::from(self.kept)).unwrap_or_default()
        } else {
            let kept = lent.reserve.get(..self.kept.into());
            kept.unwrap_or_default()
        };
        // Of what is there, what is not on the wire yet.
        let rest = payload
            .get(payload.len().saturating_sub(tx.remaining())..)
            .unwrap_or_default();
        tx.fill(rest, out)
    }

    fn begin_control(&mut self, key: impl FnOnce() -> [u8; 4]) -> bool {
        let (opcode, length) = if self.is(RELAYING) {
            (Opcode::Pong, self.connection.rx.remaining())
        } else if self.is(CLOSE_DUE) {
            (
                Opcode::Close,
                if self.close_code == CloseCode::NO_STATUS.0 {
                    0
                } else {
                    2
                },
            )
        } else if self.is(PONG_DUE) {
            (Opcode::Pong, usize::from(self.kept))
        } else {
            (Opcode::Ping, 0)
        };
        let begun = self.begin_frame(opcode, true, length, key).is_ok();
        self.set(CONTROL_OPEN, begun);
        self.set(PINGING, begun && opcode == Opcode::Ping);
        if !begun {
            self.control_done();
        }
        begun
    }

    fn begin_frame(
        &mut self,
        opcode: Opcode,
        fin: bool,
        length: usize,
        key: impl FnOnce() -> [u8; 4],
    ) -> Result<(), FrameError> {
        let key = if self.connection.tx.masks() {
            key()
        } else {
            [0; 4]
        };
        self.connection.tx.begin(opcode, fin, length, key)
    }

    /// The wire took `count` bytes of what [`control`](Self::control) wrote, perhaps none.
    pub fn control_sent(&mut self, count: usize) {
        if count == 0 && self.is(CONTROL_OPEN) && self.connection.tx.rollback() {
            // Still due, but a later Ping may take its place.
            self.set(CONTROL_OPEN | PINGING, false);
            return;
        }
        let payload = self.connection.tx.sent(count);
        if self.is(RELAYING) && payload > 0 {
            self.kept = 0;
        }
        if !self.connection.tx.is_open() {
            self.control_done();
        }
    }

    const fn control_done(&mut self) {
        // It leaves alone what has come of a Ping meanwhile.
        if self.is(PINGING) {
            self.set(CONTROL_OPEN | PINGING | PING_DUE, false);
            return;
        }
        // A Close may have become due while a Pong was going out.
        let due = if self.connection.tx.is_closed() {
            0
        } else {
            self.flags & (CLOSE_DUE | PING_DUE)
        };
        self.flags =
            self.flags & !(PONG_DUE | CLOSE_DUE | PING_DUE | CONTROL_OPEN | RELAYING) | due;
        self.kept = 0;
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
        let code = if silent || code.is_valid_on_wire() {
            code
        } else {
            CloseCode::NORMAL
        };
        self.close_with(code.0);
    }

    /// Opens a frame of the user's with `length` bytes of payload. Before, what
    /// [`control`](Self::control) has should be out. `key` is asked for a mask key, fresh from a
    /// strong source of randomness (section 5.3); not on a server.
    ///
    /// # Errors
    /// See [`FrameError`]; nothing has changed then.
    pub fn begin(
        &mut self,
        opcode: Opcode,
        fin: bool,
        length: usize,
        key: impl FnOnce() -> [u8; 4],
    ) -> Result<(), FrameError> {
        if self.closing() || self.connection.rx.has_ended() {
            return Err(FrameError::Closed);
        }
        self.begin_frame(opcode, fin, length, key)
    }

    /// Writes what comes next of the user's open frame into `out`, masked: header, then payload.
    /// `rest` is the payload that is not on the wire yet. To be reported with [`sent`](Self::sent);
    /// what the wire did not take is written anew by the next call.
    pub fn fill(&self, rest: &[u8], out: &mut [u8]) -> usize {
        if self.frame_open() {
            self.connection.tx.fill(rest, out)
        } else {
            0
        }
    }

    /// The wire took `count` bytes of the user's open frame; returns how many were payload.
    pub fn sent(&mut self, count: usize) -> usize {
        if self.frame_open() {
            self.connection.tx.sent(count)
        } else {
            0
        }
    }

    /// May the payload of the user's open frame be given to the wire as it stands, without
    /// [`fill`](Self::fill)?
    pub const fn is_plain(&self) -> bool {
        self.frame_open() && self.connection.tx.is_plain()
    }

    /// Masks the payload of the frame just begun in place, or takes the mask off again before
    /// anything is on the wire: see [`Transmitter::mask_in_place`](crate::Transmitter).
    pub fn mask_in_place(&mut self, payload: &mut [u8]) {
        if self.frame_open() {
            self.connection.tx.mask_in_place(payload);
        }
    }

    /// Takes back the user's open frame if nothing of it is on the wire yet, and says whether.
    pub fn rollback(&mut self) -> bool {
        self.frame_open() && self.connection.tx.rollback()
    }
}
