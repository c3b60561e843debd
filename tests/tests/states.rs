//! The peer stops, ends or breaks at every byte of a conversation, in both roles, with short
//! and long buffers: every call ends in its time with the right error, what came before is handed out,
//! and the slot and the socket are free afterwards.

use ws_socket::handshake::ClientError;
use ws_socket::{
    AcceptOptions, CloseCode, Config, ConnectError, Opcode, ReceiveError, WebSocketRequest,
    ZeroRead,
};
use ws_tests::frames::{frame, head, plain, request, switching};
use ws_tests::script::{Incoming, ScriptError, ScriptStack};
use ws_tests::table::{Scripted, client, receive_all, server, table, with_config};

/// How the peer leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Leaves {
    Silence,
    Eof,
    Reset,
}

const LEAVES: [Leaves; 3] = [Leaves::Silence, Leaves::Eof, Leaves::Reset];
const LENT: [usize; 3] = [256, 260, 600];

impl Leaves {
    fn event(self) -> Option<Incoming> {
        match self {
            Self::Silence => None,
            Self::Eof => Some(Incoming::Eof),
            Self::Reset => Some(Incoming::Reset),
        }
    }
}

/// The answer to a handshake cut off at every byte.
#[test]
fn a_client_in_its_handshake() {
    for lent in LENT {
        for leaves in LEAVES {
            let mut cut = 0;
            loop {
                let stack = ScriptStack::new();
                let socket = stack.connected();
                let whole = std::rc::Rc::new(std::cell::Cell::new(false));
                let seen = whole.clone();
                stack.answer(move |line| {
                    if let Some((request, _)) = head(&line.outgoing) {
                        let answer = switching(request, "Server: x\r\n");
                        seen.set(cut == answer.len());
                        line.sent();
                        line.feed(&answer.as_bytes()[..cut], 7);
                        line.incoming.extend(leaves.event());
                    }
                });
                let mut table: Scripted<1> = table(&stack, lent);
                let began = table.platform().clock.get();
                let result = table.connect(socket, WebSocketRequest::new("h", "/"), 40);
                let took = table.platform().clock.get() - began;
                assert!(took <= 40, "{took} ms");
                if whole.get() {
                    let ws = result.unwrap();
                    let error = table.recv_msg(ws, &mut [0; 9], 10).unwrap_err();
                    assert_eq!(error, end_of(leaves));
                    table.disconnect(ws, 10).unwrap();
                } else {
                    let expected = match leaves {
                        Leaves::Silence => ConnectError::Timeout,
                        Leaves::Eof => ConnectError::Handshake(ClientError::Eof),
                        Leaves::Reset => ConnectError::Stack(ScriptError::Reset),
                    };
                    assert_eq!(result.unwrap_err(), expected, "{lent} {leaves:?} {cut}");
                }
                assert_eq!((table.in_use(), stack.open()), (0, 0));
                if whole.get() {
                    break;
                }
                cut += 1;
            }
            assert!(cut > 100);
        }
    }
}

/// A request cut off at every byte: a server's slot is free again after the handshake's time.
#[test]
fn a_server_in_its_handshake() {
    let text = request("Origin: x\r\n");
    for lent in LENT {
        for leaves in LEAVES {
            for cut in 0..text.len() {
                let stack = ScriptStack::new();
                let config = Config {
                    handshake_timeout: 30,
                    ..Config::DEFAULT
                };
                let mut table: Scripted<1> = with_config(&stack, lent, config);
                let mut listener = stack.connected();
                let socket = stack.arrive();
                stack.line(socket, |line| {
                    line.feed(&text.as_bytes()[..cut], 9);
                    line.incoming.extend(leaves.event());
                });
                let error = table.accept(&mut listener, &AcceptOptions::default(), 40);
                assert!(error.is_err());
                assert_eq!(
                    (table.in_use(), stack.open()),
                    (0, 1),
                    "{lent} {leaves:?} {cut}"
                );
            }
        }
    }
}

