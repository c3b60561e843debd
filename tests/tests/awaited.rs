//! What a platform is told of a wait: for which socket, to read or to write. One that sleeps until
//! the system says that a socket is ready has nothing else to go by.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use ws_socket::{
    AcceptOptions, Awaited, CloseCode, Config, Events, Keepalive, Opcode, Platform, PollItem,
    RandomError, ReceiveError, Recipient, Role, SendError, SharedWebSockets, SlotStore, SlowPolicy,
    Table, WebSocketId, WebSocketRequest, WebSockets,
};
use ws_tests::frames::{frame, head, request, switching};
use ws_tests::platform::HandPlatform;
use ws_tests::script::{Incoming, Line, ScriptStack};
use ws_tests::table::{clock, lent};

/// A wait: for the socket, to read, to write.
type Wait = (Option<u8>, bool, bool);

const fn read(socket: u8) -> Wait {
    (Some(socket), true, false)
}

const fn write(socket: u8) -> Wait {
    (Some(socket), false, true)
}

/// A platform that notes what it is told.
struct Told(HandPlatform, Rc<RefCell<Vec<Wait>>>);

impl Platform<ScriptStack> for Told {
    fn now_ms(&mut self) -> u32 {
        Platform::<ScriptStack>::now_ms(&mut self.0)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        Platform::<ScriptStack>::fill_random(&mut self.0, bytes)
    }

    fn wait(&mut self, _: &mut ScriptStack, _: u32) {
        panic!("it can be told more");
    }

    fn wait_for(&mut self, stack: &mut ScriptStack, awaited: Awaited<'_, u8>, at_most_ms: u32) {
        let Awaited {
            socket,
            read,
            write,
        } = awaited;
        self.1.borrow_mut().push((socket.copied(), read, write));
        self.0.wait(stack, at_most_ms);
    }
}

type Waits = Rc<RefCell<Vec<Wait>>>;

fn told() -> (Told, Waits) {
    let waits = Waits::default();
    (Told(HandPlatform::new(&clock(), 7), waits.clone()), waits)
}

fn told_table<const N: usize>(
    config: Config,
) -> (
    WebSockets<'static, ScriptStack, Told, N>,
    ScriptStack,
    Waits,
) {
    let ((told, waits), stack) = (told(), ScriptStack::new());
    let table = WebSockets::new(stack.clone(), told).with_buffers([(); N].map(|()| lent(256)));
    (table.with_config(config), stack, waits)
}

fn open<L: SlotStore<'static, Socket = u8>>(
    table: &mut Table<'static, ScriptStack, Told, L>,
    role: Role,
) -> (WebSocketId, u8) {
    let socket = table.stack().connected();
    let ws = table.register(socket, role, Some(lent(256)), 0);
    (ws.map_err(|(error, _)| error).unwrap(), socket)
}

