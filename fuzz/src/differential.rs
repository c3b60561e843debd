//! The same bytes to a table of ours and to tungstenite: the same messages, the same end.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use tungstenite::protocol::{Role as TheirRole, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};
use ws_socket::{Buffer, Config, Opcode, ProtocolError, ReceiveError, Role, WebSockets};
use ws_tests::frames::frames;
use ws_tests::platform::HandPlatform;
use ws_tests::script::{Incoming, ScriptStack};

use crate::input::{Cuts, Input};
use crate::oracle::{assert_frames, shortest};
use crate::wire;

type Messages = Vec<(Opcode, Vec<u8>)>;

/// How a stream of frames ends.
#[derive(Debug)]
enum End<E> {
    /// With a Close, which is the last of the messages.
    Closed,
    /// The bytes are over.
    Eof,
    Error(E),
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let role = input.pick(&[Role::Client, Role::Server]);
    let lent = input.pick(&[256, 257, 300, 381, 400, 512, 4096]);
    let room = input.pick(&[1, 7, 64, 600]);
    // No less than a control frame may have: theirs has one limit for all frames.
    let limit = input.pick(&[125, 300, 2000, 70_000]);
    let cuts = input.cuts();
    let bytes = wire::wire(&mut input, role == Role::Server);

    let (our_messages, our_end) = ours(role, lent, room, limit, &cuts, &bytes);
    let (their_messages, their_end) = theirs(role, limit, &bytes);
    let agree = match (&our_end, &their_end) {
        (End::Closed, End::Closed) => closed_alike(&our_messages, &their_messages),
        (End::Eof, End::Eof) => our_messages == their_messages,
        (End::Error(_), End::Error(_)) if our_messages == their_messages => true,
        (End::Error(error), _) => {
            tolerated(*error, &our_messages, &their_messages, &their_end, &bytes)
        }
        _ => false,
    };
    assert!(
        agree,
        "ours: {our_messages:x?} {our_end:?}\ntheirs: {their_messages:x?} {their_end:?}"
    );
}

/// What theirs hands out in place of a Close whose code may not be sent.
const THEIR_1002: &[u8] = b"\x03\xEAProtocol violation";

/// The same messages; but theirs does not know 1014, which the IANA has registered since RFC 6455.
fn closed_alike(ours: &Messages, theirs: &Messages) -> bool {
    let (Some((our_close, ours)), Some((their_close, theirs))) =
        (ours.split_last(), theirs.split_last())
    else {
        panic!("closed without a Close");
    };
    let bad_gateway = our_close.1.starts_with(&1014_u16.to_be_bytes());
    ours == theirs && (our_close == their_close || bad_gateway && their_close.1 == THEIR_1002)
}

/// All differences there may be where ours finds an error: it is the stricter one, or the earlier.
fn tolerated(
    error: ProtocolError,
    ours: &Messages,
    theirs: &Messages,
    their_end: &End<Error>,
    bytes: &[u8],
) -> bool {
    if !theirs.starts_with(ours) {
        return false;
    }
    let more = &theirs[ours.len()..];
    match error {
        // Theirs takes lengths in any form, against RFC 6455 section 5.2. For a control frame the
        // longer forms alone say that it is too long.
        ProtocolError::LengthNotMinimal | ProtocolError::ControlTooLong if !shortest(bytes) => true,
        // Theirs hands out a Close of 1002 in place of one with a code that may not be sent.
        ProtocolError::CloseCode(_) if !more.is_empty() => {
            more == [(Opcode::Close, THEIR_1002.to_vec())]
        }
        // Ours says what is wrong at the byte that shows it, theirs when the frame is there.
        _ => {
            let (_, cut) = frames(bytes);
            more.is_empty() && matches!(their_end, End::Eof) && !cut.is_empty()
        }
    }
}

fn ours(
    role: Role,
    lent: usize,
    room: usize,
    limit: usize,
    cuts: &Cuts,
    bytes: &[u8],
) -> (Messages, End<ProtocolError>) {
    let stack = ScriptStack::new();
    let mut lent = vec![0; lent];
    let config = Config {
        max_message: limit,
        report_pings: true,
        report_pongs: true,
        ..Config::DEFAULT
    };
    let platform = HandPlatform::new(&Rc::new(Cell::new(1)), 1);
    let mut table = WebSockets::<_, _, 1>::new(stack.clone(), platform).with_config(config);
    let socket = stack.connected();
    stack.line(socket, |line| {
        let mut from = 0;
        for to in cuts.ends(bytes.len()) {
            line.incoming.push_back(match &bytes[from..to] {
                [] => Incoming::Nothing,
                piece => Incoming::Bytes(piece.to_vec()),
            });
            from = to;
        }
        line.incoming.push_back(Incoming::Eof);
    });
    let ws = table
        .register(
            socket,
            role,
            Some(Buffer::new(&mut lent).expect("256 bytes or more")),
            0,
        )
        .expect("a free slot");

    let mut messages = Vec::new();
    // Of a message, and of a control frame inside it.
    let mut partly = [None, None];
    let mut buffer = vec![0; room];
    let end = loop {
        match table.recv_msg(ws, &mut buffer, 0) {
            Ok(piece) => {
                let partly = &mut partly[usize::from(piece.opcode().is_control())];
                let (opcode, so_far) = partly.get_or_insert((piece.opcode(), Vec::new()));
                assert_eq!(*opcode, piece.opcode());
                so_far.extend_from_slice(&buffer[..piece.length]);
                if piece.is_complete() {
                    messages.extend(partly.take());
                }
            }
            Err(ReceiveError::Timeout) => {}
            Err(ReceiveError::Closed(_)) => break End::Closed,
            Err(ReceiveError::Lost) => break End::Eof,
            Err(ReceiveError::Protocol(error)) => break End::Error(error),
            Err(error) => panic!("{error}"),
        }
    };
    stack.line(socket, |line| {
        assert_frames(role == Role::Client, &line.outgoing, |_| false)
    });
    (messages, end)
}

/// What theirs reads from; what it writes goes nowhere.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(role: Role, limit: usize, bytes: &[u8]) -> (Messages, End<Error>) {
    let role = match role {
        Role::Client => TheirRole::Client,
        Role::Server => TheirRole::Server,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(512)
        .write_buffer_size(0)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let mut socket = WebSocket::from_raw_socket(Wire(bytes), role, Some(config));
    let mut messages = Vec::new();
    loop {
        let message = match socket.read() {
            Ok(Message::Text(text)) => (Opcode::Text, text.as_bytes().to_vec()),
            Ok(Message::Binary(payload)) => (Opcode::Binary, payload.to_vec()),
            Ok(Message::Ping(payload)) => (Opcode::Ping, payload.to_vec()),
            Ok(Message::Pong(payload)) => (Opcode::Pong, payload.to_vec()),
            Ok(Message::Close(close)) => {
                let payload = close.map(|close| {
                    [
                        &u16::from(close.code).to_be_bytes(),
                        close.reason.as_bytes(),
                    ]
                    .concat()
                });
                messages.push((Opcode::Close, payload.unwrap_or_default()));
                return (messages, End::Closed);
            }
            Ok(Message::Frame(_)) => panic!("a frame is only for writing"),
            Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => return (messages, End::Eof),
            Err(error) => return (messages, End::Error(error)),
        };
        messages.push(message);
    }
}
