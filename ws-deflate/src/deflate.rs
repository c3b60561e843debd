//! Deflate (RFC 1951): greedy matches over a hash, blocks of fixed codes, stored ones where shorter.
//!
//! Nothing is looked at ahead. A match is open while its bytes come in, and up to four candidates for
//! it stay in the running together; so the longest one is found, and it makes no difference where the
//! input is cut.

use crate::{MemoryError, Progress, is_window};

/// Candidates for each hash.
const WAYS: usize = 4;
const LONGEST: u16 = 258;
/// Bytes with codes of nine bits there have to be before a stored block is considered.
const MANY: usize = 48;
/// How many bytes are looked at for that, and how long a stored block is at most: as the
/// smallest window, from which it is written.
const CHUNK: usize = 256;

/// How far back candidates are, those that there are first.
type Distances = [u16; WAYS + 1];

/// Compresses. See the [crate] for how.
///
/// The memory is the window, the hash (of two bytes an entry), and less than 100 bytes beside them.
/// Something from a quarter to the whole of the window's length is good for the hash's.
#[derive(Debug)]
pub struct Deflate<'w> {
    window: &'w mut [u8],
    /// Where each hash stood of late, the last place first.
    hash: &'w mut [u16],
    /// Where the next byte goes, counted on and on.
    at: u16,
    /// How far back there is something.
    known: u16,
    /// How far back a match may go.
    limit: u16,
    /// The last three bytes.
    last: u32,
    /// Bits not yet written, the next one lowest.
    bits: u64,
    count: u8,
    /// A block with fixed codes is open.
    open: bool,
    /// The message ends: what ends it is in the bits.
    ending: bool,
    /// Bytes behind the last code, at most two while no match is open.
    pending: u8,
    /// The length of the match that is open, none if 0, and how far back its candidates are.
    length: u16,
    distances: Distances,
    /// The candidates of a match that begins one byte later, which may turn out longer.
    later: Distances,
    /// How far back the last match was: the next one is likely to be as far.
    recent: u16,
    /// The lengths of a stored block that are to be written, if not 0.
    lengths: u32,
    /// Its bytes that are to be written, the last ones in the window.
    stored: u16,
}

impl<'w> Deflate<'w> {
    /// Nothing has been sent. The window has 256 to 32,768 bytes and the hash 16 to 65,536
    /// entries, powers of two.
    pub fn new(window: &'w mut [u8], hash: &'w mut [u16]) -> Result<Self, MemoryError> {
        if !is_window(window.len()) {
            return Err(MemoryError::Window);
        }
        if !hash.len().is_power_of_two() || !(16..=65536).contains(&hash.len()) {
            return Err(MemoryError::Hash);
        }
        let limit = u16::try_from(window.len()).unwrap_or(u16::MAX);
        Ok(Self {
            window,
            hash,
            at: 0,
            known: 0,
            limit,
            last: 0,
            bits: 0,
            count: 0,
            open: false,
            ending: false,
            pending: 0,
            length: 0,
            distances: [0; WAYS + 1],
            later: [0; WAYS + 1],
            recent: 0,
            lengths: 0,
            stored: 0,
        })
    }

    /// Matches go back at most 2^`bits` bytes, 8 to 15: for a peer with a smaller window. Before the
    /// first message.
    pub fn limit_window(&mut self, bits: u8) {
        self.limit = self.limit.min(1 << bits.clamp(8, 15));
    }

    /// Forgets what was sent. Between messages, where there is no context takeover; or to drop a
    /// message of which nothing has been sent.
    pub const fn reset(&mut self) {
        self.known = 0;
        self.bits = 0;
        self.count = 0;
        self.open = false;
        self.ending = false;
        self.pending = 0;
        self.length = 0;
        self.lengths = 0;
        self.stored = 0;
    }

    /// Compresses a piece of a message.
    ///
    /// What was consumed cannot be taken back, but need not have been written yet. `done`: all
    /// input was consumed, and no whole byte is left to be written. Some of it may wait for the next
    /// piece, or for the end of the message. After [`end_of_message`](Self::end_of_message)
    /// has begun it takes nothing before that is done.
    pub fn deflate(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut out = Output { output, at: 0 };
        let mut consumed = 0;
        let mut checked = 0;
        while self.write(&mut out) && !self.ending {
            let rest = input.get(consumed..).unwrap_or_default();
            let Some(&byte) = rest.first() else {
                break;
            };
            if consumed >= checked {
                let chunk = rest.get(..CHUNK).unwrap_or(rest);
                checked = consumed + chunk.len();
                if self.is_dense(chunk) {
                    self.store(chunk);
                    consumed = checked;
                    continue;
                }
            }
            self.byte(byte);
            consumed += 1;
        }
        Progress {
            consumed,
            produced: out.at,
            done: consumed == input.len() && self.count < 8 && self.stored == 0,
        }
    }

