//! Masking (RFC 6455 section 5.3), a machine word at a time.

use core::mem::size_of;

/// A mask key whose next byte to use is the lowest: it rotates as payload goes by, so no separate
/// position has to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u32);

const WORD: usize = size_of::<usize>();

impl Key {
    /// The key that changes nothing.
    pub(crate) const NONE: Self = Self(0);

    /// A key as its four bytes stand on the wire.
    pub(crate) const fn from_wire(bytes: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(bytes))
    }

    /// The bytes for the wire, valid while nothing has been masked.
    pub(crate) const fn to_wire(self) -> [u8; 4] {
        self.0.to_le_bytes()
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

    /// As many copies of the key as fill a word, in memory order.
    const fn word(self) -> usize {
        let [a, b, c, d] = self.0.to_le_bytes();
        let mut bytes = [0; WORD];
        let mut rest = bytes.as_mut_slice();
        while let [w, x, y, z, tail @ ..] = rest {
            (*w, *x, *y, *z) = (a, b, c, d);
            rest = tail;
        }
        usize::from_ne_bytes(bytes)
    }

    /// Masks or unmasks in place; the key moves on.
    pub(crate) fn apply(&mut self, bytes: &mut [u8]) {
        let length = bytes.len();
        let word = self.word();
        let (blocks, rest) = bytes.as_chunks_mut::<{ 8 * WORD }>();
        for block in blocks {
            for chunk in block.as_chunks_mut::<WORD>().0 {
                *chunk = (usize::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
            }
        }
        let (words, tail) = rest.as_chunks_mut::<WORD>();
        for chunk in words {
            *chunk = (usize::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
        }
        for (byte, key) in tail.iter_mut().zip(word.to_ne_bytes()) {
            *byte ^= key;
        }
        *self = self.advanced(length);
    }

    /// Copies as much of `from` as fits into `to`, masked; returns how much that was.
    pub(crate) fn copy(self, from: &[u8], to: &mut [u8]) -> usize {
        let length = from.len().min(to.len());
        let word = self.word();
        let (Some(from), Some(to)) = (from.get(..length), to.get_mut(..length)) else {
            return 0;
        };
        let (from_blocks, from) = from.as_chunks::<{ 8 * WORD }>();
        let (to_blocks, to) = to.as_chunks_mut::<{ 8 * WORD }>();
        for (from, to) in from_blocks.iter().zip(to_blocks) {
            for (from, to) in from
                .as_chunks::<WORD>()
                .0
                .iter()
                .zip(to.as_chunks_mut::<WORD>().0)
            {
                *to = (usize::from_ne_bytes(*from) ^ word).to_ne_bytes();
            }
        }
        let (from_words, from) = from.as_chunks::<WORD>();
        let (to_words, to) = to.as_chunks_mut::<WORD>();
        for (from, to) in from_words.iter().zip(to_words) {
            *to = (usize::from_ne_bytes(*from) ^ word).to_ne_bytes();
        }
        for ((from, to), key) in from.iter().zip(to).zip(word.to_ne_bytes()) {
            *to = from ^ key;
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
                    let mut state = Key::from_wire(key).advanced(phase);
                    state.apply(&mut masked[start..start + length]);
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
        assert_eq!(key.to_wire(), [1, 2, 3, 4]);
    }
}
