//! The transmit machine: frames from an immutable payload, resumable at any byte (RFC 6455
//! sections 5.2 to 5.5).

use crate::close::MAX_CONTROL_PAYLOAD;
use crate::error::FrameError;
use crate::mask::Key;
use crate::opcode::{Opcode, Role};

/// The longest header of a frame in bytes: two, a 64-bit length, a mask key.
pub const MAX_HEADER: usize = 14;

/// Encodes one frame at a time.
///
/// [`begin`](Self::begin) opens a frame; [`fill`](Self::fill) writes what comes next of it into a
/// scratch buffer of any size, masked, without touching the payload; [`sent`](Self::sent) says how
/// much of that the wire took. The two repeat until the frame is closed. What `fill` wrote and the
/// wire did not take is written anew by the next `fill`, so nothing has to be kept. While a frame
/// is open no other can begin, so that nothing ever gets into the middle of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmitter {
    /// Payload bytes not yet on the wire.
    remaining: usize,
    /// Rotated to the next payload byte.
    key: Key,
    /// The first byte of the frame.
    head: u8,
    /// Header bytes not yet on the wire.
    header_due: u8,
    /// Length of the frame's header.
    header: u8,
    flags: u8,
}

/// The place of the key in a header that is made: behind two words of length.
const KEY: usize = 12;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const OPCODE: u8 = 0x0F;

/// The bit in which the second byte of a header says `MASKED`.
const CLIENT: u8 = MASKED;
/// The payload is masked already.
const PREMASKED: u8 = 0x04;
/// A fragmented message goes on behind the open frame, or behind the last one.
const MESSAGE: u8 = 0x08;
/// The open frame, or the last one, is a Close.
const CLOSED: u8 = 0x10;
/// The open frame changed one of the two, so that taking it back changes it again.
const CHANGED: u8 = MESSAGE >> CHANGED_SHIFT | CLOSED >> CHANGED_SHIFT;
const CHANGED_SHIFT: u8 = 3;

impl Transmitter {
    /// A transmitter before its first frame.
    pub const fn new(role: Role) -> Self {
        Self {
            remaining: 0,
            key: Key::NONE,
            head: 0,
            header_due: 0,
            header: 0,
            flags: match role {
                Role::Client => CLIENT,
                Role::Server => 0,
            },
        }
    }

    /// Does this end mask what it sends (a client does)?
    pub const fn masks(&self) -> bool {
        self.flags & CLIENT != 0
    }

    /// Header bytes of the open frame that are not on the wire yet.
    pub const fn header_due(&self) -> u8 {
        self.header_due
    }

    /// Opens a frame of `length` payload bytes. `key` is fresh from a strong source of randomness
    /// (section 5.3); a server does not use it.
    ///
    /// # Errors
    /// See [`FrameError`]; nothing has changed then.
    // Much of it falls away where the opcode is known.
    #[inline(always)]
    pub fn begin(
        &mut self,
        opcode: Opcode,
        fin: bool,
        length: usize,
        key: [u8; 4],
    ) -> Result<(), FrameError> {
        if self.is_open() {
            return Err(FrameError::FrameOpen);
        }
        let before = self.flags & !(PREMASKED | CHANGED);
        let mut flags = before;
        if flags & CLOSED != 0 {
            return Err(FrameError::Closed);
        }
        if opcode.is_control() {
            if !fin || length > MAX_CONTROL_PAYLOAD {
                return Err(FrameError::Control);
            }
            if opcode == Opcode::Close {
                flags |= CLOSED;
            }
        } else {
            if (opcode == Opcode::Continuation) != (flags & MESSAGE != 0) {
                return Err(FrameError::FragmentOrder);
            }
            flags &= !MESSAGE;
            if !fin {
                flags |= MESSAGE;
            }
        }
        self.flags = flags | (flags ^ before) >> CHANGED_SHIFT;
        self.head = head(opcode, fin);
        self.remaining = length;
        self.key = if self.masks() {
            Key::from_wire(key)
        } else {
            Key::NONE
        };
        let header = match length {
            0..=125 => 2,
            126..=0xFFFF => 4,
            _ => 10,
        };
        self.header = header + self.key_length();
        self.header_due = self.header;
        Ok(())
    }

    /// Is a frame open?
    pub const fn is_open(&self) -> bool {
        self.header_due as usize | self.remaining != 0
    }

    /// Is a fragmented message in progress, so that only a continuation may follow?
    pub const fn in_message(&self) -> bool {
        let changed = self.is_open() && self.flags & MESSAGE >> CHANGED_SHIFT != 0;
        (self.flags & MESSAGE != 0) != changed
    }

    /// Has a Close frame gone out whole?
    pub const fn is_closed(&self) -> bool {
        self.flags & CLOSED != 0 && !self.is_open()
    }

