//! Peers that mean harm before frames flow: heads without end, crowds, requests that two servers
//! would read differently. Each ends in its time,
//! costs a bounded number of calls of the stack and leaves neither slot nor socket behind.
//!
//! Elsewhere: a server's slow peers, one byte at a time among them (`server`, over TCP in
//! `server_net`), and the crowd that never finishes its requests (`server`); handshakes that end at
//! every byte (`states`); every malformed line by itself (the core's own tests).
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::RefCell;
use std::rc::Rc;

use embedded_nal::{TcpClientStack, nb};
use ws_socket::handshake::{Asked, ClientError, HeadError, HeadPart, Response};
use ws_socket::{
    AcceptError, Config, ConnectError, Handler, Opcode, ProtocolError, ReceiveError, SocketError,
    WebSocketId, WebSocketRequest,
};
use ws_tests::frames::{ACCEPT, frame, head, header, plain, request, switching};
use ws_tests::script::{Incoming, Line, ScriptError, ScriptStack};
use ws_tests::site::Site;
use ws_tests::table::{Scripted, client, table, upgrade, with_config};

const LENT: [usize; 3] = [256, 257, 700];
/// What a head may have at most, and one read for each byte of it; a few more to accept and close.
const CALLS: usize = 8192 + 64;

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\n";

/// What a client comes to with a server that says `begin` and then `flood` without end.
fn flooded(lent: usize, begin: &str, flood: &str) -> ConnectError<ScriptError> {
    let stack = ScriptStack::new();
    let socket = stack.connected();
    stack.line(socket, |line| {
        line.feed(begin.as_bytes(), usize::MAX);
        if !flood.is_empty() {
            line.flood(flood.as_bytes());
        }
    });
    let mut table: Scripted<1> = table(&stack, lent);
    let began = table.platform().clock.get();
    let error = table
        .connect(socket, WebSocketRequest::new("h", "/"), 100)
        .unwrap_err();
    assert_eq!(table.platform().clock.get(), began, "it waited");
    assert!(stack.calls().reads <= CALLS);
    assert_eq!((table.in_use(), stack.open()), (0, 0));
    error
}

/// Heads without end to a client: lines, headers, interim answers.
#[test]
fn answers_without_end() {
    for lent in LENT {
        for (begin, flood) in [
            ("HTTP/1.1 101 ", "a"),
            (SWITCHING, "a"),
            ("HTTP/1.1 101 a\r\nUpgrade:", " "),
            ("HTTP/1.1 101 a\r\nUpgrade: ", "websocket, "),
            ("HTTP/1.1 101 a\r\nSec-WebSocket-Accept: ", "a"),
            (SWITCHING, "A: b\r\n"),
            (SWITCHING, "Sec-WebSocket-Accept: a\r\n"),
            ("", "HTTP/1.1 100 Continue\r\n\r\n"),
            ("HTTP/1.1 500 a\r\n", "a: b\r\n"),
        ] {
            let error = flooded(lent, begin, flood);
            let expected = ClientError::Head(HeadError::TooLong);
            assert_eq!(error, ConnectError::Handshake(expected), "{flood:?}");
        }
        // These end before the limit does.
        for (begin, error) in [
            ("", HeadError::Version),
            ("HTTP/1.1 ", HeadError::StartLine),
        ] {
            let expected = ConnectError::Handshake(ClientError::Head(error));
            assert_eq!(flooded(lent, begin, "a "), expected);
        }
    }
}

/// Everything a server says to one that sends `bytes`, then `flood` without end: no slot and no
/// socket is left, and none of its time is spent.
fn answered(lent: usize, bytes: &[u8], flood: &[u8], handler: &mut Once) -> String {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, lent);
    let mut listener = stack.connected();
    let socket = stack.arrive();
    let sent = Rc::new(RefCell::new(Vec::new()));
    stack.line(socket, |line| {
        line.copy = Some(sent.clone());
        line.feed(bytes, 1460);
        if !flood.is_empty() {
            line.flood(flood);
        }
    });
    stack.cost(&table.platform().clock.clone(), 100);
    for _ in 0..200 {
        stack.calls();
        let error = table.accept(&mut listener, &mut *handler, 0).unwrap_err();
        assert_eq!(error, AcceptError::Timeout);
        let calls = stack.calls();
        assert!(calls.reads + calls.writes <= 4 * 64, "{calls:?}");
        if !stack.is_open(socket) {
            break;
        }
    }
    assert_eq!((table.in_use(), stack.open()), (0, 1), "the listener");
    let bytes = sent.borrow().clone();
    String::from_utf8(bytes).unwrap()
}

