//! What other libraries and their peers get wrong, each with a test that bears its name.

use std::cell::RefCell;
use std::rc::Rc;

use ws_socket::handshake::{ClientError, HeadPart, Headers, Host, Request};
use ws_socket::{
    ConnectError, Flags, Opcode, ProtocolError, ReceiveError, StreamOptions, WebSocketRequest,
};
use ws_tests::frames::{frame, frames, head, header, plain, switching};
use ws_tests::script::{Incoming, Line, ScriptStack};
use ws_tests::table::{Scripted, bare, client, lent, receive_all, server, table, upgrade};

/// Zephyr and others: a frame behind the upgrade response in the same segment is lost. Here with
/// every cut of the two, and every size of the lent buffer.
#[test]
fn a_first_message_behind_the_upgrade_response() {
    for size in [256, 257, 258, 300, 381, 382, 600] {
        for cut in 1..200 {
            let stack = ScriptStack::new();
            let socket = stack.connected();
            stack.answer(move |line| {
                if let Some((request, _)) = head(&line.outgoing) {
                    let answer = switching(request, "");
                    line.sent();
                    let bytes = [
                        answer.as_bytes(),
                        &frame(true, 1, false, b"first"),
                        b"\x81\x03two",
                    ]
                    .concat();
                    let cut = cut.min(bytes.len());
                    line.feed(&bytes[..cut], 9999);
                    line.feed(&bytes[cut..], 9999);
                }
            });
            let mut table: Scripted<1> = bare(&stack);
            let request = WebSocketRequest::new("h", "/").buffer(lent(size));
            let ws = table.connect(socket, request, 50).unwrap();
            let (messages, _) = receive_all(&mut table, ws, 9);
            let expected = [
                (Opcode::Text, b"first".to_vec()),
                (Opcode::Text, b"two".to_vec()),
            ];
            assert_eq!(messages, expected, "lent {size}, cut {cut}");
        }
    }
}

/// Zephyr: a prefix of the accept value passes. Mongoose: it is not looked at.
#[test]
fn mongoose_and_zephyr_do_not_verify_accept() {
    let accept = |wrong: fn(&str) -> String| {
        for lent in [256, 300, 600] {
            for piece in [1, 7, 999] {
                let stack = ScriptStack::new();
                let socket = stack.connected();
                stack.answer(move |line| {
                    if let Some((request, _)) = head(&line.outgoing) {
                        let answer = switching(request, "");
                        line.sent();
                        let right = header(&answer, "Sec-WebSocket-Accept").unwrap();
                        line.feed(answer.replace(right, &wrong(right)).as_bytes(), piece);
                    }
                });
                let mut table: Scripted<1> = table(&stack, lent);
                match table.connect(socket, WebSocketRequest::new("h", "/"), 300) {
                    Ok(_) => return true,
                    Err(error) => {
                        assert_eq!(error, ConnectError::Handshake(ClientError::Accept));
                        assert_eq!((table.in_use(), stack.open()), (0, 0));
                    }
                }
            }
        }
        false
    };
    assert!(accept(|right| right.into()));
    assert!(accept(|right| format!("  {right}\t ")));
    for wrong in [
        |right: &str| right[..27].into(),
        |right: &str| right[..1].into(),
        |_: &str| String::new(),
        |right: &str| format!("{right}="),
        |right: &str| format!("{right},{right}"),
        |right: &str| format!("x{}", &right[1..]),
        |right: &str| right.to_lowercase(),
        |right: &str| right.replace('=', " "),
        |right: &str| format!("{} {}", &right[..9], &right[9..]),
    ] {
        assert!(!accept(wrong));
    }
}

/// embedded-websocket's framer dies when a read ends inside of a header.
#[test]
fn embedded_websocket_a_read_that_ends_inside_a_header() {
    for length in [5, 126, 70_000] {
        for cut in 1..14 {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, 4096);
            let (ws, socket) = server(&mut table);
            let bytes = frame(true, 2, true, &vec![7; length]);
            let cut = cut.min(bytes.len());
            stack.line(socket, |line| {
                line.feed(&bytes[..cut], 99);
                line.incoming.push_back(Incoming::Nothing);
                line.feed(&bytes[cut..], 1460);
            });
            let (messages, _) = receive_all(&mut table, ws, 1000);
            assert_eq!(messages, [(Opcode::Binary, vec![7; length])]);
        }
    }
}

