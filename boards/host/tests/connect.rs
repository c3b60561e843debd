//! `ws connect` as its users see it: input, output, exit code.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;
#[path = "common/servers.rs"]
mod servers;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use common::{Run, finish, start, ws};
use embedded_nal::TcpClientStack;
use serde_json::json;
use servers::{PATIENCE, Table, read_head, serve, serve_raw};
use ws_socket::{CloseCode, Flags, Opcode, ReceiveError, Timeout, WebSocketId, parse_close};

/// Sends every message back; the codes and reasons of the Close that ends it.
fn echo(table: &mut Table, ws: WebSocketId) -> (CloseCode, String) {
    let (mut message, mut buffer) = (Vec::new(), vec![0; 8192]);
    loop {
        let piece = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
        message.extend_from_slice(&buffer[..piece.length]);
        if !piece.is_complete() {
            continue;
        }
        match piece.opcode() {
            Opcode::Close => {
                let (code, reason) = parse_close(&message).unwrap();
                return (code, reason.to_owned());
            }
            Opcode::Text | Opcode::Binary => {
                let opcode = piece.opcode();
                let sent = table.send_msg(ws, &message, opcode, true, PATIENCE);
                assert_eq!(sent.unwrap(), message.len());
            }
            _ => {}
        }
        message.clear();
    }
}

fn send(table: &mut Table, ws: WebSocketId, payload: &[u8], opcode: Opcode, fin: bool) {
    let sent = table.send_msg(ws, payload, opcode, fin, PATIENCE);
    assert_eq!(sent.unwrap(), payload.len());
}

#[test]
fn lines_go_out_as_text_and_come_back_as_lines() {
    // The echo of the last line may still be under way when input ends: it is printed all the same.
    let (url, server) = serve(echo);
    let run = ws(&["connect", &url], "hello\n\ngrüße\r\nlast");
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(run.stdout, "hello\n\ngrüße\nlast\n");
    assert!(run.stderr.contains("connected"), "{}", run.stderr);
    assert_eq!(server.join().unwrap(), (CloseCode::NORMAL, String::new()));
}

#[test]
fn json_lines() {
    let (url, _server) = serve(echo);
    let arguments = [
        "connect",
        &url,
        "--json",
        "--subprotocol",
        "chat",
        "--binary",
    ];
    let run = ws(&arguments, b"\xff\n");
    assert_eq!(run.exit, Some(0), "{run:?}");
    let expected = [
        json!({"event": "open", "status": 101, "subprotocol": "chat"}),
        json!({"event": "message", "type": "binary", "data": "/w=="}),
        json!({"event": "close", "code": 1000, "reason": "", "clean": true}),
    ];
    assert_eq!(run.events(), expected);
    assert_eq!(run.stderr, "");
}

#[test]
fn a_message_in_fragments_is_printed_once_with_the_ping_between() {
    let (url, server) = serve(|table, ws| {
        let text = "grüße".as_bytes();
        send(table, ws, &text[..3], Opcode::Text, false);
        send(table, ws, b"p", Opcode::Ping, true);
        send(table, ws, &text[3..], Opcode::Continuation, true);
        let mut buffer = [0; 200];
        let pong = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
        assert!(pong.flags.contains(Flags::PONG));
        assert_eq!(&buffer[..pong.length], b"p");
        table.disconnect_with(ws, CloseCode(4001), "é, bye", PATIENCE)
    });
    let child = start(&["connect", &url, "--json"]);
    let run = finish_with_input_open(child);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let expected = [
        json!({"event": "open", "status": 101, "subprotocol": null}),
        json!({"event": "ping", "data": "cA=="}),
        json!({"event": "message", "type": "text", "data": "grüße"}),
        json!({"event": "close", "code": 4001, "reason": "é, bye", "clean": true}),
    ];
    assert_eq!(run.events(), expected);
    assert!(server.join().unwrap().unwrap().clean);
}

/// Standard input stays open and silent to the end.
fn finish_with_input_open(mut child: std::process::Child) -> Run {
    let stdin = child.stdin.take();
    let run = finish(child);
    drop(stdin);
    run
}