/// Takes every WebSocket and remembers what was asked.
#[derive(Default)]
struct Once {
    targets: Vec<u8>,
    asked: usize,
}

impl Handler<'static> for Once {
    fn part(&mut self, _: WebSocketId, part: HeadPart<'_>) {
        if let HeadPart::Target(piece) = part {
            self.targets.extend(piece);
        }
    }

    fn answer(&mut self, _: WebSocketId, _: &Asked) -> Response<'_> {
        self.asked += 1;
        Response::Upgrade {
            subprotocol: None,
            headers: &[],
        }
    }
}

/// Heads without end to a server: 431 when the limit is reached, and closed.
#[test]
fn requests_without_end() {
    for lent in LENT {
        for (begin, flood) in [
            ("", "G"),
            ("GET /", "a"),
            ("GET / HTTP/1.1\r\n", "a"),
            ("GET / HTTP/1.1\r\nHost:", " "),
            ("GET / HTTP/1.1\r\nHost: ", "a"),
            ("GET / HTTP/1.1\r\nUpgrade: ", "websocket, "),
            ("GET / HTTP/1.1\r\nSec-WebSocket-Protocol: ", "a, "),
            ("GET / HTTP/1.1\r\n", "A: b\r\n"),
            ("GET / HTTP/1.1\r\n", "Host: b\r\n"),
        ] {
            let mut handler = Once::default();
            let text = answered(lent, begin.as_bytes(), flood.as_bytes(), &mut handler);
            assert!(text.starts_with("HTTP/1.1 431 "), "{flood:?}: {text}");
            assert_eq!(text.matches("HTTP/").count(), 1);
            assert_eq!(handler.asked, 0);
        }
    }
}

/// Ten thousand headers are as many too many, in both directions, however they are cut.
#[test]
fn ten_thousand_headers() {
    let headers = "X-Header: value\r\n".repeat(10_000);
    for lent in LENT {
        let mut handler = Once::default();
        let text = answered(lent, request(&headers).as_bytes(), b"", &mut handler);
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
        let error = flooded(lent, &format!("{SWITCHING}{headers}\r\n"), "");
        let expected = ClientError::Head(HeadError::TooLong);
        assert_eq!(error, ConnectError::Handshake(expected));
    }
}

