//! Control frames in every place: between frames, between fragments, between the pieces of a
//! message, while sending, around the Close (RFC 6455 sections 5.4, 5.5).

use ws_socket::{CloseCode, Config, Events, Flags, Opcode, PollItem, ReceiveError, websocket_poll};
use ws_tests::frames::{frame, plain};
use ws_tests::script::{Line, ScriptStack};
use ws_tests::table::{Scripted, client, receive_all, server, table, with_config};

/// The control frames that are put everywhere.
fn controls(masked: bool) -> [(Vec<u8>, Option<Vec<u8>>); 4] {
    [
        (frame(true, 9, masked, b""), Some(vec![])),
        (frame(true, 9, masked, b"p"), Some(b"p".to_vec())),
        (frame(true, 9, masked, &[0xFF; 125]), Some(vec![0xFF; 125])),
        (frame(true, 10, masked, b"unasked"), None),
    ]
}

/// Two control frames at every pair of frame boundaries of a conversation, both roles, any cut.
#[test]
fn rfc6455_5_4_at_every_frame_boundary() {
    for masked in [false, true] {
        let data = [
            frame(false, 1, masked, b"one "),
            frame(false, 0, masked, b""),
            frame(true, 0, masked, b"two"),
            frame(true, 2, masked, &[1; 200]),
            frame(true, 1, masked, b""),
        ];
        let expected = [
            (Opcode::Text, b"one two".to_vec()),
            (Opcode::Binary, vec![1; 200]),
            (Opcode::Text, vec![]),
        ];
        for first in 0..=data.len() {
            for second in first..=data.len() {
                for (a, pong_a) in controls(masked) {
                    for (b, pong_b) in controls(masked) {
                        for (lent, piece) in [(256, 1), (280, 5), (1000, 10_000)] {
                            let mut bytes = data[..first].concat();
                            bytes.extend(&a);
                            bytes.extend(data[first..second].concat());
                            bytes.extend(&b);
                            bytes.extend(data[second..].concat());
                            let stack = ScriptStack::new();
                            let mut table: Scripted<1> = table(&stack, lent);
                            let (ws, socket) = if masked {
                                server(&mut table)
                            } else {
                                client(&mut table)
                            };
                            stack.line(socket, |line| line.feed(&bytes, piece));
                            let (messages, error) = receive_all(&mut table, ws, 64);
                            assert_eq!(messages, expected);
                            assert_eq!(error, ReceiveError::Timeout);
                            let pongs: Vec<_> = [&pong_a, &pong_b]
                                .into_iter()
                                .flatten()
                                .map(|payload| (true, 10, payload.clone()))
                                .collect();
                            assert_eq!(plain(&stack.line(socket, Line::sent)), pongs);
                        }
                    }
                }
            }
        }
    }
}

/// The same on the socket face, where control frames never show: with any lent buffer.
#[test]
fn rfc6455_5_5_the_socket_face_sees_payload_only() {
    for masked in [false, true] {
        for lent in [256, 257, 320, 1000] {
            for piece in [1, 3, 10_000] {
                for (control, pong) in controls(masked) {
                    let bytes = [
                        control.clone(),
                        frame(false, 1, masked, b"one "),
                        control.clone(),
                        frame(true, 0, masked, b""),
                        frame(true, 2, masked, b"two"),
                        control.clone(),
                    ]
                    .concat();
                    let stack = ScriptStack::new();
                    let mut table: Scripted<1> = table(&stack, lent);
                    let (ws, socket) = if masked {
                        server(&mut table)
                    } else {
                        client(&mut table)
                    };
                    stack.line(socket, |line| line.feed(&bytes, piece));
                    let mut received: Vec<u8> = Vec::new();
                    let mut buffer = [0; 3];
                    let error = loop {
                        match table.recv(ws, &mut buffer, 5) {
                            Ok(count) => received.extend(&buffer[..count]),
                            Err(error) => break error,
                        }
                    };
                    assert_eq!(received, b"one two");
                    assert_eq!(error, ReceiveError::Timeout);
                    let sent = plain(&stack.line(socket, Line::sent));
                    let pongs = pong.map_or(vec![], |payload| vec![(true, 10, payload); 3]);
                    assert_eq!(sent, pongs, "lent {lent}, piece {piece}");
                }
            }
        }
    }
}

