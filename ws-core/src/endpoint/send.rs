//! The sending half: the user's frames, and the control frames that are due.

use super::{CLOSE_DUE, CONTROL_OPEN, Endpoint, Lent, PING_DUE, PONG_DUE, RELAYING};
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
            // Nothing is sent behind a Close.
            !tx.is_open()
                && !tx.close_begun()
                && self.is(PONG_DUE | CLOSE_DUE | RELAYING | PING_DUE)
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
        if !self.control_ready() {
            return 0;
        }
        let open = self.connection.tx.opcode();
        let opcode = match open {
            Some(opcode) => opcode,
            None if self.is(RELAYING) => Opcode::Pong,
            None if self.is(CLOSE_DUE) => Opcode::Close,
            None if self.is(PONG_DUE) => Opcode::Pong,
            None => Opcode::Ping,
        };
        let (code, relayed) = (self.close_code.to_be_bytes(), [self.relayed]);
        let kept = usize::from(self.kept);
        let payload = match opcode {
            Opcode::Close if self.close_code == CloseCode::NO_STATUS.0 => None,
            Opcode::Close => Some(&code[..]),
            Opcode::Ping => None,
            _ if self.is(RELAYING) => relayed.get(..kept),
            _ => lent.reserve.get(..kept),
        };
        let payload = payload.unwrap_or_default();
        if open.is_none() {
            let length = if self.is(RELAYING) {
                self.connection.rx.remaining()
            } else {
                payload.len()
            };
            let begun = self.begin_frame(opcode, true, length, key).is_ok();
            self.set(CONTROL_OPEN, begun);
        }
        let tx = &self.connection.tx;
        // Of what is there, what is not on the wire yet.
        let sent = payload.len().saturating_sub(tx.remaining());
        tx.fill(payload.get(sent..).unwrap_or_default(), out)
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
        let Some(opcode) = self.connection.tx.opcode() else {
            return;
        };
        if count == 0 && self.connection.tx.rollback() {
            // Still due, but a later Ping may take its place.
            self.set(CONTROL_OPEN, false);
            return;
        }
        let payload = self.connection.tx.sent(count);
        if self.is(RELAYING) && payload > 0 {
            self.kept = 0;
        }
        if self.connection.tx.is_open() {
            return;
        }
        // What became due meanwhile stays so, if it may come behind this frame.
        let done = match opcode {
            Opcode::Ping => PING_DUE,
            Opcode::Close => CLOSE_DUE | PING_DUE | PONG_DUE,
            _ => {
                self.kept = 0;
                PONG_DUE | RELAYING
            }
        };
        self.set(CONTROL_OPEN | done, false);
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
