//! The payload of text and of Close, checked as it streams by (RFC 6455 sections 5.5.1 and 8.1,
//! RFC 3629), failing at the first byte that cannot become valid.

/// Where in a character the stream stands: 0 between two, else a first byte. Of a character of
/// three or four bytes it is its own before the second, which says more than the others (RFC 3629
/// section 4: no overlong forms, no surrogates, nothing above U+10FFFF); before the others it is
/// that of any character with as many bytes to come. In the code of a Close it is how many bytes of
/// it are to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text(u8);

/// ASCII is looked at in chunks of this length: two words where words have 32 bits.
const CHUNK: usize = size_of::<u64>();
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; CHUNK]);

fn is_ascii(chunk: &[u8; CHUNK]) -> bool {
    u64::from_ne_bytes(*chunk) & HIGH_BITS == 0
}

impl Text {
    /// Between two characters.
    pub(crate) const START: Self = Self(0);

    /// Before the code of a Close. It may have none.
    pub(crate) const CODE: Self = Self(2);

    /// Is the text so far whole, with no character cut short?
    pub(crate) const fn is_complete(self) -> bool {
        self.0 <= Self::CODE.0
    }

    /// Takes the next bytes, in pieces of any size, and shifts the code of a Close into `code`; false
    /// at a byte that cannot become valid.
    #[inline(always)]
    pub(crate) fn push(&mut self, mut bytes: &[u8], code: &mut usize) -> bool {
        let mut state = u32::from(self.0);
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            let byte = u32::from(byte);
            if state > 2 {
                let bits = byte ^ 0x80;
                let front = state << 6 | bits;
                state = match state {
                    ..0xE0 => 0,
                    // Of the code point's 16 bits the upper five: neither overlong nor a surrogate.
                    ..0xF0 if !matches!(front >> 5 & 31, 0 | 27) => 0xC2,
                    // Of its 21 bits the upper five: more than 16 bits, up to U+10FFFF.
                    0xF0.. if matches!(front >> 4 & 31, 1..=16) => 0xE1,
                    _ => return false,
                };
                if bits >= 0x40 {
                    return false;
                }
            } else if state != 0 {
                *code = *code << 8 | byte as usize;
                state -= 1;
            } else if byte >= 0x80 {
                if !matches!(byte, 0xC2..=0xF4) {
                    return false;
                }
                state = byte;
            } else {
                // ASCII seldom comes alone.
                while bytes.first_chunk().is_some_and(is_ascii) {
                    bytes = bytes.get(CHUNK..).unwrap_or_default();
                }
            }
        }
        #[allow(clippy::cast_possible_truncation)] // it was a byte
        {
            self.0 = state as u8;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ProtocolError;
    use proptest::prelude::*;

    fn check(pieces: &[&[u8]]) -> Result<bool, ProtocolError> {
        let mut state = Text::START;
        for piece in pieces {
            if !state.push(piece, &mut 0) {
                return Err(ProtocolError::InvalidUtf8);
            }
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
        let mut state = Text::START;
        assert!(state.push("κόσμε".as_bytes(), &mut 0));
        assert!(state.push(&[0xF4], &mut 0));
        assert!(!state.push(&[0x90], &mut 0));
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
