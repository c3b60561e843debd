//! Base64, rolled.

/// Base64 with padding (RFC 4648 section 4) into `out`, as much of it as there is room.
#[inline(never)]
pub(super) fn base64(bytes: &[u8], out: &mut [u8]) {
    // Each digit for itself: where its six bits begin, and the two bytes they are in.
    let mut at = 0;
    for char in out {
        let byte = |index| bytes.get(index).copied().map(u32::from);
        *char = match byte(at / 8) {
            Some(first) => {
                let two = first << 8 | byte(at / 8 + 1).unwrap_or(0);
                digit(two >> (10 - at % 8) & 63)
            }
            None => b'=',
        };
        at += 6;
    }
}

#[allow(clippy::cast_possible_truncation)] // six bits
const fn digit(six: u32) -> u8 {
    let mut digit = six as u8 + b'A';
    if six > 25 {
        digit += b'a' - b'Z' - 1;
    }
    if six > 51 {
        digit -= b'z' + 1 - b'0';
    }
    if six > 61 {
        digit -= b'9' + 1 - b'+';
    }
    if six > 62 {
        digit += b'/' - b'+' - 1;
    }
    digit
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        /// RFC 6455 section 4.1: the rolled base64 is the crate's.
        #[test]
        fn rfc6455_4_1_base64_equals_crate(bytes: Vec<u8>) {
            let mut rolled = std::vec![0; bytes.len().div_ceil(3) * 4];
            let mut crates = rolled.clone();
            super::base64(&bytes, &mut rolled);
            Base64::encode(&bytes, &mut crates).unwrap();
            prop_assert_eq!(rolled, crates);
        }
    }
}
