//! Partial writes: a frame that is begun is finished, whatever the wire takes and whatever happens
//! in between; nothing is sent twice, nothing gets into the middle of it.

use proptest::prelude::*;
use ws_socket::{
    CloseCode, FrameError, HandleError, Opcode, ReceiveError, SendError, StreamOptions, Timeout,
    websocket_send_msg,
};
use ws_tests::frames::{frame, frames, plain};
use ws_tests::script::{Line, ScriptStack};
use ws_tests::table::{Scripted, client, receive_all, server, table};

/// The wire takes `window` bytes, then nothing, then the rest: at every byte of a frame, in both
/// roles, copying and in place.
#[test]
fn a_window_that_closes_at_every_byte() {
    let payload: Vec<u8> = (0..200).collect();
    for is_client in [true, false] {
        for in_place in [false, true] {
            for window in 0..=210 {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, 256);
                let (ws, socket) = if is_client {
                    client(&mut table)
                } else {
                    server(&mut table)
                };
                stack.line(socket, |line| line.window = window);
                let mut bytes = payload.clone();
                let send = |table: &mut Scripted<1>, bytes: &mut [u8]| {
                    if in_place {
                        table.send_msg_mut(ws, bytes, Opcode::Binary, true, 3)
                    } else {
                        table.send_msg(ws, bytes, Opcode::Binary, true, 3)
                    }
                };
                let header = if is_client { 8 } else { 4 };
                let first = send(&mut table, &mut bytes);
                let taken = window.saturating_sub(header).min(payload.len());
                if taken > 0 {
                    assert_eq!(first, Ok(taken), "{window}");
                } else {
                    assert_eq!(first, Err(SendError::Timeout));
                }
                let open = if window == 0 || taken == payload.len() {
                    None
                } else {
                    Some(payload.len() - taken)
                };
                assert_eq!(table.open_frame(ws), Ok(open), "{window}");
                if window == 0 {
                    assert_eq!(
                        bytes, payload,
                        "a frame taken back leaves its payload as it was"
                    );
                }
                if open.is_some() {
                    // Nothing else may go out now, and nothing of what is refused does.
                    for (payload, opcode) in [
                        (&b"x"[..], Opcode::Text),
                        (b"", Opcode::Ping),
                        (&payload, Opcode::Text),
                    ] {
                        let refused = table.send_msg(ws, payload, opcode, true, 0);
                        assert_eq!(refused, Err(SendError::Frame(FrameError::FrameOpen)));
                    }
                }
                stack.line(socket, |line| line.window = usize::MAX);
                if taken < payload.len() {
                    assert_eq!(
                        send(&mut table, &mut bytes[taken..]),
                        Ok(payload.len() - taken)
                    );
                }
                table.send_msg(ws, b"next", Opcode::Text, true, 3).unwrap();
                let sent = stack.line(socket, Line::sent);
                assert_eq!(
                    plain(&sent),
                    [(true, 2, payload.clone()), (true, 1, b"next".to_vec())],
                    "{window}"
                );
            }
        }
    }
}

/// A timeout does not cut a frame short: the call says how much went out, time after time.
#[test]
fn a_trickle_within_the_timeout() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = client(&mut table);
    stack.line(socket, |line| line.window = 0);
    stack.answer(|line| line.window += 3);
    let payload = [7; 1000];
    let mut taken = 0;
    let mut calls = 0;
    while taken < payload.len() {
        calls += 1;
        let began = table.platform().clock.get();
        match table.send_msg(ws, &payload[taken..], Opcode::Binary, true, 10) {
            Ok(count) => taken += count,
            Err(error) => assert_eq!(error, SendError::Timeout),
        }
        assert!(table.platform().clock.get() - began <= 10);
    }
    assert!(calls > 20);
    assert_eq!(
        plain(&stack.line(socket, Line::sent)),
        [(true, 2, payload.to_vec())]
    );
}

