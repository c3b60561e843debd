//! Inflate (RFC 1951): a state for each thing that a stream may be cut in.

use crate::{MemoryError, Progress, copy, is_window};

/// What makes a compressed message malformed. In a WebSocket the connection fails with 1007, or
/// 1002 where [`Unfinished`](Self::Unfinished).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// A block of the reserved type (RFC 1951 section 3.2.3).
    #[error("reserved block type")]
    BlockType,
    /// The two lengths of a stored block do not match (section 3.2.4).
    #[error("the lengths of a stored block do not match")]
    StoredLength,
    /// More than 286 literal and length codes, or more than 30 distance codes (section 3.2.7).
    #[error("too many codes")]
    TooManyCodes,
    /// The code for the code lengths is over-subscribed or incomplete.
    #[error("invalid code for the code lengths")]
    LengthsCode,
    /// The first code length is a repetition of the one before.
    #[error("nothing to repeat before the first code length")]
    NothingToRepeat,
    /// A repetition goes past the last code length.
    #[error("a repetition goes past the last code length")]
    RepeatTooLong,
    /// The block has no code for its end.
    #[error("no code for the end of the block")]
    NoEndOfBlock,
    /// The code for literals and lengths is over-subscribed or incomplete.
    #[error("invalid code for literals and lengths")]
    LiteralCode,
    /// The code for distances is over-subscribed or incomplete.
    #[error("invalid code for distances")]
    DistanceCode,
    /// Bits that no literal and no length has, or one of the lengths that are reserved.
    #[error("invalid literal or length")]
    Literal,
    /// Bits that no distance has, or one of the distances that are reserved.
    #[error("invalid distance")]
    Distance,
    /// A distance goes back before the first byte, or is longer than the window.
    #[error("distance too far back")]
    TooFar,
    /// The message ends inside a block.
    #[error("the message ends inside a block")]
    Unfinished,
}

/// What the state machine is to read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Length,
    LengthAgain,
    Stored,
    Counts,
    LengthsCode,
    Lengths,
    Symbol,
    Distance,
    DistanceExtra,
    Copy,
    Failed(InflateError),
}

/// The bytes that RFC 7692 section 7.2.1 cuts from the end of a message.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

const LITERALS: usize = 288;
const DISTANCES: usize = 32;
/// How many bits of a code are looked up at once.
const LITERAL_BITS: usize = 8;
const DISTANCE_BITS: usize = 6;
const FAST: usize = 1 << LITERAL_BITS;

/// Where in the arrays a code stands: those for literals and lengths come first.
#[derive(Clone, Copy)]
enum Code {
    Literal,
    Distance,
}

/// Decompresses. See the [crate] for how.
///
/// The state has 1,500 bytes at most, beside the window, which is lent. The window must not be smaller
/// than the one that the peer compresses with.
#[derive(Debug)]
pub struct Inflate<'w> {
    window: &'w mut [u8],
    /// Where in the window the next byte goes.
    at: usize,
    /// How many bytes of the window are known.
    known: usize,
    /// Bits that were taken from the input, the next one lowest.
    bits: usize,
    count: u8,
    /// The block is the last one of its stream.
    last: bool,
    /// The codes are those of section 3.2.6.
    fixed: bool,
    /// How much of the tail was read.
    tail: u8,
    state: State,
    /// The codes of each kind, and how many code lengths have been read.
    literals: u16,
    distances: u16,
    read: u16,
    /// Of a match or a stored block.
    length: u16,
    distance: u16,
    /// How many codes of each length there are.
    counts: [[u16; 16]; 2],
    /// The symbols, in the order of their codes.
    symbols: [u16; LITERALS + DISTANCES],
    /// The symbols and lengths of short codes by the next bits. Code lengths before that.
    fast: [u16; FAST + (1 << DISTANCE_BITS)],
}

/// The bits of a call.
struct Bits<'i> {
    input: &'i [u8],
    at: usize,
    bits: usize,
    count: usize,
}

