//! Any calls, in any order, over a stack that does anything: nothing panics, every call ends in its
//! time, and what goes out is a valid stream of frames whatever happened.

use proptest::prelude::*;
use ws_core::{Receiver, Role};
use ws_socket::{CloseCode, Events, Opcode, PollItem};
use ws_tests::frames::{frame, frames};
use ws_tests::script::{Incoming, ScriptStack};
use ws_tests::table::{Scripted, client, server, table};

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    Receive {
        room: usize,
    },
    ReceiveStream {
        room: usize,
    },
    Send {
        length: usize,
        opcode: u8,
        fin: bool,
        in_place: bool,
    },
    SendStream {
        length: usize,
    },
    /// Goes on with the frame that is open, as a careful caller does.
    Continue,
    Poll,
    Frame {
        fin: bool,
        opcode: u8,
        length: usize,
        piece: usize,
    },
    Bytes(Vec<u8>),
    Close(u16),
    Window {
        window: usize,
        piece: usize,
    },
    Nothing,
    Eof,
    Reset,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0usize..300).prop_map(|room| Event::Receive { room }),
        1 => (0usize..300).prop_map(|room| Event::ReceiveStream { room }),
        4 => (0usize..400, 0u8..11, any::<bool>(), any::<bool>()).prop_map(
            |(length, opcode, fin, in_place)| Event::Send { length, opcode, fin, in_place }
        ),
        1 => (0usize..400).prop_map(|length| Event::SendStream { length }),
        4 => Just(Event::Continue),
        1 => Just(Event::Poll),
        6 => (any::<bool>(), 0u8..11, 0usize..200, 1usize..300).prop_map(
            |(fin, opcode, length, piece)| Event::Frame { fin, opcode, length, piece }
        ),
        1 => prop::collection::vec(any::<u8>(), 0..9).prop_map(Event::Bytes),
        1 => prop::sample::select(vec![0u16, 999, 1000, 1005, 4000]).prop_map(Event::Close),
        6 => (0usize..300, 1usize..50).prop_map(|(window, piece)| Event::Window { window, piece }),
        2 => Just(Event::Nothing),
        1 => Just(Event::Eof),
        1 => Just(Event::Reset),
    ]
}

/// What went out is what a peer accepts, up to a frame that is cut off at its end; nothing follows
/// a Close.
fn check_outgoing(is_client: bool, sent: &[u8]) {
    let mut peer = Receiver::new(if is_client {
        Role::Server
    } else {
        Role::Client
    });
    let mut bytes = sent.to_vec();
    let mut rest = &mut bytes[..];
    while !rest.is_empty() && !peer.has_ended() {
        let consumed = peer
            .decode(rest, usize::MAX)
            .expect("a valid frame")
            .consumed;
        rest = &mut rest[consumed..];
    }
    let (found, cut) = frames(sent);
    if let Some(close) = found.iter().position(|found| found.opcode == 8) {
        assert!(
            close + 1 == found.len() && cut.is_empty(),
            "something follows the Close"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn any_calls_over_any_stack(
        is_client: bool,
        lent in prop::sample::select(vec![256usize, 257, 276, 400, 700]),
        events in prop::collection::vec(event(), 0..40),
    ) {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, lent);
        let (ws, socket) = if is_client { client(&mut table) } else { server(&mut table) };
        let clock = table.platform().clock.clone();
        let mut ended = false;
        for event in events {
            let began = clock.get();
            match event {
                Event::Receive { room } => {
                    let _ = table.recv_msg(ws, &mut vec![0; room], 3);
                }
                Event::ReceiveStream { room } => {
                    let _ = table.recv(ws, &mut vec![0; room], 3);
                }
                Event::Send { length, opcode, fin, in_place } => {
                    let Some(opcode) = Opcode::from_wire(opcode) else { continue };
                    let mut payload = vec![b'a'; length];
                    if in_place && table.open_frame(ws) == Ok(None) {
                        let mut rest = &mut payload[..];
                        let mut tries = 0;
                        // Masked in place, the rest is the only thing that may follow.
                        loop {
                            let sent = table.send_msg_mut(ws, rest, opcode, fin, 0);
                            rest = &mut rest[sent.unwrap_or(0)..];
                            if table.open_frame(ws) != Ok(Some(rest.len())) || tries > 50 {
                                break;
                            }
                            tries += 1;
                            stack.line(socket, |line| (line.window, line.piece) = (99, 99));
                        }
                    } else {
                        let _ = table.send_msg(ws, &payload, opcode, fin, 3);
                    }
                }
                Event::SendStream { length } => {
                    let _ = table.send(ws, &vec![b'b'; length], 3);
                }
                Event::Continue => {
                    if let Ok(Some(rest)) = table.open_frame(ws) {
                        let _ = table.send(ws, &vec![b'c'; rest], 3);
                    }
                }
                Event::Poll => {
                    let mut items = [PollItem::new(ws, Events::IN | Events::OUT)];
                    table.poll(&mut items, 3);
                }
                Event::Frame { fin, opcode, length, piece } => {
                    let payload: Vec<u8> = match opcode {
                        8 => b"\x03\xE8".iter().copied().cycle().take(length.min(2) & !1).collect(),
                        _ => vec![b'x'; if opcode > 7 { length.min(125) } else { length }],
                    };
                    let bytes = frame(fin || opcode > 7, opcode, !is_client, &payload);
                    if !ended {
                        stack.line(socket, |line| line.feed(&bytes, piece));
                    }
                }
                Event::Bytes(bytes) => {
                    if !ended && !bytes.is_empty() {
                        stack.line(socket, |line| line.feed(&bytes, 99));
                    }
                }
                Event::Close(code) => {
                    let result = table.disconnect_with(ws, CloseCode(code), "bye", 3);
                    if result.is_ok() {
                        break;
                    }
                    // Only a code that may not be sent is a reason not to.
                    prop_assert!(matches!(code, 0 | 999));
                }
                Event::Window { window, piece } => {
                    stack.line(socket, |line| (line.window, line.piece) = (window, piece));
                }
                Event::Nothing => {
                    stack.line(socket, |line| line.incoming.push_back(Incoming::Nothing));
                }
                Event::Eof | Event::Reset if ended => {}
                Event::Eof => {
                    ended = true;
                    stack.line(socket, |line| line.incoming.push_back(Incoming::Eof));
                }
                Event::Reset => {
                    ended = true;
                    stack.line(socket, |line| line.incoming.push_back(Incoming::Reset));
                }
            }
            prop_assert!(clock.get() - began <= 3);
            stack.line(socket, |line| check_outgoing(is_client, &line.outgoing));
        }
        if table.in_use() > 0 {
            stack.line(socket, |line| line.window = usize::MAX);
            let (_, kept) =
                table.disconnect_keeping_socket(ws, CloseCode::NORMAL, "end", 5).unwrap();
            stack.line(kept, |line| check_outgoing(is_client, &line.outgoing));
        }
        prop_assert_eq!(table.in_use(), 0);
    }
}
