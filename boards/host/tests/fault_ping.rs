//! `ws connect --ping` and peers that are gone: TCP stands, and nobody answers.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;
#[path = "common/servers.rs"]
#[allow(dead_code)]
mod servers;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{finish, start, ws};
use servers::{read_head, serve_raw};
use ws_socket::handshake::{SoftSha1, accept_value};

/// Milliseconds of `--timeout`.
const TIMEOUT: u64 = 400;

/// Reads the request, and agrees to it.
fn upgrade(stream: &mut TcpStream) {
    let head = read_head(stream);
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .expect("a key");
    let key: &[u8; 24] = key.trim().as_bytes().try_into().unwrap();
    let accept = accept_value(key, &mut SoftSha1);
    let accept = std::str::from_utf8(&accept).unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).unwrap();
}

/// A server that upgrades, does what `first` does, and is silent with TCP open until the program has
/// ended. How the program ends against it, with input open; and how long it took.
fn against(
    first: impl FnOnce(&mut TcpStream) + Send + 'static,
    options: &[&str],
    input: &[u8],
) -> (common::Run, Duration) {
    let (over, is_over) = mpsc::channel::<()>();
    let url = serve_raw(move |mut stream| {
        upgrade(&mut stream);
        first(&mut stream);
        // Until the other end of the channel is dropped.
        let _ = is_over.recv_timeout(Duration::from_secs(30));
    });
    let timeout = TIMEOUT.to_string();
    let arguments = [&["connect", &url, "--json", "--timeout", &timeout], options].concat();
    let began = Instant::now();
    let mut child = start(&arguments);
    let mut stdin = child.stdin.take().unwrap();
    // What does not fit waits in a thread; the program's end breaks the pipe.
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
        stdin
    });
    let run = finish(child);
    let took = began.elapsed();
    drop(over);
    drop(writer.join().unwrap());
    (run, took)
}

fn assert_given_up(what: &str, (run, took): (common::Run, Duration)) {
    assert_eq!(run.exit, Some(3), "{what}: {run:?}");
    assert!(run.stderr.contains("does not answer"), "{what}: {run:?}");
    let lost = run.events().into_iter().find(|it| it["kind"] == "lost");
    let lost = lost.unwrap_or_else(|| panic!("{what}: {run:?}"));
    assert!(
        lost.to_string().contains("does not answer"),
        "{what}: {lost}"
    );
    assert!(took >= Duration::from_millis(TIMEOUT), "{what}: {took:?}");
    assert!(took < Duration::from_secs(10), "{what}: {took:?}");
}

#[test]
fn a_peer_that_does_not_answer_pings_is_given_up() {
    for driver in [&[][..], &["--async"]] {
        for ping in ["0.05", "0.2", "0.7"] {
            for traffic in [&[][..], &["--echo"]] {
                let options = [driver, traffic, &["--ping", ping]].concat();
                let what = format!("{options:?}");
                assert_given_up(&what, against(|_| {}, &options, b"a line\n"));
            }
        }
    }
}

#[test]
fn a_peer_that_stops_reading_in_the_middle_of_a_line_is_given_up() {
    for driver in [&[][..], &["--async"]] {
        let options = [driver, &["--ping", "0.05"]].concat();
        let mut line = vec![b'x'; 16 << 20];
        line.push(b'\n');
        assert_given_up(&format!("{options:?}"), against(|_| {}, &options, &line));
    }
}

/// Whatever comes is a sign of life: here text, and never a Pong.
#[test]
fn a_peer_that_speaks_without_answering_pings_is_kept() {
    for driver in [&[][..], &["--async"]] {
        let options = [driver, &["--ping", "0.05"]].concat();
        let speak = |stream: &mut TcpStream| {
            for _ in 0..10 {
                stream.write_all(b"\x81\x02hi").unwrap();
                std::thread::sleep(Duration::from_millis(TIMEOUT / 4));
            }
        };
        let (run, took) = against(speak, &options, b"");
        let heard = run
            .events()
            .iter()
            .filter(|it| it["event"] == "message")
            .count();
        assert_eq!(heard, 10, "{run:?}");
        assert!(took >= Duration::from_millis(TIMEOUT * 10 / 4), "{took:?}");
        assert_given_up("in the end", (run, took));
    }
}

/// A peer that takes a long line slowly, and answers nothing, is there.
#[test]
fn a_peer_that_reads_slowly_is_kept() {
    for driver in [&[][..], &["--async"]] {
        let options = [driver, &["--ping", "0.05"]].concat();
        let (count, counted) = mpsc::channel();
        let slowly = move |stream: &mut TcpStream| {
            let (mut all, mut buffer) = (0, vec![0; 1 << 20]);
            while all < 24 << 20 {
                all += stream.read(&mut buffer).unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            count.send(all).unwrap();
        };
        let mut line = vec![b'x'; 24 << 20];
        line.push(b'\n');
        let (run, _) = against(slowly, &options, &line);
        assert!(counted.recv().is_ok(), "{run:?}");
        assert_eq!(run.exit, Some(3), "{run:?}");
    }
}

#[test]
fn without_ping_a_silent_peer_is_waited_for() {
    let url = serve_raw(|mut stream| {
        upgrade(&mut stream);
        std::thread::sleep(Duration::from_millis(3 * TIMEOUT));
        // A Close, and nothing else before.
        stream.write_all(b"\x88\x02\x03\xE8").unwrap();
        let _ = stream.read(&mut [0; 64]);
    });
    let timeout = TIMEOUT.to_string();
    let run = ws(&["connect", &url, "--echo", "--timeout", &timeout], "");
    assert_eq!(run.exit, Some(0), "{run:?}");
}
