//! edge-ws: the frame header, and the mask in place. It checks next to nothing.
#![no_std]
#![no_main]

use core::hint::black_box;

use edge_ws::{FrameHeader, FrameType};
use ws_insn::cases::{HEADER, KEY, LENGTHS, LONGEST, PAYLOAD, Words, is_masked, masked};
use ws_insn::{check, count, know, know_bytes, unknown, unknown_mut};

ws_insn::firmware!({
    let buffer: &mut [u8] = &mut Words([0; LONGEST + HEADER]).0;
    for (length, name) in LENGTHS {
        let payload = &PAYLOAD[..length];
        let length = masked(2, payload, buffer);
        let bytes = unknown_mut(&mut buffer[..length]);
        count("decode", name, || {
            if let Ok((header, at)) = FrameHeader::deserialize(bytes) {
                if let Some(body) = bytes.get_mut(at..at + header.payload_len as usize) {
                    header.mask(body, 0);
                    know_bytes(body);
                }
                know(header.frame_type.is_final().into());
            }
        });
        let at = length - payload.len();
        check(buffer[at..length] == *payload, "decode");
    }
    for (length, name) in LENGTHS {
        let payload = &PAYLOAD[..length];
        let mut written = 0;
        let (payload, scratch) = (unknown(payload), unknown_mut(buffer));
        count("encode", name, || {
            let header = FrameHeader {
                frame_type: FrameType::Binary(false),
                payload_len: payload.len() as u64,
                mask_key: Some(u32::from_be_bytes(black_box(KEY))),
            };
            if let Ok(at) = header.serialize(scratch)
                && let Some(body) = scratch.get_mut(at..at + payload.len())
            {
                body.copy_from_slice(payload);
                header.mask(body, 0);
                written = at + body.len();
            }
        });
        check(is_masked(&buffer[..written], 2, payload), "encode");
    }
});
