//! Both directions against each other, flate2 and Python's zlib.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::{Random, compress, deflate, inflate, samples, theirs, theirs_inflated};
use flate2::Decompress;
use proptest::prelude::*;
use std::io::Write as _;
use std::process::{Command, Stdio};
use ws_deflate::{Deflate, Inflate, MemoryError};

#[test]
fn a_conversation_comes_through_at_each_window() {
    for bits in 8..=15 {
        let (mut window, mut hash) = (vec![0; 1 << bits], vec![0; 1 << (bits - 1)]);
        let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
        let mut window = vec![0; 1 << bits];
        let mut receiver = Inflate::new(&mut window).expect("memory");
        let mut other = Decompress::new(false);
        for text in samples() {
            let wire = deflate(&mut sender, &text, 1 << 20, 1 << 20);
            assert!(wire.len() <= text.len() + text.len() / 8 + 3);
            assert_eq!(
                inflate(&mut receiver, &wire, 1 << 20, 1 << 20),
                Ok(text.clone())
            );
            assert_eq!(theirs_inflated(&mut other, &wire, text.len()), text);
        }
    }
}

#[test]
fn what_others_compress_is_inflated_at_each_level() {
    for level in 0..=9 {
        let mut sender = compress(level);
        let mut window = vec![0; 1 << 15];
        let mut receiver = Inflate::new(&mut window).expect("memory");
        for text in samples() {
            let wire = theirs(&mut sender, &text);
            assert_eq!(inflate(&mut receiver, &wire, 1 << 20, 1 << 20), Ok(text));
        }
    }
}

#[test]
fn cut_at_every_byte_of_either_side() {
    let mut random = Random(3);
    let mut text = b"temperature 21.5 temperature 21.6, humidity 40 ".repeat(4);
    text.extend(random.bytes(200));
    let (mut window, mut hash) = ([0; 256], [0; 64]);
    let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
    let ours = deflate(&mut sender, &text, 1 << 20, 1 << 20);
    let dynamic = theirs(&mut compress(9), &text);
    let stored = theirs(&mut compress(0), &text);
    for wire in [ours, dynamic, stored] {
        for cut in 1..=wire.len() {
            let mut window = vec![0; 1 << 15];
            let mut receiver = Inflate::new(&mut window).expect("memory");
            assert_eq!(inflate(&mut receiver, &wire, cut, 4096), Ok(text.clone()));
            // One cut, and a second message: nothing of the first one is left over.
            let (front, back) = wire.split_at(cut);
            let mut out = vec![0; 4096];
            receiver.reset();
            let first = receiver.inflate(front, &mut out).expect("inflates");
            assert_eq!(first.consumed, cut);
            let second = receiver
                .inflate(back, &mut out[first.produced..])
                .expect("inflates");
            let end = receiver.end_of_message(&mut []).expect("inflates");
            assert!(end.done);
            assert_eq!(&out[..first.produced + second.produced], text);
        }
        for room in 1..=text.len() {
            let mut window = vec![0; 1 << 15];
            let mut receiver = Inflate::new(&mut window).expect("memory");
            assert_eq!(inflate(&mut receiver, &wire, 7, room), Ok(text.clone()));
        }
    }
    for cut in 1..=text.len() {
        for room in [1, 2, 5, cut] {
            let (mut window, mut hash) = ([0; 256], [0; 64]);
            let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
            let wire = deflate(&mut sender, &text, cut, room);
            assert_eq!(
                theirs_inflated(&mut Decompress::new(false), &wire, text.len()),
                text
            );
        }
    }
}

/// Each line is a message in hexadecimal; so are the lines that come back.
fn python(script: &str, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let lines: String = messages
        .iter()
        .map(|message| {
            let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
            hex + "\n"
        })
        .collect();
    let feeder = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("python3 ends");
    feeder.join().expect("no panic").expect("python3 reads");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    let byte = |at: &[u8]| {
        let digits = std::str::from_utf8(at).expect("digits");
        u8::from_str_radix(digits, 16).expect("digits")
    };
    text.lines()
        .map(|line| line.as_bytes().chunks(2).map(byte).collect())
        .collect()
}

