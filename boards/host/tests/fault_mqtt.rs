//! Faults of `ws mqtt` that were found from outside: the broker's keepalive, a broker that is silent
//! in the middle of a packet, signals.
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
mod common;
#[allow(dead_code)]
#[path = "common/servers.rs"]
mod servers;

use std::io::Write;
use std::process::Child;
use std::time::{Duration, Instant};

use broker::{Broker, broker, drained, idle, publish};
use common::{Run, finish, start, ws};
use rustix::process::{Pid, Signal, kill_process};
use servers::PATIENCE;
use ws_socket::{Opcode, Timeout};

const PING: &[u8] = b"\xc0\0";
const PONG: &[u8] = b"\xd0\0";

/// Lets the client in with a keepalive of the broker's.
fn welcome_with_keepalive(broker: &mut Broker<'_>, seconds: u8) {
    assert_eq!(broker.next().unwrap()[0], 0x10);
    broker.say(&[0x20, 11, 0, 0, 8, 0x12, 0, 2, b'i', b'd', 0x13, 0, seconds]);
}

/// What comes in that time, or up to the end.
fn packets_in(broker: &mut Broker<'_>, time: Duration) -> Vec<Vec<u8>> {
    let (until, mut found, mut buffer) = (Instant::now() + time, Vec::new(), [0; 512]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let millis = u32::try_from(left.as_millis()).unwrap();
        match broker
            .table
            .recv_msg(broker.ws, &mut buffer, Timeout::Millis(millis))
        {
            Ok(piece) if piece.opcode() == Opcode::Binary => {
                found.push(buffer[..piece.length].to_vec());
            }
            Ok(_) | Err(_) => return found,
        }
    }
}

fn assert_lost(run: &Run) {
    assert_eq!(run.exit, Some(3), "{run:?}");
    let events = run.events();
    assert_eq!(events.last().unwrap()["kind"], "lost", "{run:?}");
}

#[test]
fn the_brokers_keepalive_counts() {
    for (task, wanted) in [(&["sub"][..], "60"), (&["pub", "-l"], "3")] {
        let (url, server) = broker(|broker| {
            welcome_with_keepalive(broker, 1);
            let subscribes = broker.next().unwrap();
            if subscribes[0] == 0x82 {
                broker.say(&[0x90, 4, subscribes[2], subscribes[3], 0, 0]);
                broker.expect(PING);
            } else {
                assert_eq!(subscribes, PING);
            }
            let began = Instant::now();
            for _ in 0..3 {
                broker.say(PONG);
                broker.expect(PING);
            }
            let took = began.elapsed();
            assert!(took < Duration::from_millis(2500), "{took:?}");
            // Now it is silent, and given up after one and a half times its second.
            let began = Instant::now();
            broker.goodbye();
            let took = began.elapsed();
            assert!(took > Duration::from_millis(700), "{took:?}");
            assert!(took < Duration::from_millis(2500), "{took:?}");
        });
        let arguments = [
            &["mqtt", task[0], &url, "t", "--json", "-k", wanted][..],
            &task[1..],
        ];
        assert_lost(&idle(&arguments.concat()));
        server.join().unwrap();
    }
}