/// Two frames in one segment: the second is delayed until a third arrives.
#[test]
fn two_frames_in_one_segment_do_not_wait_for_a_third() {
    for size in [256, 266, 300] {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, size);
        let (ws, socket) = client(&mut table);
        stack.line(socket, |line| line.feed(b"\x81\x03one\x81\x03two", 99));
        for expected in [b"one", b"two"] {
            let mut buffer = [0; 3];
            let piece = table.recv_msg(ws, &mut buffer, 0).unwrap();
            assert!(piece.is_complete());
            assert_eq!(&buffer, expected);
        }
    }
}

/// fastwebsockets echoes a client's mask: set mask bit and key, payload in the clear. A client has
/// to fail such a connection whatever is in it.
#[test]
fn fastwebsockets_a_server_that_masks() {
    for frame in [
        frame(true, 1, true, b"masked"),
        b"\x81\x85\x37\xFA\x21\x3DHello".to_vec(),
        frame(true, 8, true, &[3, 0xE8]),
    ] {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, 300);
        let (ws, socket) = client(&mut table);
        stack.line(socket, |line| {
            line.feed(&[b"\x81\x02ok", &frame[..]].concat(), 99)
        });
        let (messages, error) = receive_all(&mut table, ws, 9);
        assert_eq!(messages, [(Opcode::Text, b"ok".to_vec())]);
        assert_eq!(error, ReceiveError::Protocol(ProtocolError::MaskedByServer));
        let sent = plain(&stack.line(socket, Line::sent));
        assert_eq!(sent, [(true, 8, 1002u16.to_be_bytes().to_vec())]);
    }
}

/// A client that does not mask.
#[test]
fn a_client_that_does_not_mask() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 300);
    let (ws, socket) = server(&mut table);
    stack.line(socket, |line| {
        line.feed(&frame(true, 1, false, b"clear"), 99)
    });
    let (messages, error) = receive_all(&mut table, ws, 9);
    assert_eq!(messages, []);
    assert_eq!(
        error,
        ReceiveError::Protocol(ProtocolError::UnmaskedByClient)
    );
    assert_eq!(stack.line(socket, Line::sent), b"\x88\x02\x03\xEA");
}

/// mosquitto answers `Upgrade: WebSocket`, pings every five minutes and hangs up without a Pong:
/// the application may wait in `recv`, in `poll`, or only send.
#[test]
fn mosquitto_pings_and_hangs_up_without_a_pong() {
    let stack = ScriptStack::new();
    let socket = stack.connected();
    stack.answer(|line| {
        if let Some((request, _)) = head(&line.outgoing) {
            let answer = switching(request, "Sec-WebSocket-Protocol: mqtt\r\n")
                .replace("Upgrade: websocket", "Upgrade: WebSocket");
            line.sent();
            line.feed(answer.as_bytes(), 999);
        }
    });
    let mut table: Scripted<1> = table(&stack, 300);
    let request = WebSocketRequest::new("h", "/mqtt").subprotocols(&["mqttv3.1", "mqtt"]);
    let ws = table.connect(socket, request, 50).unwrap();
    assert_eq!(table.subprotocol(ws), Ok(Some(1)));
    stack.answer(|_| {});

    let ping = || stack.line(socket, |line| line.feed(&frame(true, 9, false, b""), 9));
    let pong = || {
        let sent = plain(&stack.line(socket, Line::sent));
        sent.contains(&(true, 10, vec![]))
    };
    ping();
    assert_eq!(table.recv(ws, &mut [0; 9], 5), Err(ReceiveError::Timeout));
    assert!(pong());
    ping();
    assert_eq!(
        table.recv_msg(ws, &mut [0; 9], 5),
        Err(ReceiveError::Timeout)
    );
    assert!(pong());
    ping();
    let mut items = [ws_socket::PollItem::new(ws, ws_socket::Events::IN)];
    assert_eq!(table.poll(&mut items, 5), 0);
    assert!(pong());
}