/// What one server reads as one request and another as two is refused, and what stands behind it
/// is not read as another; nothing of it reaches the handler.
#[test]
fn smuggled_requests() {
    let with = |line: &str| request(&format!("{line}\r\n"));
    let instead = |line: &str, other: &str| request("").replace(line, other);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (shape, status) in [
        (with("Host: other"), 400),
        (with("host: server.example.com"), 400),
        (instead("Host: server.example.com\r\n", ""), 400),
        (with(key.trim_end()), 400),
        (with("Sec-WebSocket-Version: 13"), 400),
        (with("Content-Length: 4"), 400),
        (with("Content-Length: 0\r\nContent-Length: 4"), 400),
        (with("Content-Length: 4\r\nContent-Length: 0"), 400),
        (with("Content-Length: 0, 4"), 400),
        (with("Content-Length: +0"), 400),
        (with("Content-Length: 00"), 400),
        (with("Content-Length: 0x0"), 400),
        (with("Transfer-Encoding: chunked"), 400),
        (with("transfer-encoding: CHUNKED"), 400),
        (with("Transfer-Encoding: identity"), 400),
        (with("Transfer-Encoding:"), 400),
        (with("Content-Length: 0\r\nTransfer-Encoding: chunked"), 400),
        (with("Transfer-Encoding : chunked"), 400),
        (with("Transfer-Encoding\t: chunked"), 400),
        (with("Transfer-Encoding"), 400),
        (with(" Transfer-Encoding: chunked"), 400),
        (with("X: y\r\n folded: z"), 400),
        (with("X: y\r\n\tfolded: z"), 400),
        (with("X: y\nTransfer-Encoding: chunked"), 400),
        (with("X: y\rTransfer-Encoding: chunked"), 400),
        (with("X: y\0"), 400),
        (with("X\0: y"), 400),
        (with("X: \x0B"), 400),
        (with(": y"), 400),
        (with("X(: y"), 400),
        (instead("\r\n", "\n"), 400),
        (instead("\r\n\r\n", "\r\n\n"), 400),
        (instead("\r\n\r\n", "\n\n"), 400),
        (instead("GET", "\r\n\r\nGET"), 400),
        (instead("GET", "\nGET"), 400),
        (instead("GET", "\rGET"), 400),
        (instead("GET", "\r\n GET"), 400),
        (instead("/chat", "/chat\0"), 400),
        (instead("/chat", "/chat HTTP/1.1\r\nX: y\n"), 400),
        (instead("HTTP/1.1", "HTTP/1.0"), 426),
        (instead("HTTP/1.1", "HTTP/2.0"), 505),
        (instead("/chat", "/chat#x"), 400),
        (instead("/chat", "http://user@h/chat"), 400),
        (instead("server.example.com", "a b/\\"), 400),
        (instead("GET", "POST"), 405),
        (instead(key, "Sec-WebSocket-Key: a\r\n"), 400),
    ] {
        for lent in LENT {
            let behind = request("").replace("/chat", "/smuggled");
            let bytes = [&shape, "XXXX", &behind, &behind].concat();
            let mut handler = Once::default();
            let text = answered(lent, bytes.as_bytes(), b"", &mut handler);
            assert!(
                text.starts_with(&format!("HTTP/1.1 {status} ")),
                "{shape:?}: {text}"
            );
            assert_eq!(text.matches("HTTP/").count(), 1, "{shape:?}");
            assert_eq!(handler.asked, 0, "{shape:?}");
            let seen = String::from_utf8_lossy(&handler.targets);
            assert!(!seen.contains("smuggled"), "{shape:?}: {seen}");
        }
    }
}

/// The same towards a client: a 101 that a proxy in between may have read differently.
#[test]
fn smuggled_answers() {
    let connect = |lent, edit: &dyn Fn(&str) -> String| {
        let stack = ScriptStack::new();
        let socket = stack.connected();
        let mut table: Scripted<1> = table(&stack, lent);
        // The key follows from the platform's seed: first no answer, to learn it, then anew.
        let seen = Rc::new(RefCell::new(None::<String>));
        let log = seen.clone();
        stack.answer(move |line| {
            if let Some((request, _)) = head(&line.outgoing) {
                *log.borrow_mut() = Some(switching(request, ""));
            }
        });
        let timeout = table.connect(socket, WebSocketRequest::new("h", "/"), 5);
        assert_eq!(timeout, Err(ConnectError::Timeout));
        let answer = edit(&seen.borrow().clone().unwrap());
        let stack = ScriptStack::new();
        let socket = stack.connected();
        stack.line(socket, |line| {
            line.feed(&[answer.as_bytes(), b"\x81\x02hi"].concat(), 100);
        });
        let mut table: Scripted<1> = ws_tests::table::table(&stack, lent);
        let result = table.connect(socket, WebSocketRequest::new("h", "/"), 5);
        if let Ok(ws) = result {
            let mut buffer = [0; 9];
            assert_eq!(table.recv_msg(ws, &mut buffer, 5).unwrap().length, 2);
            assert_eq!(&buffer[..2], b"hi", "the frame is where the head ends");
            table.abort(ws).unwrap();
        }
        assert_eq!((table.in_use(), stack.open()), (0, 0));
        result.map(|_| ())
    };
    for lent in LENT {
        let with = |line: &'static str| {
            connect(lent, &|answer| {
                answer.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"))
            })
        };
        let bad = |error| Err(ConnectError::Handshake(ClientError::Head(error)));
        assert_eq!(with("X: y"), Ok(()));
        // RFC 9112 section 6.3: a 101 ends with its blank line, whatever these say.
        assert_eq!(with("Content-Length: 4"), Ok(()));
        assert_eq!(
            with("Content-Length: 4\r\nTransfer-Encoding: chunked"),
            Ok(())
        );
        assert_eq!(with("X: y\nX: y"), bad(HeadError::BareLf));
        assert_eq!(with("X: y\rX: y"), bad(HeadError::BareCr));
        assert_eq!(with("X: y\r\n z"), bad(HeadError::ObsFold));
        assert_eq!(with("X: y\0"), bad(HeadError::Control));
        assert_eq!(with("X : y"), bad(HeadError::SpaceBeforeColon));
        assert_eq!(with("X\t: y"), bad(HeadError::SpaceBeforeColon));
        assert_eq!(with("X"), bad(HeadError::NoColon));
        let twice = connect(lent, &|answer| {
            let accept = header(answer, "Sec-WebSocket-Accept").unwrap();
            let line = format!("Sec-WebSocket-Accept: {accept}\r\n");
            answer.replace(&line, &line.repeat(2))
        });
        let expected = ClientError::RepeatedAccept;
        assert_eq!(twice, Err(ConnectError::Handshake(expected)));
        let other = connect(lent, &|answer| {
            let line = format!("Sec-WebSocket-Accept: {ACCEPT}\r\n");
            answer.replace(
                "Upgrade: websocket\r\n",
                &format!("Upgrade: websocket\r\n{line}"),
            )
        });
        assert_eq!(other, Err(ConnectError::Handshake(ClientError::Accept)));
    }
}

