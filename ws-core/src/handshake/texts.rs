//! Everything that is recognised in a head, as a tree that is walked byte by byte.

use super::fields::{CONNECTION, NAMING, NONE, ORIGIN};

/// The tree: groups of texts. Behind each text stands what it is, behind each group [`END`].
///
/// `0x80` with a number up to 15 is a field, `0xA0` with one up to 7 a value, both as in `fields`.
/// From `0xC0` on it is the start of others, which are in the group that begins at so many bytes.
static TEXT: [u8; 173] = *b"\x90\
    accept\x8Akey\x8Bversion\x84extensions\x88protocol\x8C\x90\
    nection\x82tent-length\x83\x90\
    upgrade\x81transfer-encoding\x87host\x8Eorigin\x8Fcon\xE9sec-websocket-\xC1\x90\
    websocket\xA0\x90upgrade\xA1close\xA2\x90\x30\xA4\x90\x31\x33\xA3\x90GET\xA5HEAD\xA6\x90HTTP/1.1\xA7\x90";

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
pub(super) fn walk(node: u16, mut byte: u8, any_case: bool) -> u16 {
    let mut at = usize::from(node as u8);
    if byte != 0 && any_case {
        // This maps no other character to one that is expected.
        byte |= 0x20;
    }
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
#[inline(never)]
pub(super) fn is_owned(name: &str) -> bool {
    let mut node = group(NAMING);
    for byte in name.bytes() {
        node = walk(node, byte, true);
        if node == FRONT | OWN {
            return true;
        }
    }
    !matches!(mark(walk(node, 0, true)), NONE | ORIGIN)
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
