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
    /// The two first bytes of the open frame, or of the last one, the first in the lower half. Before
    /// there is one, it says no less which end this is and that no message is in progress.
    head: u16,
    /// The first byte of the last data frame before that: what it takes to take a frame back.
    before: u8,
    /// Header bytes not yet on the wire, and `UNTOUCHED`.
    due: u8,
}

/// In `head`. Of 32 bits, since to test the top bit of fewer takes more instructions.
const FIN: u32 = 0x80;
const OPCODE: u32 = 0x0F;
const CONTROL: u32 = 0x08;
const MASKED: u32 = 0x8000;
/// `MASKED` shifted by this is the length of the key.
const MASKED_TO_KEY: u32 = 13;
/// The payload is masked already. It stands where the wire has a reserved bit.
const PREMASKED: u32 = 0x20;

/// No byte of the frame is on the wire yet: in `due`, above the length of any header.
const UNTOUCHED: u8 = 0x10;
/// The header of a client's short frame is due whole.
const SHORT: u8 = UNTOUCHED + 6;

impl Transmitter {
    /// A transmitter before its first frame.
    pub const fn new(role: Role) -> Self {
        Self {
            remaining: 0,
            key: Key::NONE,
            head: low_half(FIN | (role as u32) << 15),
            before: 0,
            due: 0,
        }
    }

    /// Does this end mask what it sends (a client does)?
    pub const fn masks(&self) -> bool {
        self.head as u32 & MASKED != 0
    }

    /// Header bytes of the open frame that are not on the wire yet.
    pub const fn header_due(&self) -> u8 {
        self.due & !UNTOUCHED
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
        if self.is_close() {
            return Err(FrameError::Closed);
        }
        let before = self.last_data();
        let first = u32::from(opcode as u8);
        if opcode.is_control() {
            if !fin || length > MAX_CONTROL_PAYLOAD {
                return Err(FrameError::Control);
            }
        } else if (first.wrapping_sub(1) ^ before) & FIN == 0 {
            // Of what is below the opcodes only that of a continuation, 0, has the bit.
            return Err(FrameError::FragmentOrder);
        }
        #[allow(clippy::cast_possible_truncation)] // it is at most 125
        let (second, due) = match length {
            0..=125 => (length as u32, UNTOUCHED + 2),
            126..=0xFFFF => (126, UNTOUCHED + 4),
            _ => (127, UNTOUCHED + 10),
        };
        self.open(first | u32::from(fin) << 7, second, due, length, key);
        Ok(())
    }

    /// [`begin`](Self::begin) for a control frame that may be sent now, of `length` up to 125.
    /// Its key is the [next](Self::set_next_key).
    pub(crate) fn begin_control(&mut self, opcode: Opcode, length: usize) {
        let first = FIN | u32::from(opcode as u8);
        #[allow(clippy::cast_possible_truncation)] // it is at most 125
        let second = length as u32;
        self.open(first, second, UNTOUCHED + 2, length, self.next_key());
    }

    /// Sets a reserved bit of the frame that has just begun, 0x40 for RSV1: what an extension has agreed
    /// on.
    #[cfg(feature = "extensions")]
    pub(crate) fn reserve(&mut self, bit: u8) {
        self.head |= u16::from(bit & 0x50);
    }

    /// Keeps a mask key for the frame that begins next. While one is open nothing happens.
    pub(crate) fn set_next_key(&mut self, key: [u8; 4]) {
        if !self.is_open() {
            self.key = Key::from_wire(key);
        }
    }

    /// That key.
    pub(crate) fn next_key(&self) -> [u8; 4] {
        self.key.word().to_le_bytes()
    }

    /// Opens a frame whose header begins with these two bytes and has, but for a key, `due` bytes.
    #[inline(always)]
    fn open(&mut self, first: u32, second: u32, due: u8, length: usize, key: [u8; 4]) {
        let masked = u32::from(self.head) & MASKED;
        self.before = low_byte(self.last_data());
        self.head = low_half(masked | second << 8 | first);
        self.remaining = length;
        self.key = if masked != 0 {
            Key::from_wire(key)
        } else {
            Key::NONE
        };
        self.due = due + low_byte(masked >> MASKED_TO_KEY);
    }

    /// Is a frame open?
    pub const fn is_open(&self) -> bool {
        self.due as usize | self.remaining != 0
    }

    /// Is a fragmented message in progress, so that only a continuation may follow?
    pub const fn in_message(&self) -> bool {
        let last = if self.is_open() {
            self.before as u32
        } else {
            self.last_data()
        };
        last & FIN == 0
    }

    /// Has a Close frame gone out whole?
    pub const fn is_closed(&self) -> bool {
        self.is_close() && !self.is_open()
    }

    /// The opcode of the open frame.
    pub const fn opcode(&self) -> Option<Opcode> {
        if self.is_open() {
            Opcode::from_wire(low_byte(self.head as u32 & OPCODE))
        } else {
            None
        }
    }

    /// Is the open frame the last (or only) one of its message?
    pub const fn fin(&self) -> bool {
        self.is_open() && self.head as u32 & FIN != 0
    }

    /// Is a frame open whose opcode and FIN are these, and of whose payload `rest` bytes are not on
    /// the wire yet?
    pub const fn awaits(&self, opcode: Opcode, fin: bool, rest: usize) -> bool {
        let first = opcode as u32 | (fin as u32) << 7;
        self.is_open() && self.head as u32 & (FIN | OPCODE) == first && self.remaining == rest
    }