/// A server that says 101 and goes on in HTTP: its first byte is no frame.
#[test]
fn http_behind_a_101() {
    for behind in [
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "<!doctype html><html></html>",
        "\r\n\r\n",
        "{\"error\": 1}",
    ] {
        for lent in LENT {
            let stack = ScriptStack::new();
            let socket = stack.connected();
            let text = behind.as_bytes();
            stack.answer(move |line| upgrade(line, text));
            let mut table: Scripted<1> = table(&stack, lent);
            let ws = table
                .connect(socket, WebSocketRequest::new("h", "/"), 20)
                .unwrap();
            stack.answer(|_| {});
            let error = table.recv_msg(ws, &mut [0; 99], 0).unwrap_err();
            let expected = match behind.as_bytes() {
                [b'\r', ..] => ProtocolError::ReservedOpcode(13),
                _ => ProtocolError::ReservedBits,
            };
            assert_eq!(error, ReceiveError::Protocol(expected));
            let sent = plain(&stack.line(socket, Line::sent));
            assert_eq!(sent, [(true, 8, 1002u16.to_be_bytes().to_vec())]);
            assert!(!table.disconnect(ws, 20).unwrap().clean);
            assert_eq!((table.in_use(), stack.open()), (0, 0));
        }
    }
}

/// A server that answers a byte at a time: the blocking call and the socket face end when their
/// time is up; on the socket face another connection goes on meanwhile.
#[test]
fn a_server_that_drips() {
    for lent in LENT {
        for every in [1, 3, 10] {
            let stack = ScriptStack::new();
            let config = Config {
                handshake_timeout: 100,
                ..Config::DEFAULT
            };
            let mut table: Scripted<2> = with_config(&stack, lent, config);
            let clock = table.platform().clock.clone();
            let (echo, echoed) = client(&mut table);
            // Its answer never ends, and each byte of it is one that may stand there.
            let answer = format!("{SWITCHING}X: {}", "y".repeat(999));
            let mut bytes = answer.into_bytes().into_iter();
            let now = clock.clone();
            stack.answer(move |line| {
                let asked = head(&line.outgoing).is_some();
                if asked && now.get().is_multiple_of(every) {
                    line.feed(&[bytes.next().unwrap()], 1);
                }
            });
            let socket = stack.connected();
            let began = clock.get();
            let error = table.connect(socket, WebSocketRequest::new("h", "/"), 100);
            assert_eq!(error, Err(ConnectError::Timeout));
            assert_eq!(clock.get() - began, 100);
            assert_eq!((table.in_use(), stack.open()), (1, 1));

            let answer = format!("{SWITCHING}X: {}", "y".repeat(999));
            let mut bytes = answer.into_bytes().into_iter();
            let mut ws = TcpClientStack::socket(&mut table).unwrap();
            let remote = ([10, 0, 0, 1], 80).into();
            let began = clock.get();
            let error = loop {
                stack.calls();
                match TcpClientStack::connect(&mut table, &mut ws, remote) {
                    Err(nb::Error::WouldBlock) => {}
                    Err(nb::Error::Other(error)) => break error,
                    Ok(()) => panic!("connected"),
                }
                let calls = stack.calls();
                assert!(calls.reads <= 2 && calls.writes <= 1, "{calls:?}");
                stack.line(echoed, |line| {
                    line.feed(&frame(true, 1, false, b"x"), 9);
                });
                assert_eq!(table.recv_msg(echo, &mut [0; 9], 0).unwrap().length, 1);
                clock.set(clock.get() + 1);
                if clock.get().is_multiple_of(every) {
                    stack.last(|line| line.feed(&[bytes.next().unwrap()], 1));
                }
            };
            assert_eq!(error, SocketError::Connect(ConnectError::Timeout));
            assert!(
                (100..102).contains(&(clock.get() - began)),
                "{}",
                clock.get() - began
            );
            TcpClientStack::close(&mut table, ws).unwrap();
            assert_eq!((table.in_use(), stack.open()), (1, 1));
            assert!(table.send_msg(echo, b"x", Opcode::Text, true, 0).is_ok());
        }
    }
}

