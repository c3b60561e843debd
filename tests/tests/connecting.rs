//! Connections that do not come about: the program does not want them, the caller wants the TCP socket
//! back, or there is nothing to have them with.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use embedded_nal::{TcpClientStack, nb};
use embedded_nal_async::TcpConnect;
use ws_socket::handshake::{ClientError, RequestError};
use ws_socket::stack::{AddressList, Addresses};
use ws_socket::{
    ConnectError, Errno, Opcode, Platform, RandomError, Refused, SharedWebSockets, SocketError,
    Timeout, WebSocketId, WebSocketRequest, WebSockets, asynch,
};
use ws_tests::frames::{head, plain};
use ws_tests::hand::{Hand, run};
use ws_tests::platform::{HandPlatform, Polled};
use ws_tests::script::{Line, ScriptError, ScriptStack};
use ws_tests::table::{bare, clock, lent, table, upgrade};
use ws_tests::wire::{Reset, Script, Wire};

/// A platform that can reset connections, and says which it was asked to.
struct Resets(HandPlatform, Rc<RefCell<Vec<u8>>>);

impl Platform<ScriptStack> for Resets {
    fn now_ms(&mut self) -> u32 {
        Platform::<ScriptStack>::now_ms(&mut self.0)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        Platform::<ScriptStack>::fill_random(&mut self.0, bytes)
    }

    fn wait(&mut self, stack: &mut ScriptStack, at_most_ms: u32) {
        self.0.wait(stack, at_most_ms);
    }

    fn abort(&mut self, stack: &mut ScriptStack, socket: u8) {
        self.1.borrow_mut().push(socket);
        stack.close(socket).unwrap();
    }
}

type Table = WebSockets<'static, ScriptStack, Resets, 1>;

/// A table of one slot, its stack, and the sockets that were reset.
fn resetting() -> (Table, ScriptStack, Rc<RefCell<Vec<u8>>>) {
    let (stack, resets) = (ScriptStack::new(), Rc::default());
    let platform = Resets(HandPlatform::new(&clock(), 7), Rc::clone(&resets));
    let table = WebSockets::new(stack.clone(), platform).with_buffers([lent(256)]);
    (table, stack, resets)
}

const REMOTE: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
    80,
);

fn says<T>(table: &mut Table, ws: WebSocketId, line: impl FnOnce(&mut Line) -> T) -> T {
    let stack = table.stack().clone();
    let socket = table.with_socket(ws, |_, socket| *socket);
    stack.line(socket.unwrap().unwrap(), line)
}

/// Zephyr's callback on connecting can refuse.
#[test]
fn the_program_refuses_an_open_connection() {
    let ways: [fn(&mut Table, WebSocketRequest<'_, 'static>) -> Result<WebSocketId, _>; 3] = [
        |table, request| {
            let socket = table.stack().connected();
            table.connect(socket, request, 100)
        },
        |table, request| table.connect_to(REMOTE, request, 100),
        |table, request| table.connect_url("ws://host/", request, 100),
    ];
    for way in ways {
        let (mut table, stack, resets) = resetting();
        stack.answer(|line| upgrade(line, b"\x81\x01x"));
        let seen = Cell::new(None);
        let mut refuse = |ws| {
            seen.set(Some(ws));
            Err(Refused)
        };
        let request = WebSocketRequest::new("host", "/").on_connect(&mut refuse);
        let error = way(&mut table, request).unwrap_err();
        assert_eq!(error, ConnectError::ByProgram(Refused));
        assert_eq!(error.errno(), Errno::Econnaborted);
        assert_eq!((table.in_use(), stack.open()), (0, 0));
        assert_eq!(resets.borrow().len(), 1, "the platform's to reset");
        let refused = seen.take().unwrap();
        assert!(!table.is_open(refused));

        // The slot and its buffer are there for the next.
        let mut accept = |ws| {
            seen.set(Some(ws));
            Ok(())
        };
        let request = WebSocketRequest::new("host", "/").on_connect(&mut accept);
        let ws = way(&mut table, request).unwrap();
        assert_eq!(seen.get(), Some(ws));
        assert_ne!(ws, refused);
        assert_eq!((table.in_use(), resets.borrow().len()), (1, 1));
        let mut piece = [0; 4];
        let got = table.recv_msg(ws, &mut piece, 5).unwrap();
        assert_eq!(
            (got.opcode(), &piece[..got.length]),
            (Opcode::Text, &b"x"[..])
        );
        assert_eq!(table.send_msg(ws, b"hello", Opcode::Text, true, 5), Ok(5));
        let sent = says(&mut table, ws, |line| plain(&line.sent()));
        assert_eq!(sent, [(true, 1, b"hello".to_vec())]);
    }
}

