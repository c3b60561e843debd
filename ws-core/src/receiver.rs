//! The receive machine: told wire bytes, it says what they are (RFC 6455 sections 5, 7 and 8.1).

use crate::close::{CloseCode, is_valid};
use crate::error::ProtocolError;
use crate::mask::Key;
use crate::opcode::{Opcode, Role};
use crate::text::Text;

/// Decodes frames from wire bytes cut anywhere; stores no payload.
///
/// It stands either in a header or in a payload ([`in_payload`](Self::in_payload)).
/// [`take`](Self::take) takes the bytes of the one or the other, and [`want`](Self::want) tells how
/// many bytes may be read from a socket without reading past it. [`decode`](Self::decode) takes both
/// from bytes that lie in one buffer.
///
/// Everything RFC 6455 demands of a receiver is checked here: reserved bits, opcodes, the direction of
/// masking, the shortest form of lengths, the size and the FIN of control frames, the order of
/// fragments, the limit on messages, the code of a Close; UTF-8 at the first byte that is wrong.
/// After an error, and after a Close frame, whatever follows is taken and discarded
/// (section 1.4, 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receiver {
    /// Payload bytes of the frame still to come; while their number arrives in a longer form, the
    /// least that may stand in it.
    remaining: usize,
    /// Rotated to the next payload byte, [`Key::NONE`] on a client; while the rest of a header arrives,
    /// the last four bytes of it.
    key: Key,
    /// Bytes that the message may still have; once a Close has begun, its code.
    budget: usize,
    /// Of the frame; a continuation has that of its message.
    opcode: Opcode,
    /// Where the next byte belongs, see [`FIRST`].
    at: u8,
    text: Text,
    #[cfg(feature = "extensions")]
    reserved: reserved::Reserved,
    /// The first byte of the last data frame, with the opcode of its message, see [`FIN`]; `CLIENT`
    /// too.
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

/// Values of `at`: a place in a header that has all it can have, two bytes, eight of length, four of
/// the mask key. What a frame does not have is skipped.
const FIRST: u8 = 0;
const SECOND: u8 = 1;
const LENGTH_64: u8 = 2;
const UPPER_HALF: u8 = LENGTH_64 + 4;
const LENGTH_16: u8 = LENGTH_64 + 6;
/// The length is there and not yet looked at.
const LENGTH: u8 = LENGTH_64 + 8;
const KEY: u8 = LENGTH + 1;
const PAYLOAD: u8 = KEY + 4;
/// After an error or a Close.
const ENDED: u8 = PAYLOAD + 1;

const RSV: u32 = 0x70;
const OPCODE: u32 = 0x0F;
const CONTROL: u32 = 0x08;
const MASKED: u32 = 0x80;
/// A length of this and above stands in a longer form.
const LONG: u32 = 126;

/// In `message`, which is the first byte without its lowest bit: the top bit of a byte takes more
/// instructions to test than another.
const FIN: u32 = 0x80 >> 1;
/// Two below `MASKED`, and reserved on the wire.
const CLIENT: u32 = 0x20;
/// What is left of the opcodes of messages, 1 and 2.
const BINARY: u32 = 2 >> 1;

impl Receiver {
    /// A receiver at the first frame of a connection.
    pub const fn new(role: Role) -> Self {
        Self {
            remaining: 0,
            key: Key::NONE,
            budget: 0,
            opcode: Opcode::Continuation,
            at: FIRST,
            text: Text::START,
            #[cfg(feature = "extensions")]
            reserved: reserved::Reserved::NONE,
            message: low_byte(FIN | (role as u32) << 5),
        }
    }

    /// Does a payload come next, perhaps an empty one? Otherwise header bytes do.
    pub const fn in_payload(&self) -> bool {
        self.at == PAYLOAD
    }

    /// Between two frames?
    pub const fn at_boundary(&self) -> bool {
        self.at == FIRST || self.has_ended()
    }

