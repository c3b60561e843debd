//! What a peer may send: frames, nearly frames, anything.

use ws_tests::frames::frame;

use crate::input::Input;

/// The bytes of a peer: with the input's first byte even, the input as it is; else a list of
/// frames, each by a byte or more of the input.
pub(crate) fn wire(input: &mut Input<'_>, masked: bool) -> Vec<u8> {
    if !input.flag() {
        return input.rest().to_vec();
    }
    let mut bytes = Vec::new();
    while !input.is_empty() && bytes.len() < 4096 {
        element(input, masked, &mut bytes);
    }
    bytes
}

/// Adds a frame, or something that is nearly one.
pub(crate) fn element(input: &mut Input<'_>, masked: bool, bytes: &mut Vec<u8>) {
    let what = input.byte();
    let (fin, opcode) = (what & 0x80 != 0, what & 0x0F);
    let from = bytes.len();
    match what & 0x70 {
        // A payload of the input's own.
        0x00..=0x40 => {
            let count = input.up_to(255);
            let payload = input.bytes(count);
            bytes.extend(frame(fin, opcode, masked, payload));
        }
        // A long one of which only the length is the input's.
        0x50 => {
            let payload = vec![b'x'; input.up_to(1000)];
            bytes.extend(frame(fin, opcode, masked, &payload));
        }
        // A frame with one bit wrong.
        0x60 => {
            let count = input.up_to(7);
            let payload = input.bytes(count);
            bytes.extend(frame(fin, opcode, masked, payload));
            let (at, bit) = (input.byte(), input.byte() & 7);
            let length = bytes.len() - from;
            bytes[from + usize::from(at) % length] ^= 1 << bit;
        }
        // No frame at all, or one cut short.
        _ => bytes.extend(input.bytes(usize::from(what & 0x0F))),
    }
}
