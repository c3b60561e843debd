//! `ws serve` as its clients and its users see it.
#![cfg(unix)]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

use common::{finish, start, ws};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `ws serve --json` on a port of the system's choice.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut arguments = vec!["serve", "127.0.0.1:0", "--echo", "--json"];
        arguments.extend(options);
        let mut child = start(&arguments);
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self {
            child,
            out,
            port: 0,
        };
        let first = server.event();
        assert_eq!(
            (&first["event"], &first["address"]),
            (&json!("listening"), &json!("127.0.0.1"))
        );
        server.port = u16::try_from(first["port"].as_u64().unwrap()).unwrap();
        assert_ne!(server.port, 0);
        server
    }

    /// The next event.
    fn event(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect(&line)
    }

    /// The next event of this kind.
    fn event_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.event();
            if event["event"] == kind {
                return event;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end: the events that were left, and the exit code.
    fn finish(mut self) -> (Vec<Value>, Option<i32>) {
        let events = self.out.by_ref().lines();
        let events = events.map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        let events = events.collect();
        (events, self.child.wait().unwrap().code())
    }

    fn client(&self) -> Client {
        Client::upgraded(self.port, "").0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for one that has ended and was waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A WebSocket client that writes its frames by hand, so that it can write wrong ones.
struct Client {
    stream: TcpStream,
}

/// A frame that came.
#[derive(Debug, PartialEq)]
struct Frame {
    fin: bool,
    opcode: u8,
    payload: Vec<u8>,
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const MASK: [u8; 4] = [1, 2, 3, 250];

impl Client {
    /// Connects, with further header lines; and what the server answers.
    fn upgraded(port: u16, headers: &str) -> (Self, String) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        write!(
            stream,
            "GET /any/path HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        )
        .unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        (Self { stream }, head)
    }

    fn send(&mut self, opcode: u8, fin: bool, payload: &[u8]) {
        let frame = [header(opcode, fin, payload.len()), masked(payload, 0)].concat();
        self.stream.write_all(&frame).unwrap();
    }

    fn receive(&mut self) -> Frame {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let length = self.length(head[1]);
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        Frame {
            fin: head[0] & 0x80 != 0,
            opcode: head[0] & 0x0f,
            payload,
        }
    }

    fn length(&mut self, byte: u8) -> usize {
        let bytes = match byte {
            126 => 2,
            127 => 8,
            length => return usize::from(length),
        };
        let mut length = [0; 8];
        self.stream.read_exact(&mut length[8 - bytes..]).unwrap();
        usize::try_from(u64::from_be_bytes(length)).unwrap()
    }

    /// A whole message: its type, its payload.
    fn message(&mut self) -> (u8, Vec<u8>) {
        let first = self.receive();
        let (mut fin, mut payload) = (first.fin, first.payload);
        while !fin {
            let next = self.receive();
            assert_eq!(next.opcode, CONTINUATION);
            payload.extend(next.payload);
            fin = next.fin;
        }
        (first.opcode, payload)
    }

    /// Code and reason of the Close that must come next; answers it.
    fn closed(&mut self) -> (u16, String) {
        let frame = self.receive();
        assert_eq!(frame.opcode, CLOSE, "{frame:?}");
        self.send(CLOSE, true, &frame.payload);
        self.ended();
        let (code, reason) = frame.payload.split_at(2);
        let code = u16::from_be_bytes([code[0], code[1]]);
        (code, String::from_utf8(reason.to_vec()).unwrap())
    }

    /// The server has ended TCP too.
    fn ended(&mut self) {
        assert_eq!(self.stream.read(&mut [0]).unwrap(), 0);
    }

    fn echoes(&mut self, opcode: u8, payload: &[u8]) {
        self.send(opcode, true, payload);
        let (kind, back) = self.message();
        assert_eq!(kind, opcode);
        assert!(back == payload, "{} bytes", payload.len());
    }
}

fn header(opcode: u8, fin: bool, length: usize) -> Vec<u8> {
    let mut header = vec![opcode | u8::from(fin) << 7];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=125), _) => header.push(0x80 | length),
        (_, Ok(length)) => {
            header.push(0x80 | 126);
            header.extend(length.to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header.extend(MASK);
    header
}

fn masked(payload: &[u8], at: usize) -> Vec<u8> {
    let mask = MASK.iter().cycle().skip(at % 4);
    payload.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

#[test]
fn messages_of_every_kind_come_back() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    let open = server.event();
    let found = json!([open["id"], open["target"], open["subprotocol"]]);
    assert_eq!(found, json!([1, "/any/path", null]));
    let text = "grüße, 🦀 ".repeat(50_000);
    for payload in ["", "x", "äöü → 🦀", &text[..125], &text] {
        client.echoes(TEXT, payload.as_bytes());
        let event = server.event();
        let expected =
            json!({"event": "message", "id": 1, "type": "text", "length": payload.len()});
        assert_eq!(event, expected);
    }
    let noise = bytes(1 << 20);
    for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        client.echoes(BINARY, &noise[..length]);
        assert_eq!(server.event()["type"], "binary");
    }
    client.send(CLOSE, true, &1000u16.to_be_bytes());
    assert_eq!(client.receive().payload, 1000u16.to_be_bytes());
    client.ended();
    assert_eq!(
        server.event(),
        json!({"event": "close", "id": 1, "code": 1000, "reason": "", "clean": true})
    );
}

#[test]
fn fragments_come_back_with_the_pong_between() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.send(TEXT, false, "grü".as_bytes());
    client.send(PING, true, b"there?");
    client.send(CONTINUATION, true, "ße".as_bytes());
    let mut frames = Vec::new();
    while !frames.iter().any(|it: &Frame| it.opcode == CONTINUATION) {
        frames.push(client.receive());
    }
    let frame = |fin, opcode, payload: &str| Frame {
        fin,
        opcode,
        payload: payload.as_bytes().to_vec(),
    };
    let expected = [
        frame(false, TEXT, "grü"),
        frame(true, PONG, "there?"),
        frame(true, CONTINUATION, "ße"),
    ];
    assert_eq!(frames, expected);
}

/// Bytes that are also text, and that differ where they stand wrongly.
fn bytes(length: usize) -> Vec<u8> {
    (b'!'..=b'}').cycle().take(length).collect()
}

/// The most a process has had in memory, in KiB.
#[cfg(target_os = "linux")]
fn peak_memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let words = line.unwrap().split_whitespace().nth(1);
    words.unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn sixteen_mebibytes_go_back_without_being_held() {
    const LENGTH: usize = 16 << 20;
    let server = Server::start(&[]);
    let mut client = server.client();
    client.echoes(TEXT, b"first");
    let before = peak_memory(server.child.id());
    let mut writer = client.stream.try_clone().unwrap();
    for opcode in [TEXT, BINARY] {
        let letters = bytes(LENGTH);
        let frame = [header(opcode, true, LENGTH), masked(&letters, 0)].concat();
        let mut writer = writer.try_clone().unwrap();
        let sender = std::thread::spawn(move || writer.write_all(&frame).unwrap());
        let (kind, back) = client.message();
        assert!((kind, back) == (opcode, letters), "type {kind}");
        sender.join().unwrap();
    }
    writer.flush().unwrap();
    let more = peak_memory(server.child.id()) - before;
    assert!(more < 1024, "{more} KiB more than before");
}

#[test]
fn many_at_once_and_each_is_told_when_the_server_ends() {
    const MANY: usize = 300;
    let mut server = Server::start(&[]);
    let mut clients: Vec<Client> = (0..MANY).map(|_| server.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(TEXT, true, format!("number {number}").as_bytes());
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let expected = (TEXT, format!("number {number}").into_bytes());
        assert_eq!(client.message(), expected);
    }
    for _ in 0..MANY {
        server.event_of("message");
    }
    server.signal(Signal::TERM);
    for client in &mut clients {
        assert_eq!(client.closed(), (1001, "the server ends".to_owned()));
    }
    let (events, exit) = server.finish();
    assert_eq!(exit, Some(0));
    let clean = json!([1001, true]);
    let closed = events
        .iter()
        .filter(|it| it["event"] == "close" && json!([it["code"], it["clean"]]) == clean);
    assert_eq!(closed.count(), MANY, "{events:?}");
}

#[test]
fn the_end_comes_also_with_a_client_that_never_ends_its_frame() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    client
        .stream
        .write_all(&header(BINARY, true, 1 << 20))
        .unwrap();
    client.stream.write_all(&[0; 1000]).unwrap();
    let mut deaf = server.client();
    server.event_of("open");
    server.event_of("open");
    // It has the first part of its echo, so that the server is inside of a frame.
    client.stream.read_exact(&mut [0; 10]).unwrap();
    let began = Instant::now();
    server.signal(Signal::INT);
    assert_eq!(deaf.receive().opcode, CLOSE);
    let (events, exit) = server.finish();
    assert_eq!(exit, Some(0));
    assert!(began.elapsed() < Duration::from_secs(8));
    let errors = events.iter().filter(|it| it["kind"] == "timeout");
    assert_eq!(errors.count(), 2, "{events:?}");
}