/// It runs for connections that are open, and for no others.
#[test]
fn the_program_is_not_asked_about_what_failed() {
    let (mut table, stack, resets) = resetting();
    let mut asked = |_| panic!("it is not open");
    stack.answer(|line| {
        if head(&line.sent()).is_some() {
            line.feed(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 9);
        }
    });
    let request = WebSocketRequest::new("host", "/").on_connect(&mut asked);
    let refused = ClientError::Refused { status: 403 };
    assert_eq!(table.connect_to(REMOTE, request, 100), Err(refused.into()));
    assert_eq!((table.in_use(), stack.open()), (0, 0));
    assert_eq!(resets.borrow().len(), 1);
}

/// As Zephyr does: the socket is the caller's, open, whatever went wrong.
#[test]
fn a_refused_handshake_gives_the_socket_back() {
    let (mut table, stack, resets) = resetting();
    let socket = stack.connected();
    stack.answer(|line| {
        if let Some((request, _)) = head(&line.outgoing) {
            if request.contains("Authorization") {
                return upgrade(line, b"");
            }
            line.sent();
            line.feed(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 7);
        }
    });
    let request = WebSocketRequest::new("host", "/");
    let failed = table.connect_keeping_socket(socket, request, 100);
    let (error, back) = failed.unwrap_err();
    assert_eq!(error, ClientError::Refused { status: 401 }.into());
    assert_eq!((back, table.in_use()), (Some(socket), 0));
    assert!(stack.is_open(socket) && resets.borrow().is_empty());

    // The same connection may be asked again.
    let request = WebSocketRequest::new("host", "/").headers(&[("Authorization", "Basic eDp5")]);
    let ws = table.connect_keeping_socket(socket, request, 100).unwrap();
    assert_eq!(table.send_msg(ws, b"hello", Opcode::Text, true, 5), Ok(5));
    let sent = stack.line(socket, |line| plain(&line.sent()));
    assert_eq!(sent, [(true, 1, b"hello".to_vec())]);
}

#[test]
fn every_failure_gives_the_socket_back() {
    type Failure = ConnectError<ScriptError>;
    let fails = |prepare: &dyn Fn(&mut Table, &ScriptStack, u8), request| -> Failure {
        let (mut table, stack, resets) = resetting();
        let socket = stack.connected();
        prepare(&mut table, &stack, socket);
        let (in_use, open) = (table.in_use(), stack.open());
        let (error, back) = table
            .connect_keeping_socket(socket, request, 20)
            .unwrap_err();
        assert_eq!(back, Some(socket), "{error}");
        assert!(stack.is_open(socket), "{error}");
        assert!(resets.borrow().is_empty(), "{error}");
        assert_eq!((table.in_use(), stack.open()), (in_use, open), "{error}");
        error
    };
    let request = || WebSocketRequest::new("host", "/");
    let nothing = |_: &mut Table, _: &ScriptStack, _| {};
    assert_eq!(fails(&nothing, request()), ConnectError::Timeout);
    let bad = WebSocketRequest::new("a host", "/");
    let error = fails(&nothing, bad);
    assert_eq!(error, ConnectError::Request(RequestError::Host));
    let reset = |_: &mut Table, stack: &ScriptStack, socket| {
        stack.line(socket, |line| line.reset = true);
    };
    assert_eq!(
        fails(&reset, request()),
        ConnectError::Stack(ScriptError::Reset)
    );
    let no_random = |table: &mut Table, _: &ScriptStack, _| table.platform().0.no_random.set(true);
    assert_eq!(
        fails(&no_random, request()),
        ConnectError::Random(RandomError)
    );
    let full = |table: &mut Table, _: &ScriptStack, _| {
        TcpClientStack::socket(table).unwrap();
    };
    assert_eq!(fails(&full, request()), ConnectError::NoFreeSlot);
    let mut refuse = |_| Err(Refused);
    let by_program = request().on_connect(&mut refuse);
    let answers = |_: &mut Table, stack: &ScriptStack, _| stack.answer(|line| upgrade(line, b""));
    assert_eq!(
        fails(&answers, by_program),
        ConnectError::ByProgram(Refused)
    );
}