/// A Ping after every byte of a message being sent: the Pong goes out behind the frame.
#[test]
fn rfc6455_5_5_2_a_ping_while_sending() {
    for window in 0..=26 {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, 300);
        let (ws, socket) = client(&mut table);
        stack.line(socket, |line| {
            line.window = window;
            line.feed(&frame(true, 9, false, b"ping"), 99);
        });
        let payload = [3; 20];
        let taken = table
            .send_msg(ws, &payload, Opcode::Binary, true, 0)
            .unwrap_or(0);
        assert_eq!(
            table.recv_msg(ws, &mut [0; 9], 0),
            Err(ReceiveError::Timeout)
        );
        stack.line(socket, |line| line.window = usize::MAX);
        if taken < payload.len() {
            table
                .send_msg(ws, &payload[taken..], Opcode::Binary, true, 0)
                .unwrap();
        }
        assert_eq!(
            table.recv_msg(ws, &mut [0; 9], 0),
            Err(ReceiveError::Timeout)
        );
        let mut sent = plain(&stack.line(socket, Line::sent));
        sent.sort();
        assert_eq!(
            sent,
            [(true, 2, payload.to_vec()), (true, 10, b"ping".to_vec())],
            "{window}"
        );
    }
}

/// On request Pings and Pongs are handed out too; the Pings are answered all the same.
#[test]
fn pings_and_pongs_on_request() {
    let stack = ScriptStack::new();
    let config = Config {
        report_pings: true,
        report_pongs: true,
        ..Config::DEFAULT
    };
    let mut table: Scripted<1> = with_config(&stack, 300, config);
    let (ws, socket) = client(&mut table);
    let bytes = [
        frame(false, 1, false, b"a"),
        frame(true, 9, false, b"ping"),
        frame(true, 10, false, b"pong"),
        frame(true, 0, false, b"b"),
    ]
    .concat();
    stack.line(socket, |line| line.feed(&bytes, 3));
    let (messages, _) = receive_all(&mut table, ws, 2);
    assert_eq!(
        messages,
        [
            (Opcode::Ping, b"ping".to_vec()),
            (Opcode::Pong, b"pong".to_vec()),
            (Opcode::Text, b"ab".to_vec()),
        ]
    );
    assert_eq!(
        plain(&stack.line(socket, Line::sent)),
        [(true, 10, b"ping".to_vec())]
    );
}

/// With `answer_pings: false` the Ping is the caller's, flag and payload, and so is the Pong: with any
/// buffer, and also while a frame of the caller's is open.
#[test]
fn who_answers_pings_is_a_setting() {
    let config = Config {
        answer_pings: false,
        report_pings: true,
        ..Config::DEFAULT
    };
    for is_server in [false, true] {
        for lent in [256, 1000] {
            for payload in [&b""[..], b"ping", &[7; 125]] {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = with_config(&stack, lent, config);
                let (ws, socket) = if is_server {
                    server(&mut table)
                } else {
                    client(&mut table)
                };
                let ping = frame(true, 9, is_server, payload);
                stack.line(socket, |line| line.feed(&ping, 999));
                let mut buffer = [0; 125];
                let piece = table.recv_msg(ws, &mut buffer, 5).unwrap();
                assert_eq!(piece.flags, Flags::PING | Flags::FINAL);
                assert_eq!(&buffer[..piece.length], payload);
                let next = table.recv_msg(ws, &mut [0; 9], 5);
                assert_eq!(next, Err(ReceiveError::Timeout));
                table.poll(&mut [PollItem::new(ws, Events::IN)], 5);
                let sent = stack.line(socket, Line::sent);
                assert!(sent.is_empty(), "nobody answered but the caller: {sent:?}");
                table.send_msg(ws, payload, Opcode::Pong, true, 5).unwrap();
                let sent = plain(&stack.line(socket, Line::sent));
                assert_eq!(sent, [(true, 10, payload.to_vec())]);
            }
        }
    }
}

/// Without a report nobody sees the Ping that nobody answers, on either face; what comes after it
/// does come, and a Close is still answered.
#[test]
fn a_ping_that_nobody_answers() {
    let config = Config {
        answer_pings: false,
        ..Config::DEFAULT
    };
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = with_config(&stack, 256, config);
    let (ws, socket) = client(&mut table);
    let ping = frame(true, 9, false, &[7; 125]);
    let bytes = [
        ping.clone(),
        frame(true, 1, false, b"one"),
        ping.clone(),
        frame(true, 1, false, b"two"),
        ping,
        frame(true, 8, false, &[3, 0xE8]),
    ];
    stack.line(socket, |line| line.feed(&bytes.concat(), 50));
    let mut buffer = [0; 9];
    let piece = table.recv_msg(ws, &mut buffer, 5).unwrap();
    assert_eq!((piece.opcode(), &buffer[..3]), (Opcode::Text, &b"one"[..]));
    assert_eq!(table.recv(ws, &mut buffer, 5), Ok(3));
    assert_eq!(&buffer[..3], b"two");
    assert!(stack.line(socket, Line::sent).is_empty());
    let close = table.recv_msg(ws, &mut buffer, 5).unwrap();
    assert_eq!(close.opcode(), Opcode::Close);
    let sent = plain(&stack.line(socket, Line::sent));
    assert_eq!(sent, [(true, 8, vec![3, 0xE8])]);
}

