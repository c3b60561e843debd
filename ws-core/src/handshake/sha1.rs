//! SHA-1. Its compression function is the `sha1` crate's, or rolled (feature `compact`): loops where
//! the crate unrolls, a sixth of its flash. What is around it is the same for both: the crate's own
//! copies slices by lengths that the optimizer does not see through at `opt-level = "z"`, and a
//! panic would stay in the firmware.

const START: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

/// The SHA-1 digest of the concatenation of `parts`, less than 512 MiB in all.
#[inline(always)]
pub(super) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Hash {
        chain: START,
        length: 0,
        window: [0; 16],
    };
    for part in parts {
        for &byte in *part {
            hash.push(byte);
        }
    }
    let bits = hash.length << 3;
    hash.push(0x80);
    while hash.length & 63 != 56 {
        hash.push(0);
    }
    hash.window[14] = 0;
    hash.window[15] = bits;
    hash.block();
    let words = hash.chain.map(u32::to_be_bytes);
    let digest = words.as_flattened().first_chunk();
    digest.copied().unwrap_or([0; 20])
}

#[repr(C)] // Code is shorter where the chain comes first.
struct Hash {
    chain: [u32; 5],
    /// How many bytes came.
    length: u32,
    /// The block they fill; then the schedule's: 16 words of it.
    window: [u32; 16],
}

impl Hash {
    #[inline(never)]
    fn push(&mut self, byte: u8) {
        if let Some(word) = self.window.get_mut(self.length as usize / 4 % 16) {
            *word = *word << 8 | u32::from(byte);
        }
        self.length = self.length.wrapping_add(1);
        if self.length & 63 == 0 {
            self.block();
        }
    }

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
    use super::super::testing::CrateSha1;
    use proptest::prelude::*;

    proptest! {
        /// RFC 6455 section 4.2.2: SHA-1 is the crate's, for any length and any parts.
        #[test]
        fn rfc6455_4_2_2_sha1_equals_crate(
            a in prop::collection::vec(any::<u8>(), 0..200),
            b in prop::collection::vec(any::<u8>(), 0..70),
        ) {
            prop_assert_eq!(super::sha1(&[&a, &b]), CrateSha1.sha1(&[&a, &b]));
        }
    }
}
