//! The receive machine: told wire bytes, it says what they are (RFC 6455 sections 5, 7 and 8.1).

use crate::close::{CODE_EMPTY, CloseCode, ClosePayload, received_code};
use crate::error::ProtocolError;
use crate::mask::Key;
use crate::opcode::{Opcode, Role};
use crate::utf8::Utf8;

/// Decodes frames from wire bytes cut anywhere; stores no payload.
///
/// It stands either in a header or in a payload ([`in_payload`](Self::in_payload)):
/// [`header`](Self::header) takes the bytes of the one, [`payload`](Self::payload) those of the
/// other, and [`want`](Self::want) tells how many bytes may be read from a socket without reading
/// past it. [`decode`](Self::decode) does both for bytes that lie in one buffer.
///
/// Everything RFC 6455 demands of a receiver is checked here, as early as the bytes allow: reserved
/// bits, opcodes, the direction of masking, the shortest form of lengths, the size and the FIN of
/// control frames, the order of fragments, UTF-8, the payload of Close, the limit on messages.
/// After an error, and after a Close frame, whatever follows is taken and discarded
/// (section 1.4, 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receiver {
    /// Payload bytes of the frame still to come; while the header arrives, its length so far.
    remaining: usize,
    key: Key,
    /// Bytes that the message may still have; once a Close has begun, its code.
    budget: usize,
    /// The first byte of the frame.
    head: u8,
    /// Header bytes still due: none in a payload, `FIRST` at a frame boundary.
    due: u8,
    utf8: Utf8,
    flags: u8,
}

/// What the frame that is being received is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The opcode; for a continuation frame that of the message it continues, Text or Binary.
    pub opcode: Opcode,
    /// The last (or only) frame of its message.
    pub fin: bool,
}

/// What [`Receiver::decode`] found.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// How many of the bytes were taken, header and payload together.
    pub consumed: usize,
    /// The payload among them, unmasked.
    pub payload: &'a mut [u8],
    /// The frame the payload belongs to; `None` while its header is not complete.
    pub frame: Option<Frame>,
    /// The frame ends here.
    pub end: bool,
}

/// Values of `due` for the two bytes every header has; below them the extended length and the mask
/// key are counted.
const FIRST: u8 = 14;
const SECOND: u8 = 13;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const MAX_CONTROL: u8 = 125;
const KEY_BYTES: u8 = 4;

/// Flags: the opcode of the message in progress, or 0, in the low bits.
const MESSAGE: u8 = 0x0F;
const SERVER: u8 = 0x40;
const ENDED: u8 = 0x80;

impl Receiver {
    /// A receiver at the first frame of a connection.
    pub const fn new(role: Role) -> Self {
        Self {
            remaining: 0,
            key: Key::NONE,
            budget: 0,
            head: 0,
            due: FIRST,
            utf8: Utf8::START,
            flags: match role {
                Role::Client => 0,
                Role::Server => SERVER,
            },
        }
    }

    /// Does a payload come next, perhaps an empty one? Otherwise header bytes do.
    pub const fn in_payload(&self) -> bool {
        self.due == 0
    }

    /// Between two frames?
    pub const fn at_boundary(&self) -> bool {
        self.due == FIRST
    }

    /// How many bytes may be read next without reading past what the frame in hand is sure to
    /// have: a part of the header, or the rest of the payload. 0 only in a payload that is
    /// complete, which [`payload`](Self::payload) called with nothing acknowledges.
    pub const fn want(&self) -> usize {
        match self.due {
            0 => self.remaining,
            FIRST => 2,
            SECOND => 1,
            due => due as usize,
        }
    }

    /// The frame whose payload comes next, `None` while the header is not complete.
    pub fn frame(&self) -> Option<Frame> {
        if !self.in_payload() {
            return None;
        }
        let opcode = match self.head & OPCODE {
            0 => self.flags & MESSAGE,
            opcode => opcode,
        };
        Some(Frame {
            opcode: Opcode::from_wire(opcode)?,
            fin: self.head & FIN != 0,
        })
    }