#[test]
fn pythons_zlib_reads_what_is_sent_and_is_read() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no python3");
        return;
    }
    // Its windows begin at nine bits.
    for bits in [9, 10, 15] {
        let (mut window, mut hash) = (vec![0; 1 << bits], vec![0; 256]);
        let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
        let sent: Vec<_> = samples()
            .iter()
            .map(|text| deflate(&mut sender, text, 333, 77))
            .collect();
        let script = format!(
            "import sys, zlib\nz = zlib.decompressobj(-{bits})\nfor line in sys.stdin:\n \
             print(z.decompress(bytes.fromhex(line) + b'\\0\\0\\xff\\xff').hex())"
        );
        assert_eq!(python(&script, &sent), samples());
        for level in [1, 6, 9] {
            for strategy in ["Z_DEFAULT_STRATEGY", "Z_FIXED", "Z_HUFFMAN_ONLY", "Z_RLE"] {
                let script = format!(
                    "import sys, zlib\nz = zlib.compressobj({level}, 8, -{bits}, 9, zlib.{strategy})\n\
                     for line in sys.stdin:\n \
                     print((z.compress(bytes.fromhex(line)) + z.flush(zlib.Z_SYNC_FLUSH))[:-4].hex())"
                );
                let mut window = vec![0; 1 << bits];
                let mut receiver = Inflate::new(&mut window).expect("memory");
                let mut texts = samples();
                // zlib flushes nothing where there is nothing.
                texts.retain(|text| !text.is_empty());
                for (wire, text) in python(&script, &texts).iter().zip(&texts) {
                    assert_eq!(inflate(&mut receiver, wire, 100, 61).as_ref(), Ok(text));
                }
            }
        }
    }
}

#[test]
fn the_examples_of_the_rfc() {
    let mut window = [0; 256];
    let mut receiver = Inflate::new(&mut window).expect("memory");
    let hello = Ok(b"Hello".to_vec());
    // RFC 7692 section 7.2.3.1, twice, and 7.2.3.2.
    let first = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    assert_eq!(inflate(&mut receiver, &first, 7, 9), hello);
    assert_eq!(inflate(&mut receiver, &[0xF2, 0, 0x11, 0, 0], 5, 9), hello);
    // 7.2.3.3: not compressed; 7.2.3.4: a last block; 7.2.3.5: two blocks.
    let stored = [0, 5, 0, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0];
    assert_eq!(inflate(&mut receiver, &stored, 2, 3), hello);
    let last = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    assert_eq!(inflate(&mut receiver, &last, 1, 1), hello);
    let two = [
        0xF2, 0x48, 5, 0, 0, 0, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0,
    ];
    assert_eq!(inflate(&mut receiver, &two, 3, 2), hello);
    // 7.2.3.6: an empty message, which is what is sent too.
    assert_eq!(inflate(&mut receiver, &[0], 1, 1), Ok(Vec::new()));
    let (mut window, mut hash) = ([0; 256], [0; 16]);
    let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
    assert_eq!(deflate(&mut sender, b"", 1, 1), [0]);
    assert_eq!(deflate(&mut sender, b"Hello", 5, 9), first);
    assert_eq!(deflate(&mut sender, b"Hello", 5, 9).len(), 4);
}

#[test]
fn what_does_not_repeat_is_stored() {
    let text = Random(5).bytes(10_000);
    for bits in [8, 9, 15] {
        let (mut window, mut hash) = (vec![0; 1 << bits], vec![0; 256]);
        let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
        let wire = deflate(&mut sender, &text, 1 << 20, 1 << 20);
        assert!(wire.len() < text.len() + 250, "{}", wire.len());
        let other = theirs_inflated(&mut Decompress::new(false), &wire, text.len());
        assert_eq!(other, text);
    }
}

#[test]
fn without_takeover_each_message_stands_alone() {
    let (mut window, mut hash) = ([0; 512], [0; 128]);
    let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
    for text in samples() {
        let wire = deflate(&mut sender, &text, 50, 50);
        sender.reset();
        let mut window = [0; 512];
        let mut receiver = Inflate::new(&mut window).expect("memory");
        assert_eq!(inflate(&mut receiver, &wire, 50, 50), Ok(text));
    }
}

