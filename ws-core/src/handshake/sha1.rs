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
#[inline(never)]
#[allow(clippy::cast_possible_truncation)] // the low byte is meant
pub(super) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut chain = START;
    let mut window = [0; 16];
    let mut bytes = parts.iter().copied().flatten();
    let mut bits = 0u32;
    // What comes behind the bytes, then zeros.
    let mut mark = 0x80;
    loop {
        let mut padding = 0;
        for at in 0..64 {
            let byte = if let Some(&byte) = bytes.next() {
                bits = bits.wrapping_add(8);
                u32::from(byte)
            } else {
                padding += 1;
                core::mem::take(&mut mark)
            };
            if let Some(word) = window.get_mut(at / 4) {
                *word = *word << 8 | byte;
            }
        }
        // The mark and 64 bits of length, or all in another block.
        let last = padding > 8;
        if last {
            window[15] = bits;
        }
        block(&mut chain, &mut window);
        if last {
            break;
        }
    }
    core::array::from_fn(|at| {
        let word = chain.get(at / 4).copied().unwrap_or_default();
        (word >> (24 - at % 4 * 8)) as u8
    })
}

#[cfg(all(feature = "crates-hash", not(feature = "compact")))]
fn block(chain: &mut [u32; 5], window: &mut [u32; 16]) {
    let mut block = [0; 64];
    for (four, word) in block.as_chunks_mut().0.iter_mut().zip(window) {
        *four = word.to_be_bytes();
    }
    ::sha1::block_api::compress(chain, &[block]);
}

/// `window` is the schedule's: 16 words of it.
#[cfg(not(all(feature = "crates-hash", not(feature = "compact"))))]
#[allow(clippy::indexing_slicing)] // every index is masked to the window
#[inline(never)]
fn block(chain: &mut [u32; 5], window: &mut [u32; 16]) {
    let [mut a, mut b, mut c, mut d, mut e] = *chain;
    for t in 0..80 {
        // The word of 16 rounds later, in the last rounds for nothing.
        let word = window[t & 15];
        let other = window[(t + 2) & 15] ^ window[(t + 8) & 15] ^ window[(t + 13) & 15];
        window[t & 15] = (word ^ other).rotate_left(1);
        let differ = c ^ d;
        let add = match t {
            0..20 => (b & differ ^ d).wrapping_add(0x5a82_7999),
            20..40 => (b ^ differ).wrapping_add(0x6ed9_eba1),
            40..60 => (b & differ | c & d).wrapping_add(0x8f1b_bcdc),
            _ => (b ^ differ).wrapping_add(0xca62_c1d6u32),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(e)
            .wrapping_add(add)
            .wrapping_add(word);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (word, add) in chain.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(add);
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