    /// The message ends here: to be called until `done`. Then the next one may begin.
    ///
    /// What ends a message takes three bytes at most, and what the last piece left fifteen.
    pub fn end_of_message(&mut self, output: &mut [u8]) -> Progress {
        let mut out = Output { output, at: 0 };
        if self.write(&mut out) && !self.ending {
            self.close_block();
            // An empty stored block, whose lengths RFC 7692 section 7.2.1 cuts.
            self.put(0, 3);
            self.align();
            self.ending = true;
        }
        let done = self.write(&mut out) && self.ending;
        if done {
            self.ending = false;
        }
        Progress {
            consumed: 0,
            produced: out.at,
            done,
        }
    }

    /// Writes what is due, and whether that is all.
    fn write(&mut self, out: &mut Output<'_>) -> bool {
        loop {
            while self.count >= 8 {
                if !out.push(self.bits.to_le_bytes()[0]) {
                    return false;
                }
                self.bits >>= 8;
                self.count -= 8;
            }
            if self.lengths == 0 {
                break;
            }
            self.bits = self.lengths.into();
            self.count = 32;
            self.lengths = 0;
        }
        while self.stored > 0 {
            if !out.push(self.back(self.stored)) {
                return false;
            }
            self.stored -= 1;
        }
        true
    }

    #[inline(always)]
    fn put(&mut self, bits: u32, count: u8) {
        self.bits |= u64::from(bits) << self.count;
        self.count += count;
    }

    fn align(&mut self) {
        self.count = (self.count + 7) & !7;
    }

    /// The byte so far back.
    #[inline(always)]
    fn back(&self, distance: u16) -> u8 {
        let at = usize::from(self.at.wrapping_sub(distance)) & (self.window.len() - 1);
        self.window.get(at).copied().unwrap_or(0)
    }

