//! Faults of the program that were found from outside: a standard output or standard error that is
//! closed, full, broken or never read. By both drivers.
#![cfg(unix)]
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
#[path = "common/faults.rs"]
mod faults;
#[allow(dead_code)]
#[path = "common/servers.rs"]
mod servers;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use broker::{broker, publish};
use embedded_nal::TcpClientStack;
use faults::{ALL, Fault, command, with_stderr, with_stdout};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::process::{Pid, Signal, kill_process};
use servers::{PATIENCE, Table, serve};
use ws_socket::{CloseCode, Opcode, SendError, Timeout, WebSocketId, parse_close};

fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

/// The end of it, which has to come soon.
#[track_caller]
fn ends(mut child: Child) -> (ExitStatus, Child) {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status, child);
        }
        if began.elapsed() > Duration::from_secs(5) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(from: Option<impl Read>) -> String {
    let mut text = String::new();
    from.unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The first line that a server prints; what comes after it is not read.
fn port(child: &mut Child) -> u16 {
    let (mut line, mut byte) = (Vec::new(), [0]);
    let stdout = child.stdout.as_mut().unwrap();
    while byte != *b"\n" {
        stdout.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let listening: serde_json::Value = serde_json::from_slice(&line).unwrap();
    u16::try_from(listening["port"].as_u64().unwrap()).unwrap()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A WebSocket to a server that may only be starting.
fn upgraded(port: u16) -> TcpStream {
    let began = Instant::now();
    let mut stream = loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(5), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).unwrap();
    stream.set_write_timeout(limit).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    stream
}

/// Has the server echo so many messages.
fn echoes(stream: &mut TcpStream, messages: usize) {
    for _ in 0..messages / 100 {
        stream.write_all(&b"\x82\x81\0\0\0\0m".repeat(100)).unwrap();
        let mut back = [0; 300];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(back[..], b"\x82\x01m".repeat(100));
    }
}

fn drivers() -> [bool; 2] {
    [false, true]
}

#[test]
fn a_server_whose_standard_error_takes_nothing_serves_and_ends_in_order() {
    for fault in ALL {
        for asynch in drivers() {
            let arguments = ["serve", "127.0.0.1:0", "--json", "-v"];
            let (mut child, keeps) = with_stderr(fault, &arguments, asynch);
            let port = port(&mut child);
            let stdout = child.stdout.take();
            let reader = std::thread::spawn(|| text(stdout));
            // What is wrong with a request is said there, too.
            let mut wrong = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            wrong.write_all(b"GARBAGE\r\n\r\n").unwrap();
            let mut client = upgraded(port);
            echoes(&mut client, 3_000);
            terminate(&child);
            // It answers no Close: that it has gone is as good.
            drop(client);
            let (status, _) = ends(child);
            assert_eq!(status.code(), Some(0), "{fault:?} {asynch}");
            let printed = reader.join().unwrap();
            let messages = printed.matches("\"event\":\"message\"").count();
            assert_eq!(messages, 3_000, "{fault:?} {asynch}");
            drop(keeps);
        }
    }
}

#[test]
fn a_server_whose_standard_output_is_not_read_serves_and_ends_in_order() {
    // Some wait in memory; of many most are dropped.
    for (messages, from_the_beginning) in [(10_000, false), (60_000, true)] {
        for asynch in drivers() {
            let arguments = ["serve", "127.0.0.1:0", "--json"];
            let mut child = command(&arguments, asynch, "").spawn().unwrap();
            let port = port(&mut child);
            let mut client = upgraded(port);
            echoes(&mut client, messages);
            if from_the_beginning {
                // Who reads now is told how much is missing.
                let stdout = child.stdout.take();
                let reader = std::thread::spawn(|| text(stdout));
                std::thread::sleep(Duration::from_millis(300));
                echoes(&mut client, 100);
                terminate(&child);
                // It answers no Close: that it has gone is as good.
                drop(client);
                assert_eq!(ends(child).0.code(), Some(0));
                let printed = reader.join().unwrap();
                let lines = printed.lines().map(|line| {
                    let event: serde_json::Value = serde_json::from_str(line).unwrap();
                    match event["event"].as_str().unwrap() {
                        "dropped" => event["count"].as_u64().unwrap(),
                        "message" => 1,
                        _ => 0,
                    }
                });
                assert_eq!(lines.sum::<u64>(), messages as u64 + 100);
                assert!(printed.contains("\"dropped\""));
            } else {
                terminate(&child);
                // It answers no Close: that it has gone is as good.
                drop(client);
                let (status, mut child) = ends(child);
                assert_eq!(status.code(), Some(0), "{asynch}");
                let said = text(child.stderr.take());
                assert!(said.contains("not read fast enough"), "{said}");
            }
        }
    }
}

#[test]
fn a_server_whose_standard_output_is_full_from_the_beginning_serves() {
    for fault in [Fault::Closed, Fault::Unread] {
        for asynch in drivers() {
            let port = free_port();
            let address = format!("127.0.0.1:{port}");
            let arguments = ["serve", &address, "--json"];
            let (child, keeps) = with_stdout(fault, &arguments, asynch);
            let mut client = upgraded(port);
            echoes(&mut client, 2_000);
            terminate(&child);
            // It answers no Close: that it has gone is as good.
            drop(client);
            assert_eq!(ends(child).0.code(), Some(0), "{fault:?} {asynch}");
            drop(keeps);
        }
    }
}

#[test]
fn a_server_whose_standard_output_cannot_be_written_to_ends_in_order() {
    for fault in [Fault::Full, Fault::Broken] {
        for json in [&["--json"][..], &[]] {
            for asynch in drivers() {
                let arguments = [&["serve", "127.0.0.1:0"], json].concat();
                let (status, mut child) = ends(with_stdout(fault, &arguments, asynch).0);
                assert_eq!(status.code(), Some(1), "{fault:?} {asynch}");
                let said = text(child.stderr.take());
                assert_eq!(said.matches("standard output cannot").count(), 1, "{said}");
            }
        }
    }
}

/// Sends every message back, up to the Close.
fn echo(table: &mut Table, ws: WebSocketId) -> CloseCode {
    let mut buffer = vec![0; 8192];
    loop {
        let piece = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
        let payload = &buffer[..piece.length];
        match piece.opcode() {
            Opcode::Close => return parse_close(payload).unwrap().0,
            opcode @ (Opcode::Text | Opcode::Binary) => {
                let sent = table.send_msg(ws, payload, opcode, true, PATIENCE);
                sent.unwrap();
            }
            _ => {}
        }
    }
}

#[test]
fn a_client_whose_standard_error_takes_nothing_goes_on() {
    for fault in ALL {
        for asynch in drivers() {
            let (url, server) = serve(echo);
            let arguments = ["connect", &url, "-v"];
            let (mut child, keeps) = with_stderr(fault, &arguments, asynch);
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(b"one\ntwo\n").unwrap();
            drop(stdin);
            let (status, mut child) = ends(child);
            assert_eq!(status.code(), Some(0), "{fault:?} {asynch}");
            assert_eq!(text(child.stdout.take()), "one\ntwo\n");
            assert_eq!(server.join().unwrap(), CloseCode::NORMAL);
            drop(keeps);
            // Nor does it matter to an error.
            let (child, _keeps) = with_stderr(fault, &["connect", "nonsense"], asynch);
            assert_eq!(ends(child).0.code(), Some(2), "{fault:?}");
        }
    }
}

#[test]
fn a_client_whose_standard_output_cannot_be_written_to_leaves_in_order() {
    for fault in [Fault::Full, Fault::Broken] {
        for json in [&["--json"][..], &[]] {
            for asynch in drivers() {
                let (url, server) = serve(|table, ws| {
                    let sent = table.send_msg(ws, b"m", Opcode::Text, true, PATIENCE);
                    sent.unwrap();
                    echo(table, ws)
                });
                let arguments = [&["connect", &url], json].concat();
                let (mut child, _) = with_stdout(fault, &arguments, asynch);
                let stdin = child.stdin.take();
                let (status, mut child) = ends(child);
                drop(stdin);
                assert_eq!(status.code(), Some(1), "{fault:?} {asynch}");
                let said = text(child.stderr.take());
                assert_eq!(said.matches("standard output cannot").count(), 1, "{said}");
                assert_eq!(server.join().unwrap(), CloseCode::GOING_AWAY);
            }
        }
    }
}

/// More than the system keeps for a connection.
const FLOOD: usize = 24 << 20;

/// Sends lines, more than are taken, and then a Close; counts the Pings that come although nothing
/// more is taken, up to the client's Close.
fn flood(table: &mut Table, ws: WebSocketId) -> (usize, CloseCode) {
    let mut socket = table.unregister(ws).unwrap();
    let stack = table.stack();
    let frame = [&[0x81, 126, 3, 255][..], &[b'm'; 1023]].concat();
    let (mut out, mut sent, mut pings) = (Vec::new(), 0, 0);
    let (mut stopped, mut came, mut buffer) = (false, Vec::new(), [0; 4096]);
    let mut code = None;
    loop {
        if out.is_empty() && sent < FLOOD && code.is_none() {
            out = frame.repeat(64);
            sent += 64 * 1024;
        } else if out.is_empty() && sent <= FLOOD {
            out = b"\x88\x02\x03\xe8".to_vec();
            sent = FLOOD + 1;
        }
        let idle = match stack.send(&mut socket, &out) {
            Ok(count) => {
                out.drain(..count);
                false
            }
            Err(_) => true,
        };
        stopped |= idle;
        match stack.receive(&mut socket, &mut buffer) {
            Ok(count) if count > 0 => came.extend_from_slice(&buffer[..count]),
            _ if idle || out.is_empty() => std::thread::sleep(Duration::from_millis(1)),
            _ => {}
        }
        while came.len() >= 2 && came.len() >= 6 + usize::from(came[1] & 127) {
            match came[0] {
                0x89 => pings += usize::from(stopped),
                0x88 => {
                    let byte = |at: usize| came[6 + at] ^ came[2 + at];
                    code = Some(CloseCode(u16::from_be_bytes([byte(0), byte(1)])));
                }
                first => panic!("{first:x}"),
            }
            came.drain(..6 + usize::from(came[1] & 127));
        }
        if let Some(code) = code
            && out.is_empty()
            && sent > FLOOD
        {
            stack.close(socket).unwrap();
            return (pings, code);
        }
    }
}

#[test]
fn a_client_whose_standard_output_is_not_read_keeps_the_connection_and_loses_nothing() {
    for asynch in drivers() {
        let (url, server) = serve(flood);
        let arguments = ["connect", &url, "--ping", "0.05"];
        let mut child = command(&arguments, asynch, "").spawn().unwrap();
        let stdin = child.stdin.take();
        std::thread::sleep(Duration::from_millis(1_500));
        let memory = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        if let Ok(status) = memory {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"));
            let peak: usize = line
                .unwrap()
                .split_whitespace()
                .nth(1)
                .unwrap()
                .parse()
                .unwrap();
            assert!(peak < 16 << 10, "{peak} KiB");
        }
        let printed = text(child.stdout.take());
        let line = format!("{}\n", "m".repeat(1023));
        assert_eq!(printed.len(), FLOOD);
        assert!(printed == line.repeat(FLOOD / 1024));
        assert_eq!(ends(child).0.code(), Some(0));
        drop(stdin);
        let (pings, code) = server.join().unwrap();
        assert_eq!(code, CloseCode::NORMAL);
        assert!(pings >= 15, "{pings}");
    }
}

#[test]
fn a_signal_ends_a_client_whose_standard_output_is_not_read() {
    for asynch in drivers() {
        for json in [&["--json"][..], &[]] {
            let (url, server) = serve(flood);
            let arguments = [&["connect", &url], json].concat();
            let mut child = command(&arguments, asynch, "").spawn().unwrap();
            let stdin = child.stdin.take();
            std::thread::sleep(Duration::from_millis(500));
            terminate(&child);
            let (status, mut child) = ends(child);
            drop(stdin);
            let said = text(child.stderr.take());
            assert_eq!(status.code(), Some(1), "{said}");
            assert!(said.contains("not read fast enough"), "{said}");
            assert_eq!(server.join().unwrap().1, CloseCode::GOING_AWAY);
        }
    }
}

#[test]
fn a_signal_closes_an_idle_client_in_order() {
    for asynch in drivers() {
        for options in [&["--echo", "--json"][..], &["--json"]] {
            let (url, server) = serve(echo);
            let arguments = [&["connect", &url], options].concat();
            let mut child = command(&arguments, asynch, "").spawn().unwrap();
            let stdin = child.stdin.take();
            // It is open.
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            terminate(&child);
            let (status, _) = ends(child);
            drop(stdin);
            assert_eq!(status.code(), Some(0));
            assert_eq!(server.join().unwrap(), CloseCode::GOING_AWAY);
        }
    }
}

#[test]
fn sub_keeps_the_session_while_its_standard_output_is_not_read() {
    let (url, server) = broker(|broker| {
        broker.welcome();
        broker.grant("t", 0);
        let message = publish(0, "t", None, &[b'm'; 1023]);
        let (mut sent, mut at, mut pings) = (0, 0, 0);
        let mut buffer = [0; 100];
        while sent < FLOOD / 1024 {
            let (table, ws) = (&mut broker.table, broker.ws);
            let rest = &message[at..];
            let timeout = Timeout::Millis(1);
            match table.send_msg(ws, rest, Opcode::Binary, true, timeout) {
                Ok(count) => at += count,
                Err(SendError::Timeout) => {}
                Err(error) => panic!("{error}"),
            }
            if at == message.len() {
                (sent, at) = (sent + 1, 0);
            }
            if sent < FLOOD / 1024
                && let Ok(piece) = table.recv_msg(ws, &mut buffer, Timeout::NoWait)
            {
                assert_eq!(buffer[..piece.length], *b"\xc0\0");
                pings += 1;
            }
        }
        broker.goodbye();
        pings
    });
    let count = (FLOOD / 1024).to_string();
    let arguments = ["mqtt", "sub", &url, "t", "-k1", "-C", &count];
    let mut child = command(&arguments, false, "").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(2_700));
    let printed = text(child.stdout.take());
    let (status, mut child) = ends(child);
    let said = text(child.stderr.take());
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(printed == format!("{}\n", "m".repeat(1023)).repeat(FLOOD / 1024));
    let pings = server.join().unwrap();
    assert!(pings >= 4, "{pings}");
}

#[test]
fn mqtt_whose_standard_error_takes_nothing_goes_on() {
    for fault in ALL {
        for task in [&["sub", "-C1"][..], &["pub", "text"]] {
            let (url, server) = broker(|broker| {
                broker.welcome();
                let packet = broker.next().unwrap();
                if packet[0] == 0x82 {
                    broker.say(&[0x90, 4, packet[2], packet[3], 0, 0]);
                    broker.say(&publish(0, "t", None, b"text"));
                }
                broker.goodbye();
            });
            let arguments = [&["mqtt", task[0], &url, "t", "-d"][..], &task[1..]].concat();
            let (child, _keeps) = with_stderr(fault, &arguments, false);
            assert_eq!(ends(child).0.code(), Some(0), "{fault:?}");
            server.join().unwrap();
        }
    }
}

#[test]
fn a_signal_ends_a_sub_whose_standard_output_is_not_read() {
    let (url, server) = broker(|broker| {
        broker.welcome();
        broker.grant("t", 0);
        let message = publish(0, "t", None, &[b'm'; 2000]);
        let mut buffer = [0; 100];
        loop {
            let (table, ws) = (&mut broker.table, broker.ws);
            let timeout = Timeout::Millis(1);
            // Frames that do not go out whole make no packet, which is nobody's matter here.
            let _ = table.send_msg(ws, &message, Opcode::Binary, true, timeout);
            match table.recv_msg(ws, &mut buffer, timeout) {
                Ok(piece) if piece.opcode() == Opcode::Binary => {
                    if buffer[0] == 0xe0 {
                        return;
                    }
                }
                Ok(piece) => panic!("{piece:?}"),
                Err(_) => {}
            }
        }
    });
    let arguments = ["mqtt", "sub", &url, "t"];
    let child = command(&arguments, false, "").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    terminate(&child);
    let (status, mut child) = ends(child);
    let said = text(child.stderr.take());
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("not read fast enough"), "{said}");
    server.join().unwrap();
}