    /// How many bytes may be read next without reading past what the frame in hand is sure to
    /// have: a part of the header, or the rest of the payload. 0 only in a payload that is
    /// complete, which [`take`](Self::take) called with nothing acknowledges.
    pub const fn want(&self) -> usize {
        let at = self.at;
        match at {
            PAYLOAD => self.remaining,
            FIRST | ENDED => 2,
            SECOND => 1,
            KEY.. => (PAYLOAD - at) as usize,
            _ if self.is_server() => (PAYLOAD - 1 - at) as usize,
            _ => (LENGTH - at) as usize,
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
        Frame {
            opcode: self.opcode,
            fin: self.fin(),
        }
    }

    /// Payload bytes of the frame that are still to come; 0 outside of a payload.
    pub const fn remaining(&self) -> usize {
        if self.in_payload() { self.remaining } else { 0 }
    }

    /// Was a Close frame received, or the connection failed? What follows is discarded.
    pub const fn has_ended(&self) -> bool {
        self.at == ENDED
    }

    /// The code of the Close frame that was received, [`CloseCode::NO_STATUS`] where it had none.
    /// Meaningful once a Close frame has been taken whole.
    pub const fn close_code(&self) -> CloseCode {
        match self.received_code() {
            0 => CloseCode::NO_STATUS,
            code => CloseCode(code),
        }
    }

    /// The code of a Close, 0 where it had none.
    #[allow(clippy::cast_possible_truncation)] // two bytes were shifted in
    const fn received_code(&self) -> u16 {
        self.budget as u16
    }

    /// Takes what lies at the front of `bytes` and returns how many bytes that was: in a header what
    /// belongs to it, and not one byte of what comes behind it; in a payload what belongs to that, and
    /// unmasks it in place. A frame has been taken whole where [`in_payload`](Self::in_payload) was
    /// true before and is not behind it.
    ///
    /// `limit` is the longest message to accept, in bytes. Call it with nothing where
    /// [`want`](Self::want) is 0.
    ///
    /// # Errors
    /// What the peer does wrong. Nothing of `bytes` is of use then.
    pub fn take(&mut self, bytes: &mut [u8], limit: usize) -> Result<usize, ProtocolError> {
        // Not by `header` and `payload`: with an exit for each error it is up to 46 bytes more.
        let error = if self.in_payload() {
            match self.take_payload(None, bytes) {
                Ok(payload) => return Ok(payload.len()),
                Err(error) => error,
            }
        } else {
            let mut rest = &*bytes;
            match self.take_header(&mut rest, limit) {
                Ok(()) => return Ok(bytes.len() - rest.len()),
                Err(error) => error,
            }
        };
        self.at = ENDED;
        Err(error)
    }

    /// [`take`](Self::take) in a header.
    #[inline(always)]
    pub(crate) fn header(&mut self, bytes: &[u8], limit: usize) -> Result<usize, ProtocolError> {
        let mut rest = bytes;
        match self.take_header(&mut rest, limit) {
            Ok(()) => Ok(bytes.len() - rest.len()),
            Err(error) => {
                self.at = ENDED;
                Err(error)
            }
        }
    }

    /// Straight through two bytes and a key, which is what most headers are; what is left of another
    /// one byte by byte in [`shift_in`](Self::shift_in).
    #[inline(always)]
    fn take_header(&mut self, rest: &mut &[u8], limit: usize) -> Result<(), ProtocolError> {
        loop {
            'length: {
                if self.at <= SECOND {
                    if self.at == FIRST {
                        let Some(byte) = next(rest) else {
                            return Ok(());
                        };
                        self.first(byte, limit)?;
                    }
                    let Some(byte) = next(rest) else {
                        self.at = SECOND;
                        return Ok(());
                    };
                    // Just one of the two has to be set.
                    if (byte ^ u32::from(self.message) << 2) & MASKED == 0 {
                        return Err(if self.is_server() {
                            ProtocolError::UnmaskedByClient
                        } else {
                            ProtocolError::MaskedByServer
                        });
                    }
                    let length = byte & !MASKED;
                    self.remaining = length as usize;
                    if length < LONG {
                        break 'length;
                    }
                    if self.opcode.is_control() {
                        return Err(ProtocolError::ControlTooLong);
                    }
                    self.at = LENGTH_16;
                    if length > LONG {
                        self.remaining = 1 << 16;
                        self.at = LENGTH_64;
                    }
                }
                while let Some(byte) = next(rest) {
                    self.shift_in(byte)?;
                    if self.at == LENGTH {
                        break 'length;
                    }
                    if self.at == PAYLOAD {
                        return Ok(());
                    }
                }
                return Ok(());
            }
            if !self.opcode.is_control() && !self.is_extended() {
                // Does the message stay within the limit (section 10.4)?
                if self.budget < self.remaining {
                    return Err(ProtocolError::MessageTooBig);
                }
                self.budget -= self.remaining;
            }
            if !self.is_server() {
                self.at = PAYLOAD;
                return Ok(());
            }
            if let Some((key, behind)) = rest.split_first_chunk() {
                self.key = Key::from_wire(*key);
                self.at = PAYLOAD;
                *rest = behind;
                return Ok(());
            }
            self.at = KEY;
        }
    }

