//! `ws mqtt` as its users see it, with a broker that follows a script.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "common/broker.rs"]
mod broker;
mod common;
#[path = "common/servers.rs"]
mod servers;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use broker::{broker, drained, idle, publish};
use common::{Run, finish, start, ws};
use serde_json::json;
use servers::{PATIENCE, read_head, serve_raw};
use ws_socket::{CloseCode, Opcode};

#[test]
fn sub_prints_each_quality_of_service_and_ends_after_the_count() {
    let (url, server) = broker(|broker| {
        let connect = broker.welcome();
        // Clean start, no user, no password; 60 s.
        assert_eq!(connect[9..12], [2, 0, 60]);
        broker.grant("a/#", 2);
        broker.say(&publish(0, "a/0", None, b"zero"));
        broker.say(&publish(2, "a/1", Some([0, 7]), "ünö".as_bytes()));
        broker.expect_answer(0x40, [0, 7]);
        // Two packets in one message, one of them cut.
        let two = publish(5, "a/2", Some([0, 9]), b"\xff\0");
        let (head, tail) = two.split_at(9);
        broker.say(head);
        broker.say(tail);
        broker.expect_answer(0x50, [0, 9]);
        broker.say(b"\x62\x02\0\x09");
        broker.expect_answer(0x70, [0, 9]);
        broker.say(&[publish(0, "a", None, b""), publish(0, "a", None, b"much")].concat());
        broker.goodbye();
    });
    let arguments = ["mqtt", "sub", &url, "a/#", "-q", "2", "-C", "4", "--json"];
    let run = idle(&arguments);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let message = |topic: &str, qos: u8, retain: bool| json!({"event": "message", "topic": topic, "qos": qos, "retain": retain});
    let mut expected = [
        message("a/0", 0, false),
        message("a/1", 1, false),
        message("a/2", 2, true),
        message("a", 0, false),
    ];
    expected[0]["payload"] = json!("zero");
    expected[1]["payload"] = json!("ünö");
    expected[2]["payload_base64"] = json!("/wA=");
    expected[3]["payload"] = json!("");
    assert_eq!(run.events(), expected);
    server.join().unwrap();
}

#[test]
fn sub_takes_several_topics_and_shows_them() {
    let (url, server) = broker(|broker| {
        broker.welcome();
        // A retained message may be faster than the answer.
        let subscribe = broker.next().unwrap();
        broker.say(&publish(1, "one", None, b"1"));
        broker.say(&[0x90, 4, subscribe[2], subscribe[3], 0, 0]);
        broker.grant("two/+", 0);
        broker.say(&publish(0, "two/x", None, b"2"));
        broker.goodbye();
    });
    let run = idle(&["mqtt", "sub", &url, "one", "two/+", "-v", "-C2"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(run.stdout, "one 1\ntwo/x 2\n");
    assert_eq!(run.stderr, "");
    server.join().unwrap();
}

#[test]
fn a_message_is_printed_when_it_comes_and_long_ones_are_whole() {
    const LENGTH: usize = 3 << 20;
    let (go, wait) = std::sync::mpsc::channel();
    let (url, server) = broker(move |broker| {
        broker.welcome();
        broker.grant("t", 0);
        broker.say(&publish(0, "t", None, b"first"));
        wait.recv().unwrap();
        broker.say(&publish(0, "t", None, &vec![b'x'; LENGTH]));
        broker.goodbye();
    });
    let mut child = start(&["mqtt", "sub", &url, "t", "-C2"]);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    go.send(()).unwrap();
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line.len(), LENGTH + 1);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    server.join().unwrap();
}

#[test]
fn exit_27_the_time_is_over() {
    for half_a_packet in [false, true] {
        let (url, server) = broker(move |broker| {
            broker.welcome();
            broker.grant("t", 0);
            if half_a_packet {
                broker.say(b"\x30\x09\0\x01t");
            }
            while broker.next().is_some() {}
        });
        let began = Instant::now();
        let run = idle(&["mqtt", "sub", &url, "t", "-W", "0.2"]);
        assert_eq!(run.exit, Some(27), "{run:?}");
        assert_eq!(run.stdout, "");
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(200), "{took:?}");
        server.join().unwrap();
    }
}

