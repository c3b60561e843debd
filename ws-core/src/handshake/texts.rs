//! Everything that is recognised in a head, as a tree that is walked byte by byte.

use super::fields::{CONNECTION, NAMING, NONE, ORIGIN};

/// The tree: groups of texts. Behind each text stands what it is, behind each group [`END`].
///
/// `0x80` with a number up to 15 is a field, `0xA0` with one up to 7 a value, both as in `fields`.
/// From `0xC0` on it is the start of others, which are in the group that begins at so many bytes.
static TEXT: [u8; 180] = *b"\x90\
    accept\x8Akey\x8Bversion\x84extensions\x88protocol\x8C\x90\
    nection\x82tent-length\x83\x90\
    upgrade\x81transfer-encoding\x87host\x8Eorigin\x8Fcon\xE9sec-websocket-\xC1\x90\
    websocket\xA0\x90upgrade\xA1close\xA2\x90\x30\xA4\x90\x31\x33\xA3\x90GET\xA5HEAD\xA6OPTIONS\xA7\x90HTTP/1.\xA4\x90";

/// No text goes on here.
const END: u8 = 0x90;
/// Where the marks of values begin, without their highest bit.
pub(super) const VALUE: u8 = 0x20;
/// Where those of starts do.
const JUMP: u16 = 0xC0;

/// How the names of the handshake's own headers go on.
const OWN: u16 = 1;

/// Where the groups of the first fields begin.
static GROUPS: [u8; 7] = {
    let mut groups = [0; 7];
    let (mut at, mut ends) = (0, 0);
    #[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // at compile time
    while ends < 3 + groups.len() {
        if TEXT[at] == END {
            if ends >= 2 && ends < 2 + groups.len() {
                groups[ends - 2] = at as u8 + 1;
            }
            ends += 1;
        }
        at += 1;
    }
    assert!(at == TEXT.len());
    groups
};

fn text(at: usize) -> u8 {
    TEXT.get(at).copied().unwrap_or(END)
}

/// What ends there, [`NONE`] if nothing does.
pub(super) fn mark(node: u16) -> u8 {
    text(node.into()) & 0x7F
}

/// Where others can be tried instead: in front of a text.
pub(super) const FRONT: u16 = 0x100;

/// Where `byte` leads from `node`. Zero is the end, and leads nowhere else any number of times.
#[inline(never)]
#[allow(clippy::cast_possible_truncation)] // the places are bytes
pub(super) fn walk(node: u16, byte: u8) -> u16 {
    let mut at = usize::from(node as u8);
    loop {
        let here = text(at);
        if here & 0x80 != 0 {
            // All is over, but for the end of a text.
            return if byte == 0 { at as u16 } else { 0 };
        }
        at += 1;
        if here == byte {
            let next = u16::from(text(at));
            return if next >= JUMP {
                (next - JUMP) | FRONT
            } else {
                at as u16
            };
        }
        if node & FRONT == 0 {
            return 0;
        }
        while text(at) & 0x80 == 0 {
            at += 1;
        }
        at += 1;
    }
}

/// Is it a header that only the handshake itself may write? `name` is a token.
pub(super) fn is_owned(name: &str) -> bool {
    let mut node = group(NAMING);
    for byte in name.bytes() {
        if node == FRONT | OWN {
            break;
        }
        node = walk(node, byte | 0x20);
    }
    node == FRONT | OWN || !matches!(mark(walk(node, 0)), NONE | ORIGIN)
}

/// Where the texts of a field begin, all bits if there are none.
pub(super) fn group(field: u8) -> u16 {
    match GROUPS.get(usize::from(field)) {
        Some(&at) => FRONT | u16::from(at),
        None => !0,
    }
}

// The numbers in the tree are those of the fields.
const _: () = assert!(NAMING == 0 && CONNECTION == 2 && ORIGIN == 15);

#[cfg(test)]
mod tests {
    use super::super::fields::*;
    use super::*;
    use std::string::String;

