//! Sends that do not wait, over a wire that takes little at a time: how many calls of the stack there
//! are in one of ours does not show.

use embedded_nal::{TcpClientStack, nb};
use ws_socket::asynch::WebSocket;
use ws_socket::{
    Config, FrameError, Opcode, ReceiveError, Role, SendError, SharedWebSockets, SlotStore,
    SocketError, StreamOptions, Table, Timeout, WebSocketId,
};
use ws_tests::frames::{frame, frames, plain};
use ws_tests::hand::{Hand, run};
use ws_tests::platform::HandPlatform;
use ws_tests::script::{ScriptError, ScriptStack};
use ws_tests::table::{Scripted, clock, lent, table};
use ws_tests::wire::{Line, Script};

/// More than a turn of the core has steps.
const LONG: usize = 500;

const ROLES: [Role; 2] = [Role::Client, Role::Server];

type Sent = Result<usize, SendError<ScriptError>>;

fn face(sent: nb::Result<usize, SocketError<ScriptError>>) -> Sent {
    match sent {
        Ok(count) => Ok(count),
        Err(nb::Error::WouldBlock) => Err(SendError::Timeout),
        Err(nb::Error::Other(SocketError::Send(error))) => Err(error),
        Err(error) => panic!("{error:?}"),
    }
}

fn open<L: SlotStore<'static, Socket = u8>>(
    table: &mut Table<'static, ScriptStack, HandPlatform, L>,
    role: Role,
) -> (WebSocketId, u8) {
    let socket = table.stack().connected();
    let ws = table.register(socket, role, Some(lent(256)), 0);
    (ws.map_err(|(error, _)| error).unwrap(), socket)
}

/// What is on the wire is what the connection says of it: a frame is open where a part of one is out,
/// and where none is, nothing of one is.
#[track_caller]
fn agree<L: SlotStore<'static, Socket = u8>>(
    table: &mut Table<'static, ScriptStack, HandPlatform, L>,
    ws: WebSocketId,
    out: &[u8],
) {
    let (_, half) = frames(out);
    let open = table.open_frame(ws).unwrap();
    // A Pong is nobody's to go on with.
    let of_ours = half.first().is_some_and(|first| first & 0x08 == 0);
    assert_eq!(open.is_some(), of_ours, "{open:?}: {half:x?}");
}

/// One call takes all of it: the wire never blocked.
#[test]
fn a_wire_that_takes_bytes_one_by_one_takes_them_all() {
    for role in ROLES {
        for piece in [1, 2, 7] {
            let payload: Vec<u8> = (0..LONG).map(|at| at as u8).collect();
            type Send = fn(&mut Scripted<1>, WebSocketId, &[u8]) -> Sent;
            let ways: [Send; 6] = [
                |table, ws, payload| face(TcpClientStack::send(table, &mut { ws }, payload)),
                |table, ws, payload| table.send(ws, payload, 0),
                |table, ws, payload| table.send_msg(ws, payload, Opcode::Binary, true, 0),
                |table, ws, payload| {
                    table.send_msg_mut(ws, &mut payload.to_vec(), Opcode::Binary, true, 0)
                },
                |table, ws, payload| {
                    table.send_part(ws, payload, payload.len(), Opcode::Binary, true, 0)
                },
                |table, ws, payload| table.send(ws, payload, -1),
            ];
            for send in ways {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, 256);
                let (ws, socket) = open(&mut table, role);
                stack.line(socket, |line| line.piece = piece);
                for _ in 0..3 {
                    assert_eq!(send(&mut table, ws, &payload), Ok(LONG));
                    assert_eq!(table.open_frame(ws), Ok(None));
                    let sent = stack.line(socket, |line| plain(&line.sent()));
                    assert_eq!(sent, [(true, 2, payload.clone())]);
                }
            }
        }
    }
}

