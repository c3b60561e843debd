//! What Zephyr's own tests look at, over every size of the lent buffer. Elsewhere: reads in pieces,
//! two messages in one read, a message behind the upgrade response, wrong accept values
//! (`failures`); empty messages (`failures`, `control`).
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;
use std::rc::Rc;

use ws_socket::handshake::ClientError;
use ws_socket::{ConnectError, Flags, Opcode, ReceiveError, WebSocketId, WebSocketRequest};
use ws_tests::frames::{frame, head, header, switching};
use ws_tests::script::{Incoming, ScriptError, ScriptStack};
use ws_tests::table::{Scripted, client, receive_all, server, table};

/// The 101 to the key that every table of these tests asks with first.
fn answer() -> String {
    let stack = ScriptStack::new();
    let socket = stack.connected();
    let mut table: Scripted<1> = table(&stack, 256);
    let seen = Rc::new(RefCell::new(None));
    let log = seen.clone();
    stack.answer(move |line| {
        if let Some((request, _)) = head(&line.outgoing) {
            *log.borrow_mut() = Some(switching(request, ""));
        }
    });
    let error = table.connect(socket, WebSocketRequest::new("h", "/"), 5);
    assert_eq!(error, Err(ConnectError::Timeout));
    seen.take().unwrap()
}

/// Connects with a lent buffer to a server whose answer comes cut at `cut`, with a message behind.
fn connect(answer: &str, lent: usize, cut: usize) -> Result<(), ConnectError<ScriptError>> {
    let stack = ScriptStack::new();
    let socket = stack.connected();
    stack.line(socket, |line| {
        let (front, back) = answer.as_bytes().split_at(cut);
        line.feed(front, usize::MAX);
        line.incoming.push_back(Incoming::Nothing);
        let back = [back, &frame(true, 1, false, b"hi")].concat();
        line.feed(&back, usize::MAX);
    });
    let mut table: Scripted<1> = table(&stack, lent);
    let ws = table.connect(socket, WebSocketRequest::new("h", "/"), 50);
    if let Ok(ws) = ws {
        let (messages, _) = receive_all(&mut table, ws, 9);
        assert_eq!(messages, [(Opcode::Text, b"hi".to_vec())]);
        table.abort(ws).unwrap();
    }
    assert_eq!((table.in_use(), stack.open()), (0, 0));
    ws.map(|_| ())
}

/// The accept value ends on the last byte of the lent buffer, or anywhere else in it: every size of
/// the buffer that there can be. Right, and with its last or first character wrong.
#[test]
fn accept_ends_on_the_last_byte_of_the_lent_buffer() {
    // So long a head that there is a buffer for each place in the value.
    let padding = format!("X-Padding: {}\r\nSec-WebSocket-Accept", "x".repeat(60));
    let right = answer().replace("Sec-WebSocket-Accept", &padding);
    let accept = header(&right, "Sec-WebSocket-Accept").unwrap().to_owned();
    let end = right.find(&accept).unwrap() + accept.len();
    let wrong = |edit: &dyn Fn(&str) -> String| right.replace(&accept, &edit(&accept));
    let wrongs = [
        wrong(&|accept| format!("{}-", &accept[..27])),
        wrong(&|accept| format!("-{}", &accept[1..])),
        wrong(&|accept| accept[..27].to_owned()),
        wrong(&|accept| format!("{accept}=")),
        wrong(&|_| String::new()),
    ];
    // The last 125 bytes of a buffer are not read to.
    for lent in 256..right.len() + 260 {
        assert_eq!(connect(&right, lent, 0), Ok(()), "lent {lent}");
        for wrong in &wrongs {
            let error = connect(wrong, lent, 0);
            let expected = ConnectError::Handshake(ClientError::Accept);
            assert_eq!(error, Err(expected), "lent {lent}");
        }
    }
    // A read that fills the buffer to its last byte with the last of the value.
    assert!(
        (256 - 125..right.len()).contains(&end),
        "some size does that"
    );
    assert_eq!(connect(&right, end + 125, 0), Ok(()));
}

/// The value split across segments at each of its bytes, and the header around it.
#[test]
fn accept_split_across_segments() {
    let right = answer();
    let accept = header(&right, "Sec-WebSocket-Accept").unwrap().to_owned();
    let wrong = right.replace(&accept, &format!("{}-", &accept[..27]));
    for lent in [256, 257, 284, 409, 600] {
        for cut in 0..=right.len() {
            assert_eq!(connect(&right, lent, cut), Ok(()), "lent {lent}, cut {cut}");
            let error = connect(&wrong, lent, cut);
            let expected = ConnectError::Handshake(ClientError::Accept);
            assert_eq!(error, Err(expected), "lent {lent}, cut {cut}");
        }
    }
}