/// A Pong and a Close that are due wait for the open frame, then go out in front of what comes next.
#[test]
fn control_frames_wait_for_the_open_frame() {
    for window in 1..=108 {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, 256);
        let (ws, socket) = client(&mut table);
        stack.line(socket, |line| {
            line.window = window;
            line.feed(&frame(true, 9, false, b"are you there"), 99);
        });
        let payload = [9; 100];
        let taken = table
            .send_msg(ws, &payload, Opcode::Binary, true, 3)
            .unwrap_or(0);
        assert!(table.recv_msg(ws, &mut [0; 9], 3).is_err());
        stack.line(socket, |line| line.window = usize::MAX);
        table
            .send_msg(ws, &payload[taken..], Opcode::Binary, true, 3)
            .ok();
        assert!(table.recv_msg(ws, &mut [0; 9], 3).is_err());
        let sent = plain(&stack.line(socket, Line::sent));
        let pong = (true, 10, b"are you there".to_vec());
        let message = (true, 2, payload.to_vec());
        if window >= 106 {
            // It was out before the Ping was read; the empty rest is a message of its own.
            assert_eq!(sent[0], message);
            assert!(sent.contains(&pong));
        } else {
            assert_eq!(sent, [message, pong], "{window}");
        }
    }
}

/// `disconnect` with a frame half out: no Close can go into it, TCP is closed at once.
#[test]
fn rfc6455_5_4_no_close_into_an_open_frame() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = client(&mut table);
    stack.line(socket, |line| line.window = 20);
    table
        .send_msg(ws, &[1; 100], Opcode::Binary, true, 3)
        .unwrap();
    stack.line(socket, |line| line.window = usize::MAX);
    let began = table.platform().clock.get();
    let (closed, kept) = table
        .disconnect_keeping_socket(ws, CloseCode::NORMAL, "reason", 50)
        .unwrap();
    assert_eq!((closed.clean, kept), (false, socket));
    assert_eq!(table.platform().clock.get(), began);
    assert_eq!(stack.line(socket, Line::sent).len(), 20);
    assert_eq!(
        table.disconnect(ws, 5).unwrap_err(),
        HandleError::Stale.into()
    );
}

/// A small message goes out in one piece: header and payload in one segment.
#[test]
fn one_write_a_small_message() {
    for is_client in [true, false] {
        for length in [0, 1, 100] {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, 256);
            let (ws, socket) = if is_client {
                client(&mut table)
            } else {
                server(&mut table)
            };
            // One `send` and no more: a second would find the window closed.
            stack.line(socket, |line| {
                line.window = if is_client { 6 } else { 2 } + length
            });
            let payload = vec![1; length];
            let sent = table.send_msg(ws, &payload, Opcode::Text, true, 0);
            assert_eq!(sent, Ok(length));
        }
    }
}

/// The socket face: whatever is written goes into the open frame as far as it has room.
#[test]
fn the_socket_face_goes_on_inside_an_open_frame() {
    use embedded_nal::TcpClientStack;
    for window in 0..40 {
        let stack = ScriptStack::new();
        let options = StreamOptions {
            opcode: Opcode::Text,
            ..Default::default()
        };
        let mut table: Scripted<1> = table(&stack, 256).with_stream_options(options);
        let (mut ws, socket) = client(&mut table);
        stack.line(socket, |line| line.window = window);
        let text = b"first and second and third";
        let mut taken = TcpClientStack::send(&mut table, &mut ws, &text[..16]).unwrap_or(0);
        stack.line(socket, |line| line.window = usize::MAX);
        let mut step = 5;
        while taken < text.len() {
            let piece = &text[taken..(taken + step).min(text.len())];
            taken += TcpClientStack::send(&mut table, &mut ws, piece).unwrap();
            step += 1;
        }
        assert_eq!(TcpClientStack::send(&mut table, &mut ws, b""), Ok(0));
        let sent = stack.line(socket, Line::sent);
        let (found, rest) = frames(&sent);
        assert!(rest.is_empty());
        assert!(found.iter().all(|found| found.opcode == 1 && found.fin));
        assert_eq!(
            found
                .iter()
                .flat_map(|found| found.payload.clone())
                .collect::<Vec<_>>(),
            text
        );
    }
}