    /// FIN, the reserved bits and the opcode.
    #[inline(always)]
    fn first(&mut self, byte: u32, limit: usize) -> Result<(), ProtocolError> {
        #[cfg(feature = "extensions")]
        let byte = self.reserved.take(byte);
        let Some(mut opcode) = Opcode::from_wire(low_byte(byte & (RSV | OPCODE))) else {
            return Err(if byte & RSV != 0 {
                ProtocolError::ReservedBits
            } else {
                ProtocolError::ReservedOpcode((byte & OPCODE) as u16)
            });
        };
        if opcode.is_control() {
            if byte & (FIN << 1 | CONTROL) == CONTROL {
                return Err(ProtocolError::ControlFragmented);
            }
            if opcode == Opcode::Close {
                self.text = Text::CODE;
                self.budget = 0;
            }
        } else {
            let mut message = u32::from(self.message);
            if opcode == Opcode::Continuation {
                if message & FIN != 0 {
                    return Err(ProtocolError::UnexpectedContinuation);
                }
                opcode = match message & BINARY {
                    0 => Opcode::Text,
                    _ => Opcode::Binary,
                };
            } else {
                if message & FIN == 0 {
                    return Err(ProtocolError::ExpectedContinuation);
                }
                message &= CLIENT;
                self.budget = limit;
            }
            self.message = low_byte(message | byte >> 1);
        }
        self.opcode = opcode;
        Ok(())
    }