/// A crowd without end, whose requests are over as soon as they are there: a call that accepts
/// lets others run, and returns in its time.
#[test]
fn a_crowd_without_end() {
    let page = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for bytes in ["\n", "GET / HTTP/1.1\r\n\r\n", "GET / ", page] {
        let stack = ScriptStack::new();
        let mut table: Scripted<4> = table(&stack, 256);
        let clock = table.platform().clock.clone();
        stack.cost(&clock, 100);
        let mut listener = stack.connected();
        stack.crowd(bytes.as_bytes());
        // Pages, after which connections are kept until somebody else wants their slots.
        let mut site = Site::default();
        for timeout in [0, 20] {
            stack.calls();
            let began = clock.get();
            let error = table.accept(&mut listener, &mut site, timeout);
            assert_eq!(error, Err(AcceptError::Timeout));
            let took = clock.get() - began;
            assert!(took <= 25, "{took} ms");
            let most = if timeout == 0 { 2 * 16 } else { 25 * 100 };
            assert!(stack.calls().accepts <= most);
        }
        assert!(table.in_use() <= 4 && stack.open() <= 6);
    }
}

/// A reset while a server reads a request, says no, answers it or keeps the connection: the slot is
/// free with the next call, and the listening socket goes on.
#[test]
fn a_reset_while_a_server_answers() {
    let page = "GET /numbers HTTP/1.1\r\nHost: h\r\n\r\n";
    let upgrade = request("").replace("/chat", "/ws");
    for bytes in ["", "GET /", page, &upgrade, "\0"] {
        for window in [0, 10, 300, usize::MAX] {
            for by_read in [false, true] {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, 256);
                let clock = table.platform().clock.clone();
                let mut listener = stack.connected();
                let mut site = Site::default();
                let socket = stack.arrive();
                stack.line(socket, |line| {
                    line.window = window;
                    line.feed(bytes.as_bytes(), usize::MAX);
                });
                let accepted = table.accept(&mut listener, &mut site, 3);
                if stack.is_open(socket) {
                    stack.line(socket, |line| {
                        line.incoming.push_back(Incoming::Reset);
                        line.reset = !by_read || window < 1000;
                        line.window = usize::MAX;
                    });
                }
                let began = clock.get();
                match accepted {
                    Ok(ws) => assert!(!table.disconnect(ws, 50).unwrap().clean),
                    Err(error) => {
                        assert_eq!(error, AcceptError::Timeout);
                        let error = table.accept(&mut listener, &mut site, 0);
                        assert_eq!(error, Err(AcceptError::Timeout));
                    }
                }
                assert_eq!(clock.get(), began, "it waited");
                assert_eq!((table.in_use(), stack.open()), (0, 1), "{bytes:?}");
                let socket = stack.arrive();
                stack.line(socket, |line| line.feed(upgrade.as_bytes(), 99));
                assert!(table.accept(&mut listener, &mut site, 5).is_ok());
            }
        }
    }
}
