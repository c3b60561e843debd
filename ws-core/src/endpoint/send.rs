//! The sending half: the user's frames, and the control frames that are due.

use super::{CLOSE_DUE, Endpoint, Lent, PING_DUE, PONG_DUE, RELAYING};
use crate::close::CloseCode;
use crate::error::{FrameError, RandomError};
use crate::opcode::Opcode;

impl Endpoint {
    /// Can a control frame that is due be written now? It cannot while a frame of the user's is
    /// open: nothing gets into the middle of a frame (RFC 6455 section 5.4).
    pub const fn control_ready(&self) -> bool {
        let tx = &self.connection.tx;
        if self.control.is_some() {
            !self.is(RELAYING) || tx.header_due() > 0 || self.kept > 0
        } else {
            // Nothing is sent behind a Close.
            !tx.is_open() && !tx.is_close() && self.is(PONG_DUE | CLOSE_DUE | RELAYING | PING_DUE)
        }
    }

    /// Writes what is due of a control frame into `out` and returns how many bytes; 0 where nothing
    /// can be written now. `key` is asked for when a frame begins (not on a server). To be reported
    /// with [`control_sent`](Self::control_sent).
    ///
    /// # Errors
    /// What `key` said: the frame is not begun, and stays due.
    pub fn control(
        &mut self,
        lent: &Lent<'_>,
        key: impl FnOnce() -> Result<[u8; 4], RandomError>,
        out: &mut [u8],
    ) -> Result<usize, RandomError> {
        if !self.begin_control(key)? {
            return Ok(0);
        }
        Ok(self.connection.tx.fill(self.control_rest(lent), out))
    }

    /// Begins the control frame that is due, or goes on with the one that is open; false where
    /// nothing can be written now. `key` is asked for when a frame begins (not on a server). What is
    /// to be written is [`bytes`](Self::bytes) of [`control_rest`](Self::control_rest).
    ///
    /// # Errors
    /// What `key` said: the frame is not begun, and stays due.
    pub fn begin_control(
        &mut self,
        key: impl FnOnce() -> Result<[u8; 4], RandomError>,
    ) -> Result<bool, RandomError> {
        if !self.control_ready() {
            return Ok(false);
        }
        if self.control.is_none() {
            let (opcode, length) = if self.is(RELAYING) {
                (Opcode::Pong, self.connection.rx.remaining())
            } else if self.is(CLOSE_DUE) {
                let silent = self.close_code == CloseCode::NO_STATUS.0.to_be_bytes();
                (Opcode::Close, if silent { 0 } else { 2 })
            } else if self.is(PONG_DUE) {
                (Opcode::Pong, usize::from(self.kept))
            } else {
                (Opcode::Ping, 0)
            };
            let tx = &mut self.connection.tx;
            let key = if tx.masks() { key()? } else { [0; 4] };
            tx.begin_control(opcode, length, key);
            self.control = Some(opcode);
        }
        Ok(true)
    }

    /// What is not on the wire yet of the payload of the open control frame.
    pub fn control_rest<'a>(&'a self, lent: &'a Lent<'_>) -> &'a [u8] {
        let payload = match self.control {
            Some(Opcode::Close) => &self.close_code,
            Some(Opcode::Pong) => {
                let kept = if self.is(RELAYING) {
                    &self.relayed
                } else {
                    &*lent.reserve
                };
                kept.get(..self.kept.into()).unwrap_or_default()
            }
            _ => &[],
        };
        let sent = payload.len().saturating_sub(self.connection.tx.remaining());
        payload.get(sent..).unwrap_or_default()
    }

    /// The wire took `count` bytes of what [`control`](Self::control) wrote, perhaps none.
    pub fn control_sent(&mut self, count: usize) {
        self.written(count);
    }

    /// The wire took `count` bytes of the open frame, perhaps none: of the user's, or of a control
    /// frame. Returns how many were payload of the user's.
    pub fn written(&mut self, count: usize) -> usize {
        let tx = &mut self.connection.tx;
        if count == 0 && self.control.is_some() && tx.rollback() {
            // Still due, but a later Ping may take its place.
            self.control = None;
            return 0;
        }
        let payload = tx.sent(count);
        let Some(opcode) = self.control else {
            return payload;
        };
        if self.is(RELAYING) && payload > 0 {
            self.kept = 0;
        }
        if self.connection.tx.is_open() {
            return 0;
        }
        self.control = None;
        // What became due meanwhile stays so, if it may come behind this frame.
        let done = match opcode {
            Opcode::Ping => PING_DUE,
            Opcode::Close => CLOSE_DUE | PING_DUE | PONG_DUE,
            _ => {
                self.kept = 0;
                PONG_DUE | RELAYING
            }
        };
        self.set(done, false);
        0
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
        key: impl FnOnce() -> Result<[u8; 4], RandomError>,
    ) -> Result<(), FrameError> {
        if self.closing() || self.connection.rx.has_ended() {
            return Err(FrameError::Closed);
        }
        let tx = &mut self.connection.tx;
        let key = if tx.masks() { key()? } else { [0; 4] };
        tx.begin(opcode, fin, length, key)
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

    /// What goes to the wire next of the open frame, the user's or a control frame: `rest` as it
    /// stands where that is how it goes, or else header and payload, masked, in `scratch`. To be
    /// reported with [`written`](Self::written).
    pub fn bytes<'s>(&self, rest: &'s [u8], scratch: &'s mut [u8]) -> &'s [u8] {
        let tx = &self.connection.tx;
        if tx.is_plain() {
            rest.get(..tx.remaining()).unwrap_or(rest)
        } else {
            let count = tx.fill(rest, scratch);
            scratch.get(..count).unwrap_or_default()
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