    /// A byte, in a block with fixed codes.
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        if !self.open {
            self.open = true;
            self.put(0b010, 3);
        }
        if self.length > 0 {
            let goes_on = self.extend(false, byte);
            let later = if self.length == 3 {
                self.later = self.enter(byte, true);
                self.later != Distances::default()
            } else {
                let later = self.extend(true, byte);
                self.enter(byte, false);
                later
            };
            if goes_on {
                self.length += 1;
                if self.length == LONGEST {
                    self.close_match();
                }
            } else if later {
                // It is as long by now, and goes on.
                let first = self.back(self.length + 1);
                self.literal(first);
                self.distances = core::mem::take(&mut self.later);
            } else {
                self.close_match();
                self.pending = 1;
            }
            return;
        }
        self.pending += 1;
        let found = self.enter(byte, self.pending == 3);
        if self.pending < 3 {
            return;
        }
        if found != Distances::default() {
            self.distances = found;
            self.later = Distances::default();
            self.length = 3;
            self.pending = 0;
        } else {
            self.pending = 2;
            let first = self.back(3);
            self.literal(first);
        }
    }

    /// Whether a candidate of the match, or of the later one, goes on with this byte. Those that do not
    /// are dropped, but for the last ones of the match.
    #[inline(always)]
    fn extend(&mut self, later: bool, byte: u8) -> bool {
        let from = if later { self.later } else { self.distances };
        let mut left = Distances::default();
        let mut places = left.iter_mut();
        for distance in from {
            if distance == 0 {
                break;
            }
            if self.back(distance) == byte
                && let Some(place) = places.next()
            {
                *place = distance;
            }
        }
        let [first, ..] = left;
        if later {
            self.later = left;
        } else if first != 0 {
            self.distances = left;
        }
        first != 0
    }

    /// Puts a byte into window and hash. Where the last three bytes were before, if that is asked; not
    /// where the match that is open has it.
    #[inline(always)]
    fn enter(&mut self, byte: u8, search: bool) -> Distances {
        let mut found = Distances::default();
        let length = self.window.len();
        if let Some(place) = self.window.get_mut(usize::from(self.at) & (length - 1)) {
            *place = byte;
        }
        self.at = self.at.wrapping_add(1);
        self.last = (self.last << 8 | u32::from(byte)) & 0xFF_FFFF;
        self.known += u16::from(usize::from(self.known) < length);
        if self.known < 3 {
            return found;
        }
        let start = self.at.wrapping_sub(3);
        let from = self.bucket(self.last);
        let Some(bucket) = self.hash.get_mut(from..) else {
            return found;
        };
        let Some(bucket) = bucket.first_chunk_mut::<WAYS>() else {
            return found;
        };
        let before = *bucket;
        let [a, b, c, _] = before;
        *bucket = [start, a, b, c];
        if !search {
            return found;
        }
        // Three bytes of the window are new.
        let most = self.limit.min(self.known - 3);
        let mut places = found.iter_mut();
        let [a, b, c, d] = before.map(|at| start.wrapping_sub(at));
        for distance in [a, b, c, d, self.recent] {
            if distance == 0 || distance > most {
                continue;
            }
            if self.length > 0 && self.distances.contains(&distance) {
                continue;
            }
            let there = [3, 2, 1].map(|at| self.back(distance.wrapping_add(at)));
            let [x, y, z] = there.map(u32::from);
            if x << 16 | y << 8 | z == self.last
                && let Some(place) = places.next()
            {
                *place = distance;
            }
        }
        found
    }

    /// Where in the hash the candidates for three bytes stand.
    #[inline(always)]
    fn bucket(&self, three: u32) -> usize {
        // At least four buckets: a shift by at most 30.
        let shift = 32 - (self.hash.len() / WAYS).trailing_zeros();
        let product = three.wrapping_mul(0x9E37_79B1);
        product.checked_shr(shift).unwrap_or(0) as usize * WAYS
    }

    #[inline(never)]
    fn literal(&mut self, byte: u8) {
        let byte = u32::from(byte);
        if byte < 144 {
            self.code(0x30 + byte, 8);
        } else {
            self.code(0x190 + byte - 144, 9);
        }
    }

    /// A code, whose bits are sent in the other order.
    #[inline(always)]
    fn code(&mut self, code: u32, count: u8) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }

    #[inline(never)]
    fn close_match(&mut self) {
        let over = u32::from(self.length - 3);
        let (symbol, extra, value) = match over {
            255 => (28, 0, 0),
            _ => split(over, 2),
        };
        // 256 is the end of the block.
        let symbol = symbol + 1;
        if symbol < 24 {
            self.code(symbol, 7);
        } else {
            self.code(0xC0 + symbol - 24, 8);
        }
        self.put(value, extra);
        let [distance, ..] = self.distances;
        self.recent = distance;
        let (symbol, extra, value) = split(u32::from(distance - 1), 1);
        self.code(symbol, 5);
        self.put(value, extra);
        self.length = 0;
    }

    /// Ends a block with fixed codes, if one is open. No more than 38 bits, with seven before it.
    fn close_block(&mut self) {
        if self.length > 0 {
            self.close_match();
        }
        for at in (1..=self.pending).rev() {
            let byte = self.back(at.into());
            self.literal(byte);
        }
        self.pending = 0;
        if self.open {
            self.open = false;
            self.code(0, 7);
        }
    }

    /// Whether a chunk is shorter in a stored block, as far as that can be said before.
    fn is_dense(&self, chunk: &[u8]) -> bool {
        let high = |byte: &&u8| **byte >= 144;
        if chunk.iter().filter(high).count() < MANY {
            return false;
        }
        // Each byte that stood just before, or in the window, would be part of a match.
        let mut longer = 0;
        let mut before = [0u8; 4];
        for (index, &byte) in chunk.iter().enumerate() {
            longer += i32::from(byte >= 144);
            if before.contains(&byte) {
                longer -= 4;
            }
            let [_, a, b, c] = before;
            before = [a, b, c, byte];
            let Some(&[x, y, z]) = chunk.get(index..).and_then(<[u8]>::first_chunk) else {
                continue;
            };
            let last = u32::from_be_bytes([0, x, y, z]);
            let from = self.bucket(last);
            let bucket = self.hash.get(from..from + WAYS);
            for &candidate in bucket.unwrap_or_default() {
                let distance = self.at.wrapping_sub(candidate);
                if distance < 3 || distance > self.known {
                    continue;
                }
                let [x, y, z] = [0, 1, 2].map(|at| u32::from(self.back(distance - at)));
                if x << 16 | y << 8 | z == last {
                    longer -= 8;
                    break;
                }
            }
        }
        // Its header, what closes the block before, and what opens the next.
        longer > 56
    }

    /// Takes a chunk as a stored block.
    fn store(&mut self, chunk: &[u8]) {
        self.close_block();
        self.put(0, 3);
        self.align();
        self.stored = u16::try_from(chunk.len()).unwrap_or(0);
        self.lengths = u32::from(self.stored) | u32::from(!self.stored) << 16;
        for &byte in chunk {
            self.enter(byte, false);
        }
    }
}

/// How a length or a distance is sent: the symbol, how many extra bits, and these. `bits` of the value
/// are in the symbol, beside its highest one.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // at most 13
const fn split(value: u32, bits: u32) -> (u32, u8, u32) {
    let extra = (value | 1).ilog2().saturating_sub(bits);
    let symbol = (extra << bits) + (value >> extra);
    (symbol, extra as u8, value & ((1 << extra) - 1))
}

struct Output<'o> {
    output: &'o mut [u8],
    at: usize,
}

impl Output<'_> {
    #[inline(always)]
    fn push(&mut self, byte: u8) -> bool {
        let Some(place) = self.output.get_mut(self.at) else {
            return false;
        };
        *place = byte;
        self.at += 1;
        true
    }
}

const _: () = assert!(size_of::<Deflate<'_>>() <= 96);