/// The wire takes a byte a call and then nothing: the socket face goes on byte by byte, for many more
/// calls than a turn has steps, and at no point is a frame open of which nothing is out.
#[test]
fn the_socket_face_goes_on_byte_by_byte() {
    fn byte_by_byte<L: SlotStore<'static, Socket = u8>>(
        table: &mut Table<'static, ScriptStack, HandPlatform, L>,
        role: Role,
        send: impl Fn(&mut Table<'static, ScriptStack, HandPlatform, L>, WebSocketId, &[u8]) -> Sent,
        pinged: bool,
    ) {
        let (ws, socket) = open(table, role);
        let stack = table.stack().clone();
        stack.line(socket, |line| line.window = 0);
        let ping = frame(true, 9, role == Role::Server, &[9; 125]);
        if pinged {
            stack.line(socket, |line| line.feed(&ping, 999));
            let nothing = table.recv_msg(ws, &mut [0; 8], 0);
            assert_eq!(nothing, Err(ReceiveError::Timeout));
        }
        let payload: Vec<u8> = (0..LONG).map(|at| at as u8).collect();
        let (mut sent, mut calls, mut out) = (0, 0, Vec::new());
        while sent < LONG {
            // With nothing on the wire the frame may be one of another length.
            let rest = &payload[sent..];
            stack.line(socket, |line| line.window = calls % 2);
            match send(table, ws, rest) {
                Ok(count) => sent += count,
                Err(SendError::Timeout) => {}
                Err(error) => panic!("after {calls} calls: {error}"),
            }
            out.extend(stack.line(socket, |line| line.sent()));
            agree(table, ws, &out);
            // Another frame goes between them exactly where none is open.
            let other = table.send_msg(ws, b"!", Opcode::Ping, true, 0);
            let expected = match table.open_frame(ws) {
                Ok(None) => Err(SendError::Timeout),
                _ => Err(SendError::Frame(FrameError::FrameOpen)),
            };
            assert_eq!(other, expected, "after {calls} calls");
            calls += 1;
            assert!(calls < 5_000, "it does not get on");
        }
        assert!(calls > 64);
        assert_eq!(table.open_frame(ws), Ok(None));
        let mut expected = vec![(true, 2, payload)];
        if pinged {
            expected.insert(0, (true, 10, vec![9; 125]));
        }
        assert_eq!(plain(&out), expected);
    }
    for role in ROLES {
        for pinged in [false, true] {
            let stack = ScriptStack::new();
            let mut one: Scripted<1> = table(&stack, 256);
            let face_send = |table: &mut Scripted<1>, ws, payload: &[u8]| {
                face(TcpClientStack::send(table, &mut { ws }, payload))
            };
            byte_by_byte(&mut one, role, face_send, pinged);
            let mut one: Scripted<1> = table(&stack, 256);
            let zero = |table: &mut Scripted<1>, ws, payload: &[u8]| table.send(ws, payload, 0);
            byte_by_byte(&mut one, role, zero, pinged);
            let shared = SharedWebSockets::<'static, u8, 1>::new();
            let mut task = shared.attach(stack.clone(), HandPlatform::new(&clock(), 7));
            byte_by_byte(
                &mut task,
                role,
                |table, ws, payload| face(TcpClientStack::send(table, &mut { ws }, payload)),
                pinged,
            );
        }
    }
}

/// Bytes that a caller hands over in small portions, each a message: many in a row over such a wire.
#[test]
fn many_short_messages_byte_by_byte() {
    for role in ROLES {
        let stack = ScriptStack::new();
        let options = StreamOptions {
            opcode: Opcode::Text,
            ..StreamOptions::DEFAULT
        };
        let mut table: Scripted<1> = table(&stack, 256).with_stream_options(options);
        let (ws, socket) = open(&mut table, role);
        stack.line(socket, |line| line.piece = 1);
        let mut out = Vec::new();
        for nth in 0..200 {
            let sent = face(TcpClientStack::send(&mut table, &mut { ws }, &[b'a'; 3]));
            assert_eq!(sent, Ok(3), "{nth}");
            let other = table.send_msg(ws, b"?", Opcode::Binary, true, 0);
            assert_eq!(other, Ok(1), "{nth}");
            out.extend(stack.line(socket, |line| line.sent()));
            agree(&mut table, ws, &out);
        }
        assert_eq!(plain(&out).len(), 400);
    }
}

/// A Close of the socket face goes out whole, and what is due before it, where the wire takes it.
#[test]
fn the_socket_faces_close_goes_out_byte_by_byte() {
    for role in ROLES {
        let stack = ScriptStack::new();
        stack.record();
        let mut table: Scripted<1> = table(&stack, 256);
        let (ws, socket) = open(&mut table, role);
        let ping = frame(true, 9, role == Role::Server, &[9; 125]);
        stack.line(socket, |line| {
            line.window = 0;
            line.piece = 1;
            line.feed(&ping, 999);
        });
        let nothing = table.recv_msg(ws, &mut [0; 8], 0);
        assert_eq!(nothing, Err(ReceiveError::Timeout));
        stack.line(socket, |line| line.window = usize::MAX);
        TcpClientStack::close(&mut table, ws).unwrap();
        assert!(!stack.is_open(socket));
        let sent = plain(&stack.records()[0].borrow());
        let expected = [(true, 10, vec![9; 125]), (true, 8, vec![0x03, 0xE8])];
        assert_eq!(sent, expected);
    }
}

/// The async calls that do not wait keep to the same.
#[test]
fn async_sends_that_do_not_wait_take_all_that_the_wire_takes() {
    for role in ROLES {
        let script = Script::cut(usize::MAX, 1, 0);
        let config = Config::DEFAULT;
        let mut ws =
            WebSocket::from_upgraded(script.wire(), role, lent(256), 0, Hand::new(), config);
        for nth in 0..100 {
            let payload = vec![nth; LONG];
            let sent = run(ws.send_msg(&payload, Opcode::Binary, true, 0));
            assert_eq!(sent, Ok(LONG));
            let sent = run(ws.send(&payload, Timeout::NoWait));
            assert_eq!(sent, Ok(LONG));
            let sent = plain(&script.line(Line::sent));
            assert_eq!(sent, [(true, 2, payload.clone()), (true, 2, payload)]);
            assert_eq!(ws.open_frame(), None);
        }
    }
}
