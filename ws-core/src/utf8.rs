//! UTF-8 checked as it streams by (RFC 6455 section 8.1, RFC 3629), failing at the first byte that
//! cannot become valid.

use crate::error::ProtocolError;

/// Where in a character the stream stands: one byte of state, 0 between two characters.
///
/// The low two bits count the continuation bytes still due. The high four say which of them may
/// come next, a bit for each value of their bits 4 and 5: 80–8F, 90–9F, A0–AF, B0–BF. The second
/// byte of some characters is restricted (RFC 3629 section 4: no overlong forms, no surrogates,
/// nothing above U+10FFFF).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Utf8(u8);

const DUE: u8 = 0b11;
const NEXT_SHIFT: u8 = 4;
const ANY: u8 = 0b1111 << NEXT_SHIFT;
const FROM_90: u8 = 0b1110 << NEXT_SHIFT;
const FROM_A0: u8 = 0b1100 << NEXT_SHIFT;
const BELOW_90: u8 = 0b0001 << NEXT_SHIFT;
const BELOW_A0: u8 = 0b0011 << NEXT_SHIFT;

const WORD: usize = size_of::<usize>();
const HIGH_BITS: usize = usize::from_ne_bytes([0x80; WORD]);

impl Utf8 {
    /// Between two characters.
    pub(crate) const START: Self = Self(0);

    /// Is the text so far whole, with no character cut short?
    pub(crate) const fn is_complete(self) -> bool {
        self.0 == 0
    }

    /// Takes the next bytes of the text, in pieces of any size.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), ProtocolError> {
        let mut state = self.0;
        loop {
            if state == 0 {
                while let Some((word, rest)) = bytes.split_first_chunk::<WORD>()
                    && usize::from_ne_bytes(*word) & HIGH_BITS == 0
                {
                    bytes = rest;
                }
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                break;
            };
            bytes = rest;
            state = if state == 0 {
                lead(byte)
            } else {
                continuation(state, byte)
            }
            .ok_or(ProtocolError::InvalidUtf8)?;
        }
        self.0 = state;
        Ok(())
    }
}

/// The state behind the first byte of a character.
#[inline(always)]
const fn lead(byte: u8) -> Option<u8> {
    Some(match byte.leading_ones() {
        0 => 0,
        2 if byte >= 0xC2 => 1 | ANY,
        3 => {
            2 | match byte {
                0xE0 => FROM_A0,
                0xED => BELOW_A0,
                _ => ANY,
            }
        }
        4 if byte <= 0xF4 => {
            3 | match byte {
                0xF0 => FROM_90,
                0xF4 => BELOW_90,
                _ => ANY,
            }
        }
        _ => return None,
    })
}

/// The state behind a continuation byte.
#[inline(always)]
const fn continuation(state: u8, byte: u8) -> Option<u8> {
    if byte & 0xC0 != 0x80 || state >> NEXT_SHIFT >> (byte >> 4 & 3) & 1 == 0 {
        return None;
    }
    Some(match state & DUE {
        1 => 0,
        due => (due - 1) | ANY,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pieces: &[&[u8]]) -> Result<bool, ProtocolError> {
        let mut state = Utf8::START;
        for piece in pieces {
            state.push(piece)?;
        }
        Ok(state.is_complete())
    }

    /// Every sequence of up to three bytes over the bytes at which a rule changes.
    #[test]
    fn rfc3629_4_agrees_with_core_on_every_boundary() {
        let edges = [
            0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
            0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ];
        for a in edges {
            for b in edges {
                for c in edges {
                    for d in edges {
                        let bytes = [a, b, c, d];
                        let expected = match core::str::from_utf8(&bytes) {
                            Ok(_) => Ok(true),
                            Err(e) if e.error_len().is_none() => Ok(false),
                            Err(_) => Err(ProtocolError::InvalidUtf8),
                        };
                        assert_eq!(check(&[&bytes]), expected, "{bytes:x?}");
                        assert_eq!(
                            check(&bytes.map(|b| [b]).each_ref().map(|b| &b[..])),
                            expected
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn rfc6455_8_1_fails_at_the_first_byte_that_cannot_become_valid() {
        // The example of the Autobahn case 6.4: valid Greek, then a code point above U+10FFFF.
        let mut state = Utf8::START;
        state.push("κόσμε".as_bytes()).unwrap();
        assert_eq!(state.push(&[0xF4]), Ok(()));
        assert_eq!(state.push(&[0x90]), Err(ProtocolError::InvalidUtf8));
    }

    proptest! {
        #[test]
        fn rfc6455_8_1_agrees_with_core(text in any::<String>(), noise: Vec<u8>, cut: prop::sample::Index) {
            for bytes in [text.as_bytes(), &noise] {
                let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
                let expected = match core::str::from_utf8(bytes) {
                    Ok(_) => Ok(true),
                    Err(e) if e.error_len().is_none() => Ok(false),
                    Err(_) => Err(ProtocolError::InvalidUtf8),
                };
                prop_assert_eq!(check(&[a, b]), expected);
            }
        }
    }
}