#[test]
fn who_sends_nothing_is_asked_and_then_left() {
    let mut server = Server::start(&["--idle-timeout", "400"]);
    let mut silent = server.client();
    let mut alive = server.client();
    let began = Instant::now();
    assert_eq!(silent.receive().opcode, PING);
    let asked = began.elapsed();
    assert!((100..390).contains(&asked.as_millis()), "{asked:?}");
    let mut pings = 0;
    while pings < 4 {
        assert_eq!(alive.receive().opcode, PING);
        alive.send(PONG, true, b"");
        pings += 1;
    }
    assert!(began.elapsed() >= Duration::from_millis(600));
    assert_eq!(silent.closed(), (1011, "no answer to a Ping".to_owned()));
    alive.echoes(TEXT, b"still there");
    assert_eq!(server.event_of("close")["code"], 1011);
}

#[test]
fn a_message_that_is_too_long_closes_with_1009() {
    let mut server = Server::start(&["--max-message", "1000"]);
    let mut client = server.client();
    client.echoes(BINARY, &[7; 1000]);
    client.send(BINARY, true, &[7; 1001]);
    assert_eq!(client.closed().0, 1009);
    assert_eq!(server.event_of("error")["kind"], "too-big");
}

#[test]
fn what_breaks_the_protocol_is_closed_with_the_reason() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    client.stream.write_all(b"\x81\x01x").unwrap();
    assert_eq!(client.closed().0, 1002);
    assert_eq!(server.event_of("error")["kind"], "protocol");
    let mut client = server.client();
    client.send(TEXT, true, b"\xff");
    assert_eq!(client.closed().0, 1007);
}