#[test]
fn two_ends_that_send_before_they_receive_do_not_lock_each_other_up() {
    const LENGTH: usize = 24 << 20;
    let (url, server) = serve(|table, ws| {
        // More than the system's buffers hold, without a look at what comes meanwhile.
        send(table, ws, &vec![b's'; LENGTH], Opcode::Text, true);
        let (mut length, mut buffer) = (0, vec![0; 65536]);
        loop {
            let piece = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
            assert!(buffer[..piece.length].iter().all(|byte| *byte == b'c'));
            length += piece.length;
            if piece.is_complete() {
                return length;
            }
        }
    });
    let mut line = vec![b'c'; LENGTH];
    line.push(b'\n');
    let run = ws(&["connect", &url], line);
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    assert_eq!(server.join().unwrap(), LENGTH);
    assert_eq!(run.stdout.len(), LENGTH + 1);
}

#[test]
fn sixteen_mebibytes_go_back_without_being_held() {
    const LENGTH: usize = 16 << 20;
    let message: Vec<u8> = (0..LENGTH / 4)
        .flat_map(|word| u32::try_from(word).unwrap().to_le_bytes())
        .collect();
    let (told, pid) = std::sync::mpsc::channel();
    let (url, server) = serve(move |table, ws| {
        let (mut sent, mut back) = (0, 0);
        let mut buffer = vec![0; 65536];
        loop {
            if sent < LENGTH {
                let rest = &message[sent..];
                let some = table.send_msg(ws, rest, Opcode::Binary, true, Timeout::NoWait);
                sent += some.unwrap_or(0);
            }
            match table.recv_msg(ws, &mut buffer, Timeout::Millis(1)) {
                Ok(piece) => {
                    let found = &buffer[..piece.length];
                    assert!(
                        found == &message[back..back + piece.length],
                        "from {back} on"
                    );
                    back += piece.length;
                    if piece.is_complete() {
                        break;
                    }
                }
                Err(ReceiveError::Timeout) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((sent, back), (LENGTH, LENGTH));
        peak_memory(pid.recv().unwrap())
    });
    let child = start(&["connect", &url, "--echo", "--json"]);
    told.send(child.id()).unwrap();
    let run = finish_with_input_open(child);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let echo = json!({"event": "echo", "type": "binary", "length": LENGTH});
    assert!(run.events().contains(&echo), "{run:?}");
    if let Some(kib) = server.join().unwrap() {
        assert!(kib < 12 * 1024, "{kib} KiB");
    }
}

#[test]
fn a_close_in_the_middle_of_our_frame_is_answered_behind_it() {
    const LENGTH: usize = 24 << 20;
    let (url, server) = serve(|table, ws| {
        let (mut length, mut buffer) = (0, vec![0; 65536]);
        loop {
            let piece = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
            if piece.opcode() == Opcode::Close {
                return length;
            }
            if length == 0 {
                let close = 1001u16.to_be_bytes();
                send(table, ws, &close, Opcode::Close, true);
                // Long enough for the Close to be there first.
                std::thread::sleep(Duration::from_millis(100));
            }
            length += piece.length;
        }
    });
    let mut input = vec![b'c'; LENGTH];
    input.extend_from_slice(b"\nnever sent\n");
    let run = ws(&["connect", &url], input);
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("1001"), "{}", run.stderr);
    assert!(run.stderr.contains("before all input was sent"));
    // The line goes out as fragments: the one that was open is whole, and no other follows it.
    let length = server.join().unwrap();
    assert!(length > 0 && length < LENGTH, "{length}");
    assert_eq!(length % (256 * 1024), 0);
}

#[test]
fn a_message_too_long_to_be_kept_is_refused() {
    let (url, server) = serve(|table, ws| {
        let mut socket = table.unregister(ws).unwrap();
        let stack = table.stack();
        let mut header = vec![0x82, 127];
        header.extend_from_slice(&(65u64 << 20).to_be_bytes());
        stack.send(&mut socket, &header).unwrap();
        let mut read = Vec::new();
        while read.len() < 8 {
            let mut buffer = [0; 64];
            if let Ok(count) = stack.receive(&mut socket, &mut buffer) {
                read.extend_from_slice(&buffer[..count]);
            }
        }
        stack.close(socket).unwrap();
        u16::from_be_bytes([read[6] ^ read[2], read[7] ^ read[3]])
    });
    let child = start(&["connect", &url, "--json"]);
    let run = finish_with_input_open(child);
    assert_eq!(run.exit, Some(4), "{run:?}");
    assert_eq!(run.events()[1]["kind"], "too-big");
    assert_eq!(server.join().unwrap(), 1009);
}

/// The most a process has had in memory, in KiB, where the system tells.
fn peak_memory(pid: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_connection_uses_no_processor() {
    let (url, server) = serve(echo);
    let mut child = start(&["connect", &url]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    writeln!(stdin, "there").unwrap();
    stdout.read_line(&mut line).unwrap();
    let before = processor_ticks(child.id());
    std::thread::sleep(Duration::from_millis(700));
    let used = processor_ticks(child.id()) - before;
    // A tick is 10 ms; one that spins has 70 of them.
    assert!(used <= 1, "{used} ticks");
    writeln!(stdin, "still there").unwrap();
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "still there\n");
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    server.join().unwrap();
}

#[cfg(target_os = "linux")]
fn processor_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum()
}

#[test]
fn a_name_is_resolved_and_each_of_its_addresses_tried() {
    // Where localhost is ::1 first, nobody listens there.
    let (url, _server) = serve(echo);
    let url = url.replace("127.0.0.1", "localhost");
    let run = ws(&["connect", &url], "hello\n");
    assert_eq!((run.exit, &*run.stdout), (Some(0), "hello\n"), "{run:?}");
}

#[test]
fn pings_are_sent_and_their_pongs_timed() {
    let (url, server) = serve(|table, ws| {
        let mut buffer = [0; 200];
        let mut pings = 0;
        while pings < 3 {
            let piece = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
            pings += usize::from(piece.flags.contains(Flags::PING));
        }
        pings
    });
    let child = start(&["connect", &url, "--json", "--ping", "0.05"]);
    let run = finish_with_input_open(child);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(server.join().unwrap() >= 3);
    let events = run.events();
    let pongs = events.iter().filter(|event| event["event"] == "pong");
    assert!(pongs.clone().count() >= 2, "{events:?}");
    assert!(
        pongs.clone().all(|pong| pong["rtt_ms"].is_f64()),
        "{events:?}"
    );
}

#[test]
fn input_that_is_no_text_is_said_and_closes_in_order() {
    let (url, server) = serve(echo);
    let run = ws(&["connect", &url, "--json"], b"fine\nnot \xff fine\n");
    assert_eq!(run.exit, Some(1), "{run:?}");
    assert!(run.stderr.contains("line 2"), "{}", run.stderr);
    assert_eq!(server.join().unwrap().0, CloseCode::NORMAL);
    let events = run.events();
    assert!(events.iter().any(|it| it["kind"] == "input"), "{events:?}");
    assert_eq!(events.last().unwrap()["clean"], true);
}

#[test]
fn output_that_nobody_reads_ends_it() {
    let (url, server) = serve(|table, ws| echo(table, ws).0);
    let mut child = start(&["connect", &url]);
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "to nobody").unwrap();
    let run = finish(child);
    drop(stdin);
    assert_eq!(run.exit, Some(1), "{run:?}");
    assert!(run.stderr.contains("standard output"), "{}", run.stderr);
    assert_eq!(server.join().unwrap(), CloseCode::GOING_AWAY);
}

