//! SHA-1. Its compression function is the `sha1` crate's, or rolled (feature `compact`): loops where
//! the crate unrolls, a sixth of its flash. What is around it is the same for both: the crate's own
//! copies slices by lengths that the optimizer does not see through at `opt-level = "z"`, and a
//! panic would stay in the firmware.

use super::accept::GUID;

const START: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

/// The first block after the key: what RFC 6455 appends to it, and the mark at the message's end.
static AFTER_KEY: [u32; 10] = {
    let mut words = [1 << 31; 10];
    let mut at = 0;
    #[allow(clippy::indexing_slicing)] // at compile time
    while at < 9 {
        let guid = &GUID.as_chunks::<4>().0[at];
        words[at] = u32::from_be_bytes(*guid);
        at += 1;
    }
    words
};

/// The SHA-1 digest of a key and the GUID, which are two blocks. The digest is
/// read where it stands.
#[inline(always)]
pub(super) fn sha1(key: &[u8; 24]) -> [u8; 20] {
    let mut hash = Hash {
        chain: START,
        window: [0; 16],
    };
    let (front, rest) = hash.window.split_at_mut(6);
    for (word, four) in front.iter_mut().zip(key.as_chunks().0) {
        *word = u32::from_be_bytes(*four);
    }
    rest.copy_from_slice(&AFTER_KEY);
    hash.block();
    hash.window = [0; 16];
    hash.window[15] = 60 * 8;
    hash.block();
    let mut digest = [0; 20];
    for (four, word) in digest.as_chunks_mut().0.iter_mut().zip(&hash.chain) {
        *four = word.to_be_bytes();
    }
    digest
}

#[repr(C)] // Code is shorter where the chain comes first.
struct Hash {
    chain: [u32; 5],
    /// A block; then the schedule's: 16 words of it.
    window: [u32; 16],
}

impl Hash {
    #[cfg(all(feature = "crates-hash", not(feature = "compact")))]
    fn block(&mut self) {
        let mut block = [0; 64];
        for (four, word) in block.as_chunks_mut().0.iter_mut().zip(self.window) {
            *four = word.to_be_bytes();
        }
        ::sha1::block_api::compress(&mut self.chain, &[block]);
    }

    #[cfg(not(all(feature = "crates-hash", not(feature = "compact"))))]
    #[allow(clippy::indexing_slicing)] // every index is masked to the window
    #[inline(never)]
    fn block(&mut self) {
        let window = &mut self.window;
        let [mut a, mut b, mut c, mut d, mut e] = self.chain;
        for t in 0..80 {
            // The word of 16 rounds later, in the last rounds for nothing.
            let word = window[t & 15];
            let other = window[(t + 2) & 15] ^ window[(t + 8) & 15] ^ window[(t + 13) & 15];
            window[t & 15] = (word ^ other).rotate_left(1);
            let differ = c ^ d;
            let add = match t {
                0..20 => (b & differ ^ d).wrapping_add(0x5a82_7999),
                20..40 => (b ^ differ).wrapping_add(0x6ed9_eba1),
                40..60 => ((b ^ c) & differ ^ c).wrapping_add(0x8f1b_bcdc),
                _ => (b ^ differ).wrapping_add(0xca62_c1d6),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(e)
                .wrapping_add(add)
                .wrapping_add(word);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        let [h0, h1, h2, h3, h4] = &mut self.chain;
        *h0 = h0.wrapping_add(a);
        *h1 = h1.wrapping_add(b);
        *h2 = h2.wrapping_add(c);
        *h3 = h3.wrapping_add(d);
        *h4 = h4.wrapping_add(e);
    }
}

#[cfg(test)]
mod tests {
    use super::super::accept::Sha1;
    use crate::handshake::tests::testing::CrateSha1;
    use proptest::prelude::*;

    proptest! {
        /// RFC 6455 section 4.2.2: SHA-1 is the crate's, for any key.
        #[test]
        fn rfc6455_4_2_2_sha1_equals_crate(key: [u8; 24]) {
            prop_assert_eq!(super::sha1(&key), CrateSha1.sha1(&key));
        }
    }
}