    const NAMES: &[(&str, u8)] = &[
        ("upgrade", UPGRADE),
        ("connection", CONNECTION),
        ("content-length", LENGTH),
        ("transfer-encoding", ENCODING),
        ("host", HOST),
        ("origin", ORIGIN),
        ("sec-websocket-accept", ACCEPT),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", VERSION),
        ("sec-websocket-extensions", EXTENSIONS),
        ("sec-websocket-protocol", PROTOCOL),
    ];

    const VALUES: &[(u8, &str, u8)] = &[
        (UPGRADE, "websocket", WEBSOCKET),
        (CONNECTION, "upgrade", TO_UPGRADE),
        (CONNECTION, "close", CLOSE),
        (VERSION, "13", THIRTEEN),
        (LENGTH, "0", 4),
        (METHOD, "GET", GET),
        (METHOD, "HEAD", HEAD),
        (METHOD, "OPTIONS", OPTIONS),
        (FIRST, "HTTP/1.", 4),
    ];

    fn find(field: u8, text: &[u8]) -> u8 {
        let any_case = field <= CONNECTION;
        let fold = if any_case { 0x20 } else { 0 };
        let follow = |node, byte: &u8| walk(node, *byte | fold);
        let end = walk(text.iter().fold(group(field), follow), 0);
        // The end any number of times, and nothing behind it.
        assert_eq!(mark(walk(end, 0)), mark(end));
        for byte in 1..=255 {
            assert_eq!(mark(walk(walk(end, byte | fold), 0)), NONE);
        }
        mark(end)
    }

    /// RFC 9110 section 5.1: the names that are known are found, and nothing that resembles them:
    /// no prefix, and nothing with a byte more or another one, those of the tree's marks included.
    #[test]
    fn rfc9110_5_1_names() {
        for (name, field) in NAMES {
            let bytes = name.as_bytes();
            assert_eq!(find(NAMING, bytes), *field, "{name}");
            let upper = name.to_ascii_uppercase();
            assert_eq!(find(NAMING, upper.as_bytes()), *field, "{name}");
            resembles(NAMING, bytes, |other| {
                NAMES
                    .iter()
                    .any(|(name, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            });
        }
    }

    /// RFC 6455 section 4: the same of values, each in its own field only.
    #[test]
    fn rfc6455_4_values() {
        for (field, value, hit) in VALUES {
            let found = find(*field, value.as_bytes());
            assert_eq!(found, VALUE | hit);
            for (other, _, _) in VALUES.iter().filter(|(other, _, _)| other != field) {
                assert_eq!(find(*other, value.as_bytes()), NONE, "{value}");
            }
            for other in [ENCODING, EXTENSIONS, NONE] {
                assert_eq!(find(other, value.as_bytes()), NONE, "{value}");
            }
            resembles(*field, value.as_bytes(), |other| {
                *field <= CONNECTION && other.eq_ignore_ascii_case(value.as_bytes())
            });
        }
    }

    /// Changes each byte to each other one a head can have, adds one, leaves some out.
    fn resembles(field: u8, text: &[u8], is_fine: impl Fn(&[u8]) -> bool) {
        for len in 0..text.len() {
            assert_eq!(find(field, &text[..len]), NONE);
        }
        for byte in (0x21..=0xFF).filter(|byte| *byte != 0x7F) {
            for at in 0..=text.len() {
                let mut other = text.to_vec();
                other.insert(at, byte);
                assert_eq!(find(field, &other), NONE, "{}", lossy(&other));
                other.remove(at);
                if at < text.len() && byte != text[at] {
                    other[at] = byte;
                    let found = find(field, &other) != NONE;
                    assert_eq!(found, is_fine(&other), "{}", lossy(&other));
                }
            }
        }
    }

    fn lossy(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// All names but Origin are the handshake's own, and what begins as they do is.
    #[test]
    fn rfc6455_4_owned() {
        for (name, field) in NAMES {
            assert_eq!(is_owned(name), *field != ORIGIN, "{name}");
            assert!(!is_owned(&name[1..]), "{name}");
        }
        for name in ["sec-websocket-", "Sec-WebSocket-Other"] {
            assert!(is_owned(name), "{name}");
        }
        for name in ["", "sec-websocket", "hosts", "con", "content", "x"] {
            assert!(!is_owned(name), "{name}");
        }
    }
}
