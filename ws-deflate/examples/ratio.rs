//! How much three kinds of messages shrink, by window: `cargo run --release -p ws-deflate --example
//! ratio`. 200 messages each, with context takeover and without; `flate2` (miniz_oxide, level 9) beside it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use flate2::{Compress, Compression, FlushCompress};
use std::fmt::Write as _;
use ws_deflate::Deflate;

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

const COUNT: u64 = 200;

/// A sensor's reading, 88 bytes.
fn telemetry() -> Vec<String> {
    let mut random = Random(0x9E37_79B9);
    (0..COUNT)
        .map(|at| {
            let (temperature, humidity) = (210 + random.below(20), 400 + random.below(50));
            format!(
                r#"{{"dev":"sensor-0042","ts":{},"t":{}.{},"h":{}.{},"bat":3.{:02},"rssi":-{},"ok":true}}"#,
                1_760_000_000 + at * 10,
                temperature / 10,
                temperature % 10,
                humidity / 10,
                humidity % 10,
                70 + random.below(3),
                60 + random.below(9)
            )
        })
        .collect()
}

/// OCPP MeterValues, about 380 bytes. The message's id counts up, or is random.
fn meter_values(random_ids: bool) -> Vec<String> {
    let mut random = Random(0x51_7CC1_B727);
    let mut energy = 1_200_000;
    (0..COUNT)
        .map(|at| {
            energy += 100 + random.below(20);
            let mut id = format!("{}", 100_000 + at);
            if random_ids {
                id.clear();
                for digits in [8, 4, 4, 4, 12] {
                    for _ in 0..digits {
                        let _ = write!(id, "{:x}", random.below(16));
                    }
                    id.push('-');
                }
                id.pop();
            }
            let sample = |value: String, measurand: &str, unit: &str| {
                format!(
                    r#"{{"value":"{value}","context":"Sample.Periodic","measurand":"{measurand}","unit":"{unit}"}}"#
                )
            };
            format!(
                r#"[2,"{id}","MeterValues",{{"connectorId":1,"transactionId":4711,"meterValue":[{{"timestamp":"2026-05-01T{:02}:{:02}:00Z","sampledValue":[{},{}]}}]}}]"#,
                10 + at / 60,
                at % 60,
                sample(format!("{energy}"), "Energy.Active.Import.Register", "Wh"),
                sample(format!("{}", 7200 + random.below(40)), "Power.Active.Import", "W"),
            )
        })
        .collect()
}

/// Lines of a log, about 70 bytes.
fn log() -> Vec<String> {
    let mut random = Random(0xDEAD_BEEF);
    (0..COUNT)
        .map(|at| {
            let what = match random.below(4) {
                0 => format!("wifi: beacon timeout, retry {}", random.below(9)),
                1 => format!(
                    "heap: {} bytes free, largest {}",
                    40_000 + random.below(9999),
                    16_384
                ),
                2 => format!(
                    "sensor 0x{:02x}: reading {} out of range",
                    random.below(256),
                    random.below(4096)
                ),
                _ => format!(
                    "mqtt: publish {} acknowledged in {} ms",
                    random.below(65_536),
                    random.below(400)
                ),
            };
            format!(
                "[{:>8}.{:03}] <inf> app_main: {what}\n",
                at * 3,
                random.below(1000)
            )
        })
        .collect()
}

/// The bytes of all messages together.
fn compressed(messages: &[String], window: usize, hash: usize, takeover: bool) -> usize {
    let (mut window, mut hash) = (vec![0; window], vec![0; hash]);
    let mut codec = Deflate::new(&mut window, &mut hash).expect("sizes");
    let mut out = [0; 4096];
    messages
        .iter()
        .map(|text| {
            let fed = codec.deflate(text.as_bytes(), &mut out);
            assert!(fed.done);
            let ended = codec.end_of_message(&mut out[fed.produced..]);
            assert!(ended.done);
            if !takeover {
                codec.reset();
            }
            fed.produced + ended.produced
        })
        .sum()
}

fn flate2(messages: &[String]) -> usize {
    let mut codec = Compress::new(Compression::best(), false);
    messages
        .iter()
        .map(|text| {
            let mut out = Vec::with_capacity(4096);
            codec
                .compress_vec(text.as_bytes(), &mut out, FlushCompress::Sync)
                .expect("compresses");
            out.len() - 4
        })
        .sum()
}

fn main() {
    let sizes = [
        (256, 128),
        (512, 256),
        (1024, 256),
        (1024, 512),
        (2048, 1024),
        (4096, 2048),
        (32_768, 16_384),
    ];
    print!("{:<28}", "window + hash (bytes)");
    for (window, hash) in sizes {
        print!("{:>12}", format!("{window}+{}", hash * 2));
    }
    println!("{:>9}{:>14}", "alone", "flate2");
    for (name, messages) in [
        ("telemetry", telemetry()),
        ("MeterValues", meter_values(false)),
        ("MeterValues, random ids", meter_values(true)),
        ("log", log()),
    ] {
        let plain: usize = messages.iter().map(String::len).sum();
        let ratio = |length: usize| format!("{:.1}", plain as f64 / length as f64);
        print!("{:<28}", format!("{name}, {} B", plain / messages.len()));
        for (window, hash) in sizes {
            print!("{:>12}", ratio(compressed(&messages, window, hash, true)));
        }
        let alone = compressed(&messages, 4096, 2048, false);
        println!("{:>9}{:>14}", ratio(alone), ratio(flate2(&messages)));
    }
}