impl Bits<'_> {
    #[inline(always)]
    fn fill(&mut self) {
        while self.count <= usize::BITS as usize - 8 {
            let Some(&byte) = self.input.get(self.at) else {
                return;
            };
            self.bits |= usize::from(byte) << self.count;
            self.count += 8;
            self.at += 1;
        }
    }

    #[inline(always)]
    fn drop(&mut self, count: usize) {
        self.bits >>= count;
        self.count -= count;
    }

    /// At most 16 bits, if they are there.
    #[inline(never)]
    fn take(&mut self, count: usize) -> Option<u16> {
        self.fill();
        if self.count < count {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)] // masked
        let value = (self.bits & ((1 << count) - 1)) as u16;
        self.drop(count);
        Some(value)
    }
}

impl<'w> Inflate<'w> {
    /// Nothing has been received. The window has 256 to 32,768 bytes, a power of two.
    pub fn new(window: &'w mut [u8]) -> Result<Self, MemoryError> {
        if !is_window(window.len()) {
            return Err(MemoryError::Window);
        }
        Ok(Self {
            window,
            at: 0,
            known: 0,
            bits: 0,
            count: 0,
            last: false,
            fixed: false,
            tail: 0,
            state: State::Header,
            literals: 0,
            distances: 0,
            read: 0,
            length: 0,
            distance: 0,
            counts: [[0; 16]; 2],
            symbols: [0; LITERALS + DISTANCES],
            fast: [0; FAST + (1 << DISTANCE_BITS)],
        })
    }

    /// Forgets what was received, and errors too. Between messages, where there is no context
    /// takeover.
    pub const fn reset(&mut self) {
        self.known = 0;
        self.bits = 0;
        self.count = 0;
        self.last = false;
        self.tail = 0;
        self.state = State::Header;
    }