/// What `recv_msg` says when the peer has left.
fn end_of(leaves: Leaves) -> ReceiveError<ScriptError> {
    match leaves {
        Leaves::Silence => ReceiveError::Timeout,
        Leaves::Eof => ReceiveError::Lost,
        Leaves::Reset => ReceiveError::Stack(ScriptError::Reset),
    }
}

/// Frames cut off at every byte, in both roles: what is whole before is handed out whole.
#[test]
fn frames_cut_off_anywhere() {
    for masked in [false, true] {
        let parts = [
            frame(true, 1, masked, "grüß".as_bytes()),
            frame(true, 9, masked, b"ping"),
            frame(false, 2, masked, &[5; 130]),
            frame(true, 0, masked, &[6; 3]),
        ];
        let bytes = parts.concat();
        let text_end = parts[0].len();
        for lent in LENT {
            for leaves in LEAVES {
                for cut in 0..=bytes.len() {
                    let stack = ScriptStack::new();
                    let mut table: Scripted<1> = table(&stack, lent);
                    let (ws, socket) = if masked {
                        server(&mut table)
                    } else {
                        client(&mut table)
                    };
                    stack.line(socket, |line| {
                        line.feed(&bytes[..cut], 11);
                        line.incoming.extend(leaves.event());
                    });
                    let (messages, error) = receive_all(&mut table, ws, 64);
                    let messages: Vec<_> = messages
                        .into_iter()
                        .filter(|(opcode, _)| !opcode.is_control())
                        .collect();
                    let mut expected = Vec::new();
                    if cut >= text_end {
                        expected.push((Opcode::Text, "grüß".as_bytes().to_vec()));
                    }
                    if cut == bytes.len() {
                        expected.push((Opcode::Binary, [&[5; 130][..], &[6; 3]].concat()));
                    }
                    assert_eq!(messages, expected, "{lent} {leaves:?} {cut}");
                    assert_eq!(error, end_of(leaves), "{lent} {leaves:?} {cut}");
                    let began = table.platform().clock.get();
                    let closed = table.disconnect(ws, 20).unwrap();
                    assert_eq!((closed.clean, closed.code), (false, CloseCode::ABNORMAL));
                    assert!(table.platform().clock.get() - began <= 20);
                    assert!(!stack.is_open(socket));
                    assert_eq!(table.in_use(), 0);
                }
            }
        }
    }
}

/// The closing handshake with a peer that leaves at every byte of its Close, or sends data first.
#[test]
fn a_close_cut_off_anywhere() {
    for masked in [false, true] {
        let bytes = [
            frame(true, 2, masked, &[1; 300]),
            frame(true, 9, masked, b"late"),
            frame(true, 8, masked, &[3, 0xE8, b'o', b'k']),
        ]
        .concat();
        for lent in [256, 300, 600] {
            for leaves in LEAVES {
                for cut in 0..=bytes.len() {
                    let stack = ScriptStack::new();
                    let mut table: Scripted<1> = table(&stack, lent);
                    let (ws, socket) = if masked {
                        server(&mut table)
                    } else {
                        client(&mut table)
                    };
                    stack.line(socket, |line| {
                        line.feed(&bytes[..cut], 13);
                        line.incoming.extend(leaves.event());
                    });
                    let began = table.platform().clock.get();
                    let (closed, kept) = table
                        .disconnect_keeping_socket(ws, CloseCode::GOING_AWAY, "bye", 20)
                        .unwrap();
                    let took = table.platform().clock.get() - began;
                    assert_eq!(kept, socket);
                    assert!(stack.is_open(socket), "the socket is its owner's");
                    let whole = cut == bytes.len();
                    assert_eq!(closed.clean, whole, "{masked} {lent} {leaves:?} {cut}");
                    let code = if whole {
                        CloseCode::NORMAL
                    } else {
                        CloseCode::ABNORMAL
                    };
                    assert_eq!(closed.code, code);
                    assert!(
                        took <= 20 && (leaves == Leaves::Silence || took <= 2),
                        "{took} ms"
                    );
                    let sent = plain(&stack.line(socket, |line| line.sent()));
                    assert_eq!(sent, [(true, 8, b"\x03\xE9bye".to_vec())]);
                    assert_eq!(table.in_use(), 0);
                }
            }
        }
    }
}