/// `poll` sees what lies in the lent buffer already: two messages in one segment are both readable
/// at once. Control frames are no reason to wake, but are answered.
#[test]
fn poll_sees_the_second_message_of_a_segment() {
    let stack = ScriptStack::new();
    let mut table: Scripted<2> = table(&stack, 300);
    let (ws, socket) = client(&mut table);
    let (quiet, _) = client(&mut table);
    let bytes = [
        frame(true, 9, false, b"x"),
        frame(true, 1, false, b"one"),
        frame(true, 1, false, b"two"),
        frame(true, 9, false, b"y"),
    ]
    .concat();
    let mut items = [
        PollItem::new(quiet, Events::IN),
        PollItem::new(ws, Events::IN),
    ];
    assert_eq!(websocket_poll(&mut table, &mut items, 5), 0);
    stack.line(socket, |line| line.feed(&bytes, 999));
    for expected in [b"one", b"two"] {
        assert_eq!(websocket_poll(&mut table, &mut items, 5), 1);
        assert_eq!(
            (items[0].revents, items[1].revents),
            (Events(0), Events::IN)
        );
        let mut buffer = [0; 9];
        assert_eq!(table.recv_msg(ws, &mut buffer, 0).unwrap().length, 3);
        assert_eq!(&buffer[..3], expected);
    }
    assert_eq!(websocket_poll(&mut table, &mut items, 5), 0);
    let pongs = [(true, 10, b"x".to_vec()), (true, 10, b"y".to_vec())];
    assert_eq!(plain(&stack.line(socket, Line::sent)), pongs);

    // Half a header is nothing to wake for, the end of the connection is; a stale id is.
    stack.line(socket, |line| {
        line.feed(&frame(true, 1, false, b"three")[..1], 9)
    });
    assert_eq!(websocket_poll(&mut table, &mut items, 5), 0);
    let mut items = [PollItem::new(ws, Events::OUT)];
    assert_eq!(websocket_poll(&mut table, &mut items, 5), 1);
    assert_eq!(items[0].revents, Events::OUT);
    stack.line(socket, |line| {
        line.incoming.push_back(ws_tests::script::Incoming::Eof)
    });
    let mut items = [PollItem::new(ws, Events::IN)];
    assert_eq!(websocket_poll(&mut table, &mut items, 5), 1);
    assert_eq!(items[0].revents, Events::IN | Events::HUP);
    table.disconnect(ws, 0).unwrap();
    assert_eq!(websocket_poll(&mut table, &mut items, 5), 1);
    assert_eq!(items[0].revents, Events::NVAL);
}

/// Close and what comes behind it; a Ping in front of it in the same segment is dropped for it or
/// answered, but never after it.
#[test]
fn rfc6455_5_5_1_nothing_goes_out_behind_a_close() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 300);
    let (ws, socket) = client(&mut table);
    let bytes = [
        frame(true, 1, false, b"last"),
        frame(true, 8, false, &[0x0F, 0xA0, b'b', b'y', b'e']),
        frame(true, 9, false, b"behind"),
        frame(true, 1, false, b"behind"),
    ]
    .concat();
    stack.line(socket, |line| line.feed(&bytes, 999));
    let (messages, error) = receive_all(&mut table, ws, 99);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], (Opcode::Text, b"last".to_vec()));
    let (code, reason) = ws_socket::parse_close(&messages[1].1).unwrap();
    assert_eq!((code, reason), (CloseCode(4000), "bye"));
    assert_eq!(error, ReceiveError::Closed(CloseCode(4000)));
    assert_eq!(table.close_code(ws), Ok(Some(CloseCode(4000))));
    let closed = table.disconnect(ws, 5).unwrap();
    assert!(closed.clean && closed.code == CloseCode(4000));
    assert!(!stack.is_open(socket));
}

/// A peer that floods with what is not for the user: the call lets others run now and then, but it
/// does not wait while there is still something to read.
#[test]
fn a_flood_of_control_frames_is_no_reason_to_wait() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = client(&mut table);
    let flood = frame(true, 10, false, b"").repeat(1000);
    stack.line(socket, |line| {
        line.feed(&flood, 1);
        line.feed(&frame(true, 1, false, b"last"), 99);
    });
    let began = table.platform().clock.get();
    let mut buffer = [0; 9];
    let piece = table.recv_msg(ws, &mut buffer, 1000).unwrap();
    assert!(piece.length > 0 && b"last".starts_with(&buffer[..piece.length]));
    while table.recv_msg(ws, &mut buffer, 0).is_ok() {}
    assert_eq!(table.platform().clock.get(), began, "it waited");
    // Empty frames on the socket face.
    stack.line(socket, |line| {
        line.feed(&frame(true, 1, false, b"").repeat(1000), 9999);
        line.feed(&frame(true, 1, false, b"again"), 99);
    });
    assert!(table.recv(ws, &mut buffer, 1000).unwrap() > 0);
    assert_eq!(table.platform().clock.get(), began, "it waited");
}
