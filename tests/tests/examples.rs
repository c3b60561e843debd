//! The examples of servers run, and do what they say.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation, clippy::duplicate_mod)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ws_tests::frames::{frame, frames, header, request};
use ws_tests::site::{Found, answer};

#[path = "../../ws-socket/examples/broadcast.rs"]
#[allow(dead_code, unreachable_pub, reason = "its `main` is not called")]
mod broadcast;
#[path = "../../ws-socket/examples/echo.rs"]
#[allow(dead_code, unreachable_pub)]
mod echo;
#[path = "../../ws-socket/examples/own_server.rs"]
#[allow(dead_code, unreachable_pub)]
mod own_server;
#[path = "../../ws-socket/examples/pages.rs"]
#[allow(dead_code, unreachable_pub)]
mod pages;

/// Runs a server in a thread of its own while `work` has its address.
macro_rules! with_server {
    ($example:ident, $work:expr) => {{
        let stop = Arc::new(AtomicBool::new(false));
        let (send, receive) = std::sync::mpsc::channel();
        let stopped = stop.clone();
        let server = std::thread::spawn(move || {
            let (mut table, mut listener) = $example::common::listen(0).unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            let go_on = || !stopped.load(Ordering::Relaxed);
            $example::serve(&mut table, &mut listener, go_on).unwrap();
        });
        ($work)(receive.recv().unwrap());
        stop.store(true, Ordering::Relaxed);
        server.join().unwrap();
    }};
}

struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let read = Vec::new();
        Self { stream, read }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads until `found` finds something, and takes what it took away.
    fn until<T>(&mut self, found: impl Fn(&[u8]) -> Option<(T, &[u8])>) -> T {
        let mut buffer = [0; 4096];
        loop {
            if let Some((value, rest)) = found(&self.read) {
                self.read = rest.to_vec();
                return value;
            }
            let count = self.stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "{}", String::from_utf8_lossy(&self.read));
            self.read.extend(&buffer[..count]);
        }
    }

    fn answer(&mut self) -> Found {
        self.until(|bytes| answer(bytes, false))
    }

    /// A whole message, whatever its fragments.
    fn message(&mut self) -> Vec<u8> {
        self.until(|bytes| {
            let (found, _) = frames(bytes);
            let count = 1 + found.iter().position(|found| found.fin)?;
            let length: usize = found[..count]
                .iter()
                .map(|found| frame(true, 1, false, &found.payload).len())
                .sum();
            let message = found[..count]
                .iter()
                .flat_map(|found| found.payload.clone());
            Some((message.collect(), &bytes[length..]))
        })
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
}

#[test]
fn echo_sends_back() {
    with_server!(echo, |address| {
        let mut clients = [(); 3].map(|()| Client::new(address));
        for (n, client) in clients.iter_mut().enumerate() {
            let long = vec![b'a' + n as u8; 100_000];
            client.send(request("").as_bytes());
            client.send(&frame(true, 1, true, b"first"));
            assert_eq!(client.answer().status, 101);
            assert_eq!(client.message(), b"first");
            client.send(&frame(true, 2, true, &long));
            assert_eq!(client.message(), long);
        }
    });
}

/// Over the system's own TCP the 503 arrives, although the request was never read.
#[test]
fn a_full_server_says_so() {
    with_server!(echo, |address| {
        let mut clients: Vec<_> = (0..16).map(|_| Client::new(address)).collect();
        for client in &mut clients {
            client.send(request("").as_bytes());
            assert_eq!(client.answer().status, 101);
        }
        for _ in 0..20 {
            let mut late = Client::new(address);
            late.send(request("").as_bytes());
            assert_eq!(late.answer().status, 503);
        }
        clients[7].send(&frame(true, 1, true, b"still here"));
        assert_eq!(clients[7].message(), b"still here");
    });
}

#[test]
fn pages_beside_a_websocket() {
    with_server!(pages, |address| {
        let mut browser = Client::new(address);
        browser.send(
            [get("/"), get("/readings.csv"), get("/x")]
                .concat()
                .as_bytes(),
        );
        assert!(browser.answer().body.starts_with(b"<!doctype html>"));
        assert_eq!(browser.answer().body, b"0,17\n1,4\n2,2026\n");
        assert_eq!(browser.answer().status, 404);
        let live = |more: &str| request(more).replace("/chat", "/live");
        browser.send(live("Sec-WebSocket-Protocol: readings\r\n").as_bytes());
        let head = browser.answer().head;
        assert_eq!(header(&head, "Sec-WebSocket-Protocol"), Some("readings"));
        assert_eq!(browser.message(), b"[17, 4, 2026]");
        let mut evil = Client::new(address);
        evil.send(live("Origin: http://evil\r\n").as_bytes());
        assert_eq!(evil.answer().status, 403);
    });
}

#[test]
fn broadcast_reaches_all() {
    with_server!(broadcast, |address| {
        let mut clients = [(); 3].map(|()| Client::new(address));
        for client in &mut clients {
            client.send(request("").as_bytes());
            assert_eq!(client.answer().status, 101);
        }
        let first = clients.each_mut().map(|client| client.message());
        for (client, first) in clients.iter_mut().zip(first) {
            let number = |text: Vec<u8>| {
                let text = String::from_utf8(text).unwrap();
                text.strip_prefix("reading ")
                    .unwrap()
                    .parse::<u32>()
                    .unwrap()
            };
            assert_eq!(number(client.message()), number(first) + 1);
        }
    });
}

#[test]
fn own_web_server_hands_over() {
    let (mut table, mut listener) = own_server::common::listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || {
        let mut page = Client::new(address);
        page.send(get("/").as_bytes());
        assert_eq!(page.answer().body, b"hello");
        let mut client = Client::new(address);
        let upgrade = request("").replace("/chat", "/ws");
        // A frame in the same segment as the request.
        client.send(&[upgrade.as_bytes(), &frame(true, 1, true, b"early")].concat());
        let found = client.answer();
        assert_eq!(found.status, 101);
        let accept = header(&found.head, "Sec-WebSocket-Accept");
        assert_eq!(accept, Some(ws_tests::frames::ACCEPT));
        assert_eq!(client.message(), b"hi");
    });
    let ws = loop {
        if let Some(ws) = own_server::take_one(&mut table, &mut listener).unwrap() {
            break ws;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let mut buffer = [0; 20];
    let piece = table.recv_msg(ws, &mut buffer, 20_000).unwrap();
    assert_eq!(&buffer[..piece.length], b"early");
    let sent = table.send_msg(ws, b"hi", ws_socket::Opcode::Text, true, 1000);
    assert_eq!(sent.unwrap(), 2);
    client.join().unwrap();
    table.disconnect(ws, 1000).unwrap();
}