/// Receives one frame's payload of `length` bytes, each `i`th of which is `i % 127`, in pieces of
/// at most `room`.
fn frame_in_pieces(
    table: &mut Scripted<1>,
    ws: WebSocketId,
    length: usize,
    room: usize,
    flags: Flags,
) {
    let mut buffer = vec![0; room];
    let mut at = 0;
    loop {
        let piece = match table.recv_msg(ws, &mut buffer, 5) {
            Ok(piece) => piece,
            Err(error) => panic!("{error} at {at} of {length}"),
        };
        assert_eq!(piece.flags, flags);
        assert!(piece.length <= room && (piece.length > 0 || length == 0));
        for byte in &buffer[..piece.length] {
            assert_eq!(usize::from(*byte), at % 127, "at {at} of {length}");
            at += 1;
        }
        assert_eq!(piece.remaining, length - at);
        let whole = at == length && flags.contains(Flags::FINAL);
        assert_eq!(piece.is_complete(), whole);
        if at == length {
            return;
        }
    }
}

/// Large messages, in one frame and in fragments, in pieces of all sizes: `remaining` is right at
/// every step, and so are the type and the end.
#[test]
fn large_messages_in_pieces() {
    let payload = |length: usize| -> Vec<u8> { (0..length).map(|at| (at % 127) as u8).collect() };
    for masked in [false, true] {
        for lent in [256, 300, 1500] {
            for room in [1, 12, 125, 700, 100_000] {
                for segment in [536, 1460, usize::MAX] {
                    // By the byte is slow enough with the shorter ones.
                    let most = if room == 1 { 3000 } else { 70_000 };
                    let stack = ScriptStack::new();
                    let mut table: Scripted<1> = table(&stack, lent);
                    let (ws, socket) = if masked {
                        server(&mut table)
                    } else {
                        client(&mut table)
                    };
                    let lengths = [125, 126, 2000, 65_535, 65_536, 70_000];
                    for length in lengths.into_iter().filter(|length| *length <= most) {
                        let whole = payload(length);
                        let bytes = [
                            frame(true, 2, masked, &whole),
                            frame(false, 1, masked, &whole),
                            frame(true, 9, masked, b""),
                            frame(false, 0, masked, b""),
                            frame(true, 0, masked, &whole[..125]),
                        ];
                        stack.line(socket, |line| {
                            line.feed(&bytes.concat(), segment);
                        });
                        let binary = Flags::BINARY | Flags::FINAL;
                        frame_in_pieces(&mut table, ws, length, room, binary);
                        frame_in_pieces(&mut table, ws, length, room, Flags::TEXT);
                        frame_in_pieces(&mut table, ws, 0, room, Flags::TEXT);
                        let last = Flags::TEXT | Flags::FINAL;
                        frame_in_pieces(&mut table, ws, 125, room, last);
                    }
                    let error = table.recv_msg(ws, &mut [0; 9], 5);
                    assert_eq!(error, Err(ReceiveError::Timeout));
                }
            }
        }
    }
}

/// An empty message is a message: `recv_msg` returns it with a length of 0 between two others, and
/// `recv`, which knows no messages, passes over it.
#[test]
fn an_empty_message_is_no_error() {
    for lent in [256, 300] {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, lent);
        let (ws, socket) = client(&mut table);
        let bytes = b"\x81\x01a\x81\x00\x82\x00\x81\x01b";
        stack.line(socket, |line| line.feed(bytes, 99));
        let mut buffer = [0; 4];
        for (opcode, length) in [
            (Opcode::Text, 1),
            (Opcode::Text, 0),
            (Opcode::Binary, 0),
            (Opcode::Text, 1),
        ] {
            let piece = table.recv_msg(ws, &mut buffer, 0).unwrap();
            assert_eq!((piece.opcode(), piece.length), (opcode, length));
            assert!(piece.is_complete());
        }
        stack.line(socket, |line| line.feed(bytes, 99));
        assert_eq!(table.recv(ws, &mut buffer, 0), Ok(1));
        assert_eq!((table.recv(ws, &mut buffer, 0), buffer[0]), (Ok(1), b'b'));
    }
}
