//! Both directions, cut as a test likes, and zlib's way of doing the same.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use ws_deflate::{Deflate, Inflate, InflateError};

/// Inflates a message: pieces of the input and of the output have these lengths at most.
pub fn inflate(
    codec: &mut Inflate<'_>,
    data: &[u8],
    cut: usize,
    room: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut text = Vec::new();
    let mut buffer = vec![0xA5; room];
    for piece in data.chunks(cut) {
        let mut at = 0;
        loop {
            let progress = codec.inflate(&piece[at..], &mut buffer)?;
            at += progress.consumed;
            text.extend_from_slice(&buffer[..progress.produced]);
            if progress.done {
                break;
            }
            assert_eq!(progress.produced, room, "room was left");
        }
        assert_eq!(at, piece.len());
    }
    loop {
        let progress = codec.end_of_message(&mut buffer)?;
        text.extend_from_slice(&buffer[..progress.produced]);
        if progress.done {
            return Ok(text);
        }
        assert_eq!(progress.produced, room, "room was left");
    }
}

/// Compresses a message likewise.
pub fn deflate(codec: &mut Deflate<'_>, text: &[u8], cut: usize, room: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut buffer = vec![0xA5; room];
    for piece in text.chunks(cut) {
        let mut at = 0;
        loop {
            let progress = codec.deflate(&piece[at..], &mut buffer);
            at += progress.consumed;
            wire.extend_from_slice(&buffer[..progress.produced]);
            if progress.done {
                break;
            }
            assert_eq!(progress.produced, room, "room was left");
        }
        assert_eq!(at, piece.len());
    }
    loop {
        let progress = codec.end_of_message(&mut buffer);
        wire.extend_from_slice(&buffer[..progress.produced]);
        if progress.done {
            return wire;
        }
        assert_eq!(progress.produced, room, "room was left");
    }
}

/// A message as others compress it.
pub fn theirs(codec: &mut Compress, text: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(text.len() * 2 + 100);
    codec
        .compress_vec(text, &mut wire, FlushCompress::Sync)
        .expect("compresses");
    assert!(wire.ends_with(&[0, 0, 0xFF, 0xFF]));
    wire.truncate(wire.len() - 4);
    wire
}

/// A message as others inflate it.
pub fn theirs_inflated(codec: &mut Decompress, wire: &[u8], length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 64);
    let wire = [wire, &[0, 0, 0xFF, 0xFF]].concat();
    let before = codec.total_in();
    let status = codec.decompress_vec(&wire, &mut text, FlushDecompress::Sync);
    assert_eq!(status.expect("inflates"), Status::Ok);
    assert_eq!(codec.total_in() - before, wire.len() as u64);
    text
}

pub fn compress(level: u32) -> Compress {
    Compress::new(Compression::new(level), false)
}

/// A random number generator, for data that is the same in each run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// Texts of several kinds.
pub fn samples() -> Vec<Vec<u8>> {
    let mut random = Random(7);
    let mut samples = vec![
        Vec::new(),
        b"a".to_vec(),
        b"ab".to_vec(),
        b"abc".to_vec(),
        vec![0; 2000],
        vec![0xFF; 70_000],
        b"abcabcabcabcabcabcabcab".to_vec(),
        random.bytes(3),
        random.bytes(300),
        random.bytes(5000),
    ];
    for round in 0..20 {
        let level = random.below(1000);
        samples.push(
            format!(r#"{{"id":"pump-7","seq":{round},"level":{level},"state":"running"}}"#)
                .into_bytes(),
        );
    }
    let words = [
        "alpha",
        "beta",
        "gamma",
        " ",
        ", ",
        "\u{fc}\u{20ac}",
        "0123456789",
    ];
    let text: String = (0..4000).map(|_| words[random.below(7) as usize]).collect();
    samples.push(text.into_bytes());
    let mut mixed = random.bytes(600);
    mixed.extend_from_within(..400);
    mixed.extend(b"text behind it ".repeat(30));
    mixed.extend(random.bytes(700));
    samples.push(mixed);
    samples
}
