//! A receive that waits for the end of its frame, as Zephyr's does: it says the same as
//! [`Table::recv_msg`](ws_socket::Table::recv_msg), in fewer pieces.

use std::collections::VecDeque;

use ws_socket::{CloseCode, Config, Flags, Keepalive, Opcode, ReceiveError, Received, WebSocketId};
use ws_tests::frames::{frame, plain};
use ws_tests::script::{Incoming, ScriptError, ScriptStack};
use ws_tests::table::{Scripted, client, server, table, with_config};

type Result<T> = std::result::Result<T, ReceiveError<ScriptError>>;

fn open(table: &mut Scripted<1>, is_server: bool) -> (WebSocketId, u8) {
    match is_server {
        true => server(table),
        false => client(table),
    }
}

/// `pieces` come in one by one, each while the call waits.
fn bit_by_bit(table: &mut Scripted<1>, socket: u8, pieces: Vec<Incoming>) {
    let (stack, mut pieces) = (table.stack().clone(), VecDeque::from(pieces));
    let others = table.platform().others.clone();
    others.borrow_mut().push(Box::new(move || {
        if let Some(piece) = pieces.pop_front() {
            stack.line(socket, |line| line.incoming.push_back(piece));
        }
    }));
}

fn cut(bytes: &[u8], length: usize) -> Vec<Incoming> {
    let pieces = bytes.chunks(length);
    pieces
        .map(|piece| Incoming::Bytes(piece.to_vec()))
        .collect()
}

fn now(table: &mut Scripted<1>) -> u32 {
    table.platform().clock.get()
}

#[test]
fn it_waits_for_the_end_of_the_frame() {
    for is_server in [false, true] {
        for length in [1, 2, 125, 126, 130, 131, 132, 300, 1_000] {
            for piece in [1, 3, 131, 2_000] {
                for room in [length, length + 1, 4_000] {
                    let stack = ScriptStack::new();
                    let mut table: Scripted<1> = table(&stack, 256);
                    let (ws, socket) = open(&mut table, is_server);
                    let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
                    let bytes = [
                        frame(true, 2, is_server, &payload),
                        frame(false, 1, is_server, b"one"),
                        frame(true, 0, is_server, b"two"),
                    ];
                    bit_by_bit(&mut table, socket, cut(&bytes.concat(), piece));
                    let mut buffer = vec![0; room];
                    let got = table.recv_frame(ws, &mut buffer, -1).unwrap();
                    assert_eq!((got.length, got.remaining), (length, 0));
                    assert_eq!(got.flags, Flags::BINARY | Flags::FINAL);
                    assert_eq!(&buffer[..length], payload);
                    // The end of a frame is not the end of a message.
                    let mut buffer = [0; 8];
                    let one = table.recv_frame(ws, &mut buffer, -1).unwrap();
                    assert_eq!(
                        (one.flags, &buffer[..one.length]),
                        (Flags::TEXT, &b"one"[..])
                    );
                    assert!(!one.is_complete());
                    let two = table.recv_frame(ws, &mut buffer, -1).unwrap();
                    assert_eq!(two.flags, Flags::TEXT | Flags::FINAL);
                    assert_eq!(&buffer[..two.length], b"two");
                    assert!(two.is_complete());
                }
            }
        }
    }
}

#[test]
fn with_the_time_up_in_the_middle_it_says_what_came() {
    for is_server in [false, true] {
        let whole = frame(true, 2, is_server, b"0123456789");
        let header = whole.len() - 10;
        for came in 1..10 {
            for timeout in [0, 1, 20] {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, 256);
                let (ws, socket) = open(&mut table, is_server);
                let (front, rest) = whole.split_at(header + came);
                stack.line(socket, |line| line.feed(front, 1));
                let (began, mut buffer) = (now(&mut table), [0; 16]);
                let got = table.recv_frame(ws, &mut buffer, timeout).unwrap();
                assert_eq!((got.length, got.remaining), (came, 10 - came));
                assert_eq!(got.flags, Flags::BINARY | Flags::FINAL);
                assert!(!got.is_complete());
                assert_eq!(&buffer[..came], &b"0123456789"[..came]);
                // Waited for as long as it may, and not longer.
                let took = now(&mut table) - began;
                assert_eq!(took, timeout as u32, "{came}");
                // Nothing is lost: the next call goes on.
                let nothing = table.recv_frame(ws, &mut buffer, timeout);
                assert_eq!(nothing, Err(ReceiveError::Timeout));
                stack.line(socket, |line| line.feed(rest, 1));
                let got = table.recv_frame(ws, &mut buffer, 20).unwrap();
                assert_eq!((got.length, got.remaining), (10 - came, 0));
                assert_eq!(&buffer[..10 - came], &b"0123456789"[came..]);
                assert!(got.is_complete());
            }
        }
    }
}

