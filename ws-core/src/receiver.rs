//! The receive machine: told wire bytes, it says what they are (RFC 6455 sections 5, 7 and 8.1).

use crate::close::{CODE_EMPTY, CloseCode, received_code, take_code};
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
    /// Of the frame; a continuation has that of its message.
    opcode: Opcode,
    /// Where in the header the next byte belongs, see [`FIRST`]; 0 in a payload.
    due: u8,
    utf8: Utf8,
    /// The first byte of the last data frame, with the opcode of its message; `SERVER` too.
    message: u8,
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

/// Values of `due`, which counts the header down as if it had all it can have: two bytes, eight of
/// length, four of the mask key. What a frame does not have is skipped.
const FIRST: u8 = 15;
const SECOND: u8 = 14;
/// After an error or a Close.
const ENDED: u8 = 13;
const LENGTH_64_DUE: u8 = KEY_DUE + 8;
const LENGTH_16_DUE: u8 = KEY_DUE + 2;
const KEY_DUE: u8 = 4;

const FIN: u32 = 0x80;
const RSV: u32 = 0x70;
const OPCODE: u32 = 0x0F;
const CONTROL: u32 = 0x08;
const MASKED: u32 = 0x80;
const LENGTH_16: u32 = 126;

/// In `message`, where no first byte has a bit that is reserved: one below the mask bit.
const SERVER: u32 = 0x40;

impl Receiver {
    /// A receiver at the first frame of a connection.
    pub const fn new(role: Role) -> Self {
        Self {
            remaining: 0,
            key: Key::NONE,
            budget: 0,
            opcode: Opcode::Continuation,
            due: FIRST,
            utf8: Utf8::START,
            message: match role {
                Role::Client => low_byte(FIN),
                Role::Server => low_byte(FIN | SERVER),
            },
        }
    }

    /// Does a payload come next, perhaps an empty one? Otherwise header bytes do.
    pub const fn in_payload(&self) -> bool {
        self.due == 0
    }

    /// Between two frames?
    pub const fn at_boundary(&self) -> bool {
        self.due == FIRST || self.has_ended()
    }

    /// How many bytes may be read next without reading past what the frame in hand is sure to
    /// have: a part of the header, or the rest of the payload. 0 only in a payload that is
    /// complete, which [`payload`](Self::payload) called with nothing acknowledges.
    pub const fn want(&self) -> usize {
        match self.due {
            0 => self.remaining,
            due @ SECOND.. => (due - ENDED) as usize,
            due if self.is_server() => due as usize,
            due => (due - KEY_DUE) as usize,
        }
    }

    /// In a payload of which nothing is to come?
    pub(crate) const fn is_complete(&self) -> bool {
        self.in_payload() && self.remaining == 0
    }

    /// The frame whose payload comes next, `None` while the header is not complete.
    #[inline(always)]
    pub const fn frame(&self) -> Option<Frame> {
        if self.in_payload() {
            Some(self.last_frame())
        } else {
            None
        }
    }

    /// The frame in hand, or the last one until a byte of the next header is taken.
    pub(crate) const fn last_frame(&self) -> Frame {
        // The bit of control opcodes is put where data frames have FIN.
        let fin = self.message as u32 | (self.opcode as u32) << 4;
        Frame {
            opcode: self.opcode,
            fin: fin & FIN != 0,
        }
    }

    /// Payload bytes of the frame that are still to come; 0 outside of a payload.
    pub const fn remaining(&self) -> usize {
        if self.in_payload() { self.remaining } else { 0 }
    }

    /// Was a Close frame received, or the connection failed? What follows is discarded.
    pub const fn has_ended(&self) -> bool {
        self.due == ENDED
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
        let mut rest = bytes;
        match self.take_header(&mut rest, limit) {
            Ok(()) => Ok(bytes.len() - rest.len()),
            Err(error) => {
                self.due = ENDED;
                Err(error)
            }
        }
    }