    /// Is a Close frame open, or out?
    pub(crate) const fn close_begun(&self) -> bool {
        self.flags & CLOSED != 0
    }

    /// The opcode of the open frame.
    pub const fn opcode(&self) -> Option<Opcode> {
        if self.is_open() {
            Opcode::from_wire(self.head & OPCODE)
        } else {
            None
        }
    }

    /// Is the open frame the last (or only) one of its message?
    pub const fn fin(&self) -> bool {
        self.is_open() && self.head & FIN != 0
    }

    /// Is a frame open whose opcode and FIN are these, and of whose payload `rest` bytes are not on
    /// the wire yet?
    pub const fn awaits(&self, opcode: Opcode, fin: bool, rest: usize) -> bool {
        self.is_open() && self.head == head(opcode, fin) && self.remaining == rest
    }

    /// Payload bytes of the open frame that are not on the wire yet.
    pub const fn remaining(&self) -> usize {
        self.remaining
    }

    /// Is the header out, and does the payload go out as it stands (a server's, or one masked in
    /// place)? Then it may be given to the wire without a scratch buffer.
    pub const fn is_plain(&self) -> bool {
        self.is_open() && self.header_due == 0 && self.flags & (CLIENT | PREMASKED) != CLIENT
    }

    /// Writes what comes next of the open frame into `out`: the rest of the header, then payload.
    /// `rest` is the part of the payload that is not on the wire yet. Returns how many bytes were
    /// written; with an `out` of at least one byte 0 means that no frame is open or that `rest` is
    /// used up.
    pub fn fill(&self, rest: &[u8], out: &mut [u8]) -> usize {
        let mut header = [0; KEY + 4];
        let written = Key::NONE.copy(self.header(&mut header), out);
        let key = if self.flags & PREMASKED != 0 {
            Key::NONE
        } else {
            self.key
        };
        let rest = rest.get(..self.remaining).unwrap_or(rest);
        written + key.copy(rest, out.get_mut(written..).unwrap_or_default())
    }

    /// The wire took `count` bytes of what [`fill`](Self::fill) wrote; returns how many of them
    /// were payload.
    pub fn sent(&mut self, count: usize) -> usize {
        let header = count.min(usize::from(self.header_due));
        let payload = (count - header).min(self.remaining);
        // `header` is at most 14.
        self.header_due -= u8::try_from(header).unwrap_or(0);
        self.remaining -= payload;
        self.key = self.key.advanced(payload);
        payload
    }

    /// Is a frame open of which nothing is on the wire yet?
    pub const fn is_untouched(&self) -> bool {
        self.header_due != 0 && self.header_due == self.header
    }

    /// Takes back a frame of which nothing is on the wire yet; false where something is (or none
    /// is open), and nothing has changed.
    pub fn rollback(&mut self) -> bool {
        if !self.is_untouched() {
            return false;
        }
        self.flags ^= (self.flags & CHANGED) << CHANGED_SHIFT;
        self.header_due = 0;
        self.remaining = 0;
        true
    }

    /// Masks the payload of the frame just begun in place, for sending it without a copy. From now
    /// on `fill` and the caller take it as it stands. Called a second time before anything is on
    /// the wire it takes the mask off again.
    pub fn mask_in_place(&mut self, payload: &mut [u8]) {
        if self.masks() {
            let mut key = self.key;
            key.apply(payload);
            self.flags ^= PREMASKED;
        }
    }

    /// Length of the key in a header.
    const fn key_length(&self) -> u8 {
        (self.flags & CLIENT) >> 5
    }

    /// The part of the header that is not on the wire yet: made anew each time, since until it is
    /// out `remaining` is the length of the frame and `key` stands at its start.
    #[inline(always)]
    fn header<'a>(&self, out: &'a mut [u8; KEY + 4]) -> &'a [u8] {
        // At places that do not depend on the length, at multiples of four; the two first bytes go
        // over what of it is not wanted.
        let [_, _, _, _, length @ .., a, b, c, d] = out;
        *length = (self.remaining as u64).to_be_bytes();
        [*a, *b, *c, *d] = self.key.to_wire();
        #[allow(clippy::cast_possible_truncation)] // used where it is at most 125
        let short = self.remaining as u8;
        let end = KEY + usize::from(self.key_length());
        let at = end.wrapping_sub(self.header.into());
        if let Some([first, second, ..]) = out.get_mut(at..) {
            *first = self.head;
            *second = self.flags & MASKED
                | match at {
                    10 => short,
                    2 => 127,
                    _ => 126,
                };
        }
        let due = end.wrapping_sub(self.header_due.into());
        out.get(due..end).unwrap_or_default()
    }
}

/// The first byte of a frame.
const fn head(opcode: Opcode, fin: bool) -> u8 {
    opcode as u8 | if fin { FIN } else { 0 }
}

#[cfg(test)]
mod tests;
