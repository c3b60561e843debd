//! IP addresses in text, for URLs: [RFC 4291 section 2.2](https://www.rfc-editor.org/rfc/rfc4291#section-2.2).
//!
//! What the parsers of `core` take, no more and no less. Theirs bring panics into a firmware that
//! the optimizer cannot see to be out of reach.

use core::net::{Ipv4Addr, Ipv6Addr};

/// Four decimal numbers up to 255, without leading zeros.
pub(crate) fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split(|byte| *byte == b'.');
    for octet in &mut octets {
        let part = parts.next()?;
        let leading_zero = part.len() > 1 && part.first() == Some(&b'0');
        if part.is_empty() || part.len() > 3 || leading_zero {
            return None;
        }
        let number = number(part, 10)?;
        *octet = u8::try_from(number).ok()?;
    }
    parts.next().is_none().then(|| octets.into())
}

/// Eight groups of up to four hexadecimal digits; `::` once for at least one of zeros; the last two
/// also as an IPv4 address. No zone.
pub(crate) fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let gap = text.windows(2).position(|pair| pair == b"::");
    let (before, behind) = match gap {
        Some(at) => (text.get(..at)?, Some(text.get(at + 2..)?)),
        None => (text, None),
    };
    let (mut all, count) = groups(before, behind.is_none())?;
    match behind {
        None if count < all.len() => return None,
        None => {}
        Some(behind) => {
            let (last, more) = groups(behind, true)?;
            if count + more >= all.len() {
                return None;
            }
            let last = last.get(..more)?.iter().rev();
            for (group, last) in all.iter_mut().rev().zip(last) {
                *group = *last;
            }
        }
    }
    Some(all.into())
}

/// Groups between colons, and how many they are; the last two may be an IPv4 address.
fn groups(text: &[u8], ipv4_ends: bool) -> Option<([u16; 8], usize)> {
    let (mut groups, mut count) = ([0; 8], 0);
    if text.is_empty() {
        return Some((groups, count));
    }
    let mut put = |group| {
        *groups.get_mut(count)? = group;
        count += 1;
        Some(())
    };
    let mut parts = text.split(|byte| *byte == b':');
    while let Some(part) = parts.next() {
        if part.contains(&b'.') {
            if !ipv4_ends || parts.next().is_some() {
                return None;
            }
            let [a, b, c, d] = ipv4(part)?.octets();
            put(u16::from_be_bytes([a, b]))?;
            put(u16::from_be_bytes([c, d]))?;
            break;
        }
        if part.is_empty() || part.len() > 4 {
            return None;
        }
        put(number(part, 16)?)?;
    }
    Some((groups, count))
}

/// A number of at most four digits.
fn number(digits: &[u8], base: u16) -> Option<u16> {
    digits.iter().try_fold(0, |number: u16, digit| {
        let digit = char::from(*digit).to_digit(base.into())?;
        number
            .checked_mul(base)?
            .checked_add(u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    fn as_core(text: &str) {
        assert_eq!(ipv4(text.as_bytes()), text.parse().ok(), "{text}");
        assert_eq!(ipv6(text.as_bytes()), text.parse().ok(), "{text}");
    }

    #[test]
    fn addresses_are_what_core_takes_for_them() {
        for text in [
            "",
            "1",
            "1.2.3",
            "1.2.3.4",
            "1.2.3.4.",
            ".1.2.3",
            "1..2.3",
            "1.2.3.4.5",
            "0.0.0.0",
            "255.255.255.255",
            "256.0.0.1",
            "1.2.3.04",
            "1.2.3.00",
            "1.2.3.0004",
            "+1.2.3.4",
            "1.2.3.a",
            ":",
            "::",
            ":::",
            "::1",
            "1::",
            "1::2",
            "1:::2",
            "1::2::3",
            ":1",
            "1:",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            "1:2:3::5:6:7:8",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1:2:3:4:5:1.2.3.4",
            "1.2.3.4::",
            "::1.2.3.4:1",
            "1::1.2.3.256",
            "::12345",
            "::fFfF",
            "::g",
            "::+1",
            "fe80::1%1",
            "[::1]",
            "1:2:3:4:5::1.2.3.4",
            "1:2:3:4:5:6::1.2.3.4",
            "::1.2.3.4",
        ] {
            as_core(text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_what_core_takes_it_for(text in "[0-9a-g:.]{0,24}") {
            as_core(&text);
        }

        #[test]
        fn near_addresses_too(
            groups in proptest::collection::vec("[0-9a-f]{1,4}|", 0..10),
            octets in proptest::option::of("[0-9]{1,3}(\\.[0-9]{1,3}){3}"),
        ) {
            let mut text: String = groups.join(":");
            if let Some(octets) = octets {
                as_core(&octets);
                text.push(':');
                text.push_str(&octets);
            }
            as_core(&text);
        }
    }
}
