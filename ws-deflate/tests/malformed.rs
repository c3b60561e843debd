//! Each way in which a stream can be malformed has an error of its own.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::inflate;
use ws_deflate::{Inflate, InflateError};

/// Writes bits, the lowest first.
#[derive(Default)]
struct Bits(Vec<u8>, usize);

impl Bits {
    fn put(mut self, value: u32, count: usize) -> Self {
        for bit in 0..count {
            if self.1 & 7 == 0 {
                self.0.push(0);
            }
            let last = self.0.last_mut().expect("a byte");
            *last |= ((value >> bit & 1) as u8) << (self.1 & 7);
            self.1 += 1;
        }
        self
    }

    /// A Huffman code: its bits come in the other order.
    fn code(self, value: u32, count: usize) -> Self {
        self.put(value.reverse_bits() >> (32 - count), count)
    }

    /// The head of a dynamic block, with lengths for the first code lengths in their odd order.
    fn dynamic(literals: u32, distances: u32, lengths: &[u32]) -> Self {
        let mut bits = Self::default()
            .put(0b100, 3)
            .put(literals - 257, 5)
            .put(distances - 1, 5)
            .put(15, 4);
        for at in 0..19 {
            bits = bits.put(lengths.get(at).copied().unwrap_or(0), 3);
        }
        bits
    }
}

/// Wherever it is cut.
#[track_caller]
fn refused(bits: Bits, error: InflateError) {
    for cut in 1..=bits.0.len() + 1 {
        let mut window = [0; 256];
        let mut receiver = Inflate::new(&mut window).expect("memory");
        assert_eq!(inflate(&mut receiver, &bits.0, cut, 300), Err(error));
        // For good, until it is reset.
        assert_eq!(inflate(&mut receiver, &[0], 1, 300), Err(error));
        receiver.reset();
        assert_eq!(inflate(&mut receiver, &[0], 1, 300), Ok(Vec::new()));
    }
}

/// Code lengths 0 and 1 have a code of one bit, 16 and 18 too if asked for.
const ZERO_ONE: [u32; 19] = {
    let mut lengths = [0; 19];
    lengths[3] = 1; // 0
    lengths[17] = 1; // 1
    lengths
};

/// 18 has `0`, 1 has `10` … as they are sorted: 1 is `10`, 16 is `11`.
const WITH_REPEATS: [u32; 19] = {
    let mut lengths = [0; 19];
    lengths[2] = 1; // 18
    lengths[17] = 2; // 1
    lengths[0] = 2; // 16
    lengths
};

#[test]
fn a_reserved_block_type() {
    refused(Bits::default().put(0b110, 3), InflateError::BlockType);
}

#[test]
fn lengths_of_a_stored_block_that_do_not_match() {
    let bits = Bits::default().put(0, 8).put(5, 16).put(0xFFFB, 16);
    refused(bits, InflateError::StoredLength);
}

#[test]
fn too_many_codes() {
    refused(Bits::dynamic(287, 1, &ZERO_ONE), InflateError::TooManyCodes);
    refused(
        Bits::dynamic(257, 31, &ZERO_ONE),
        InflateError::TooManyCodes,
    );
}

#[test]
fn an_invalid_code_for_the_code_lengths() {
    for lengths in [&[1, 1, 1][..], &[1], &[], &[2, 2, 2]] {
        refused(Bits::dynamic(257, 1, lengths), InflateError::LengthsCode);
    }
}

#[test]
fn nothing_to_repeat() {
    let bits = Bits::dynamic(257, 1, &WITH_REPEATS).code(0b11, 2).put(0, 2);
    refused(bits, InflateError::NothingToRepeat);
}

#[test]
fn a_repetition_past_the_end() {
    // 138 + 138 zeros for 258 codes.
    let mut bits = Bits::dynamic(257, 1, &WITH_REPEATS);
    for _ in 0..2 {
        bits = bits.code(0, 1).put(127, 7);
    }
    refused(bits, InflateError::RepeatTooLong);
    // A repetition of what is not zero.
    let mut bits = Bits::dynamic(257, 1, &WITH_REPEATS);
    bits = bits.code(0, 1).put(127, 7).code(0, 1).put(118 - 11, 7);
    bits = bits.code(0b10, 2).code(0b11, 2).put(3, 2);
    refused(bits, InflateError::RepeatTooLong);
}