#[test]
fn who_goes_in_the_middle_of_a_frame_is_lost_and_nobody_else() {
    let mut server = Server::start(&[]);
    let mut other = server.client();
    let mut client = server.client();
    client.stream.write_all(&header(TEXT, true, 100)).unwrap();
    drop(client);
    let error = server.event_of("error");
    assert_eq!((&error["id"], &error["kind"]), (&json!(2), &json!("lost")));
    let close = server.event_of("close");
    let code = json!([close["id"], close["code"], close["clean"]]);
    assert_eq!(code, json!([2, 1006, false]));
    other.echoes(TEXT, b"still there");
}

#[test]
fn one_too_many_is_refused_until_there_is_room() {
    let mut server = Server::start(&["--max-connections", "2"]);
    let mut first = server.client();
    let mut second = server.client();
    let refused = "HTTP/1.1 503 ";
    let (mut third, head) = Client::upgraded(server.port, "");
    assert!(head.starts_with(refused), "{head}");
    third.ended();
    assert_eq!(server.event_of("error")["kind"], "full");
    second.echoes(TEXT, b"not disturbed");
    first.send(CLOSE, true, b"");
    assert_eq!(first.receive().opcode, CLOSE);
    first.ended();
    server.event_of("close");
    server.client().echoes(TEXT, b"room again");
}