/// A header alone is no piece: it stays, and the time is up.
#[test]
fn with_the_time_up_before_the_payload_it_is_a_timeout() {
    for is_server in [false, true] {
        let whole = frame(true, 1, is_server, &[b'x'; 200]);
        for came in 0..=whole.len() - 200 {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, 256);
            let (ws, socket) = open(&mut table, is_server);
            let (front, rest) = whole.split_at(came);
            stack.line(socket, |line| line.feed(front, 99));
            let mut buffer = [0; 300];
            for timeout in [0, 5] {
                let nothing = table.recv_frame(ws, &mut buffer, timeout);
                assert_eq!(nothing, Err(ReceiveError::Timeout));
            }
            stack.line(socket, |line| line.feed(rest, 99));
            let got = table.recv_frame(ws, &mut buffer, 5).unwrap();
            assert_eq!((got.length, got.remaining), (200, 0));
        }
    }
}

#[test]
fn a_buffer_smaller_than_the_frame_is_filled() {
    for is_server in [false, true] {
        for room in 1..=12 {
            for piece in [1, 4, 100] {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, 256);
                let (ws, socket) = open(&mut table, is_server);
                let bytes = frame(true, 2, is_server, b"0123456789");
                stack.line(socket, |line| line.feed(&bytes, piece));
                let began = now(&mut table);
                let (mut all, mut buffer) = (Vec::new(), vec![0; room]);
                while all.len() < 10 {
                    let got = table.recv_frame(ws, &mut buffer, -1).unwrap();
                    assert_eq!(got.length, room.min(10 - all.len()), "full, or the end");
                    all.extend_from_slice(&buffer[..got.length]);
                    assert_eq!(got.remaining, 10 - all.len());
                }
                assert_eq!(all, b"0123456789");
                assert_eq!(now(&mut table), began, "all of it was there");
                let nothing = table.recv_frame(ws, &mut buffer, 0);
                assert_eq!(nothing, Err(ReceiveError::Timeout));
            }
        }
    }
}

#[test]
fn an_empty_buffer_is_refused_and_empty_frames_are_frames() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = client(&mut table);
    let bytes = [
        frame(true, 2, false, b""),
        frame(false, 1, false, b"x"),
        frame(true, 0, false, b""),
    ];
    stack.line(socket, |line| line.feed(&bytes.concat(), 99));
    let empty = table.recv_frame(ws, &mut [], 5);
    assert_eq!(empty, Err(ReceiveError::EmptyBuffer));
    let mut buffer = [0; 4];
    let first = table.recv_frame(ws, &mut buffer, 5).unwrap();
    assert_eq!(
        (first.flags, first.length),
        (Flags::BINARY | Flags::FINAL, 0)
    );
    let second = table.recv_frame(ws, &mut buffer, 5).unwrap();
    assert_eq!((second.flags, second.length), (Flags::TEXT, 1));
    let third = table.recv_frame(ws, &mut buffer, 5).unwrap();
    assert_eq!((third.flags, third.length), (Flags::TEXT | Flags::FINAL, 0));
}

/// Frames, and the first two errors.
type Heard = (Vec<(Opcode, Vec<u8>)>, [ReceiveError<ScriptError>; 2]);

type Receive = fn(&mut Scripted<1>, WebSocketId, &mut [u8]) -> Result<Received>;

/// What a caller gets, up to the first error and once more behind it.
fn heard(
    table: &mut Scripted<1>,
    mut receive: impl FnMut(&mut Scripted<1>, &mut [u8]) -> Result<Received>,
) -> Heard {
    let (mut all, mut buffer): (Vec<(Opcode, Vec<u8>)>, _) = (Vec::new(), [0; 64]);
    let mut goes_on = false;
    loop {
        match receive(table, &mut buffer) {
            Ok(piece) => {
                let bytes = &buffer[..piece.length];
                match all.last_mut() {
                    Some((_, payload)) if goes_on => payload.extend_from_slice(bytes),
                    _ => all.push((piece.opcode(), bytes.to_vec())),
                }
                goes_on = piece.remaining > 0;
            }
            Err(error) => {
                let after = receive(table, &mut buffer).unwrap_err();
                return (all, [error, after]);
            }
        }
    }
}

