//! Deflate: a conversation comes out as it went in, here and by others, however it is cut. What others
//! compress is read.

use crate::input::{Cuts, Input};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use ws_deflate::{Deflate, Inflate};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let bits = 8 + input.up_to(7);
    let hash = 4 + input.up_to(8);
    let takeover = input.flag();
    let level = input.up_to(9);
    let (mut window, mut hash) = (vec![0; 1 << bits], vec![0; 1 << hash]);
    let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
    let limit = 8 + input.up_to(7);
    sender.limit_window(u8::try_from(limit).expect("small"));
    let mut window = vec![0; 1 << bits.min(limit)];
    let mut receiver = Inflate::new(&mut window).expect("memory");
    let mut window = vec![0; 1 << 15];
    let mut from_others = Inflate::new(&mut window).expect("memory");
    let mut other = Decompress::new(false);
    // Its sending side takes long to make.
    let mut others = (level > 0 && input.byte() & 7 == 0)
        .then(|| Compress::new(Compression::new(level as u32), false));
    for _ in 0..4 {
        if input.is_empty() {
            break;
        }
        let cuts = input.cuts();
        let room = 1 + input.up_to(64);
        let length = input.up_to(255);
        let repeated = 1 + input.up_to(4);
        let text = input.bytes(length).repeat(repeated);
        let wire = deflated(&mut sender, &text, &cuts, room);
        assert!(wire.len() <= text.len() + text.len() / 8 + 3);
        assert_eq!(inflated(&mut receiver, &wire, room), text);

        let mut theirs = Vec::with_capacity(text.len() + 64);
        let whole = [&wire[..], &[0, 0, 0xFF, 0xFF]].concat();
        let status = other.decompress_vec(&whole, &mut theirs, FlushDecompress::Sync);
        assert_eq!(status.expect("others inflate it"), Status::Ok);
        assert_eq!(theirs, text);
        if !takeover {
            sender.reset();
            receiver.reset();
            other.reset(false);
        }
        if let Some(others) = &mut others {
            let mut wire = Vec::with_capacity(text.len() * 2 + 100);
            let status = others.compress_vec(&text, &mut wire, FlushCompress::Sync);
            status.expect("others compress it");
            if let Some(wire) = wire.strip_suffix(&[0, 0, 0xFF, 0xFF]) {
                assert_eq!(inflated(&mut from_others, wire, room), text);
            }
        }
    }
}

fn deflated(codec: &mut Deflate<'_>, text: &[u8], cuts: &Cuts, room: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut buffer = vec![0; room];
    let mut at = 0;
    for end in cuts.ends(text.len()) {
        loop {
            let progress = codec.deflate(&text[at..end], &mut buffer);
            at += progress.consumed;
            wire.extend_from_slice(&buffer[..progress.produced]);
            if progress.done {
                break;
            }
            assert_eq!(progress.produced, room, "stopped with room left");
        }
        assert_eq!(at, end);
    }
    loop {
        let progress = codec.end_of_message(&mut buffer);
        wire.extend_from_slice(&buffer[..progress.produced]);
        if progress.done {
            return wire;
        }
        assert_eq!(progress.produced, room, "stopped with room left");
    }
}

fn inflated(codec: &mut Inflate<'_>, wire: &[u8], room: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut buffer = vec![0; room];
    let mut at = 0;
    loop {
        let progress = codec.inflate(&wire[at..], &mut buffer).expect("inflates");
        at += progress.consumed;
        text.extend_from_slice(&buffer[..progress.produced]);
        if progress.done {
            break;
        }
    }
    assert_eq!(at, wire.len());
    loop {
        let progress = codec.end_of_message(&mut buffer).expect("ends");
        text.extend_from_slice(&buffer[..progress.produced]);
        if progress.done {
            return text;
        }
    }
}