    /// A byte of the extended length, or of the key; whatever it is where all is discarded. Not
    /// inlined: its caller would run out of registers.
    #[inline(never)]
    fn shift_in(&mut self, byte: u32) -> Result<(), ProtocolError> {
        if self.at == ENDED {
            return Ok(());
        }
        self.at += 1;
        self.key = self.key.shifted_in(low_byte(byte));
        let word = self.key.word().swap_bytes();
        match self.at {
            UPPER_HALF => {
                if word >> 31 != 0 {
                    return Err(ProtocolError::LengthTopBit);
                }
                // Nothing but 0 where `usize` has 32 bits.
                let upper = usize::try_from(u64::from(word) << 32);
                self.remaining |= upper.map_err(|_| ProtocolError::MessageTooBig)?;
            }
            LENGTH => {
                #[allow(clippy::cast_possible_truncation)] // the lower half is meant
                let least = self.remaining as u32 as usize;
                let mut length = (self.remaining - least) + word as usize;
                if least == LONG as usize {
                    // In front of the two bytes stands what came before them.
                    length &= 0xFFFF;
                }
                if length < least {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                self.remaining = length;
                // A client receives no key.
                self.key = Key::NONE;
            }
            _ => {}
        }
        Ok(())
    }

    /// [`take`](Self::take) for payload, unmasked from one buffer into another: as much as fits.
    /// Outside of a payload it takes nothing.
    ///
    /// # Errors
    /// As there.
    pub fn payload_into(&mut self, from: &[u8], to: &mut [u8]) -> Result<usize, ProtocolError> {
        if !self.in_payload() {
            return Ok(0);
        }
        let payload = self.payload(Some(from), to)?;
        Ok(payload.len())
    }

    /// Payload, out of `from` or where it stands: the part of `bytes` that belongs to the frame.
    #[inline(always)]
    pub(crate) fn payload<'a>(
        &mut self,
        from: Option<&[u8]>,
        bytes: &'a mut [u8],
    ) -> Result<&'a mut [u8], ProtocolError> {
        let taken = self.take_payload(from, bytes);
        if taken.is_err() {
            self.at = ENDED;
        }
        taken
    }

    #[inline(always)]
    fn take_payload<'a>(
        &mut self,
        from: Option<&[u8]>,
        bytes: &'a mut [u8],
    ) -> Result<&'a mut [u8], ProtocolError> {
        let mut count = bytes.len().min(self.remaining);
        if let Some(from) = from {
            count = count.min(from.len());
        }
        let bytes = bytes.get_mut(..count).unwrap_or_default();
        self.remaining -= count;
        if let Some(from) = from {
            self.key.copy(from, bytes);
            self.key = self.key.advanced(count);
        } else if !bytes.is_empty() && self.key != Key::NONE {
            self.key = self.key.apply(bytes);
        }
        self.check_payload(bytes)?;
        Ok(bytes)
    }

    /// Unmasked payload, and what its end means.
    #[inline(always)]
    fn check_payload(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        if self.is_extended() {
            // What it stands for is judged once the extension has said it.
            return Ok(());
        }
        if matches!(self.opcode, Opcode::Text | Opcode::Close) {
            self.check_text(bytes)?;
        }
        if self.remaining == 0 {
            self.at = if self.opcode == Opcode::Close {
                ENDED
            } else {
                FIRST
            };
        }
        Ok(())
    }

    /// Text, or the code and the reason of a Close. Not inlined: binary payload needs none of it.
    #[inline(never)]
    fn check_text(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        if !self.text.push(bytes, &mut self.budget) {
            return Err(ProtocolError::InvalidUtf8);
        }
        if self.remaining == 0 && self.fin() {
            if !self.text.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
            if self.opcode == Opcode::Close {
                match self.text {
                    Text::CODE => {}
                    Text::START if is_valid(self.budget) => {}
                    Text::START => return Err(ProtocolError::CloseCode(self.received_code())),
                    _ => return Err(ProtocolError::ClosePayload),
                }
            }
        }
        Ok(())
    }

    /// [`check_text`](Self::check_text) of a whole Close.
    pub(crate) fn check_close(payload: &[u8]) -> Result<(), ProtocolError> {
        Self {
            opcode: Opcode::Close,
            text: Text::CODE,
            ..Self::new(Role::Client)
        }
        .check_text(payload)
    }

    /// Takes what lies at the front of `bytes`: the rest of a header, and behind it payload up to
    /// the end of the frame. Where `frame` comes back `None`, all of `bytes` was header and more
    /// of it is due.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn decode<'a>(
        &mut self,
        bytes: &'a mut [u8],
        limit: usize,
    ) -> Result<Decoded<'a>, ProtocolError> {
        let taken = self.take_both(bytes, limit);
        if taken.is_err() {
            self.at = ENDED;
        }
        taken
    }

    #[inline(always)]
    fn take_both<'a>(
        &mut self,
        bytes: &'a mut [u8],
        limit: usize,
    ) -> Result<Decoded<'a>, ProtocolError> {
        let mut header = 0;
        if !self.in_payload() {
            let mut rest = &*bytes;
            self.take_header(&mut rest, limit)?;
            header = bytes.len() - rest.len();
        }
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
        self.at = ENDED;
    }

    /// Is the frame the last of its message?
    const fn fin(&self) -> bool {
        // The bit of control opcodes is put where data frames have FIN.
        (self.message as u32 | (self.opcode as u32) << 3) & FIN != 0
    }

    const fn is_server(&self) -> bool {
        self.message as u32 & CLIENT == 0
    }

    /// Is the frame in hand one of a message whose payload stands for another, by an extension?
    #[cfg(not(feature = "extensions"))]
    #[inline(always)]
    #[allow(clippy::unused_self)] // it is a question with the extension
    pub(crate) const fn is_extended(&self) -> bool {
        false
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

#[cfg(feature = "extensions")]
mod reserved;
#[cfg(test)]
mod tests;