#[test]
fn pub_sends_one_message_with_all_that_was_asked_for() {
    let (url, server) = broker(|broker| {
        let connect = broker.welcome();
        // User, password, clean start.
        assert_eq!(connect[9], 0xc2);
        assert!(connect.ends_with(b"\0\x02me\0\x01u\0\x02pw"), "{connect:?}");
        let found = broker.next().unwrap();
        let id = [found[5], found[6]];
        assert_eq!(found, publish(5, "t", Some(id), b"text"));
        broker.say(&[0x50, 2, id[0], id[1]]);
        broker.expect_answer(0x62, id);
        broker.say(&[0x70, 2, id[0], id[1]]);
        broker.goodbye();
    });
    let run = idle(&[
        "mqtt",
        "pub",
        &url,
        "t",
        "text",
        "--qos=2",
        "--retain",
        "--user=u",
        "--password=pw",
        "--id=me",
    ]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    server.join().unwrap();
}

#[test]
fn standard_input_is_one_message_or_one_a_line() {
    let long = vec![b'\n'; 1 << 20];
    for arguments in [&["-"][..], &[]] {
        let expected = publish(0, "t", None, &long);
        let (url, server) = broker(move |broker| {
            broker.welcome();
            assert!(broker.next().unwrap() == expected);
            broker.goodbye();
        });
        let arguments = [&["mqtt", "pub", &url, "t"], arguments].concat();
        let run = ws(&arguments, long.clone());
        assert_eq!(run.exit, Some(0), "{run:?}");
        server.join().unwrap();
    }
    let (url, server) = broker(|broker| {
        broker.welcome();
        for line in ["one", "", "two"] {
            let found = broker.next().unwrap();
            let id = [found[5], found[6]];
            assert_eq!(found, publish(2, "t", Some(id), line.as_bytes()));
            broker.say(&[0x40, 2, id[0], id[1]]);
        }
        broker.goodbye();
    });
    let run = ws(&["mqtt", "pub", &url, "t", "-l", "-q1"], "one\n\ntwo");
    assert_eq!(run.exit, Some(0), "{run:?}");
    server.join().unwrap();
}

#[test]
fn a_line_goes_out_when_it_comes() {
    let (arrived, wait) = std::sync::mpsc::channel();
    let (url, server) = broker(move |broker| {
        broker.welcome();
        for line in ["one", "two"] {
            broker.expect(&publish(0, "t", None, line.as_bytes()));
            arrived.send(()).unwrap();
        }
        broker.goodbye();
    });
    let mut child = start(&["mqtt", "pub", &url, "t", "--lines"]);
    let mut stdin = child.stdin.take().unwrap();
    for line in ["one", "two"] {
        writeln!(stdin, "{line}").unwrap();
        wait.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    drop(stdin);
    assert_eq!(finish(child).exit, Some(0));
    server.join().unwrap();
}

/// The exit code, the kind and the sentence of a run that failed.
fn failed(run: &Run) -> (i32, String, String) {
    let events = run.events();
    let error = events.last().unwrap();
    assert_eq!(error["event"], "error", "{run:?}");
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    assert!(run.stderr.contains(&text("detail")), "{run:?}");
    (run.exit.unwrap(), text("kind"), text("detail"))
}

#[track_caller]
fn assert_failed(run: &Run, exit: i32, kind: &str, says: &str) {
    let found = failed(run);
    assert_eq!((found.0, found.1.as_str()), (exit, kind), "{run:?}");
    assert!(found.2.contains(says), "{run:?}");
}

#[test]
fn exit_2_wrong_arguments() {
    for (arguments, says) in [
        (&["mqtt", "frobnicate"][..], "mqtt frobnicate"),
        (&["mqtt", "sub", "http://host/", "t"], "http://host/"),
        (&["mqtt", "pub", "ws://host", "t/#", "text"], "t/#"),
    ] {
        let run = ws(&[arguments, &["--json"]].concat(), "");
        assert_failed(&run, 2, "usage", says);
        assert!(run.stderr.contains("ws mqtt --help"), "{run:?}");
    }
}

#[test]
fn help_has_every_option() {
    let run = ws(&["mqtt", "pub", "--help"], "");
    assert_eq!(run.exit, Some(0));
    for option in [
        "--qos",
        "--retain",
        "--user",
        "--password",
        "--id",
        "--json",
        "--timeout",
        "--keepalive",
        "--lines",
        "-C",
        "-W",
        "-v",
        "-d",
        "Exit code",
    ] {
        assert!(run.stdout.contains(option), "{option}");
    }
    for line in run.stdout.lines() {
        assert!(line.chars().count() <= 81, "{line}");
    }
}

#[test]
fn exit_3_nobody_there_no_broker_no_upgrade() {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let run = idle(&["mqtt", "sub", &url, "t", "--json"]);
    assert_failed(&run, 3, "connect", "refused");

    let (wanted, request) = std::sync::mpsc::channel();
    let url = serve_raw(move |mut stream| {
        let mut head = [0; 14];
        stream.read_exact(&mut head).unwrap();
        wanted.send(head).unwrap();
        read_head(&mut stream);
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let url = url.trim_end_matches('/');
    let run = idle(&["mqtt", "sub", url, "t", "--json"]);
    assert_failed(&run, 3, "refused", "404");
    assert_eq!(&request.recv().unwrap(), b"GET /mqtt HTTP");

    // A WebSocket server that says nothing of MQTT.
    let url = serve_raw(|mut stream| {
        read_head(&mut stream);
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                      Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let run = idle(&["mqtt", "sub", &url, "t", "--json"]);
    assert_failed(&run, 3, "handshake", "no WebSocket");
}

#[test]
fn exit_3_lost() {
    let (url, server) = broker(|broker| {
        broker.welcome();
        broker.grant("t", 0);
        broker.table.abort(broker.ws).unwrap();
    });
    let run = idle(&["mqtt", "sub", &url, "t", "--json"]);
    assert_failed(&run, 3, "lost", "without a Close");
    server.join().unwrap();

    let (url, server) = broker(|broker| {
        broker.welcome();
        broker.grant("t", 0);
        let (table, ws) = (&mut broker.table, broker.ws);
        let code = CloseCode(1001);
        table.disconnect_with(ws, code, "", PATIENCE).unwrap();
    });
    let run = idle(&["mqtt", "sub", &url, "t", "--json"]);
    assert_failed(&run, 3, "lost", "1001");
    server.join().unwrap();

    let (url, server) = broker(|broker| {
        broker.welcome();
        broker.grant("t", 0);
        broker.say(b"\xe0\x02\x8e\0");
        while broker.next().is_some() {}
    });
    let run = idle(&["mqtt", "sub", &url, "t", "--json"]);
    assert_failed(&run, 3, "lost", "session taken over");
    server.join().unwrap();
}

#[test]
fn a_broker_that_answers_no_ping_is_lost() {
    let (url, server) = broker(|broker| {
        let connect = broker.welcome();
        assert_eq!(connect[10..12], [0, 1]);
        broker.grant("t", 0);
        for _ in 0..2 {
            broker.expect(b"\xc0\0");
            broker.say(b"\xd0\0");
        }
        broker.expect(b"\xc0\0");
        broker.goodbye();
    });
    let run = idle(&["mqtt", "sub", &url, "t", "-k1", "--json"]);
    assert_failed(&run, 3, "lost", "no ping");
    server.join().unwrap();
}

#[test]
fn exit_4_the_broker_breaks_the_rules() {
    let (url, server) = broker(|broker| {
        broker.welcome();
        broker.grant("t", 0);
        let (table, ws) = (&mut broker.table, broker.ws);
        let sent = table.send_msg(ws, b"text", Opcode::Text, true, PATIENCE);
        sent.unwrap();
        let mut buffer = [0; 200];
        let close = table.recv_msg(ws, &mut buffer, PATIENCE).unwrap();
        assert_eq!(close.opcode(), Opcode::Close);
        u16::from_be_bytes([buffer[0], buffer[1]])
    });
    let run = idle(&["mqtt", "sub", &url, "t", "--json"]);
    assert_failed(&run, 4, "protocol", "text");
    assert_eq!(server.join().unwrap(), 1003);

    // MQTT 3.1.1's "unacceptable protocol version".
    let (url, server) = broker(|broker| {
        broker.next().unwrap();
        broker.say(b"\x20\x02\0\x01");
        while broker.next().is_some() {}
    });
    let run = idle(&["mqtt", "pub", &url, "t", "text", "--json"]);
    assert_failed(&run, 4, "protocol", "MQTT 5");
    server.join().unwrap();
}

#[test]
fn exit_5_no_answer() {
    let url = serve_raw(|mut stream| while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {});
    let run = idle(&["mqtt", "sub", &url, "t", "--json", "--timeout", "200"]);
    assert_failed(&run, 5, "timeout", "200 ms");

    for silent_after in 0..2 {
        let (url, server) = broker(move |broker| {
            if silent_after > 0 {
                broker.welcome();
            }
            while drained(broker) {}
        });
        let arguments = [
            "mqtt",
            "pub",
            &url,
            "t",
            "text",
            "-q1",
            "--json",
            "--timeout",
            "300",
        ];
        let run = idle(&arguments);
        let says = ["CONNECT", "did not confirm"][silent_after];
        assert_failed(&run, 5, "timeout", says);
        server.join().unwrap();
    }
}

#[test]
fn exit_6_refused_by_the_broker() {
    let (url, server) = broker(|broker| {
        broker.next().unwrap();
        broker.say(b"\x20\x08\0\x86\x05\x1f\0\x02no");
        while drained(broker) {}
    });
    let run = idle(&["mqtt", "sub", &url, "t", "--json"]);
    assert_failed(&run, 6, "refused", "bad user name or password (no)");
    server.join().unwrap();

    let (url, server) = broker(|broker| {
        broker.welcome();
        let subscribe = broker.next().unwrap();
        broker.say(&[0x90, 4, subscribe[2], subscribe[3], 0, 0x87]);
        broker.goodbye();
    });
    let run = idle(&["mqtt", "sub", &url, "secret", "--json"]);
    assert_failed(&run, 6, "refused", "\"secret\": not authorized");
    server.join().unwrap();

    for answer in [0x40, 0x50] {
        let (url, server) = broker(move |broker| {
            broker.welcome();
            let found = broker.next().unwrap();
            broker.say(&[answer, 3, found[5], found[6], 0x97]);
            broker.goodbye();
        });
        let qos = if answer == 0x40 { "-q1" } else { "-q2" };
        let run = idle(&["mqtt", "pub", &url, "t", "text", qos, "--json"]);
        assert_failed(&run, 6, "refused", "quota exceeded");
        server.join().unwrap();
    }

    // A broker that says in its CONNACK that it knows no QoS 2.
    let (url, server) = broker(|broker| {
        broker.next().unwrap();
        broker.say(b"\x20\x0a\0\0\x07\x12\0\x02id\x24\x01");
        broker.goodbye();
    });
    let run = idle(&["mqtt", "pub", &url, "t", "text", "-q2", "--json"]);
    assert_failed(&run, 6, "refused", "quality of service");
    server.join().unwrap();
}

#[test]
fn exit_1_nobody_reads_the_output() {
    let (url, server) = broker(|broker| {
        broker.welcome();
        broker.grant("t", 0);
        broker.say(&publish(0, "t", None, b"text"));
        broker.goodbye();
    });
    let mut child = start(&["mqtt", "sub", &url, "t"]);
    drop(child.stdout.take());
    let run = finish(child);
    assert_eq!(run.exit, Some(1), "{run:?}");
    assert!(run.stderr.contains("standard output"), "{run:?}");
    server.join().unwrap();
}
