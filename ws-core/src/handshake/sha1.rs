//! SHA-1. Its compression function is the `sha1` crate's, or rolled (feature `compact`): loops where
//! the crate unrolls, a sixth of its flash. What is around it is the same for both: the crate's own
//! copies slices by lengths that the optimizer does not see through at `opt-level = "z"`, and a
//! panic would stay in the firmware.

/// SHA-1 in progress: the schedule is a window of 16 words, filled byte by byte.
struct State {
    chain: [u32; 5],
    window: [u32; 16],
    len: u32,
}

impl State {
    // Not inlined: three callers.
    #[inline(never)]
    fn push(&mut self, byte: u8) {
        let at = (self.len / 4 % 16) as usize;
        if let Some(word) = self.window.get_mut(at) {
            *word = *word << 8 | u32::from(byte);
        }
        self.len = self.len.wrapping_add(1);
        if self.len.is_multiple_of(64) {
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
    #[inline(always)]
    fn block(&mut self) {
        let w = &mut self.window;
        let [mut a, mut b, mut c, mut d, mut e] = self.chain;
        for t in 0..80 {
            if t >= 16 {
                w[t & 15] = (w[(t + 13) & 15] ^ w[(t + 8) & 15] ^ w[(t + 2) & 15] ^ w[t & 15])
                    .rotate_left(1);
            }
            let (f, k) = match t {
                0..20 => (d ^ (b & (c ^ d)), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (d & (b | c)), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(f)
                .wrapping_add(e)
                .wrapping_add(k)
                .wrapping_add(w[t & 15]);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (word, add) in self.chain.iter_mut().zip([a, b, c, d, e]) {
            *word = word.wrapping_add(add);
        }
    }
}

/// The SHA-1 digest of the concatenation of `parts`, less than 512 MiB in all.
pub(super) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut state = State {
        chain: [
            0x6745_2301,
            0xefcd_ab89,
            0x98ba_dcfe,
            0x1032_5476,
            0xc3d2_e1f0,
        ],
        window: [0; 16],
        len: 0,
    };
    for part in parts {
        for &byte in *part {
            state.push(byte);
        }
    }
    let bits = u64::from(state.len) * 8;
    state.push(0x80);
    while state.len % 64 != 56 {
        state.push(0);
    }
    for byte in bits.to_be_bytes() {
        state.push(byte);
    }
    let mut digest = [0; 20];
    for (four, word) in digest.as_chunks_mut().0.iter_mut().zip(state.chain) {
        *four = word.to_be_bytes();
    }
    digest
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