/// RFC 6455 section 7.1.1: the server closes TCP first, a client waits for it, not for ever.
#[test]
fn rfc6455_7_1_1_who_closes_tcp() {
    for (eof, most) in [(true, 1), (false, 25)] {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, 256);
        let (ws, socket) = client(&mut table);
        stack.line(socket, |line| {
            line.feed(&frame(true, 8, false, &[3, 0xE8]), 9);
            if eof {
                line.incoming.push_back(Incoming::Eof);
            }
        });
        let began = table.platform().clock.get();
        let closed = table.disconnect(ws, 25).unwrap();
        assert!(closed.clean);
        let took = table.platform().clock.get() - began;
        assert!(took <= most && (eof || took >= 20), "{took} ms");
        assert!(!stack.is_open(socket));
    }
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = server(&mut table);
    stack.line(socket, |line| {
        line.feed(&frame(true, 8, true, &[3, 0xE8]), 9)
    });
    let began = table.platform().clock.get();
    assert!(table.disconnect(ws, 25).unwrap().clean);
    assert_eq!(
        table.platform().clock.get(),
        began,
        "a server does not wait"
    );
    assert!(!stack.is_open(socket));
}

/// A stack on which `Ok(0)` is "nothing yet" and the end an error, as smoltcp-nal 0.7.
#[test]
fn a_stack_whose_zero_is_nothing() {
    let stack = ScriptStack::new();
    let config = Config {
        zero_read: ZeroRead::WouldBlock,
        ..Config::DEFAULT
    };
    let mut table: Scripted<1> = with_config(&stack, 256, config);
    let socket = stack.connected();
    stack.line(socket, |line| line.zero_is_nothing = true);
    stack.answer(|line| ws_tests::table::upgrade(line, b""));
    let ws = table
        .connect(socket, WebSocketRequest::new("h", "/"), 20)
        .unwrap();
    stack.answer(|_| {});
    assert_eq!(
        table.recv_msg(ws, &mut [0; 9], 5),
        Err(ReceiveError::Timeout)
    );
    stack.line(socket, |line| line.window = 0);
    assert!(table.send_msg(ws, b"x", Opcode::Text, true, 5).is_err());
    stack.line(socket, |line| {
        line.window = 100;
        line.feed(&frame(true, 1, false, b"hi"), 1);
        line.incoming.push_back(Incoming::Eof);
    });
    let (messages, error) = receive_all(&mut table, ws, 9);
    assert_eq!(messages, [(Opcode::Text, b"hi".to_vec())]);
    assert_eq!(error, ReceiveError::Lost);
}

/// Dialing: in the blocking call and on the socket face, a peer that never answers.
#[test]
fn dialing_ends_in_time() {
    use embedded_nal::{TcpClientStack, nb};
    let remote = ([10, 0, 0, 1], 80).into();
    let stack = ScriptStack::new();
    let config = Config {
        handshake_timeout: 30,
        ..Config::DEFAULT
    };
    let mut table: Scripted<1> = with_config(&stack, 256, config);
    let mut ws = TcpClientStack::socket(&mut table).unwrap();
    stack.last(|line| line.dial = usize::MAX);
    let mut tries = 0;
    let error = loop {
        match TcpClientStack::connect(&mut table, &mut ws, remote) {
            Err(nb::Error::WouldBlock) => tries += 1,
            Err(nb::Error::Other(error)) => break error,
            Ok(()) => panic!("connected"),
        }
        let clock = table.platform().clock.clone();
        clock.set(clock.get() + 1);
    };
    assert!((29..=31).contains(&tries), "{tries}");
    assert_eq!(
        error,
        ws_socket::SocketError::Connect(ConnectError::Timeout)
    );
    // It stays failed until it is closed.
    assert!(TcpClientStack::connect(&mut table, &mut ws, remote).is_err());
    TcpClientStack::close(&mut table, ws).unwrap();
    assert_eq!((table.in_use(), stack.open()), (0, 0));
}
