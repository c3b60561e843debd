//! The sending half: the user's frames, and the control frames that are due.

use super::{CLOSE_DUE, Endpoint, Lent, PING_DUE, PONG_DUE, RELAYING};
use crate::close::CloseCode;
use crate::connection::Connection;
use crate::error::FrameError;
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
        let Connection { rx, tx } = &mut self.connection;
        let relaying = self.flags & RELAYING != 0;
        let opcode = match self.control {
            Some(opcode) => opcode,
            None if relaying => Opcode::Pong,
            None if self.flags & CLOSE_DUE != 0 => Opcode::Close,
            None if self.flags & PONG_DUE != 0 => Opcode::Pong,
            None => Opcode::Ping,
        };
        let (payload, length) = match opcode {
            Opcode::Close if self.close_code == CloseCode::NO_STATUS.0.to_be_bytes() => {
                (&[][..], 0)
            }
            Opcode::Close => (&self.close_code[..], 2),
            Opcode::Ping => (&[][..], 0),
            _ if relaying => (&self.relayed[..], usize::from(self.kept)),
            _ => (&*lent.reserve, usize::from(self.kept)),
        };
        if self.control.is_none() {
            let key = if tx.masks() { key() } else { [0; 4] };
            let length = if relaying { rx.remaining() } else { length };
            if tx.begin(opcode, true, length, key).is_ok() {
                self.control = Some(opcode);
            }
        }
        // Of what is there, what is not on the wire yet.
        let sent = length.saturating_sub(tx.remaining());
        tx.fill(payload.get(sent..length).unwrap_or_default(), out)
    }

    /// The wire took `count` bytes of what [`control`](Self::control) wrote, perhaps none.
    pub fn control_sent(&mut self, count: usize) {
        if count == 0 && self.control.is_some() && self.connection.tx.rollback() {
            // Still due, but a later Ping may take its place.
            self.control = None;
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
        let done = match self.control.take() {
            Some(Opcode::Ping) => PING_DUE,
            Some(Opcode::Close) => CLOSE_DUE | PING_DUE | PONG_DUE,
            _ => {
                self.kept = 0;
                PONG_DUE | RELAYING
            }
        };
        self.set(done, false);
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
        let tx = &mut self.connection.tx;
        let key = if tx.masks() { key() } else { [0; 4] };
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

    /// What goes to the wire next of the user's open frame: `rest` as it stands where that is how it
    /// goes, or else what [`fill`](Self::fill) writes into `scratch`.
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