    /// Payload bytes of the open frame that are not on the wire yet.
    pub const fn remaining(&self) -> usize {
        self.remaining
    }

    /// Is the header out, and does the payload go out as it stands (a server's, or one masked in
    /// place)? Then it may be given to the wire without a scratch buffer.
    pub const fn is_plain(&self) -> bool {
        self.is_open() && self.due == 0 && self.head as u32 & (MASKED | PREMASKED) != MASKED
    }

    /// Writes what comes next of the open frame into `out`: the rest of the header, then payload.
    /// `rest` is the part of the payload that is not on the wire yet. Returns how many bytes were
    /// written; with an `out` of at least one byte 0 means that no frame is open or that `rest` is
    /// used up.
    pub fn fill(&self, rest: &[u8], out: &mut [u8]) -> usize {
        let length = out.len();
        let slots = if self.due == SHORT
            && length >= usize::from(SHORT - UNTOUCHED)
            && let Some((head, slots)) = out.split_first_chunk_mut()
            && let Some((key, slots)) = slots.split_first_chunk_mut()
        {
            *head = low_half(u32::from(self.head) & !PREMASKED).to_le_bytes();
            *key = self.key.word().to_le_bytes();
            slots
        } else {
            self.fill_header(out)
        };
        let key = if u32::from(self.head) & PREMASKED != 0 {
            Key::NONE
        } else {
            self.key
        };
        let rest = rest.get(..self.remaining).unwrap_or(rest);
        length - slots.len() + key.copy(rest, slots)
    }

    /// The wire took `count` bytes of what [`fill`](Self::fill) wrote; returns how many of them
    /// were payload.
    pub fn sent(&mut self, count: usize) -> usize {
        let due = usize::from(self.header_due());
        let header = count.min(due);
        let payload = (count - header).min(self.remaining);
        if count != 0 {
            #[allow(clippy::cast_possible_truncation)] // it was a byte
            let due = (due - header) as u8;
            self.due = due;
        }
        self.remaining -= payload;
        self.key = self.key.advanced(payload);
        payload
    }

    /// Is a frame open of which nothing is on the wire yet?
    pub const fn is_untouched(&self) -> bool {
        self.due & UNTOUCHED != 0
    }

    /// Takes back a frame of which nothing is on the wire yet; false where something is (or none
    /// is open), and nothing has changed.
    pub fn rollback(&mut self) -> bool {
        if !self.is_untouched() {
            return false;
        }
        self.head = low_half(u32::from(self.head) & MASKED | u32::from(self.before));
        self.due = 0;
        self.remaining = 0;
        true
    }

    /// Masks the payload of the frame just begun in place, for sending it without a copy. From now
    /// on `fill` and the caller take it as it stands. Called a second time before anything is on
    /// the wire it takes the mask off again.
    pub fn mask_in_place(&mut self, payload: &mut [u8]) {
        if self.masks() {
            let _ = self.key.apply(payload);
            self.head ^= low_half(PREMASKED);
        }
    }

    /// Is the open frame, or the last one, a Close?
    pub(crate) const fn is_close(&self) -> bool {
        self.head as u32 & OPCODE == Opcode::Close as u32
    }

    /// The first byte of the last data frame, the open one too.
    const fn last_data(&self) -> u32 {
        if self.head as u32 & CONTROL == 0 {
            self.head as u32
        } else {
            self.before as u32
        }
    }

    /// Writes what is due of the header; returns what is left of `out`.
    #[inline(always)]
    fn fill_header<'a>(&self, out: &'a mut [u8]) -> &'a mut [u8] {
        let mut slots = out.iter_mut();
        let header = self.header();
        let end = 3 * WORD + ((u32::from(self.head) & MASKED) >> MASKED_TO_KEY) as usize;
        let start = end - usize::from(self.header_due());
        let due = header.as_flattened().get(start..end).unwrap_or_default();
        for (byte, slot) in due.iter().zip(slots.by_ref()) {
            *slot = *byte;
        }
        slots.into_slice()
    }

    /// The header, in what stands at the end of three words, or four on a client. It is made anew each
    /// time, since until it is out `remaining` is the length of the frame and `key` at its start.
    #[inline(always)]
    fn header(&self) -> [[u8; WORD]; 4] {
        let head = u32::from(self.head) & !PREMASKED;
        let [upper, lower] = words(self.remaining);
        let (first, lower) = match self.remaining {
            0..=125 => (0, head << 16),
            126..=0xFFFF => (0, lower | head),
            _ => (head << 16, lower),
        };
        let key = self.key.word().to_le_bytes();
        // Not by `map`: that stays a loop where it is to be small.
        [
            first.to_le_bytes(),
            upper.to_le_bytes(),
            lower.to_le_bytes(),
            key,
        ]
    }
}

const WORD: usize = size_of::<u32>();

/// A length as it stands on the wire, in two words whose lowest byte comes first.
#[allow(clippy::cast_possible_truncation)] // the halves are meant
const fn words(length: usize) -> [u32; 2] {
    let length = (length as u64).swap_bytes();
    [length as u32, (length >> 32) as u32]
}

/// What was widened.
#[allow(clippy::cast_possible_truncation)]
const fn low_byte(wide: u32) -> u8 {
    wide as u8
}

/// What was widened.
#[allow(clippy::cast_possible_truncation)]
const fn low_half(wide: u32) -> u16 {
    wide as u16
}

#[cfg(test)]
mod tests;