#[test]
fn the_demo_and_help_fail_where_standard_output_fails_and_else_do_not() {
    for arguments in [&[][..], &["--help"], &["serve", "--help"]] {
        for fault in [Fault::Full, Fault::Broken] {
            let (status, mut child) = ends(with_stdout(fault, arguments, false).0);
            assert_eq!(status.code(), Some(1), "{fault:?} {arguments:?}");
            let said = text(child.stderr.take());
            assert!(said.contains("standard output cannot"), "{said}");
        }
        // A signal ends what nobody reads.
        let (child, keeps) = with_stdout(Fault::Unread, arguments, false);
        std::thread::sleep(Duration::from_millis(300));
        terminate(&child);
        assert!(!ends(child).0.success());
        drop(keeps);
    }
    for fault in ALL {
        let (mut child, _keeps) = with_stderr(fault, &["-v"], false);
        let printed = text(child.stdout.take());
        assert!(printed.contains("verified at both ends"), "{printed}");
        assert_eq!(ends(child).0.code(), Some(0), "{fault:?}");
    }
}

#[test]
fn a_pipe_that_others_use_stays_blocking() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = command(&["--help"], false, "")
        .stdout(writer.try_clone().unwrap())
        .spawn()
        .unwrap();
    child.wait().unwrap();
    let flags = fcntl_getfl(writer.as_fd()).unwrap();
    assert!(!flags.contains(OFlags::NONBLOCK));
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.contains("Usage"), "{text}");
}