#[test]
fn without_a_buffer_or_in_the_table_already_the_socket_comes_back() {
    let stack = ScriptStack::new();
    let mut table = bare::<2>(&stack).refusing_duplicates();
    let socket = stack.connected();
    let request = || WebSocketRequest::new("host", "/");
    let failed = table.connect_keeping_socket(socket, request(), 20);
    assert_eq!(failed, Err((ConnectError::NoBuffer, Some(socket))));
    assert_eq!(table.in_use(), 0);
    stack.answer(|line| upgrade(line, b""));
    let request = || WebSocketRequest::new("host", "/").buffer(lent(256));
    let ws = table.connect_keeping_socket(socket, request(), 20).unwrap();
    let failed = table.connect_keeping_socket(socket, request(), 20);
    assert_eq!(failed, Err((ConnectError::AlreadyWrapped, Some(socket))));
    // And the connection that has it goes on.
    assert!(stack.is_open(socket) && table.is_open(ws));
    assert_eq!(table.send_msg(ws, b"x", Opcode::Text, true, 5), Ok(1));
}

/// A stack that tells all addresses: the one it has.
#[derive(Clone)]
struct Names(ScriptStack);

impl TcpClientStack for Names {
    type TcpSocket = u8;
    type Error = ScriptError;

    fn socket(&mut self) -> Result<u8, ScriptError> {
        self.0.socket()
    }

    fn connect(&mut self, socket: &mut u8, to: SocketAddr) -> nb::Result<(), ScriptError> {
        self.0.connect(socket, to)
    }

    fn send(&mut self, socket: &mut u8, bytes: &[u8]) -> nb::Result<usize, ScriptError> {
        self.0.send(socket, bytes)
    }

    fn receive(&mut self, socket: &mut u8, buffer: &mut [u8]) -> nb::Result<usize, ScriptError> {
        self.0.receive(socket, buffer)
    }

    fn close(&mut self, socket: u8) -> Result<(), ScriptError> {
        self.0.close(socket)
    }
}

impl Addresses for Names {
    fn get_addresses(&mut self, _: &str, found: &mut AddressList) -> nb::Result<(), ScriptError> {
        found.push(REMOTE.ip());
        Ok(())
    }
}

impl Polled for Names {
    fn poll_at(&mut self, now_ms: u32) {
        self.0.poll_at(now_ms);
    }
}