proptest! {
    /// Any messages, a wire that takes anything: what arrives is what was sent, in order.
    #[test]
    fn any_messages_over_any_wire(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..6),
        windows in prop::collection::vec(0usize..90, 1..8).prop_filter("moves", |w| w.iter().any(|w| *w > 0)),
        pieces in 1usize..200,
        is_client: bool,
        in_place: bool,
    ) {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, 256);
        let (ws, socket) = if is_client { client(&mut table) } else { server(&mut table) };
        stack.line(socket, |line| (line.window, line.piece) = (0, pieces));
        let mut turn = 0;
        stack.answer(move |line| {
            turn += 1;
            line.window = windows[turn % windows.len()];
        });
        for message in &messages {
            let mut bytes = message.clone();
            let mut taken = 0;
            loop {
                let rest = &mut bytes[taken..];
                let sent = if in_place {
                    table.send_msg_mut(ws, rest, Opcode::Binary, true, Timeout::Millis(2))
                } else {
                    table.send_msg(ws, rest, Opcode::Binary, true, Timeout::Millis(2))
                };
                match sent {
                    Ok(count) => {
                        taken += count;
                        if taken == message.len() {
                            break;
                        }
                    }
                    Err(error) => prop_assert_eq!(error, SendError::Timeout),
                }
            }
        }
        let sent = plain(&stack.line(socket, Line::sent));
        let expected: Vec<_> = messages.into_iter().map(|message| (true, 2, message)).collect();
        prop_assert_eq!(sent, expected);
    }
}

/// A frame given in parts, whatever the wire takes of each: one frame, and nothing in between.
#[test]
fn a_frame_in_parts() {
    let payload: Vec<u8> = (0..=255).cycle().take(1000).collect();
    for is_client in [true, false] {
        for part in [1, 7, 64, 999] {
            for window in [1, 5, 300, usize::MAX] {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, 256);
                let (ws, socket) = if is_client {
                    client(&mut table)
                } else {
                    server(&mut table)
                };
                stack.line(socket, |line| line.window = 0);
                stack.answer(move |line| line.window = window);
                let mut taken = 0;
                while taken < payload.len() {
                    let rest = payload.len() - taken;
                    let piece = &payload[taken..taken + part.min(rest)];
                    let sent = table.send_part(ws, piece, rest, Opcode::Binary, true, 2);
                    match sent {
                        Ok(count) => taken += count,
                        Err(error) => assert_eq!(error, SendError::Timeout),
                    }
                }
                stack.line(socket, |line| line.window = usize::MAX);
                table.send_part(ws, b"", 0, Opcode::Text, true, 2).unwrap();
                let sent = table.send_part(ws, b"", 1, Opcode::Text, true, 2);
                assert_eq!((sent, table.open_frame(ws)), (Ok(0), Ok(Some(1))));
                table.send_part(ws, b"x", 1, Opcode::Text, true, 2).unwrap();
                let refused = table.send_part(ws, b"ab", 1, Opcode::Text, true, 2);
                assert_eq!(refused, Err(SendError::PartTooLong));
                let sent = stack.line(socket, Line::sent);
                assert_eq!(
                    plain(&sent),
                    [
                        (true, 2, payload.clone()),
                        (true, 1, vec![]),
                        (true, 1, b"x".to_vec())
                    ]
                );
            }
        }
    }
}

/// A Close is judged when it begins, so that all of it has to be at hand then (RFC 6455 section
/// 5.5.1): in parts, any code would get by.
#[test]
fn rfc6455_5_5_1_no_close_in_parts() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = client(&mut table);
    for (part, rest) in [(&b""[..], 1), (b"", 2), (b"\x03\xE8", 3)] {
        let sent = table.send_part(ws, part, rest, Opcode::Close, true, 2);
        assert_eq!(sent, Err(SendError::Frame(FrameError::Control)));
    }
    assert_eq!(table.open_frame(ws), Ok(None));
    let sent = table.send_part(ws, b"\x03\xE8", 2, Opcode::Close, true, 2);
    assert_eq!(sent, Ok(2));
    let sent = plain(&stack.line(socket, Line::sent));
    assert_eq!(sent, [(true, 8, b"\x03\xE8".to_vec())]);
}