    /// Inflates a piece of a message.
    ///
    /// Where `done` is false the output is full and more is to come: call again, with what was not
    /// consumed, perhaps nothing. An error is final, each later call returns it too; what the
    /// call put into the output before is not counted then.
    pub fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, InflateError> {
        let mut bits = Bits {
            input,
            at: 0,
            bits: self.bits,
            count: self.count.into(),
        };
        let mut produced = 0;
        let result = self.run(&mut bits, output, &mut produced);
        self.bits = bits.bits;
        #[allow(clippy::cast_possible_truncation)] // at most 64
        {
            self.count = bits.count as u8;
        }
        self.keep(output.get(..produced).unwrap_or_default());
        match result {
            Ok(done) => Ok(Progress {
                consumed: bits.at,
                produced,
                done,
            }),
            Err(error) => {
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }

    /// The message ends here: to be called after all its input was consumed, until `done`.
    ///
    /// It writes what was left for want of room, and reads the four bytes that the peer has cut.
    /// After `done` the next message may begin.
    pub fn end_of_message(&mut self, output: &mut [u8]) -> Result<Progress, InflateError> {
        let tail = TAIL.get(usize::from(self.tail)..).unwrap_or_default();
        let mut progress = self.inflate(tail, output)?;
        #[allow(clippy::cast_possible_truncation)] // at most 4
        {
            self.tail += progress.consumed as u8;
        }
        progress.consumed = 0;
        if progress.done {
            self.tail = 0;
            if self.state != State::Header || self.count != 0 {
                self.state = State::Failed(InflateError::Unfinished);
                return Err(InflateError::Unfinished);
            }
        }
        Ok(progress)
    }

    /// Puts what was written into the window.
    fn keep(&mut self, written: &[u8]) {
        let length = self.window.len();
        let mut rest = written;
        if let Some((_, end)) = rest.split_at_checked(rest.len().saturating_sub(length)) {
            rest = end;
        }
        self.known = length.min(self.known + rest.len());
        while !rest.is_empty() {
            let Some(room) = self.window.get_mut(self.at..) else {
                return;
            };
            let count = room.len().min(rest.len());
            let Some((now, later)) = rest.split_at_checked(count) else {
                return;
            };
            if let Some(room) = room.get_mut(..count) {
                copy(room, now);
            }
            self.at = (self.at + count) & (length - 1);
            rest = later;
        }
    }

    /// Whether it stopped for want of input, not of room.
    fn run(
        &mut self,
        bits: &mut Bits<'_>,
        output: &mut [u8],
        produced: &mut usize,
    ) -> Result<bool, InflateError> {
        macro_rules! take {
            ($count:expr) => {
                match bits.take($count) {
                    Some(value) => value,
                    None => return Ok(true),
                }
            };
        }
        loop {
            match self.state {
                State::Header => {
                    if self.last {
                        // Another stream begins on the next byte (RFC 7692 section 7.2.3.4).
                        bits.drop(bits.count & 7);
                        self.last = false;
                    }
                    let header = take!(3);
                    self.last = header & 1 != 0;
                    self.state = match header >> 1 {
                        0 => {
                            bits.drop(bits.count & 7);
                            State::Length
                        }
                        1 => {
                            self.fixed_codes()?;
                            State::Symbol
                        }
                        2 => State::Counts,
                        _ => return Err(InflateError::BlockType),
                    };
                }
                State::Length => {
                    self.length = take!(16);
                    self.state = State::LengthAgain;
                }
                State::LengthAgain => {
                    if take!(16) != !self.length {
                        return Err(InflateError::StoredLength);
                    }
                    self.state = State::Stored;
                }
                State::Stored => {
                    while self.length > 0 {
                        let Some(place) = output.get_mut(*produced) else {
                            return Ok(false);
                        };
                        *place = take!(8).to_le_bytes()[0];
                        *produced += 1;
                        self.length -= 1;
                    }
                    self.state = State::Header;
                }
                State::Counts => {
                    let counts = take!(14);
                    self.literals = 257 + (counts & 31);
                    self.distances = 1 + (counts >> 5 & 31);
                    // Until the code is there: how many code lengths it has.
                    self.length = 4 + (counts >> 10);
                    self.read = 0;
                    self.fixed = false;
                    if self.literals > 286 || self.distances > 30 {
                        return Err(InflateError::TooManyCodes);
                    }
                    self.fast = [0; FAST + (1 << DISTANCE_BITS)];
                    self.state = State::LengthsCode;
                }
                State::LengthsCode => {
                    const ORDER: [u8; 19] = [
                        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
                    ];
                    while self.read < self.length {
                        let length = take!(3);
                        let at = ORDER.get(usize::from(self.read)).copied().unwrap_or(0);
                        self.set_length(at.into(), length);
                        self.read += 1;
                    }
                    if self.sort(Code::Distance, 0, 19) != 0 {
                        return Err(InflateError::LengthsCode);
                    }
                    self.read = 0;
                    self.state = State::Lengths;
                }
                State::Lengths => {
                    let all = self.literals + self.distances;
                    while self.read < all {
                        bits.fill();
                        let entry = self.slow(Code::Distance, bits);
                        let (symbol, length) = (entry & 0xFFF, usize::from(entry >> 12));
                        let (extra, least) = match symbol {
                            16 => (2, 3),
                            17 => (3, 3),
                            18 => (7, 11),
                            _ => (0, 1),
                        };
                        if length == 0 || bits.count < length + extra {
                            return Ok(true);
                        }
                        bits.drop(length);
                        let count = take!(extra) + least;
                        let mut value = symbol;
                        if symbol > 15 {
                            value = 0;
                        }
                        if symbol == 16 {
                            if self.read == 0 {
                                return Err(InflateError::NothingToRepeat);
                            }
                            value = self.length_at(usize::from(self.read) - 1);
                        }
                        if self.read + count > all {
                            return Err(InflateError::RepeatTooLong);
                        }
                        for _ in 0..count {
                            self.set_length(self.read.into(), value);
                            self.read += 1;
                        }
                    }
                    if self.length_at(256) == 0 {
                        return Err(InflateError::NoEndOfBlock);
                    }
                    self.codes()?;
                    self.state = State::Symbol;
                }
                State::Symbol => loop {
                    bits.fill();
                    let entry = self.decode(Code::Literal, bits);
                    let (symbol, length) = (entry & 0xFFF, usize::from(entry >> 12));
                    if length == 0 || length > bits.count {
                        return Ok(true);
                    }
                    let Some(over) = symbol.checked_sub(256) else {
                        let Some(place) = output.get_mut(*produced) else {
                            return Ok(false);
                        };
                        *place = symbol.to_le_bytes()[0];
                        *produced += 1;
                        bits.drop(length);
                        continue;
                    };
                    if over == 0 {
                        bits.drop(length);
                        self.state = State::Header;
                        break;
                    }
                    let over = over - 1;
                    let mut extra = 0;
                    let mut base = over + 3;
                    if over >= 28 {
                        if over > 28 {
                            return Err(InflateError::Literal);
                        }
                        base = 258;
                    } else if over >= 8 {
                        extra = usize::from(over) / 4 - 1;
                        base = 3 + ((4 + (over & 3)) << extra);
                    }
                    if bits.count < length + extra {
                        return Ok(true);
                    }
                    bits.drop(length);
                    #[allow(clippy::cast_possible_truncation)] // masked
                    {
                        self.length = base + (bits.bits & ((1 << extra) - 1)) as u16;
                    }
                    bits.drop(extra);
                    self.state = State::Distance;
                    break;
                },
                State::Distance => {
                    bits.fill();
                    let entry = self.decode(Code::Distance, bits);
                    let (symbol, length) = (entry & 0xFFF, usize::from(entry >> 12));
                    if length == 0 || length > bits.count {
                        return Ok(true);
                    }
                    if symbol > 29 {
                        return Err(InflateError::Distance);
                    }
                    bits.drop(length);
                    self.distance = symbol;
                    self.state = State::DistanceExtra;
                }
                State::DistanceExtra => {
                    let symbol = self.distance;
                    let mut distance = symbol + 1;
                    if symbol >= 4 {
                        let extra = symbol / 2 - 1;
                        distance = 1 + ((2 + (symbol & 1)) << extra) + take!(extra.into());
                    }
                    self.distance = distance;
                    let known = self.window.len().min(self.known + *produced);
                    if usize::from(distance) > known {
                        return Err(InflateError::TooFar);
                    }
                    self.state = State::Copy;
                }
                State::Copy => {
                    self.copy(output, produced);
                    if self.length > 0 {
                        return Ok(false);
                    }
                    self.state = State::Symbol;
                }
                State::Failed(error) => return Err(error),
            }
        }
    }

    /// Copies a match, as far as there is room.
    fn copy(&mut self, output: &mut [u8], produced: &mut usize) {
        let distance = usize::from(self.distance);
        // At once, if it is all in the output already.
        let length = usize::from(self.length);
        if length <= distance
            && distance <= *produced
            && let Some((done, room)) = output.split_at_mut_checked(*produced)
            && let Some(room) = room.get_mut(..length)
            && let Some(from) = done.get(done.len() - distance..)
            && let Some(from) = from.get(..length)
        {
            copy(room, from);
            *produced += length;
            self.length = 0;
        }
        while self.length > 0 {
            let now = *produced;
            let byte = match now.checked_sub(distance) {
                Some(at) => output.get(at),
                None => {
                    let at = self.at.wrapping_add(now).wrapping_sub(distance);
                    self.window.get(at & (self.window.len() - 1))
                }
            };
            let byte = byte.copied().unwrap_or(0);
            let Some(place) = output.get_mut(now) else {
                return;
            };
            *place = byte;
            *produced += 1;
            self.length -= 1;
        }
    }

    fn set_length(&mut self, at: usize, length: u16) {
        if let Some(place) = self.fast.get_mut(at) {
            *place = length;
        }
    }

    fn length_at(&self, at: usize) -> u16 {
        self.fast.get(at).copied().unwrap_or(0)
    }

    fn fixed_codes(&mut self) -> Result<(), InflateError> {
        if self.fixed {
            return Ok(());
        }
        for (at, place) in self.fast.iter_mut().enumerate() {
            *place = match at {
                0..144 => 8,
                144..256 => 9,
                256..280 => 7,
                280..288 => 8,
                _ => 5,
            };
        }
        self.literals = 288;
        self.distances = 32;
        self.fixed = true;
        self.codes()
    }

    /// Makes the codes of a block from their lengths.
    fn codes(&mut self) -> Result<(), InflateError> {
        let (literals, distances) = (self.literals.into(), self.distances.into());
        let few = self.sort(Code::Distance, literals, distances);
        // As zlib has it: a single code of one bit is enough, and there may be no distances.
        let one = self.single(Code::Distance, distances);
        let distances = few < 0 || few > 0 && one > 1;
        let few = self.sort(Code::Literal, 0, literals);
        if few < 0 || few > 0 && self.single(Code::Literal, literals) != 1 {
            return Err(InflateError::LiteralCode);
        }
        if distances {
            return Err(InflateError::DistanceCode);
        }
        self.fast = [0; FAST + (1 << DISTANCE_BITS)];
        self.index(Code::Literal);
        self.index(Code::Distance);
        Ok(())
    }

    /// How many codes there are, if none is longer than one bit. Else many.
    fn single(&self, code: Code, count: usize) -> u16 {
        match self.counts.get(code as usize) {
            Some([zero, one, ..]) if usize::from(zero + one) == count => *one,
            _ => u16::MAX,
        }
    }

    const fn first_symbol(code: Code) -> usize {
        match code {
            Code::Literal => 0,
            Code::Distance => LITERALS,
        }
    }

    /// Counts and sorts the code lengths that stand in `fast`. How much of the code is left over,
    /// less than nothing if there is too little.
    #[inline(never)]
    fn sort(&mut self, code: Code, from: usize, count: usize) -> i32 {
        let mut counts = [0u16; 16];
        let lengths = self.fast.get(from..from + count).unwrap_or_default();
        for &length in lengths {
            if let Some(count) = counts.get_mut(usize::from(length)) {
                *count += 1;
            }
        }
        let mut left = 1;
        let mut offsets = [0u16; 16];
        let mut next = 0;
        for (&count, offset) in counts.iter().zip(&mut offsets).skip(1) {
            left = left * 2 - i32::from(count);
            *offset = next;
            next += count;
            if left < 0 {
                return left;
            }
        }
        let symbols = self
            .symbols
            .get_mut(Self::first_symbol(code)..)
            .unwrap_or_default();
        for (symbol, &length) in (0u16..).zip(lengths) {
            if length == 0 {
                continue;
            }
            if let Some(offset) = offsets.get_mut(usize::from(length)) {
                if let Some(place) = symbols.get_mut(usize::from(*offset)) {
                    *place = symbol;
                }
                *offset += 1;
            }
        }
        if let Some(place) = self.counts.get_mut(code as usize) {
            *place = counts;
        }
        left
    }

    /// Puts the short codes where they are looked up.
    #[inline(never)]
    fn index(&mut self, code: Code) {
        let (from, bits) = match code {
            Code::Literal => (0, LITERAL_BITS),
            Code::Distance => (FAST, DISTANCE_BITS),
        };
        let mut index = Self::first_symbol(code);
        let counts = self.counts.get(code as usize).copied().unwrap_or_default();
        let mut next = 0u32;
        let mut length = 0;
        for count in counts.get(1..=bits).unwrap_or_default() {
            length += 1;
            next <<= 1;
            for _ in 0..*count {
                let symbol = self.symbols.get(index).copied().unwrap_or(0);
                let mut at = (next.reverse_bits() >> (32 - length)) as usize;
                while at < 1 << bits {
                    if let Some(place) = self.fast.get_mut(from + at) {
                        #[allow(clippy::cast_possible_truncation)] // at most 8
                        {
                            *place = symbol | (length as u16) << 12;
                        }
                    }
                    at += 1 << length;
                }
                index += 1;
                next += 1;
            }
        }
    }

    /// The next symbol, and above twelve bits how long its code is: if that is nothing, or more than
    /// there is, more has to come. What is no code is a symbol that does not exist.
    #[inline(always)]
    fn decode(&self, code: Code, bits: &Bits<'_>) -> u16 {
        let (from, width) = match code {
            Code::Literal => (0, LITERAL_BITS),
            Code::Distance => (FAST, DISTANCE_BITS),
        };
        let at = from + (bits.bits & ((1 << width) - 1));
        let entry = self.fast.get(at).copied().unwrap_or(0);
        if entry == 0 {
            return self.slow(code, bits);
        }
        entry
    }

    /// The same, bit by bit (RFC 1951 section 3.2.2).
    #[inline(never)]
    fn slow(&self, code: Code, bits: &Bits<'_>) -> u16 {
        let Some([_, counts @ ..]) = self.counts.get(code as usize) else {
            return 0;
        };
        let mut rest = bits.bits;
        let (mut value, mut index) = (0, Self::first_symbol(code));
        let mut length = 0;
        for &count in counts {
            length += 1;
            if length > bits.count {
                return 0;
            }
            let count = usize::from(count);
            value = value * 2 + (rest & 1);
            rest >>= 1;
            if value < count {
                let symbol = self.symbols.get(index + value).copied().unwrap_or(0);
                #[allow(clippy::cast_possible_truncation)] // at most 15
                return symbol | (length as u16) << 12;
            }
            value -= count;
            index += count;
        }
        0x1FFF
    }
}

const _: () = assert!(size_of::<Inflate<'_>>() <= 1500);