#[test]
fn a_smaller_window_than_the_memory_is_kept_to() {
    let (mut window, mut hash) = (vec![0; 1 << 15], vec![0; 1 << 12]);
    let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
    sender.limit_window(8);
    let mut window = [0; 256];
    let mut receiver = Inflate::new(&mut window).expect("memory");
    for text in samples() {
        let wire = deflate(&mut sender, &text, 1000, 1000);
        assert_eq!(inflate(&mut receiver, &wire, 1000, 1000), Ok(text));
    }
}

#[test]
fn memory_that_cannot_be_used_is_refused() {
    for length in [0, 1, 128, 255, 300, 1 << 16] {
        let (mut window, mut hash) = (vec![0; length], [0; 16]);
        assert_eq!(Inflate::new(&mut window).err(), Some(MemoryError::Window));
        let sender = Deflate::new(&mut window, &mut hash);
        assert_eq!(sender.err(), Some(MemoryError::Window));
    }
    for length in [0, 1, 8, 17, 100, 1 << 17] {
        let (mut window, mut hash) = ([0; 256], vec![0; length]);
        let sender = Deflate::new(&mut window, &mut hash);
        assert_eq!(sender.err(), Some(MemoryError::Hash));
    }
}

#[test]
fn a_bomb_gives_no_more_than_was_asked_for() {
    let text = vec![0; 1 << 20];
    let wire = theirs(&mut compress(9), &text);
    assert!(
        wire.len() < text.len() / 900,
        "1:{}",
        text.len() / wire.len()
    );
    let mut window = [0; 256];
    let mut receiver = Inflate::new(&mut window).expect("memory");
    let mut buffer = [0xA5; 64];
    let (mut at, mut produced) = (0, 0);
    // Who counts stops at the limit, with most of it not inflated.
    while produced < 1000 {
        let progress = receiver
            .inflate(&wire[at..], &mut buffer[..48])
            .expect("inflates");
        at += progress.consumed;
        produced += progress.produced;
        assert!(progress.produced <= 48 && !progress.done);
        assert_eq!(buffer[48..], [0xA5; 16]);
    }
    assert!(produced < 1048);
}

fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let text = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        prop::collection::vec(0u8..4, 0..600),
        prop::collection::vec(b'a'..=b'y', 0..100).prop_map(|text| text.repeat(9)),
    ];
    prop::collection::vec(text, 1..6)
}

proptest! {
    #[test]
    fn any_conversation_comes_through(
        texts in texts(), bits in 8u32..12, hash in 4u32..10,
        cuts in [1usize..300, 1usize..300, 1usize..300, 1usize..300],
    ) {
        let (mut window, mut hash) = (vec![0; 1 << bits], vec![0; 1 << hash]);
        let mut sender = Deflate::new(&mut window, &mut hash).expect("memory");
        let mut window = vec![0; 1 << bits];
        let mut receiver = Inflate::new(&mut window).expect("memory");
        let mut other = Decompress::new(false);
        for text in texts {
            let wire = deflate(&mut sender, &text, cuts[0], cuts[1]);
            prop_assert_eq!(theirs_inflated(&mut other, &wire, text.len()), &text[..]);
            prop_assert_eq!(inflate(&mut receiver, &wire, cuts[2], cuts[3]), Ok(text));
        }
    }

    #[test]
    fn any_conversation_of_others_is_read(
        texts in texts(), level in 0u32..10, cuts in [1usize..300, 1usize..300],
    ) {
        let mut sender = compress(level);
        let mut window = vec![0; 1 << 15];
        let mut receiver = Inflate::new(&mut window).expect("memory");
        for text in texts {
            let wire = theirs(&mut sender, &text);
            prop_assert_eq!(inflate(&mut receiver, &wire, cuts[0], cuts[1]), Ok(text));
        }
    }

    #[test]
    fn any_bytes_end_in_the_same_way_wherever_they_are_cut(
        mut wire in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..4,
        cuts in [1usize..30, 1usize..30],
    ) {
        if let Some(first) = wire.first_mut() {
            *first = *first & !6 | kind << 1;
        }
        let mut window = [0; 256];
        let mut receiver = Inflate::new(&mut window).expect("memory");
        let whole = inflate(&mut receiver, &wire, 1 << 20, 1 << 16);
        receiver.reset();
        prop_assert_eq!(inflate(&mut receiver, &wire, cuts[0], cuts[1]), whole);
    }
}
