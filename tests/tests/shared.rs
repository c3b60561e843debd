//! The shared table: two threads on one connection, and how long interrupts are masked.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::Instant;

use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, nb};
use ws_socket::handshake::{Headers, Host as HostHeader, Request};
use ws_socket::stack::{StdSocket, StdStack};
use ws_socket::{
    AcceptOptions, CloseCode, HandleError, Opcode, Platform, ReceiveError, Role, SendError,
    SharedWebSockets, SlotStore, StreamOptions, Table, WebSocketId, WebSocketRequest, WebSockets,
};
use ws_tests::table::lent;

/// The operating system's clock; it yields to wait.
struct Host(Instant, u8);

impl<S> Platform<S> for Host {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        for byte in bytes {
            self.1 = self.1.wrapping_mul(5).wrapping_add(77);
            *byte = self.1;
        }
        Ok(())
    }

    fn wait(&mut self, _: &mut S, _: u32) {
        std::thread::yield_now();
    }
}

fn host() -> Host {
    Host(Instant::now(), 1)
}

/// One message, which may come in pieces.
fn message<P, L>(table: &mut Table<'static, StdStack, P, L>, ws: WebSocketId) -> Vec<u8>
where
    P: Platform<StdStack>,
    L: SlotStore<'static, Socket = StdSocket>,
{
    let (mut message, mut buffer) = (Vec::new(), [0; 64]);
    loop {
        let piece = table.recv_msg(ws, &mut buffer, 10_000).unwrap();
        message.extend_from_slice(&buffer[..piece.length]);
        if piece.is_complete() {
            return message;
        }
    }
}

/// One thread receives while another sends on the same connection, a third closes it: over real
/// sockets, a thousand messages each way.
#[test]
fn one_sends_while_another_receives() {
    const MESSAGES: u32 = 1000;
    static SHARED: SharedWebSockets<'static, StdSocket, 2> = SharedWebSockets::new();
    let lent = || &mut *Box::leak(Box::new([0; 500]));
    SHARED.lend([lent(), lent()]);

    let mut stack = StdStack::new().with_bind_addr([127, 0, 0, 1].into());
    let mut listener = stack.socket().unwrap();
    stack.bind(&mut listener, 0).unwrap();
    stack.listen(&mut listener).unwrap();
    let address = stack.local_addr(&listener).unwrap();
    static ENOUGH: AtomicBool = AtomicBool::new(false);
    let server = std::thread::spawn(move || {
        let mut table: WebSockets<'_, _, _, 1> =
            WebSockets::new(stack, host()).with_buffers([lent()]);
        let ws = table
            .accept(&mut listener, &AcceptOptions::default(), 10_000)
            .unwrap();
        let mut buffer = [0; 64];
        for _ in 0..MESSAGES {
            let payload = &message(&mut table, ws);
            table
                .send_msg(ws, payload, Opcode::Text, true, 10_000)
                .unwrap();
        }
        let close = table.recv_msg(ws, &mut buffer, 10_000).unwrap();
        assert_eq!(close.opcode(), Opcode::Close);
        assert!(table.disconnect(ws, 10_000).unwrap().clean);
    });

    let mut table = SHARED.attach(StdStack::new(), host());
    let ws = table
        .connect_to(address, WebSocketRequest::new("x", "/"), 10_000)
        .unwrap();
    let receiver = std::thread::spawn(move || {
        let mut table = SHARED.attach(StdStack::new(), host());
        let mut buffer = [0; 64];
        for number in 0..MESSAGES {
            assert_eq!(message(&mut table, ws), number.to_string().as_bytes());
        }
        ENOUGH.store(true, Ordering::Release);
        // Waits on until the other closes: the id goes stale under it, or it sees the Close.
        let error = loop {
            match table.recv_msg(ws, &mut buffer, 10_000) {
                Ok(piece) => assert_eq!(piece.opcode(), Opcode::Close),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(
                error,
                ReceiveError::Handle(HandleError::Stale)
                    | ReceiveError::Closed(_)
                    | ReceiveError::Lost
            ),
            "{error:?}"
        );
    });
    for number in 0..MESSAGES {
        let text = number.to_string();
        match table.send_msg(ws, text.as_bytes(), Opcode::Text, true, 10_000) {
            Ok(count) => assert_eq!(count, text.len()),
            Err(error) => panic!("{error}"),
        }
    }
    while !ENOUGH.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    table.disconnect(ws, 10_000).unwrap();
    receiver.join().unwrap();
    server.join().unwrap();
    assert_eq!(table.in_use(), 0);
    let gone = table.send_msg(ws, b"x", Opcode::Text, true, 0);
    assert_eq!(
        gone.unwrap_err().errno(),
        SendError::<()>::Handle(HandleError::Stale).errno()
    );
}

/// A stack whose sockets are only counted.
#[derive(Clone, Copy)]
struct Counting;

static OPENED: AtomicU32 = AtomicU32::new(0);
static CLOSED: AtomicU32 = AtomicU32::new(0);

impl TcpClientStack for Counting {
    type TcpSocket = u32;
    type Error = NeverFails;

    fn socket(&mut self) -> Result<u32, NeverFails> {
        Ok(OPENED.fetch_add(1, Ordering::Relaxed))
    }

    fn connect(&mut self, _: &mut u32, _: std::net::SocketAddr) -> nb::Result<(), NeverFails> {
        Ok(())
    }

    fn send(&mut self, _: &mut u32, buffer: &[u8]) -> nb::Result<usize, NeverFails> {
        Ok(buffer.len())
    }

    fn receive(&mut self, _: &mut u32, _: &mut [u8]) -> nb::Result<usize, NeverFails> {
        std::thread::yield_now();
        Err(nb::Error::WouldBlock)
    }

    fn close(&mut self, _: u32) -> Result<(), NeverFails> {
        CLOSED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[derive(Debug)]
struct NeverFails;

impl TcpError for NeverFails {
    fn kind(&self) -> TcpErrorKind {
        TcpErrorKind::Other
    }
}

/// One thread receives on whatever is in the slot while another fills and empties it: every socket
/// that was opened is closed, and once.
#[test]
fn no_socket_is_lost_between_two_threads() {
    const ROUNDS: u32 = 4000;
    static SHARED: SharedWebSockets<'static, u32, 1> = SharedWebSockets::new();
    SHARED.lend([lent(256)]);
    static CURRENT: AtomicI32 = AtomicI32::new(0);
    static DONE: AtomicBool = AtomicBool::new(false);
    let receiver = std::thread::spawn(|| {
        let mut table = SHARED.attach(Counting, host());
        while !DONE.load(Ordering::Acquire) {
            let ws = WebSocketId::from_raw(CURRENT.load(Ordering::Acquire));
            assert!(table.recv_msg(ws, &mut [0; 9], 0).is_err());
        }
    });
    let mut table = SHARED.attach(Counting, host());
    for round in 0..ROUNDS {
        let socket = table.stack().socket().unwrap();
        let ws = table.register(socket, Role::Client, None, 0).unwrap();
        CURRENT.store(ws.to_raw(), Ordering::Release);
        if round % 4 != 0 {
            while table.abort(ws) == Err(HandleError::Busy) {
                std::thread::yield_now();
            }
        } else {
            let kept = loop {
                match table.disconnect_keeping_socket(ws, CloseCode::NORMAL, "", 1) {
                    Ok((_, kept)) => break kept,
                    Err(error) => assert_eq!(error, HandleError::Busy.into()),
                }
            };
            assert_eq!(kept, socket);
            table.stack().close(kept).unwrap();
        }
    }
    DONE.store(true, Ordering::Release);
    receiver.join().unwrap();
    let opened = OPENED.load(Ordering::Relaxed);
    assert_eq!((opened, CLOSED.load(Ordering::Relaxed)), (ROUNDS, ROUNDS));
    assert_eq!(table.in_use(), 0);
}

/// A table of one owner may go to another task, or lie in a mutex or an RTIC resource: with the request
/// of its socket face, whatever more headers that has.
#[test]
fn a_table_may_change_hands() {
    let token = String::from("from another thread");
    let more = |headers: &mut Headers<'_>| headers.add("X-Token", &token);
    let mut request = Request::new(HostHeader::Text("host"), "/");
    request.headers = Some(&more);
    let mut table: WebSockets<'_, StdStack, Host, 2> = WebSockets::new(StdStack::new(), host())
        .with_buffers([lent(256), lent(256)])
        .with_stream_options(StreamOptions {
            request: Some(request),
            opcode: Opcode::Binary,
        });
    std::thread::scope(|threads| {
        let other = threads.spawn(move || TcpClientStack::socket(&mut table).is_ok());
        assert!(other.join().unwrap());
    });
}