#[test]
fn exit_2_wrong_arguments() {
    for arguments in [
        &["frobnicate"][..],
        &["connect"],
        &["connect", "wss://host/", "--json", "--cert", "file"],
        &["connect", "ws://host/", "--timeout", "soon"],
    ] {
        let run = ws(arguments, "");
        assert_eq!(run.exit, Some(2), "{run:?}");
        assert!(run.stderr.contains("ws"), "{run:?}");
        let json = arguments.contains(&"--json");
        assert_eq!(run.stdout.is_empty(), !json, "{run:?}");
        assert!(run.events().iter().all(|event| event["kind"] == "usage"));
    }
}

#[test]
fn exit_3_nobody_listens() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let run = ws(
        &["connect", &format!("ws://127.0.0.1:{port}/"), "--json"],
        "",
    );
    assert_eq!(run.exit, Some(3), "{run:?}");
    assert_eq!(run.events()[0]["kind"], "connect");
    assert!(run.stderr.contains("does the server run"), "{run:?}");
}

#[test]
fn exit_3_refused_with_a_status_and_where_to_go() {
    let url = serve_raw(|mut stream| {
        read_head(&mut stream);
        let answer = "HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let run = ws(&["connect", &url, "--json"], "");
    assert_eq!(run.exit, Some(3), "{run:?}");
    let event = &run.events()[0];
    assert_eq!(
        (&event["event"], &event["kind"]),
        (&json!("error"), &json!("refused"))
    );
    assert_eq!(
        (&event["status"], &event["location"]),
        (&json!(302), &json!("ws://elsewhere/"))
    );
    assert!(run.stderr.contains("ws://elsewhere/"), "{run:?}");
}

#[test]
fn exit_3_lost() {
    let (url, server) = serve(|table, ws| {
        send(table, ws, b"last words", Opcode::Text, true);
        table.abort(ws).unwrap();
    });
    let child = start(&["connect", &url, "--json"]);
    let run = finish_with_input_open(child);
    assert_eq!(run.exit, Some(3), "{run:?}");
    let events = run.events();
    assert_eq!(events[1]["data"], "last words");
    assert_eq!(events[2]["kind"], "lost");
    let close = json!({"event": "close", "code": 1006, "reason": "", "clean": false});
    assert_eq!(events[3], close);
    server.join().unwrap();
}

#[test]
fn exit_4_the_protocol_is_broken_and_the_peer_told() {
    let (url, server) = serve(|table, ws| {
        let mut socket = table.unregister(ws).unwrap();
        let stack = table.stack();
        // A good message, then a masked frame, which no server sends.
        stack
            .send(&mut socket, b"\x81\x02ok\x81\x81\0\0\0\0x")
            .unwrap();
        let mut read = Vec::new();
        let until = Instant::now() + Duration::from_secs(10);
        // A Close of a client's: 2 bytes, 4 of mask, 2 of code.
        while read.len() < 8 && Instant::now() < until {
            let mut buffer = [0; 64];
            if let Ok(count) = stack.receive(&mut socket, &mut buffer) {
                read.extend_from_slice(&buffer[..count]);
            }
        }
        stack.close(socket).unwrap();
        u16::from_be_bytes([read[6] ^ read[2], read[7] ^ read[3]])
    });
    let child = start(&["connect", &url, "--json"]);
    let run = finish_with_input_open(child);
    assert_eq!(run.exit, Some(4), "{run:?}");
    assert_eq!(server.join().unwrap(), 1002);
    let events = run.events();
    assert_eq!(events[1]["data"], "ok");
    assert_eq!(events[2]["kind"], "protocol");
}

#[test]
fn exit_5_no_answer_to_the_handshake() {
    let url = serve_raw(|mut stream| while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {});
    let began = Instant::now();
    let run = ws(&["connect", &url, "--timeout", "200", "--json"], "");
    assert_eq!(run.exit, Some(5), "{run:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(run.events()[0]["kind"], "timeout");
}

#[test]
fn exit_5_no_answer_to_the_close() {
    let (url, server) = serve(|table, ws| {
        let mut socket = table.unregister(ws).unwrap();
        let stack = table.stack();
        while !matches!(stack.receive(&mut socket, &mut [0; 64]), Ok(0)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        stack.close(socket).unwrap();
    });
    let run = ws(&["connect", &url, "--timeout", "200", "--json"], "");
    assert_eq!(run.exit, Some(5), "{run:?}");
    assert_eq!(run.events().last().unwrap()["clean"], false);
    server.join().unwrap();
}