/// The rest of a frame is sent as what the frame was begun as: another FIN would silently not be.
#[test]
fn the_rest_of_a_frame_keeps_its_fin() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = client(&mut table);
    stack.line(socket, |line| line.window = 8);
    assert_eq!(table.send_msg(ws, b"abcd", Opcode::Text, false, 0), Ok(2));
    stack.line(socket, |line| line.window = usize::MAX);
    let refused = table.send_msg(ws, b"cd", Opcode::Text, true, 0);
    assert_eq!(refused, Err(SendError::Frame(FrameError::FrameOpen)));
    assert_eq!(table.send_msg(ws, b"cd", Opcode::Text, false, 0), Ok(2));
    let sent = plain(&stack.line(socket, Line::sent));
    assert_eq!(sent, [(false, 1, b"abcd".to_vec())]);
}

/// The socket face goes on with whatever data frame is open, but its bytes never become those of a
/// control frame.
#[test]
fn the_socket_face_does_not_go_on_with_a_control_frame() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = client(&mut table);
    stack.line(socket, |line| line.window = 7);
    let close = table.send_msg(ws, b"\x03\xE8", Opcode::Close, true, 0);
    assert_eq!(close, Ok(1));
    stack.line(socket, |line| line.window = usize::MAX);
    let refused = table.send(ws, b"data", 0);
    assert_eq!(refused, Err(SendError::Frame(FrameError::FrameOpen)));
    let close = table.send_msg(ws, b"\xE8", Opcode::Close, true, 0);
    assert_eq!(close, Ok(1));
    let sent = plain(&stack.line(socket, Line::sent));
    assert_eq!(sent, [(true, 8, b"\x03\xE8".to_vec())]);
}

/// Frames are written from what is free of the lent buffer: what stands there unread stays as it is, and
/// a Pong goes out between.
#[test]
fn what_is_read_and_not_received_stays() {
    for unread in [0, 1, 700, 4000, 5900, 6000, 9000, 9900] {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, 10_125);
        let (ws, socket) = client(&mut table);
        let waiting: Vec<u8> = (0..unread).map(|at| at as u8).collect();
        let bytes = [
            frame(true, 2, false, b"first"),
            frame(true, 2, false, &waiting),
            frame(true, 9, false, b"ping"),
            frame(true, 1, false, b"last"),
        ]
        .concat();
        stack.line(socket, |line| line.feed(&bytes, usize::MAX));
        let mut buffer = vec![0; 10_000];
        let first = table.recv_msg(ws, &mut buffer, 5).unwrap();
        assert_eq!(&buffer[..first.length], b"first");
        let payload = [0xAB; 7000];
        let sent = table.send_msg(ws, &payload, Opcode::Binary, true, 5);
        assert_eq!(sent, Ok(payload.len()));
        let (messages, _) = receive_all(&mut table, ws, 10_000);
        let expected = [(Opcode::Binary, waiting), (Opcode::Text, b"last".to_vec())];
        assert_eq!(messages, expected, "unread {unread}");
        let frames = [(true, 2, payload.to_vec()), (true, 10, b"ping".to_vec())];
        assert_eq!(plain(&stack.line(socket, Line::sent)), frames);
    }
}

/// A wrong `mask` is said also where a Pong waits for the wire.
#[test]
fn rfc6455_5_1_a_wrong_mask_where_the_wire_is_full() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let (ws, socket) = client(&mut table);
    stack.line(socket, |line| {
        line.window = 0;
        line.feed(&frame(true, 9, false, b"ping"), usize::MAX);
    });
    let received = table.recv_msg(ws, &mut [0; 9], 0);
    assert_eq!(received, Err(ReceiveError::Timeout));
    let mut send = |mask| websocket_send_msg(&mut table, ws, b"x", Opcode::Text, mask, true, 0);
    assert_eq!(send(false), Err(SendError::Mask));
    assert_eq!(send(true), Err(SendError::Timeout));
}
