//! What a driver loops around: the same frames through `Receive`, copied into the user's buffer.
#![no_std]
#![no_main]

use core::hint::black_box;

use ws_core::{Ended, Endpoint, Face, Job, Lent, Receive, Role, Step, Told};
use ws_insn::cases::{HEADER, LENGTHS, LIMIT, PAYLOAD, masked};
use ws_insn::{check, count, know, unknown_mut};

const LONGEST: usize = 1024;

ws_insn::firmware!({
    let mut user = [0; LONGEST];
    for (length, name) in LENGTHS.into_iter().filter(|(length, _)| *length <= LONGEST) {
        let payload = &PAYLOAD[..length];
        let mut buffer = [0; LONGEST + HEADER + 125];
        let frame = masked(2, payload, &mut buffer);
        let mut lent = black_box(Lent::new(&mut buffer));
        let mut endpoint = black_box(Endpoint::new(Role::Server, &lent, 0..frame, LIMIT));
        let mut got = None;
        count("endpoint", name, || {
            let mut job = Receive::new(Face::Messages, unknown_mut(&mut user));
            if job.step(&mut endpoint, &mut lent, Told::Resumed) == Step::Done {
                match job.result() {
                    Some(Ok(piece)) => got = Some(piece),
                    Some(Err(Ended::Protocol(error))) => know(error.close_code().0.into()),
                    _ => know(0),
                }
            }
        });
        let whole = got.is_some_and(|piece| piece.length == length && piece.remaining == 0);
        check(whole && user[..length] == *payload, "endpoint");
    }
});