/// Control frames and text boundaries that reach an MQTT parser: over the socket face they do not.
#[test]
fn control_frames_never_reach_a_stream_parser() {
    use embedded_nal::{TcpClientStack, nb};
    let stack = ScriptStack::new();
    let options = StreamOptions {
        request: Some(Request {
            subprotocols: &["mqtt"],
            ..Request::new(Host::Text("broker"), "/mqtt")
        }),
        opcode: Opcode::Binary,
    };
    let mut table: Scripted<1> = table(&stack, 300).with_stream_options(options);
    let mut ws = TcpClientStack::socket(&mut table).unwrap();
    stack.last(|line| line.dial = 2);
    let seen = Rc::new(RefCell::new(String::new()));
    let log = seen.clone();
    stack.answer(move |line| {
        if let Some((request, _)) = head(&line.outgoing) {
            log.borrow_mut().push_str(request);
            let answer = switching(request, "Sec-WebSocket-Protocol: mqtt\r\n");
            line.sent();
            line.feed(answer.as_bytes(), 40);
        }
    });
    let remote = ([10, 0, 0, 1], 8080).into();
    let mut calls = 0;
    loop {
        match TcpClientStack::connect(&mut table, &mut ws, remote) {
            Ok(()) => break,
            Err(nb::Error::WouldBlock) => calls += 1,
            Err(nb::Error::Other(error)) => panic!("{error}"),
        }
        use ws_tests::platform::Polled;
        table.stack().poll_at(0);
    }
    assert!(calls >= 3);
    assert_eq!(TcpClientStack::connect(&mut table, &mut ws, remote), Ok(()));
    assert_eq!(
        header(&seen.borrow(), "Sec-WebSocket-Protocol"),
        Some("mqtt")
    );
    assert_eq!(header(&seen.borrow(), "Host"), Some("broker"));
    stack.answer(|_| {});

    // A CONNACK and a PUBLISH, cut across frames, with control frames between.
    let packets = b"\x20\x02\x00\x00\x30\x09\x00\x01a\0\x01\x02\x03\x04\x05";
    let bytes = [
        frame(false, 2, false, &packets[..1]),
        frame(true, 9, false, b"\x30\x00"),
        frame(true, 0, false, &packets[1..6]),
        frame(true, 10, false, b"\xD0\x00"),
        frame(true, 2, false, &packets[6..]),
    ]
    .concat();
    stack.last(|line| line.feed(&bytes, 5));
    let mut received: Vec<u8> = Vec::new();
    let mut buffer = [0; 4];
    loop {
        match TcpClientStack::receive(&mut table, &mut ws, &mut buffer) {
            Ok(count) => received.extend(&buffer[..count]),
            Err(nb::Error::WouldBlock) => break,
            Err(nb::Error::Other(error)) => panic!("{error}"),
        }
    }
    assert_eq!(received, packets);
    let sent = plain(&stack.last(Line::sent));
    assert_eq!(sent, [(true, 10, b"\x30\x00".to_vec())]);

    // The broker's Close is the end of the stream, never data and never `Ok(0)`.
    use embedded_nal::{TcpError, TcpErrorKind};
    stack.last(|line| line.feed(&frame(true, 8, false, &[3, 0xE8]), 9));
    let Err(nb::Error::Other(error)) = TcpClientStack::receive(&mut table, &mut ws, &mut buffer)
    else {
        panic!("not the end")
    };
    assert_eq!(error.kind(), TcpErrorKind::PipeClosed);
    TcpClientStack::close(&mut table, ws).unwrap();
    assert_eq!((table.in_use(), stack.open()), (0, 0));
}

/// A broker refuses with a redirect or asks for a password: status and headers reach the
/// application.
#[test]
fn a_refusal_says_where_to_go() {
    let stack = ScriptStack::new();
    let socket = stack.connected();
    stack.answer(|line| {
        if head(&line.outgoing).is_some() {
            line.sent();
            line.feed(
                b"HTTP/1.1 302 Found\r\nLocation: ws://other/\r\nContent-Length: 3\r\n\r\nabc",
                3,
            );
        }
    });
    let mut text = Vec::new();
    let mut log = |part: HeadPart<'_>| match part {
        HeadPart::Status(status) => text.extend(status.to_string().bytes().chain(*b"|")),
        HeadPart::Name(piece) | HeadPart::Value(piece) => text.extend(piece),
        HeadPart::HeaderEnd => text.push(b'|'),
        _ => {}
    };
    let mut table: Scripted<1> = table(&stack, 300);
    let request = WebSocketRequest::new("h", "/").on_response(&mut log);
    let error = table.connect(socket, request, 50).unwrap_err();
    assert_eq!(
        error,
        ConnectError::Handshake(ClientError::Refused { status: 302 })
    );
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text, "302|Locationws://other/|Content-Length3|");
}

/// Zephyr's own tests: a message read in pieces of 1, 2, 3, 6, 7, 8, 9, 10 and 12 bytes, with
/// `remaining` right at every step, and an empty message that is no error.
#[test]
fn zephyr_reads_in_pieces() {
    let text = b"Hello world, this is a test of reading in pieces";
    for lent in [256, 276, 400] {
        for room in [1, 2, 3, 6, 7, 8, 9, 10, 12] {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, lent);
            let (ws, socket) = server(&mut table);
            let bytes = [frame(true, 1, true, text), frame(true, 2, true, b"")].concat();
            stack.line(socket, |line| line.feed(&bytes, 999));
            let mut buffer = vec![0; room];
            let mut received: Vec<u8> = Vec::new();
            while received.len() < text.len() {
                let piece = table.recv_msg(ws, &mut buffer, 0).unwrap();
                received.extend(&buffer[..piece.length]);
                assert_eq!(piece.flags, Flags::TEXT | Flags::FINAL);
                assert_eq!(piece.remaining, text.len() - received.len());
            }
            assert_eq!(received, text);
            let empty = table.recv_msg(ws, &mut buffer, 0).unwrap();
            assert_eq!((empty.length, empty.remaining), (0, 0));
            assert_eq!(empty.flags, Flags::BINARY | Flags::FINAL);
        }
    }
}