/// However the connection ends in the middle of a frame: what came before is handed out, and the next
/// call says the end, as it would without waiting for frames.
#[test]
fn what_ends_in_the_middle_of_a_frame_is_said_after_it() {
    let long = |is_server| frame(true, 1, is_server, b"0123456789");
    let text = |payload: &'static [u8]| move |is_server| frame(true, 1, is_server, payload);
    let masked = |is_server: bool| frame(true, 1, !is_server, b"x");
    let close = |is_server| frame(true, 8, is_server, b"\x03\xE8bye");
    type Make<'m> = &'m dyn Fn(bool) -> Vec<u8>;
    let cases: [(&str, &[Make<'_>], usize, Option<Incoming>); 9] = [
        ("the end", &[&long], 4, Some(Incoming::Eof)),
        ("a reset", &[&long], 4, Some(Incoming::Reset)),
        (
            "the end in a header",
            &[&long, &long],
            11,
            Some(Incoming::Eof),
        ),
        ("no UTF-8", &[&text(b"grue\xC3\xC3n and more")], 0, None),
        ("half a letter", &[&text(b"gr\xC3")], 0, None),
        ("a wrong mask", &[&long, &masked], 0, None),
        ("a Close", &[&long, &close], 0, None),
        ("a Close, cut", &[&long, &close], 3, Some(Incoming::Eof)),
        ("silence", &[&long], 4, None),
    ];
    let config = Config {
        keepalive: Some(Keepalive {
            interval: 20,
            timeout: 10,
        }),
        ..Config::DEFAULT
    };
    for (what, frames, less, end) in cases {
        for is_server in [false, true] {
            for piece in [1, 2, 5, 99] {
                let ways: [Receive; 2] = [
                    |table, ws, buffer| table.recv_msg(ws, buffer, 50),
                    |table, ws, buffer| table.recv_frame(ws, buffer, 50),
                ];
                let [mut pieces, whole] = ways.map(|receive| {
                    let stack = ScriptStack::new();
                    let mut table: Scripted<1> = with_config(&stack, 256, config);
                    let (ws, socket) = open(&mut table, is_server);
                    let bytes: Vec<u8> = frames.iter().flat_map(|make| make(is_server)).collect();
                    let mut incoming = cut(&bytes[..bytes.len() - less], piece);
                    incoming.extend(end.clone());
                    bit_by_bit(&mut table, socket, incoming);
                    let heard = heard(&mut table, |table, buffer| receive(table, ws, buffer));
                    // And what goes out to the peer is the same.
                    (heard, stack.line(socket, |line| plain(&line.sent())))
                });
                assert_ne!(pieces.0.1[0], ReceiveError::Timeout, "{what}");
                // What the stack says once is not kept.
                if pieces.0.1[0] == ReceiveError::Stack(ScriptError::Reset) {
                    pieces.0.1[0] = ReceiveError::Lost;
                }
                assert_eq!(pieces, whole, "{what}, {is_server}, in pieces of {piece}");
            }
        }
    }
}

#[test]
fn pings_between_frames_are_answered() {
    for is_server in [false, true] {
        for piece in [1, 5, 400] {
            for window in [usize::MAX, 0] {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, 256);
                let (ws, socket) = open(&mut table, is_server);
                stack.line(socket, |line| line.window = window);
                let bytes = [
                    frame(true, 9, is_server, b"a"),
                    frame(false, 1, is_server, b"one"),
                    frame(true, 9, is_server, &[7; 125]),
                    frame(true, 10, is_server, b"unasked"),
                    frame(true, 0, is_server, b"two"),
                ];
                bit_by_bit(&mut table, socket, cut(&bytes.concat(), piece));
                let mut buffer = [0; 64];
                let one = table.recv_frame(ws, &mut buffer, -1);
                stack.line(socket, |line| line.window = usize::MAX);
                let one = one.unwrap();
                assert_eq!(
                    (one.flags, &buffer[..one.length]),
                    (Flags::TEXT, &b"one"[..])
                );
                let two = table.recv_frame(ws, &mut buffer, -1).unwrap();
                assert_eq!(&buffer[..two.length], b"two");
                assert!(two.is_complete());
                // The last Pong of those that were due goes out in any case (section 5.5.3).
                let sent = stack.line(socket, |line| plain(&line.sent()));
                assert_eq!(sent.last(), Some(&(true, 10, vec![7; 125])));
                if window > 0 {
                    assert_eq!(sent, [(true, 10, b"a".to_vec()), (true, 10, vec![7; 125])]);
                }
            }
        }
    }
}

/// Control frames that the program asked for are frames as well.
#[test]
fn reported_control_frames_come_whole() {
    let config = Config {
        report_pings: true,
        report_pongs: true,
        ..Config::DEFAULT
    };
    for is_server in [false, true] {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = with_config(&stack, 256, config);
        let (ws, socket) = open(&mut table, is_server);
        let bytes = [
            frame(true, 9, is_server, &[1; 125]),
            frame(true, 10, is_server, &[2; 100]),
            frame(true, 8, is_server, b"\x03\xE8enough"),
        ];
        bit_by_bit(&mut table, socket, cut(&bytes.concat(), 3));
        let mut buffer = [0; 125];
        for (opcode, byte, length) in [(Opcode::Ping, 1, 125), (Opcode::Pong, 2, 100)] {
            let got = table.recv_frame(ws, &mut buffer, -1).unwrap();
            assert_eq!(
                (got.opcode(), got.length, got.remaining),
                (opcode, length, 0)
            );
            assert!(buffer[..length].iter().all(|is| *is == byte));
        }
        let close = table.recv_frame(ws, &mut buffer, -1).unwrap();
        assert!(close.flags.contains(Flags::CLOSE) && close.remaining == 0);
        assert_eq!(&buffer[..close.length], b"\x03\xE8enough");
        let closed = table.recv_frame(ws, &mut buffer, -1);
        assert_eq!(closed, Err(ReceiveError::Closed(CloseCode::NORMAL)));
    }
}