/// All waits since this was asked last were for the same.
#[track_caller]
fn all(waits: &Waits, expected: Wait) {
    let waits = waits.take();
    assert!(!waits.is_empty(), "nothing was waited for");
    assert!(waits.iter().all(|wait| *wait == expected), "{waits:?}");
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// A window that is shut opens after so many waits.
fn opens_after(
    table: &mut Table<'static, ScriptStack, Told, impl SlotStore<'static, Socket = u8>>,
    socket: u8,
    mut turns: usize,
) {
    let stack = table.stack().clone();
    stack.line(socket, |line| line.window = 0);
    let others = table.platform().0.others.clone();
    others.borrow_mut().push(Box::new(move || {
        turns = turns.saturating_sub(1);
        if turns == 0 && stack.is_open(socket) {
            stack.line(socket, |line| line.window = usize::MAX);
        }
    }));
}

#[test]
fn a_receive_waits_to_read() {
    for role in ROLES {
        let (mut table, _, waits) = told_table::<2>(Config::DEFAULT);
        let (_, _) = open(&mut table, Role::Client);
        let (ws, socket) = open(&mut table, role);
        let mut buffer = [0; 8];
        let timed = Err(ReceiveError::Timeout);
        assert_eq!(table.recv_msg(ws, &mut buffer, 3), timed);
        all(&waits, read(socket));
        assert_eq!(table.recv_frame(ws, &mut buffer, 3), timed);
        all(&waits, read(socket));
        assert_eq!(table.peek(ws, 3), timed);
        all(&waits, read(socket));
        assert_eq!(table.recv(ws, &mut buffer, 3), Err(ReceiveError::Timeout));
        all(&waits, read(socket));
        // One that does not wait lets the stack have its turn, and is told the same.
        assert_eq!(table.recv_msg(ws, &mut buffer, 0), timed);
        all(&waits, read(socket));
    }
}

#[test]
fn a_send_over_a_full_wire_waits_to_write() {
    for role in ROLES {
        type Send = fn(&mut WebSockets<'static, ScriptStack, Told, 2>, WebSocketId) -> usize;
        let ways: [Send; 4] = [
            |table, ws| table.send_msg(ws, b"hello", Opcode::Text, true, 9).unwrap(),
            |table, ws| {
                let payload = &mut *b"hello".to_vec().leak();
                table
                    .send_msg_mut(ws, payload, Opcode::Text, true, 9)
                    .unwrap()
            },
            |table, ws| {
                table
                    .send_part(ws, b"hello", 9, Opcode::Text, true, 9)
                    .unwrap()
            },
            |table, ws| table.send(ws, b"hello", 9).unwrap(),
        ];
        for send in ways {
            // Also where the wire shuts within the frame.
            let (mut table, stack, waits) = told_table::<2>(Config::DEFAULT);
            let (_, _) = open(&mut table, Role::Client);
            let (ws, socket) = open(&mut table, role);
            opens_after(&mut table, socket, 3);
            assert_eq!(send(&mut table, ws), 5);
            assert_eq!(waits.borrow().len(), 3);
            all(&waits, write(socket));
            assert!(stack.line(socket, |line| !line.sent().is_empty()));
        }
        let (mut table, _, waits) = told_table::<2>(Config::DEFAULT);
        let (ws, socket) = open(&mut table, role);
        opens_after(&mut table, socket, 100);
        let sent = table.send_msg(ws, b"hello", Opcode::Text, true, 5);
        assert_eq!(sent, Err(SendError::Timeout));
        all(&waits, write(socket));
    }
}

/// A Pong that is due waits for the wire while the receive waits for the peer.
#[test]
fn a_receive_with_a_pong_due_waits_for_both() {
    for role in ROLES {
        let (mut table, stack, waits) = told_table::<1>(Config::DEFAULT);
        let (ws, socket) = open(&mut table, role);
        let ping = frame(true, 9, role == Role::Server, b"there?");
        stack.line(socket, |line| {
            line.window = 0;
            line.feed(&ping, 99);
        });
        let nothing = table.recv_msg(ws, &mut [0; 8], 4);
        assert_eq!(nothing, Err(ReceiveError::Timeout));
        all(&waits, (Some(socket), true, true));
        // Nor is what a call before waited for waited for any more.
        stack.line(socket, |line| line.window = usize::MAX);
        let nothing = table.recv_msg(ws, &mut [0; 8], 4);
        assert_eq!(nothing, Err(ReceiveError::Timeout));
        all(&waits, read(socket));
    }
}

/// What blocked in a call that had its result all the same is not what the next call waits for.
#[test]
fn a_wait_is_not_told_of_calls_before() {
    for role in ROLES {
        let (mut table, stack, waits) = told_table::<2>(Config::DEFAULT);
        let (ws, socket) = open(&mut table, role);
        let (other, second) = open(&mut table, role);
        let masked = role == Role::Server;
        let came = [
            frame(true, 9, masked, b"there?"),
            frame(true, 2, masked, b"x"),
        ];
        stack.line(socket, |line| {
            line.window = 0;
            line.feed(&came.concat(), 99);
        });
        assert!(table.recv_msg(ws, &mut [0; 8], 4).is_ok());
        let nothing = table.recv_msg(other, &mut [0; 8], 4);
        assert_eq!(nothing, Err(ReceiveError::Timeout));
        all(&waits, read(second));
    }
}

#[test]
fn a_dial_waits_to_write_and_a_handshake_to_read() {
    type Connect = fn(&mut WebSockets<'static, ScriptStack, Told, 1>) -> bool;
    let ways: [Connect; 2] = [
        |table| {
            let remote = SocketAddr::from(([10, 0, 0, 1], 80));
            let request = WebSocketRequest::new("host", "/");
            table.connect_to(remote, request, 50).is_ok()
        },
        |table| {
            let request = WebSocketRequest::for_url();
            table.connect_url("ws://host/", request, 50).is_ok()
        },
    ];
    for connect in ways {
        let (mut table, stack, waits) = told_table::<1>(Config::DEFAULT);
        // A peer that takes the connection after four waits, and answers after three more.
        stack.dials(4);
        let mut left = 3;
        stack.answer(move |line| {
            if let Some((request, _)) = head(&line.outgoing) {
                left -= 1;
                if left == 0 {
                    let answer = switching(request, "");
                    line.sent();
                    line.feed(answer.as_bytes(), 99);
                }
            }
        });
        assert!(connect(&mut table));
        let waits = waits.take();
        let (dialing, answered) = waits.split_at(4);
        assert_eq!(dialing, [(None, false, true); 4]);
        let socket = answered[0].0.unwrap();
        assert_eq!(answered, [read(socket); 3]);
    }
}

/// A request that does not go out may be answered all the same.
#[test]
fn a_handshake_over_a_full_wire_waits_for_both() {
    let (mut table, stack, waits) = told_table::<1>(Config::DEFAULT);
    let socket = stack.connected();
    stack.line(socket, |line| line.window = 10);
    assert!(
        table
            .connect(socket, WebSocketRequest::new("host", "/"), 5)
            .is_err()
    );
    all(&waits, (Some(socket), true, true));
}

#[test]
fn an_accept_waits_to_read() {
    let (mut table, stack, waits) = told_table::<2>(Config::DEFAULT);
    let mut listener = stack.connected();
    let options = AcceptOptions::default();
    assert!(table.accept(&mut listener, &options, 5).is_err());
    all(&waits, (None, true, false));
    // Nobody yet, or half a request: one of several is waited for.
    let socket = stack.arrive();
    let asked = request("");
    let (half, rest) = asked.as_bytes().split_at(40);
    stack.line(socket, |line| line.feed(half, 99));
    assert!(table.accept(&mut listener, &options, 5).is_err());
    all(&waits, (None, true, false));
    // An answer that does not go out is waited for as well.
    stack.line(socket, |line| {
        line.feed(rest, 999);
        line.window = 20;
    });
    assert!(table.accept(&mut listener, &options, 5).is_err());
    all(&waits, (None, true, true));
    stack.line(socket, |line| line.window = usize::MAX);
    assert!(table.accept(&mut listener, &options, 5).is_ok());
    waits.take();
    let got = table.poll_accept(&mut listener, &options, &mut [], 5);
    assert_eq!(got.unwrap().ready, 0);
    all(&waits, (None, true, false));
}

/// Several are waited for: none is named.
#[test]
fn a_poll_waits_to_read_and_a_broadcast_to_write() {
    let (mut table, stack, waits) = told_table::<2>(Config::DEFAULT);
    let (ws, socket) = open(&mut table, Role::Server);
    let (other, _) = open(&mut table, Role::Server);
    let mut items = [
        PollItem::new(ws, Events::IN),
        PollItem::new(other, Events::IN),
    ];
    assert_eq!(table.poll(&mut items, 4), 0);
    all(&waits, (None, true, false));
    // A Pong that is in the way of a send.
    stack.line(socket, |line| {
        line.window = 0;
        line.feed(&frame(true, 9, true, b"there?"), 99);
    });
    let mut items = [PollItem::new(ws, Events::OUT)];
    assert_eq!(table.poll(&mut items, 4), 0);
    all(&waits, (None, true, true));

    let (mut table, stack, waits) = told_table::<2>(Config::DEFAULT);
    let (ws, socket) = open(&mut table, Role::Server);
    stack.line(socket, |line| line.window = 0);
    let mut to = [Recipient::new(ws)];
    table.broadcast(&mut to, b"news", Opcode::Text, SlowPolicy::Wait, 4);
    all(&waits, (None, false, true));
}

#[test]
fn a_disconnect_waits_for_the_peers_close() {
    for role in ROLES {
        let (mut table, stack, waits) = told_table::<1>(Config::DEFAULT);
        let (ws, socket) = open(&mut table, role);
        opens_after(&mut table, socket, 3);
        let close = frame(true, 8, role == Role::Server, b"\x03\xE8");
        let mut fed = false;
        stack.answer(move |line: &mut Line| {
            if !line.outgoing.is_empty() && !std::mem::replace(&mut fed, true) {
                line.feed(&close, 99);
                line.incoming.push_back(Incoming::Eof);
            }
        });
        let end = table
            .disconnect_with(ws, CloseCode::NORMAL, "", 50)
            .unwrap();
        assert!(end.clean);
        let waits = waits.take();
        let (closing, closed) = waits.split_at(3);
        // It may be the peer that closes.
        assert_eq!(closing, [(Some(socket), true, true); 3]);
        assert!(
            closed.iter().all(|wait| *wait == read(socket)),
            "{closed:?}"
        );
    }
}

/// Another task may have the socket by then.
#[test]
fn a_shared_table_names_no_socket() {
    let stack = ScriptStack::new();
    let (platform, waits) = told();
    let shared = SharedWebSockets::<'static, u8, 1>::new();
    let mut table = shared.attach(stack.clone(), platform);
    let (ws, socket) = open(&mut table, Role::Client);
    let nothing = table.recv_msg(ws, &mut [0; 8], 4);
    assert_eq!(nothing, Err(ReceiveError::Timeout));
    all(&waits, (None, true, false));
    opens_after(&mut table, socket, 3);
    assert_eq!(table.send_msg(ws, b"hello", Opcode::Text, true, 9), Ok(5));
    all(&waits, (None, false, true));
}

/// While keepalive has a Ping to send over a wire that takes nothing, both are waited for.
#[test]
fn keepalive_waits_to_write_its_ping() {
    let config = Config {
        keepalive: Some(Keepalive {
            interval: 5,
            timeout: 50,
        }),
        ..Config::DEFAULT
    };
    let (mut table, stack, waits) = told_table::<1>(config);
    let (ws, socket) = open(&mut table, Role::Server);
    stack.line(socket, |line| line.window = 0);
    let nothing = table.recv_msg(ws, &mut [0; 8], 20);
    assert_eq!(nothing, Err(ReceiveError::Timeout));
    let waits = waits.take();
    assert_eq!(waits[0], read(socket));
    assert_eq!(waits.last(), Some(&(Some(socket), true, true)), "{waits:?}");
}
