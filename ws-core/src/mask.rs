//! Masking (RFC 6455 section 5.3), a machine word at a time.

use core::mem::take;

/// A mask key whose next byte to use is the lowest: it rotates as payload goes by, so no separate
/// position has to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u32);

/// Two words where words have 32 bits, which saves half of what a loop takes.
const CHUNK: usize = size_of::<u64>();
/// What is left of a short payload goes by one of these and three bytes.
const WORD: usize = size_of::<u32>();

impl Key {
    /// The key that changes nothing.
    pub(crate) const NONE: Self = Self(0);

    /// A key as its four bytes stand on the wire.
    pub(crate) const fn from_wire(bytes: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(bytes))
    }

    /// The bytes for the wire, the lowest first; valid while nothing has been masked.
    pub(crate) const fn word(self) -> u32 {
        self.0
    }

    /// Shifts the next byte of a key in that arrives byte by byte.
    pub(crate) const fn shifted_in(self, byte: u8) -> Self {
        Self(self.0 >> 8 | (byte as u32) << 24)
    }

    /// The key for what stands `count` bytes further on.
    #[allow(clippy::cast_possible_truncation)] // only the count modulo 4 matters
    pub(crate) const fn advanced(self, count: usize) -> Self {
        Self(self.0.rotate_right((count as u32 & 3) * 8))
    }

    /// The key as a word that is loaded from memory.
    const fn in_memory(self) -> u32 {
        u32::from_ne_bytes(self.0.to_le_bytes())
    }

    /// A chunk of copies of the key, in memory order.
    const fn chunk(self) -> u64 {
        let key = self.in_memory() as u64;
        key | key << u32::BITS
    }

    /// The next byte to use, and the key moves on by it.
    #[allow(clippy::cast_possible_truncation)] // the lowest byte is meant
    const fn next_byte(&mut self) -> u8 {
        let byte = self.0 as u8;
        self.0 = self.0.rotate_right(8);
        byte
    }

    /// Masks or unmasks in place; returns the key for what follows. Inlined: a receiver has one place
    /// for it.
    #[inline(always)]
    pub(crate) fn apply(mut self, mut bytes: &mut [u8]) -> Self {
        while bytes.len() >= CHUNK
            && let Some((chunk, rest)) = take(&mut bytes).split_first_chunk_mut::<CHUNK>()
        {
            *chunk = (u64::from_ne_bytes(*chunk) ^ self.chunk()).to_ne_bytes();
            bytes = rest;
        }
        if bytes.len() >= WORD
            && let Some((word, rest)) = take(&mut bytes).split_first_chunk_mut::<WORD>()
        {
            *word = (u32::from_ne_bytes(*word) ^ self.in_memory()).to_ne_bytes();
            bytes = rest;
        }
        for byte in bytes {
            *byte ^= self.next_byte();
        }
        self
    }

    /// Copies as much of `from` as fits into `to`, masked; returns how much that was.
    pub(crate) fn copy(mut self, from: &[u8], to: &mut [u8]) -> usize {
        let length = from.len().min(to.len());
        let (mut from, mut to) = (
            from.get(..length).unwrap_or_default(),
            to.get_mut(..length).unwrap_or_default(),
        );
        while from.len() >= CHUNK
            && let Some((to_chunk, to_rest)) = take(&mut to).split_first_chunk_mut::<CHUNK>()
            && let Some((from_chunk, from_rest)) = from.split_first_chunk::<CHUNK>()
        {
            *to_chunk = (u64::from_ne_bytes(*from_chunk) ^ self.chunk()).to_ne_bytes();
            (from, to) = (from_rest, to_rest);
        }
        if from.len() >= WORD
            && let Some((to_chunk, to_rest)) = take(&mut to).split_first_chunk_mut::<WORD>()
            && let Some((from_chunk, from_rest)) = from.split_first_chunk::<WORD>()
        {
            *to_chunk = (u32::from_ne_bytes(*from_chunk) ^ self.in_memory()).to_ne_bytes();
            (from, to) = (from_rest, to_rest);
        }
        for (from, to) in from.iter().zip(to) {
            *to = from ^ self.next_byte();
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(key: [u8; 4], start: usize, bytes: &mut [u8]) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte ^= key[(start + i) % 4];
        }
    }

    #[test]
    fn rfc6455_5_3_every_length_alignment_and_phase() {
        let key = [0x37, 0xFA, 0x21, 0x3D];
        let source: Vec<u8> = (0..255).collect();
        for start in 0..9 {
            for phase in 0..4 {
                for length in 0..source.len() - start {
                    let mut expected = source.clone();
                    reference(key, phase, &mut expected[start..start + length]);

                    let mut masked = source.clone();
                    let state = Key::from_wire(key).advanced(phase);
                    let state = state.apply(&mut masked[start..start + length]);
                    assert_eq!(masked, expected);
                    assert_eq!(state, Key::from_wire(key).advanced(phase + length));

                    let mut copied = source.clone();
                    let n = Key::from_wire(key)
                        .advanced(phase)
                        .copy(&source[start..start + length], &mut copied[start..]);
                    assert_eq!((n, copied), (length, expected));
                }
            }
        }
    }

    #[test]
    fn rfc6455_5_3_a_key_arrives_byte_by_byte() {
        let mut key = Key(0xDEAD_BEEF);
        for byte in [1, 2, 3, 4] {
            key = key.shifted_in(byte);
        }
        assert_eq!(key, Key::from_wire([1, 2, 3, 4]));
    }
}