/// What there is no buffer for, or no slot, is not dialed: the peer does not hear of it.
#[test]
fn without_a_buffer_nobody_is_dialed() {
    let request = || WebSocketRequest::new("host", "/");
    let stack = ScriptStack::new();
    let mut table = bare::<2>(&stack);
    for _ in 0..2 {
        let error = table.connect_to(REMOTE, request(), 20).unwrap_err();
        assert_eq!(
            (error, error.errno()),
            (ConnectError::NoBuffer, Errno::Einval)
        );
        let error = table.connect_url("ws://host/", request(), 20).unwrap_err();
        assert_eq!(error, ConnectError::NoBuffer);
        let error = table.connect_url("ws://10.0.0.1/", request(), 20);
        assert_eq!(error, Err(ConnectError::NoBuffer));
        let error = TcpClientStack::socket(&mut table).unwrap_err();
        assert_eq!(error, SocketError::Connect(ConnectError::NoBuffer));
    }
    assert_eq!((stack.opened(), table.in_use()), (0, 0));

    let platform = HandPlatform::new(&clock(), 7);
    let mut names = WebSockets::<_, _, 1>::new(Names(stack.clone()), platform);
    let error = names.connect_url_all("ws://host/", request(), 20);
    assert_eq!(error, Err(ConnectError::NoBuffer));
    assert_eq!((stack.opened(), names.in_use()), (0, 0));

    let shared = SharedWebSockets::<u8, 1>::new();
    let mut task = shared.attach(stack.clone(), HandPlatform::new(&clock(), 7));
    let error = task.connect_to(REMOTE, request(), 20);
    assert_eq!(error, Err(ConnectError::NoBuffer));
    assert_eq!((stack.opened(), task.in_use()), (0, 0));

    // With a buffer of its own it is; the slot keeps it, for the next.
    stack.answer(|line| upgrade(line, b""));
    let ws = table
        .connect_to(REMOTE, request().buffer(lent(256)), 20)
        .unwrap();
    let error = table.connect_to(REMOTE, request(), 20);
    assert_eq!(
        error,
        Err(ConnectError::NoBuffer),
        "the other slot has none"
    );
    assert_eq!(stack.opened(), 1);
    table.abort(ws).unwrap();
    assert!(table.connect_url("ws://host/", request(), 20).is_ok());
}

#[test]
fn without_a_slot_nobody_is_dialed() {
    let request = || WebSocketRequest::new("host", "/").buffer(lent(256));
    let stack = ScriptStack::new();
    let mut table = table::<1>(&stack, 256);
    stack.answer(|line| upgrade(line, b""));
    let ws = table.connect_to(REMOTE, request(), 20).unwrap();
    let error = table.connect_to(REMOTE, request(), 20).unwrap_err();
    assert_eq!(
        (error, error.errno()),
        (ConnectError::NoFreeSlot, Errno::Enoent)
    );
    let error = table.connect_url("ws://host/", request(), 20);
    assert_eq!(error, Err(ConnectError::NoFreeSlot));
    assert_eq!(stack.opened(), 1);
    table.abort(ws).unwrap();
    assert!(table.connect_to(REMOTE, request(), 20).is_ok());
}

/// A stack of async streams that counts who was dialed.
struct Dials(Cell<usize>, Script);

impl TcpConnect for Dials {
    type Error = Reset;
    type Connection<'a> = Wire;

    async fn connect(&self, _: SocketAddr) -> Result<Wire, Reset> {
        self.0.set(self.0.get() + 1);
        Ok(self.1.wire())
    }
}

impl embedded_nal_async::Dns for Dials {
    type Error = Reset;

    async fn get_host_by_name(
        &self,
        _: &str,
        _: embedded_nal_async::AddrType,
    ) -> Result<std::net::IpAddr, Reset> {
        Ok(REMOTE.ip())
    }

    async fn get_host_by_address(&self, _: std::net::IpAddr, _: &mut [u8]) -> Result<usize, Reset> {
        Err(Reset)
    }
}

#[test]
fn the_async_table_does_not_dial_without_a_buffer_or_a_slot_either() {
    let dials = Dials(Cell::new(0), Script::new());
    let request = asynch::AsyncRequest::new("host", "/");
    let mut table = asynch::AsyncWebSockets::<Wire, _, 1>::new(Hand::new());
    let error = run(table.connect_to(&dials, REMOTE, &request, 20));
    assert_eq!(error, Err(ConnectError::NoBuffer));
    let error = run(table.connect_url(&dials, "ws://host/", &request, 20));
    assert_eq!(error, Err(ConnectError::NoBuffer));
    let mut table = table.with_buffers([lent(256)]);
    let script = Script::new();
    let ws = table.register(script.wire(), ws_socket::Role::Client, &[]);
    assert!(ws.is_ok());
    let error = run(table.connect_to(&dials, REMOTE, &request, 20));
    assert_eq!(error, Err(ConnectError::NoFreeSlot));
    let error = run(table.connect_url(&dials, "ws://host/", &request, Timeout::Forever));
    assert_eq!(error, Err(ConnectError::NoFreeSlot));
    assert_eq!(dials.0.get(), 0);
}
