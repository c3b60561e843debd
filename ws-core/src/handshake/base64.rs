//! Base64, rolled.

/// Base64 with padding (RFC 4648 section 4) into `out`, as much of it as there is room.
pub(super) fn base64(bytes: &[u8], out: &mut [u8]) {
    // How many bits are still to be written; from there on it is padding.
    let mut left = bytes.len() * 8;
    let mut bytes = bytes.iter();
    let mut group = 0;
    // How many of the low bits of `group` are still to be written, zeros behind the end included.
    let mut bits = 0;
    for char in out {
        if bits < 6 {
            group = group << 8 | u32::from(bytes.next().copied().unwrap_or(0));
            bits += 8;
        }
        bits -= 6;
        *char = if left == 0 {
            b'='
        } else {
            digit(group >> bits & 63)
        };
        left = left.saturating_sub(6);
    }
}

#[allow(clippy::cast_possible_truncation)] // six bits
const fn digit(six: u32) -> u8 {
    let six = six as u8;
    match six {
        0..26 => b'A' + six,
        26..52 => b'a' - 26 + six,
        52..62 => six - 52 + b'0',
        62 => b'+',
        _ => b'/',
    }
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
