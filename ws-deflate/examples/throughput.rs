//! How fast this machine compresses and inflates, beside `flate2` (miniz_oxide):
//! `cargo run --release -p ws-deflate --example throughput`. MB/s of plain text, the best of five.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::hint::black_box;
use std::time::Instant;
use ws_deflate::{Deflate, Inflate};

const ROUNDS: usize = 5;

/// Messages that are alike, as those of a device.
fn messages(length: usize, total: usize) -> Vec<Vec<u8>> {
    let mut seed = 1u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 20
    };
    (0..total / length)
        .map(|_| {
            let mut text = String::new();
            while text.len() < length {
                text += &format!(
                    "{{\"dev\":\"sensor-{}\",\"t\":{},\"h\":{}}},",
                    next() % 40,
                    next(),
                    next()
                );
            }
            text.truncate(length);
            text.into_bytes()
        })
        .collect()
}

fn best(total: usize, mut work: impl FnMut()) -> f64 {
    let seconds = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64()
    });
    total as f64 / seconds.fold(f64::MAX, f64::min) / 1e6
}

fn deflated(texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut window, mut hash) = (vec![0; 4096], vec![0; 2048]);
    let mut codec = Deflate::new(&mut window, &mut hash).expect("sizes");
    let mut out = vec![0; 1 << 20];
    texts
        .iter()
        .map(|text| {
            let fed = codec.deflate(text, &mut out);
            let ended = codec.end_of_message(&mut out[fed.produced..]);
            assert!(ended.done);
            out[..fed.produced + ended.produced].to_vec()
        })
        .collect()
}

fn theirs_deflated(texts: &[Vec<u8>], level: u32) -> Vec<Vec<u8>> {
    let mut codec = Compress::new(Compression::new(level), false);
    texts
        .iter()
        .map(|text| {
            let mut out = Vec::with_capacity(text.len() + 1000);
            codec
                .compress_vec(text, &mut out, FlushCompress::Sync)
                .expect("compresses");
            out.truncate(out.len() - 4);
            out
        })
        .collect()
}

fn inflated(wire: &[Vec<u8>]) {
    let mut window = vec![0; 1 << 15];
    let mut codec = Inflate::new(&mut window).expect("size");
    let mut out = vec![0; 1 << 17];
    for message in wire {
        let progress = codec.inflate(message, &mut out).expect("inflates");
        assert!(progress.done);
        black_box(&out[..progress.produced]);
        assert!(codec.end_of_message(&mut out).expect("ends").done);
    }
}

fn theirs_inflated(wire: &[Vec<u8>]) {
    let mut codec = Decompress::new(false);
    let mut out = Vec::with_capacity(1 << 17);
    for message in wire {
        for piece in [&message[..], &[0, 0, 0xFF, 0xFF]] {
            out.clear();
            codec
                .decompress_vec(piece, &mut out, FlushDecompress::Sync)
                .expect("inflates");
            black_box(&out);
        }
    }
}

fn main() {
    println!(
        "{:<16}{:>10}{:>12}{:>12}{:>14}{:>12}{:>14}{:>12}",
        "messages of",
        "deflate",
        "flate2, 1",
        "flate2, 6",
        "inflate fixed",
        "flate2",
        "inflate dyn.",
        "flate2"
    );
    for length in [100, 400, 4000, 65_536] {
        let texts = messages(length, 4_000_000);
        let total = texts.len() * length;
        let fixed = deflated(&texts);
        let dynamic = theirs_deflated(&texts, 6);
        print!("{:<16}", format!("{length} bytes"));
        print!(
            "{:>10.0}",
            best(total, || drop(black_box(deflated(&texts))))
        );
        print!(
            "{:>12.0}",
            best(total, || drop(black_box(theirs_deflated(&texts, 1))))
        );
        print!(
            "{:>12.0}",
            best(total, || drop(black_box(theirs_deflated(&texts, 6))))
        );
        print!("{:>14.0}", best(total, || inflated(&fixed)));
        print!("{:>12.0}", best(total, || theirs_inflated(&fixed)));
        print!("{:>14.0}", best(total, || inflated(&dynamic)));
        println!("{:>12.0}", best(total, || theirs_inflated(&dynamic)));
    }
}
