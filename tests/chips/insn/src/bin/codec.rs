//! The frame codec: `Receiver` and `Transmitter` as a driver uses them.
#![no_std]
#![no_main]

use core::hint::black_box;

use ws_core::{Connection, Opcode, Role};
use ws_insn::cases::{
    ASCII, HEADER, KEY, LENGTHS, LIMIT, LONGEST, PAYLOAD, THREE, Words, is_masked, masked,
};
use ws_insn::{check, count, know, know_bytes, unknown, unknown_mut};

ws_insn::firmware!({
    let buffer: &mut [u8] = &mut Words([0; LONGEST + HEADER]).0;
    for (length, name) in LENGTHS {
        decode("decode", name, Opcode::Binary, &PAYLOAD[..length], buffer);
    }
    for (length, name) in LENGTHS {
        encode(name, &PAYLOAD[..length], buffer);
    }
    decode("text", "ascii", Opcode::Text, &ASCII, buffer);
    decode("text", "three", Opcode::Text, &THREE, buffer);
    decode("text", "binary", Opcode::Binary, &THREE, buffer);
});

/// A masked frame that lies whole in the driver's buffer.
fn decode(group: &str, case: &str, opcode: Opcode, payload: &[u8], buffer: &mut [u8]) {
    let length = masked(opcode as u8, payload, buffer);
    let rx = &mut black_box(Connection::new(Role::Server)).rx;
    let frame = unknown_mut(&mut buffer[..length]);
    count(group, case, || match rx.decode(frame, LIMIT) {
        Ok(decoded) => {
            know(decoded.consumed);
            know_bytes(decoded.payload);
            know(decoded.end.into());
            if let Some(frame) = decoded.frame {
                know(frame.opcode as usize);
                know(frame.fin.into());
            }
        }
        Err(error) => know(error.close_code().0.into()),
    });
    check(rx.at_boundary() && !rx.has_ended(), "decode: end");
    check(buffer[length - payload.len()..length] == *payload, "decode");
}

/// A frame that fits the driver's scratch buffer, and goes out whole.
fn encode(case: &str, payload: &[u8], scratch: &mut [u8]) {
    let tx = &mut black_box(Connection::new(Role::Client)).tx;
    let mut written = 0;
    let (payload, scratch) = (unknown(payload), unknown_mut(scratch));
    count("encode", case, || {
        if let Err(error) = tx.begin(Opcode::Binary, true, payload.len(), black_box(KEY)) {
            let _ = black_box(error);
        }
        written = tx.fill(payload, scratch);
        know(tx.sent(written));
    });
    check(!tx.is_open(), "encode: open");
    check(is_masked(&scratch[..written], 2, payload), "encode");
}
