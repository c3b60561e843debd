//! Inflate: any bytes come to the same end wherever they are cut, and to the one that zlib has.

use crate::input::{Cuts, Input};
use flate2::{Decompress, FlushDecompress, Status};
use ws_deflate::{Inflate, InflateError};

/// More than this is not asked for.
const LIMIT: usize = 64 * 1024;
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let bits = 8 + input.up_to(7);
    let cuts = input.cuts();
    let room = 1 + input.up_to(255);
    let last = input.flag();
    let wire = input.rest();
    let mut window = vec![0; 1 << bits];
    let mut codec = Inflate::new(&mut window).expect("memory");
    let whole = inflated(&mut codec, wire, &[wire.len()], LIMIT);
    codec.reset();
    let cut = inflated(&mut codec, wire, &Cuts::ends(&cuts, wire.len()), room);
    assert_eq!(cut, whole);
    // The whole window, and streams that do not end inside, so that both mean the same.
    if bits < 15 || last {
        return;
    }
    let mut text = Vec::with_capacity(LIMIT + 1);
    let mut other = Decompress::new(false);
    let ended = other.decompress_vec(&[wire, &TAIL].concat(), &mut text, FlushDecompress::Sync);
    match (ended, whole) {
        // It goes on behind the last block here, and stops there.
        (Ok(Status::StreamEnd), Ok(ours)) => assert!(ours.starts_with(&text) || text.len() > LIMIT),
        (Ok(Status::StreamEnd), Err(_)) => {}
        (Ok(_), Ok(ours)) => assert!(ours == text || ours.len() >= LIMIT),
        // That the message ends in a block it does not mind; a code for the code lengths that has no
        // symbols at all it finds when it is used; and what it has not got to yet it does not say.
        (Ok(_), Err(error)) => {
            let unseen = matches!(error, InflateError::Unfinished | InflateError::LengthsCode);
            assert!(unseen || text.len() > LIMIT, "{error}");
        }
        (Err(_), Ok(ours)) => assert!(ours.len() >= LIMIT, "taken here only"),
        (Err(_), Err(_)) => {}
    }
}

/// What comes out, up to the limit.
fn inflated(
    codec: &mut Inflate<'_>,
    wire: &[u8],
    ends: &[usize],
    room: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut text = Vec::new();
    let mut buffer = vec![0xA5; room + 1];
    let mut at = 0;
    for end in ends.iter().copied().chain([wire.len()]) {
        loop {
            let progress = codec.inflate(&wire[at..end], &mut buffer[..room])?;
            assert_eq!(buffer[room], 0xA5);
            at += progress.consumed;
            text.extend_from_slice(&buffer[..progress.produced]);
            if text.len() >= LIMIT {
                text.truncate(LIMIT);
                return Ok(text);
            }
            if progress.done {
                break;
            }
            assert_eq!(progress.produced, room, "stopped with room left");
        }
        assert_eq!(at, end, "stopped with input left");
    }
    loop {
        let progress = codec.end_of_message(&mut buffer[..room])?;
        text.extend_from_slice(&buffer[..progress.produced]);
        if text.len() >= LIMIT {
            text.truncate(LIMIT);
            return Ok(text);
        }
        if progress.done {
            return Ok(text);
        }
        assert_eq!(progress.produced, room, "stopped with room left");
    }
}