/// The two callbacks of Zephyr's request, and its headers by list and by callback.
#[test]
fn zephyr_request_options() {
    let stack = ScriptStack::new();
    let socket = stack.connected();
    let seen = Rc::new(RefCell::new(String::new()));
    let log = seen.clone();
    stack.answer(move |line| {
        if let Some((request, _)) = head(&line.outgoing) {
            log.borrow_mut().push_str(request);
            upgrade(line, b"");
        }
    });
    let mut table: Scripted<1> = table(&stack, 256);
    let mut connected = None;
    let mut on_connect = |ws| {
        connected = Some(ws);
        Ok(())
    };
    let more = |headers: &mut Headers<'_>| {
        headers.add("Authorization", "Basic eA==");
        headers.add("X-Token", "abc");
        headers.add("X-Other", "d e");
    };
    let request = WebSocketRequest::new("example.com:8080", "/chat?room=1")
        .headers(&more)
        .origin("https://example.com")
        .on_connect(&mut on_connect)
        .buffer(lent(256));
    let ws = table.connect(socket, request, 50).unwrap();
    assert_eq!(connected, Some(ws));
    let seen = seen.borrow();
    assert!(seen.starts_with("GET /chat?room=1 HTTP/1.1\r\n"));
    for (name, value) in [
        ("Host", "example.com:8080"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Origin", "https://example.com"),
        ("Authorization", "Basic eA=="),
        ("X-Token", "abc"),
        ("X-Other", "d e"),
    ] {
        assert_eq!(header(&seen, name), Some(value), "{name}");
    }
    assert_eq!(header(&seen, "Sec-WebSocket-Key").unwrap().len(), 24);
}

/// ws-framer masks with zeros where it has no source of randomness: here every frame has a fresh
/// key from the platform, which cannot be left out (RFC 6455 section 5.3).
#[test]
fn ws_framer_masks_with_zeros() {
    let keys = keys_of_fifty_frames();
    let different: std::collections::BTreeSet<[u8; 4]> = keys.iter().copied().collect();
    assert_eq!(different.len(), keys.len());
    assert!(!different.contains(&[0; 4]));
}

/// picow-websocket stores all four bytes of the key in place 0: here each of the four varies, and
/// what is masked with them is what arrives.
#[test]
fn picow_websocket_stores_the_key_in_place_0() {
    let keys = keys_of_fifty_frames();
    for place in 0..4 {
        let different: std::collections::BTreeSet<u8> = keys.iter().map(|key| key[place]).collect();
        assert!(different.len() > 25, "byte {place} of the key");
    }
}

/// The keys of fifty frames of a client, whose payloads were looked at.
fn keys_of_fifty_frames() -> Vec<[u8; 4]> {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = client(&mut table);
    for _ in 0..50 {
        table
            .send_msg(ws, b"abcdefg", Opcode::Text, true, 3)
            .unwrap();
    }
    let sent = stack.line(socket, Line::sent);
    let (found, rest) = frames(&sent);
    assert!(rest.is_empty() && found.iter().all(|found| found.payload == b"abcdefg"));
    found.iter().map(|found| found.key.unwrap()).collect()
}

/// ws-framer moves its whole buffer per frame: here what was read stays where it is, so a buffer
/// full of small frames costs one read and one look at each byte.
#[test]
fn ws_framer_moves_its_buffer() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 1125);
    let (ws, socket) = client(&mut table);
    stack.line(socket, |line| line.feed(&b"\x81\x03abc".repeat(200), 9999));
    for _ in 0..200 {
        let mut buffer = [0; 9];
        assert_eq!(table.recv_msg(ws, &mut buffer, 0).unwrap().length, 3);
        // One read took all of it.
        stack.line(socket, |line| assert!(line.incoming.is_empty()));
    }
}

/// A server masks nothing.
#[test]
fn rfc6455_5_1_a_server_masks_nothing() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = server(&mut table);
    table.send_msg(ws, b"abcd", Opcode::Text, true, 3).unwrap();
    assert_eq!(
        stack.line(socket, Line::sent),
        frame(true, 1, false, b"abcd")
    );
}