    /// Straight through what most headers are, two bytes and a key that lie there whole; the rest byte
    /// by byte in [`third`](Self::third).
    #[inline(always)]
    fn take_header(&mut self, rest: &mut &[u8], limit: usize) -> Result<(), ProtocolError> {
        let key_next = 'length: {
            if self.due >= SECOND {
                if self.due == FIRST {
                    let Some(byte) = next(rest) else {
                        return Ok(());
                    };
                    self.first(byte, limit)?;
                }
                let Some(byte) = next(rest) else {
                    self.due = SECOND;
                    return Ok(());
                };
                if self.second(byte)? {
                    break 'length true;
                }
            }
            while self.due > KEY_DUE {
                let Some(byte) = next(rest) else {
                    return Ok(());
                };
                self.third(byte)?;
                if self.due == KEY_DUE {
                    self.spend()?;
                    break 'length true;
                }
            }
            self.due == KEY_DUE
        };
        if key_next {
            if !self.is_server() {
                self.due = 0;
                return Ok(());
            }
            if let Some((key, behind)) = rest.split_first_chunk() {
                self.key = Key::from_wire(*key);
                self.due = 0;
                *rest = behind;
                return Ok(());
            }
            self.due = KEY_DUE;
        }
        while self.due != 0 {
            let Some(byte) = next(rest) else {
                break;
            };
            self.third(byte)?;
        }
        Ok(())
    }

    /// FIN, the reserved bits and the opcode.
    #[inline(always)]
    fn first(&mut self, byte: u32, limit: usize) -> Result<(), ProtocolError> {
        // Three of each kind are not reserved.
        if byte & (RSV | OPCODE & !CONTROL) > 2 {
            return Err(match byte & RSV {
                0 => ProtocolError::ReservedOpcode((byte & OPCODE) as u16),
                _ => ProtocolError::ReservedBits,
            });
        }
        if byte & CONTROL != 0 {
            if byte & FIN == 0 {
                return Err(ProtocolError::ControlFragmented);
            }
            self.opcode = match byte & OPCODE {
                0x8 => Opcode::Close,
                0x9 => Opcode::Ping,
                _ => Opcode::Pong,
            };
            if self.opcode == Opcode::Close {
                self.utf8 = Utf8::START;
                self.budget = CODE_EMPTY;
            }
        } else {
            let mut message = u32::from(self.message);
            if byte & OPCODE == 0 {
                if message & FIN != 0 {
                    return Err(ProtocolError::UnexpectedContinuation);
                }
                message |= byte;
            } else {
                if message & FIN == 0 {
                    return Err(ProtocolError::ExpectedContinuation);
                }
                message = message & SERVER | byte;
                self.budget = limit;
            }
            self.message = low_byte(message);
            self.opcode = match message & 1 {
                0 => Opcode::Binary,
                _ => Opcode::Text,
            };
        }
        Ok(())
    }

    /// The mask bit and the 7-bit length; is the length complete?
    #[inline(always)]
    fn second(&mut self, byte: u32) -> Result<bool, ProtocolError> {
        if (byte ^ u32::from(self.message) << 1) & MASKED != 0 {
            return Err(if self.is_server() {
                ProtocolError::UnmaskedByClient
            } else {
                ProtocolError::MaskedByServer
            });
        }
        let length = byte & !MASKED;
        self.remaining = length as usize;
        if self.opcode.is_control() {
            if length >= LENGTH_16 {
                return Err(ProtocolError::ControlTooLong);
            }
            if length == 1 && self.opcode == Opcode::Close {
                return Err(ProtocolError::ClosePayload);
            }
        } else if length < LENGTH_16 {
            self.spend()?;
        } else {
            self.remaining = 0;
            self.due = if length == LENGTH_16 {
                LENGTH_16_DUE
            } else {
                LENGTH_64_DUE
            };
            return Ok(false);
        }
        Ok(true)
    }

    /// A byte of the extended length, or of the key; whatever it is where all is discarded. Not
    /// inlined: in a loop with the rest it would be twice as long.
    #[inline(never)]
    fn third(&mut self, byte: u32) -> Result<(), ProtocolError> {
        let due = self.due;
        if due == ENDED {
            return Ok(());
        }
        self.due = due - 1;
        if due <= KEY_DUE {
            self.key = self.key.shifted_in(low_byte(byte));
            return Ok(());
        }
        if due == LENGTH_64_DUE && byte & 0x80 != 0 {
            return Err(ProtocolError::LengthTopBit);
        }
        if self.remaining > usize::MAX >> 8 {
            return Err(ProtocolError::MessageTooBig);
        }
        self.remaining = self.remaining << 8 | byte as usize;
        const SIXTH_OF_EIGHT: u8 = LENGTH_16_DUE + 1;
        const LAST: u8 = KEY_DUE + 1;
        let shortest = match due {
            // Zero up to here would have fitted 16 bits.
            SIXTH_OF_EIGHT => 1,
            // Less would have fitted seven bits.
            LAST => LENGTH_16 as usize,
            _ => 0,
        };
        if self.remaining < shortest {
            return Err(ProtocolError::LengthNotMinimal);
        }
        Ok(())
    }

    /// The length of a data frame is known: does its message stay within the limit (section 10.4)?
    #[inline(always)]
    fn spend(&mut self) -> Result<(), ProtocolError> {
        let left = self.budget.checked_sub(self.remaining);
        self.budget = left.ok_or(ProtocolError::MessageTooBig)?;
        Ok(())
    }

    /// Takes payload bytes: unmasks them in place and checks them. Returns how many belong to the
    /// frame and whether it ends with them. Call it with nothing where
    /// [`want`](Self::want) is 0. Outside of a payload it takes nothing.
    ///
    /// # Errors
    /// Text that cannot become UTF-8, a bad Close payload.
    pub fn payload(&mut self, bytes: &mut [u8]) -> Result<(usize, bool), ProtocolError> {
        if !self.in_payload() {
            return Ok((0, false));
        }
        let bytes = self.take_payload(None, bytes)?;
        Ok((bytes.len(), self.remaining == 0))
    }

    /// [`payload`](Self::payload), from one buffer into another: takes what fits.
    ///
    /// # Errors
    /// As there.
    pub fn payload_into(
        &mut self,
        from: &[u8],
        to: &mut [u8],
    ) -> Result<(usize, bool), ProtocolError> {
        if !self.in_payload() {
            return Ok((0, false));
        }
        let bytes = self.take_payload(Some(from), to)?;
        Ok((bytes.len(), self.remaining == 0))
    }

    /// The part of `bytes` that belongs to the frame, once what is in `from` has been copied there.
    #[inline(always)]
    pub(crate) fn take_payload<'a>(
        &mut self,
        from: Option<&[u8]>,
        bytes: &'a mut [u8],
    ) -> Result<&'a mut [u8], ProtocolError> {
        let mut count = bytes.len().min(self.remaining);
        let bytes = if let Some(from) = from {
            let key = if self.is_server() {
                self.key
            } else {
                Key::NONE
            };
            let to = bytes.get_mut(..count).unwrap_or_default();
            count = key.copy(from, to);
            self.key = self.key.advanced(count);
            to.get_mut(..count).unwrap_or_default()
        } else {
            let bytes = bytes.get_mut(..count).unwrap_or_default();
            if self.is_server() && !bytes.is_empty() {
                self.key.apply(bytes);
            }
            bytes
        };
        self.remaining -= count;
        match self.check_payload(bytes) {
            Ok(()) => Ok(bytes),
            Err(error) => {
                self.due = ENDED;
                Err(error)
            }
        }
    }

    /// Unmasked payload, and what its end means.
    #[inline(always)]
    fn check_payload(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let opcode = self.opcode;
        let close = opcode == Opcode::Close;
        if close || opcode == Opcode::Text {
            self.check_text(bytes)?;
        }
        if self.remaining == 0 {
            // Text goes on in the next frame of its message, and only there. Behind Binary and
            // between messages there is none to complete.
            if !self.utf8.is_complete() && (close || !self.in_message()) {
                return Err(ProtocolError::InvalidUtf8);
            }
            self.due = if close { ENDED } else { FIRST };
        }
        Ok(())
    }

    /// Text, or the code and the reason of a Close. Not inlined: binary payload needs none of it.
    #[inline(never)]
    fn check_text(&mut self, mut bytes: &[u8]) -> Result<(), ProtocolError> {
        if self.opcode == Opcode::Close {
            bytes = take_code(&mut self.budget, bytes)?;
        }
        self.utf8.push(bytes)
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
        let Some(frame) = self.frame() else {
            return Ok(Decoded {
                consumed: header,
                payload: &mut [],
                frame: None,
                end: false,
            });
        };
        let payload = self.take_payload(None, bytes.get_mut(header..).unwrap_or_default())?;
        Ok(Decoded {
            consumed: header + payload.len(),
            payload,
            frame: Some(frame),
            end: self.remaining == 0,
        })
    }

    /// From here on whatever comes is discarded.
    pub(crate) const fn end(&mut self) {
        self.due = ENDED;
    }

    const fn is_server(&self) -> bool {
        self.message as u32 & SERVER != 0
    }

    /// Does a message go on behind the last data frame?
    const fn in_message(&self) -> bool {
        self.message as u32 & FIN == 0
    }
}

/// The next byte, as wide as registers are: narrower takes instructions that cut it to size.
#[inline(always)]
fn next(rest: &mut &[u8]) -> Option<u32> {
    let (byte, behind) = rest.split_first()?;
    *rest = behind;
    Some((*byte).into())
}

/// The byte that was widened.
#[allow(clippy::cast_possible_truncation)]
const fn low_byte(wide: u32) -> u8 {
    wide as u8
}

#[cfg(test)]
mod tests;