#[test]
fn a_subprotocol_is_chosen_of_those_that_are_supported() {
    let mut server = Server::start(&["--subprotocol", "v2", "--subprotocol", "v1"]);
    let (_client, head) = Client::upgraded(server.port, "Sec-WebSocket-Protocol: v0, v1, v2\r\n");
    assert!(head.contains("Sec-WebSocket-Protocol: v1\r\n"), "{head}");
    assert_eq!(server.event()["subprotocol"], "v1");
    let (_client, head) = Client::upgraded(server.port, "");
    assert!(!head.contains("Protocol:"), "{head}");
    assert_eq!(server.event()["subprotocol"], Value::Null);
}

#[test]
fn a_request_that_does_not_arrive_is_given_up() {
    let server = Server::start(&["--handshake-timeout", "200"]);
    let mut half = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap();
    half.set_read_timeout(Some(PATIENCE)).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    let began = Instant::now();
    let mut other = server.client();
    other.echoes(TEXT, b"meanwhile");
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let took = began.elapsed();
    assert!((150..2000).contains(&took.as_millis()), "{took:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn idle_connections_use_no_processor() {
    let ticks = |pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let times = fields.skip(11).take(2).map(|it| it.parse::<u64>().unwrap());
        times.sum::<u64>()
    };
    let server = Server::start(&[]);
    let mut clients: Vec<Client> = (0..200).map(|_| server.client()).collect();
    for client in &mut clients {
        client.echoes(TEXT, b"there");
    }
    let before = ticks(server.child.id());
    std::thread::sleep(Duration::from_millis(1000));
    let used = ticks(server.child.id()) - before;
    // A tick is 10 ms; one that spins has 100 of them.
    assert!(used <= 1, "{used} ticks");
    clients[7].echoes(TEXT, b"still there");
}

#[test]
fn for_people_it_says_where_it_listens() {
    let mut child = start(&["serve", "127.0.0.1:0"]);
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let port = line.strip_prefix("listening on ws://127.0.0.1:").unwrap();
    let port = port.strip_suffix("/\n").unwrap().parse().unwrap();
    let (client, _) = Client::upgraded(port, "");
    client.stream.shutdown(Shutdown::Both).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn output_that_nobody_reads_ends_it() {
    let mut child = start(&["serve", "127.0.0.1:0", "--json"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    drop(out);
    let listening: Value = serde_json::from_str(&line).unwrap();
    let port = u16::try_from(listening["port"].as_u64().unwrap()).unwrap();
    let (mut client, _) = Client::upgraded(port, "");
    assert_eq!(client.closed().0, 1001);
    let run = finish(child);
    assert_eq!(run.exit, Some(1), "{run:?}");
    assert!(run.stderr.contains("standard output"), "{run:?}");
}

#[test]
fn exit_1_where_the_port_is_taken_and_2_where_the_arguments_are_wrong() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = ws(&["serve", &address, "--json"], "");
    assert_eq!(run.exit, Some(1), "{run:?}");
    assert_eq!(run.events()[0]["kind"], "listen");
    assert!(run.stderr.contains("another program"), "{run:?}");
    let run = ws(&["serve", "8080", "--json"], "");
    assert_eq!(run.exit, Some(2), "{run:?}");
    assert_eq!(run.events()[0]["kind"], "usage");
}