    /// Payload bytes of the frame that are still to come; 0 outside of a payload.
    pub const fn remaining(&self) -> usize {
        if self.in_payload() { self.remaining } else { 0 }
    }

    /// Was a Close frame received, or the connection failed? What follows is discarded.
    pub const fn has_ended(&self) -> bool {
        self.flags & ENDED != 0
    }

    /// The code of the Close frame that was received, [`CloseCode::NO_STATUS`] where it had none.
    /// Meaningful once a Close frame has been taken whole.
    pub const fn close_code(&self) -> CloseCode {
        match received_code(self.budget) {
            Some(code) => code,
            None => CloseCode::NO_STATUS,
        }
    }

    /// Takes header bytes, and not one byte of what comes behind the header; returns how many.
    /// `limit` is the longest message to accept, in bytes. In a payload it takes nothing.
    ///
    /// # Errors
    /// Whatever the header does wrong, at the byte that shows it.
    pub fn header(&mut self, bytes: &[u8], limit: usize) -> Result<usize, ProtocolError> {
        if self.has_ended() {
            return Ok(bytes.len());
        }
        self.take_header(bytes, limit).inspect_err(|_| self.end())
    }

    fn take_header(&mut self, bytes: &[u8], limit: usize) -> Result<usize, ProtocolError> {
        let key_due = if self.flags & SERVER != 0 {
            KEY_BYTES
        } else {
            0
        };
        let mut rest = bytes;
        while self.due != 0 {
            if self.due == key_due
                && let Some((key, behind)) = rest.split_first_chunk()
            {
                self.key = Key::from_wire(*key);
                self.due = 0;
                rest = behind;
                break;
            }
            let Some((&byte, behind)) = rest.split_first() else {
                break;
            };
            rest = behind;
            match self.due {
                FIRST => {
                    self.first(byte, limit)?;
                    self.due = SECOND;
                    continue;
                }
                SECOND => self.second(byte, key_due)?,
                due if due > key_due => {
                    self.due = due - 1;
                    self.length(byte, due - key_due)?;
                }
                due => {
                    self.due = due - 1;
                    self.key = self.key.shifted_in(byte);
                    continue;
                }
            }
            if self.due == key_due {
                self.length_complete()?;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// FIN, the reserved bits and the opcode.
    fn first(&mut self, byte: u8, limit: usize) -> Result<(), ProtocolError> {
        if byte & RSV != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        let message = self.flags & MESSAGE;
        match byte & OPCODE {
            0x0 if message == 0 => return Err(ProtocolError::UnexpectedContinuation),
            0x0 => {}
            0x1 | 0x2 if message != 0 => return Err(ProtocolError::ExpectedContinuation),
            opcode @ (0x1 | 0x2) => {
                self.flags |= opcode;
                self.budget = limit;
                self.utf8 = Utf8::START;
            }
            0x8..=0xA if byte & FIN == 0 => return Err(ProtocolError::ControlFragmented),
            0x8 => {
                self.budget = CODE_EMPTY;
                self.utf8 = Utf8::START;
            }
            0x9 | 0xA => {}
            opcode => return Err(ProtocolError::ReservedOpcode(opcode)),
        }
        self.head = byte;
        Ok(())
    }

    /// The mask bit and the 7-bit length.
    fn second(&mut self, byte: u8, key_due: u8) -> Result<(), ProtocolError> {
        if (byte & MASKED != 0) != (key_due != 0) {
            return Err(match key_due {
                0 => ProtocolError::MaskedByServer,
                _ => ProtocolError::UnmaskedByClient,
            });
        }
        let length = byte & LENGTH;
        if self.is_control() && length > MAX_CONTROL {
            return Err(ProtocolError::ControlTooLong);
        }
        if self.head & OPCODE == Opcode::Close as u8 && length == 1 {
            return Err(ProtocolError::ClosePayload);
        }
        (self.due, self.remaining) = match length {
            LENGTH_16 => (key_due + 2, 0),
            LENGTH_64 => (key_due + 8, 0),
            length => (key_due, usize::from(length)),
        };
        Ok(())
    }

    /// A byte of the extended length, of which `due` are still to come with it.
    fn length(&mut self, byte: u8, due: u8) -> Result<(), ProtocolError> {
        if due == 8 && byte & 0x80 != 0 {
            return Err(ProtocolError::LengthTopBit);
        }
        if self.remaining > usize::MAX >> 8 {
            return Err(ProtocolError::MessageTooBig);
        }
        self.remaining = self.remaining << 8 | usize::from(byte);
        let shortest = match due {
            // Six of eight bytes: zero up to here would have fitted 16 bits.
            3 => 1,
            // The last of two or of eight: less would have fitted seven bits.
            1 => usize::from(LENGTH_16),
            _ => return Ok(()),
        };
        if self.remaining < shortest {
            return Err(ProtocolError::LengthNotMinimal);
        }
        Ok(())
    }

    /// The length is known: does the message stay within its limit (section 10.4)?
    fn length_complete(&mut self) -> Result<(), ProtocolError> {
        if !self.is_control() {
            self.budget = self
                .budget
                .checked_sub(self.remaining)
                .ok_or(ProtocolError::MessageTooBig)?;
        }
        Ok(())
    }

    /// Takes payload bytes: unmasks them in place and checks them. Returns how many belong to the
    /// frame and whether it ends with them. Call it with nothing where
    /// [`want`](Self::want) is 0. Outside of a payload it takes nothing.
    ///
    /// # Errors
    /// Text that cannot become UTF-8, a bad Close payload.
    pub fn payload(&mut self, bytes: &mut [u8]) -> Result<(usize, bool), ProtocolError> {
        if !self.in_payload() || self.has_ended() {
            return Ok((0, false));
        }
        let count = bytes.len().min(self.remaining);
        let bytes = bytes.get_mut(..count).unwrap_or_default();
        if self.flags & SERVER != 0 {
            self.key.apply(bytes);
        }
        self.remaining -= count;
        let end = self.remaining == 0;
        self.check_payload(bytes, end).inspect_err(|_| self.end())?;
        if end {
            self.due = FIRST;
        }
        Ok((count, end))
    }

    fn check_payload(&mut self, bytes: &[u8], end: bool) -> Result<(), ProtocolError> {
        let close = self.head & OPCODE == Opcode::Close as u8;
        let text = !self.is_control() && self.flags & MESSAGE == Opcode::Text as u8;
        if close {
            ClosePayload {
                code: &mut self.budget,
                reason: &mut self.utf8,
            }
            .push(bytes)?;
        } else if text {
            self.utf8.push(bytes)?;
        }
        if end && self.head & FIN != 0 {
            if (close || text) && !self.utf8.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
            if close {
                self.end();
            } else if !self.is_control() {
                self.flags &= !MESSAGE;
            }
        }
        Ok(())
    }

    /// Takes what lies at the front of `bytes`: the rest of a header, and behind it payload up to
    /// the end of the frame. Where `frame` comes back `None`, all of `bytes` was header and more
    /// of it is due.
    ///
    /// # Errors
    /// As [`header`](Self::header) and [`payload`](Self::payload).
    pub fn decode<'a>(
        &mut self,
        bytes: &'a mut [u8],
        limit: usize,
    ) -> Result<Decoded<'a>, ProtocolError> {
        let header = if self.in_payload() {
            0
        } else {
            self.header(bytes, limit)?
        };
        let frame = self.frame();
        let rest = bytes.get_mut(header..).unwrap_or_default();
        let (count, end) = self.payload(rest)?;
        let payload = rest.get_mut(..count).unwrap_or_default();
        Ok(Decoded {
            consumed: header + count,
            payload,
            frame,
            end,
        })
    }

    /// From here on whatever comes is discarded.
    pub(crate) const fn end(&mut self) {
        self.flags |= ENDED;
        self.due = FIRST;
    }

    const fn is_control(&self) -> bool {
        self.head & 0x08 != 0
    }
}

#[cfg(test)]
mod tests;