#[test]
fn no_end_of_the_block() {
    let mut bits = Bits::dynamic(257, 1, &ZERO_ONE);
    for at in 0..258 {
        bits = bits.put(u32::from(at < 2), 1);
    }
    refused(bits, InflateError::NoEndOfBlock);
}

/// 257 + `distances` code lengths of one bit: 1 for those given.
fn with_ones(literals: usize, distances: usize, ones: &[usize]) -> Bits {
    let mut bits = Bits::dynamic(literals as u32, distances as u32, &ZERO_ONE);
    for at in 0..literals + distances {
        bits = bits.put(u32::from(ones.contains(&at)), 1);
    }
    bits
}

#[test]
fn an_invalid_code_for_literals() {
    refused(with_ones(257, 1, &[0, 1, 256]), InflateError::LiteralCode);
    // Incomplete: 0 and 1 have ten bits, 256 has two … with two code lengths, of two bits each.
    let mut lengths = [0; 19];
    lengths[3] = 1; // 0
    lengths[15] = 1; // 2
    let mut bits = Bits::dynamic(257, 1, &lengths);
    for at in 0..258 {
        bits = bits.put(u32::from(at == 256 || at == 0), 1);
    }
    refused(bits, InflateError::LiteralCode);
}

#[test]
fn an_invalid_code_for_distances() {
    let bits = with_ones(257, 3, &[0, 256, 257, 258, 259]);
    refused(bits, InflateError::DistanceCode);
    let mut lengths = [0; 19];
    lengths[3] = 2; // 0
    lengths[15] = 2; // 2
    lengths[17] = 1; // 1
    let mut bits = Bits::dynamic(257, 2, &lengths);
    for at in 0..259 {
        // 1 is `0`, 0 is `10`, 2 is `11`.
        bits = match at {
            0 | 256 => bits.code(0, 1),
            257 | 258 => bits.code(0b11, 2),
            _ => bits.code(0b10, 2),
        };
    }
    refused(bits, InflateError::DistanceCode);
}

#[test]
fn bits_that_mean_nothing() {
    // 286 and 287 in a fixed block.
    let fixed = || Bits::default().put(0b010, 3);
    refused(fixed().code(0b1100_0110, 8), InflateError::Literal);
    refused(fixed().code(0b1100_0111, 8), InflateError::Literal);
    // A single code of one bit, and the other bit.
    refused(with_ones(257, 1, &[256]).put(1, 1), InflateError::Literal);
    // Distances 30 and 31.
    let literal = || fixed().code(0x30, 8).code(1, 7);
    refused(literal().code(30, 5), InflateError::Distance);
    refused(literal().code(31, 5), InflateError::Distance);
    // No distances at all, or one, and the other bit. 257 is the first length.
    let lengths = with_ones(258, 1, &[256, 257]).code(1, 1).put(0, 20);
    refused(lengths, InflateError::Distance);
    let lengths = with_ones(258, 1, &[256, 257, 258]).code(1, 1).put(1, 20);
    refused(lengths, InflateError::Distance);
}

#[test]
fn a_distance_too_far_back() {
    let fixed = || Bits::default().put(0b010, 3);
    refused(fixed().code(1, 7).code(0, 5), InflateError::TooFar);
    let two = fixed().code(0x30, 8).code(0x30, 8).code(1, 7).code(2, 5);
    refused(two, InflateError::TooFar);
    // In front of the window: 300 bytes are known, 256 are kept.
    let mut far = fixed();
    for _ in 0..300 {
        far = far.code(0x41, 8);
    }
    // Distance 257 is symbol 16, with seven bits.
    let far = far.code(1, 7).code(16, 5).put(0, 7).code(0, 7).put(0, 3);
    refused(far, InflateError::TooFar);
}

#[test]
fn an_end_inside_a_block() {
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let mut window = [0; 256];
    for length in 0..hello.len() {
        let mut receiver = Inflate::new(&mut window).expect("memory");
        let result = inflate(&mut receiver, &hello[..length], 9, 99);
        assert!(result.is_err(), "{length}: {result:?}");
    }
    refused(
        Bits(vec![0, 9, 0, 0xF6, 0xFF, 1, 2], 56),
        InflateError::Unfinished,
    );
    refused(Bits(vec![0xF2, 0x48], 16), InflateError::Unfinished);
}
