//! A fault that was found from outside: a line of standard input without an end took all memory. By
//! both drivers.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code)] // of what they share
#[path = "common/broker.rs"]
mod broker;
#[allow(dead_code)]
mod common;
#[allow(dead_code)]
#[path = "common/servers.rs"]
mod servers;

use std::io::Write;
use std::process::{Child, ChildStdin};

use broker::{broker, publish};
use common::{finish, start, ws};
use servers::{PATIENCE, Table, serve};
use ws_socket::{Opcode, WebSocketId};

/// A message as it came.
#[derive(Debug, PartialEq)]
struct Message {
    opcode: Opcode,
    bytes: Vec<u8>,
    frames: usize,
}

/// All messages up to the Close, in which no frame is longer than that.
fn messages(table: &mut Table, ws: WebSocketId, longest: usize) -> Vec<Message> {
    let (mut found, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let mut message: Option<Message> = None;
    let mut frame = 0;
    loop {
        let piece = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
        let opcode = piece.opcode();
        if opcode == Opcode::Close {
            assert_eq!(message, None, "a message without an end");
            return found;
        }
        let message_now = message.get_or_insert(Message {
            opcode,
            bytes: Vec::new(),
            frames: 0,
        });
        assert_eq!(message_now.opcode, opcode);
        frame += piece.length;
        assert!(frame <= longest, "{frame}");
        message_now.bytes.extend_from_slice(&buffer[..piece.length]);
        if piece.remaining == 0 {
            message_now.frames += 1;
            frame = 0;
        }
        if piece.is_complete() {
            found.extend(message.take());
        }
    }
}

const LONGEST: usize = 1 << 20;

fn drivers() -> [&'static [&'static str]; 2] {
    [&[], &["--async"]]
}

/// The most a process has had in memory, in KiB, where the system tells.
fn peak_memory(child: &Child) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[track_caller]
fn assert_small(child: &Child) {
    if let Some(peak) = peak_memory(child) {
        assert!(peak < 24 << 10, "{peak} KiB");
    }
}

/// Writes three bytes over and over, which fit no piece evenly.
fn write_much(stdin: &mut ChildStdin, text: &[u8], times: usize) {
    let much = text.repeat(10_000);
    for _ in 0..times / 10_000 {
        stdin.write_all(&much).unwrap();
    }
}

#[test]
fn a_line_without_an_end_is_one_message_in_fragments() {
    for driver in drivers() {
        for (binary, unit) in [
            (&[][..], "\u{20ac}".as_bytes()),
            (&["--binary"], b"\xff\x00\x80"),
        ] {
            const TIMES: usize = 16_000_000;
            let (url, server) = serve(|table, ws| {
                // What is counted is not kept, here either.
                let (mut length, mut ended, mut fragments) = (0, 0, 0);
                let mut buffer = vec![0; 64 * 1024];
                let mut opcodes = Vec::new();
                loop {
                    let piece = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
                    if piece.opcode() == Opcode::Close {
                        return (length, ended, fragments, opcodes);
                    }
                    length += piece.length;
                    fragments += usize::from(piece.remaining == 0);
                    ended += usize::from(piece.is_complete());
                    if opcodes.last() != Some(&piece.opcode()) {
                        opcodes.push(piece.opcode());
                    }
                }
            });
            let arguments = [&["connect", &url], binary, driver].concat();
            let mut child = start(&arguments);
            let mut stdin = child.stdin.take().unwrap();
            write_much(&mut stdin, unit, TIMES);
            assert_small(&child);
            drop(stdin);
            let run = finish(child);
            assert_eq!(run.exit, Some(0), "{run:?}");
            let (length, ended, fragments, opcodes) = server.join().unwrap();
            assert_eq!((length, ended), (TIMES * unit.len(), 1));
            assert!(fragments > 40, "{fragments}");
            let opcode = if binary.is_empty() {
                Opcode::Text
            } else {
                Opcode::Binary
            };
            assert_eq!(opcodes, [opcode]);
        }
    }
}

#[test]
fn lines_around_a_long_one_are_what_they_were() {
    for driver in drivers() {
        let long = "z\u{fc}\u{20ac}\u{1f600}".repeat(100_000);
        let lines = ["first", "", &long, "last"];
        let input = format!("first\n\n{long}\r\nlast");
        let (url, server) = serve(|table, ws| messages(table, ws, LONGEST));
        let run = ws(&[&["connect", &url], driver].concat(), input);
        assert_eq!(run.exit, Some(0), "{run:?}");
        let found = server.join().unwrap();
        assert_eq!(found.len(), lines.len());
        for (found, line) in found.iter().zip(lines) {
            assert_eq!(found.opcode, Opcode::Text);
            assert!(found.bytes == line.as_bytes());
        }
        assert_eq!([found[0].frames, found[1].frames, found[3].frames], [1; 3]);
        assert!(found[2].frames > 1);
    }
}

#[test]
fn a_long_line_that_is_not_utf_8_is_never_a_message() {
    for driver in drivers() {
        let mut input = vec![b'a'; 3 << 20];
        input.extend_from_slice(b"\xe2\x82\nmore\n");
        let (url, server) = serve(|table, ws| {
            let (mut ended, mut buffer) = (0, vec![0; 64 * 1024]);
            loop {
                let piece = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
                if piece.opcode() == Opcode::Close {
                    return ended;
                }
                ended += usize::from(piece.is_complete());
            }
        });
        let run = ws(&[&["connect", &url], driver].concat(), input);
        assert_eq!(run.exit, Some(1), "{run:?}");
        assert!(run.stderr.contains("line 1 of standard"), "{run:?}");
        assert_eq!(server.join().unwrap(), 0);
    }
}

#[test]
fn a_line_that_is_too_long_for_mqtt_is_refused() {
    let (url, server) = broker(|broker| {
        broker.welcome();
        broker.expect(&publish(0, "t", None, b"short"));
        let long = broker.next().unwrap();
        assert!(long.len() > 8 << 20);
        broker.goodbye();
    });
    let mut child = start(&["mqtt", "pub", &url, "t", "-l", "--json"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"short\n").unwrap();
    stdin.write_all(&vec![b'l'; 8 << 20]).unwrap();
    stdin.write_all(b"\n").unwrap();
    let much = vec![b'x'; 1 << 20];
    // It ends before it has read all of that.
    while stdin.write_all(&much).is_ok() {
        if let Some(peak) = peak_memory(&child) {
            assert!(peak < 80 << 10, "{peak} KiB");
        }
    }
    let run = finish(child);
    assert_eq!(run.exit, Some(1), "{run:?}");
    let events = run.events();
    assert_eq!(events[0]["kind"], "input");
    let detail = events[0]["detail"].as_str().unwrap();
    assert!(detail.contains("line 3 of standard input"), "{detail}");
    server.join().unwrap();
}