#[test]
fn a_broker_that_wants_no_keepalive_gets_none() {
    let (url, server) = broker(|broker| {
        welcome_with_keepalive(broker, 0);
        broker.grant("t", 0);
        let found = packets_in(broker, Duration::from_millis(2500));
        assert!(found.is_empty(), "{found:?}");
        broker.say(&publish(0, "t", None, b"still there"));
        broker.goodbye();
    });
    let run = idle(&["mqtt", "sub", &url, "t", "-k1", "-C1"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(run.stdout, "still there\n");
    server.join().unwrap();
}

#[test]
fn a_broker_that_is_silent_in_the_middle_of_a_packet_is_pinged_and_given_up() {
    let packet = publish(0, "t", None, &[b'x'; 100]);
    // Of the packet only, or of its WebSocket frame too.
    for (length, of_frame) in [
        (1, false),
        (50, false),
        (packet.len() - 1, false),
        (50, true),
    ] {
        let (part, rest) = (packet[..length].to_vec(), packet.len() - length);
        let (url, server) = broker(move |broker| {
            broker.welcome();
            broker.grant("t", 0);
            if of_frame {
                let (table, ws) = (&mut broker.table, broker.ws);
                let binary = Opcode::Binary;
                let rest = part.len() + rest;
                let sent = table.send_part(ws, &part, rest, binary, true, PATIENCE);
                assert_eq!(sent.unwrap(), part.len());
            } else {
                broker.say(&part);
            }
            broker.expect(PING);
            broker.goodbye();
        });
        let began = Instant::now();
        let run = idle(&["mqtt", "sub", &url, "t", "-k1", "--json"]);
        assert_lost(&run);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{length}: {took:?}");
        server.join().unwrap();
    }
}

#[test]
fn a_packet_that_comes_slowly_is_whole_and_its_broker_pinged() {
    let payload = "slow but sure".repeat(3);
    let packet = publish(0, "t", None, payload.as_bytes());
    let (url, server) = broker(move |broker| {
        broker.welcome();
        broker.grant("t", 0);
        let mut pings = 0;
        for byte in packet {
            pings += packets_in(broker, Duration::from_millis(80)).len();
            broker.say(&[byte]);
        }
        // Of almost four seconds.
        assert!(pings >= 3, "{pings}");
        while drained(broker) {}
    });
    let run = idle(&["mqtt", "sub", &url, "t", "-k1", "-C1"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(run.stdout, format!("{payload}\n"));
    server.join().unwrap();
}

#[test]
fn a_broker_that_never_stops_sending_is_pinged() {
    let (url, server) = broker(|broker| {
        broker.welcome();
        broker.grant("t", 0);
        let message = publish(0, "t", None, &[b'm'; 1000]);
        let (began, mut pings) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_millis(1800) {
            broker.say(&message);
            pings += packets_in(broker, Duration::ZERO).len();
        }
        assert!(pings >= 2, "{pings}");
        let (table, ws) = (&mut broker.table, broker.ws);
        table.disconnect(ws, servers::PATIENCE).unwrap();
    });
    let run = idle(&["mqtt", "sub", &url, "t", "-k1"]);
    assert_eq!(run.exit, Some(3), "{}", run.stderr);
    server.join().unwrap();
}

#[test]
fn a_broker_that_takes_nothing_any_more_is_given_up() {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let (url, server) = broker(move |broker| {
        broker.welcome();
        let _ = wait.recv_timeout(Duration::from_secs(20));
        broker.table.abort(broker.ws).unwrap();
    });
    let began = Instant::now();
    let run = ws(
        &["mqtt", "pub", &url, "t", "-k1", "--json"],
        vec![b'x'; 30 << 20],
    );
    let took = began.elapsed();
    assert_lost(&run);
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop(done);
    server.join().unwrap();
}

fn terminate(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// A run that gets the signal when the broker says so.
fn signalled(
    arguments: &[&str],
    input: &[u8],
    go: &std::sync::mpsc::Receiver<()>,
    signal: Signal,
) -> (Run, Duration) {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    go.recv_timeout(Duration::from_secs(20)).unwrap();
    terminate(&child, signal);
    let began = Instant::now();
    let run = finish(child);
    drop(stdin);
    (run, began.elapsed())
}

#[test]
fn a_signal_says_goodbye_to_the_broker() {
    /// What the broker does before.
    type Script = fn(&mut Broker<'_>);
    let cases: [(&[&str], &[u8], Script, i32); 6] = [
        (&["sub"], b"", |broker| broker.grant("t", 0), 0),
        (
            &["sub"],
            b"",
            |broker| {
                broker.grant("t", 0);
                broker.say(&publish(0, "t", None, &[b'x'; 100])[..50]);
            },
            0,
        ),
        (&["sub"], b"", |broker| drop(broker.next().unwrap()), 0),
        (&["pub", "-l"], b"", |_| (), 0),
        (
            &["pub", "-l"],
            b"one\nand a half",
            |broker| broker.expect(&publish(0, "t", None, b"one")),
            0,
        ),
        // Nobody knows whether that has arrived.
        (
            &["pub", "text", "-q1"],
            b"",
            |broker| drop(broker.next().unwrap()),
            1,
        ),
    ];
    for (number, (arguments, input, before, exit)) in cases.into_iter().enumerate() {
        for signal in [Signal::TERM, Signal::INT] {
            let (go, wait) = std::sync::mpsc::channel();
            let (url, server) = broker(move |broker| {
                broker.welcome();
                before(broker);
                // The program gets to its wait.
                std::thread::sleep(Duration::from_millis(100));
                go.send(()).unwrap();
                broker.goodbye();
            });
            let arguments = [&["mqtt", arguments[0], &url, "t"][..], &arguments[1..]].concat();
            let (run, took) = signalled(&arguments, input, &wait, signal);
            assert_eq!(run.exit, Some(exit), "case {number}: {run:?}");
            assert!(took < Duration::from_secs(3), "case {number}: {took:?}");
            server.join().unwrap();
        }
    }
}

#[test]
fn a_signal_ends_it_whatever_the_broker_does() {
    // It floods.
    let (go, wait) = std::sync::mpsc::channel();
    let (url, server) = broker(move |broker| {
        broker.welcome();
        broker.grant("t", 0);
        let message = publish(0, "t", None, &[b'm'; 100]);
        go.send(()).unwrap();
        loop {
            let (table, ws) = (&mut broker.table, broker.ws);
            let sent = table.send_msg(ws, &message, Opcode::Binary, true, Timeout::NoWait);
            let said = packets_in(broker, Duration::ZERO);
            if let Some(last) = said.last() {
                assert_eq!(last[0], 0xe0);
                return;
            }
            assert!(!matches!(sent, Err(ws_socket::SendError::NotConnected)));
        }
    });
    let (_, took) = signalled(&["mqtt", "sub", &url, "t"], b"", &wait, Signal::TERM);
    assert!(took < Duration::from_secs(5), "{took:?}");
    server.join().unwrap();

    // It takes nothing.
    let (go, wait) = std::sync::mpsc::channel();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let (url, server) = broker(move |broker| {
        broker.welcome();
        std::thread::sleep(Duration::from_millis(300));
        go.send(()).unwrap();
        let _ = ended.recv_timeout(Duration::from_secs(20));
        broker.table.abort(broker.ws).unwrap();
    });
    let mut child = start(&["mqtt", "pub", &url, "t"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&vec![b'x'; 30 << 20]).unwrap();
    drop(stdin);
    wait.recv_timeout(Duration::from_secs(20)).unwrap();
    terminate(&child, Signal::TERM);
    let began = Instant::now();
    let run = finish(child);
    let took = began.elapsed();
    assert_eq!(run.exit, Some(1), "{run:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(done);
    server.join().unwrap();
}
