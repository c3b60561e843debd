//! websocket-sans-io: frames, without the order of fragments, UTF-8 and close codes.
#![no_std]
#![no_main]

use core::hint::black_box;

use websocket_sans_io::{
    FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent,
};
use ws_insn::cases::{HEADER, KEY, LENGTHS, LONGEST, PAYLOAD, Words, is_masked, masked};
use ws_insn::{check, count, know, know_bytes, unknown, unknown_mut};

ws_insn::firmware!({
    let buffer: &mut [u8] = &mut Words([0; LONGEST + HEADER]).0;
    for (length, name) in LENGTHS {
        let payload = &PAYLOAD[..length];
        let length = masked(2, payload, buffer);
        let decoder = &mut black_box(WebsocketFrameDecoder::new());
        let mut ended = false;
        let bytes = unknown_mut(&mut buffer[..length]);
        count("decode", name, || {
            let mut at = 0;
            while !ended && let Ok(result) = decoder.add_data(&mut bytes[at..]) {
                match result.event {
                    Some(WebsocketFrameEvent::Start { frame_info, .. }) => {
                        know(frame_info.is_reasonable().into());
                    }
                    Some(WebsocketFrameEvent::PayloadChunk { original_opcode }) => {
                        know_bytes(&bytes[at..at + result.consumed_bytes]);
                        know(original_opcode as usize);
                    }
                    Some(WebsocketFrameEvent::End { .. }) => ended = true,
                    None => {}
                }
                at += result.consumed_bytes;
            }
        });
        let at = length - payload.len();
        check(ended && buffer[at..length] == *payload, "decode");
    }
    for (length, name) in LENGTHS {
        let payload = &PAYLOAD[..length];
        let encoder = &mut black_box(WebsocketFrameEncoder::new());
        let mut written = 0;
        let (payload, scratch) = (unknown(payload), unknown_mut(buffer));
        count("encode", name, || {
            let header = encoder.start_frame(&FrameInfo {
                opcode: Opcode::Binary,
                payload_length: payload.len() as u64,
                mask: Some(black_box(KEY)),
                fin: true,
                reserved: 0,
            });
            let (front, body) = scratch.split_at_mut(header.len());
            front.copy_from_slice(&header);
            if let Some(body) = body.get_mut(..payload.len()) {
                body.copy_from_slice(payload);
                encoder.transform_frame_payload(body);
                written = front.len() + body.len();
            }
        });
        check(is_masked(&buffer[..written], 2, payload), "encode");
    }
});
