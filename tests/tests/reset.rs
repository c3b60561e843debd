//! A peer that resets TCP, in every state of a connection, over the system's sockets: each call ends
//! with an error of its own or comes to its end, within its deadline, and the slot is free
//! afterwards.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use embedded_nal::{TcpClientStack, TcpFullStack};
use ws_core::handshake::{ClientError, SoftSha1, accept_value};
use ws_socket::stack::{StdError, StdSocket, StdStack};
use ws_socket::{
    AcceptOptions, CloseCode, ConnectError, Errno, Events, FrameError, Opcode, Platform, PollItem,
    ReceiveError, SendError, WebSocketId, WebSocketRequest, WebSockets,
};
use ws_tests::table::lent;

/// The deadline of each call, in milliseconds, and how long after it the call may end at most.
const CALL: i32 = 5_000;
const LATEST: Duration = Duration::from_millis(CALL as u64 / 2);

/// The machine's clock, and short waits.
struct Host(Instant);

impl<S> Platform<S> for Host {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        bytes.fill(0x5A);
        Ok(())
    }

    fn wait(&mut self, _: &mut S, _: u32) {
        std::thread::yield_now();
    }
}

type Table = WebSockets<'static, StdStack, Host, 2>;

/// With a short buffer and with a long one.
fn tables() -> [Table; 2] {
    let table = || {
        let stack = StdStack::new().with_bind_addr(Ipv4Addr::LOCALHOST.into());
        WebSockets::new(stack, Host(Instant::now()))
    };
    [256, 512].map(|length| table().with_buffers([lent(length), lent(length)]))
}

/// Runs a call, which must not come near its deadline: a reset is there at once.
fn soon<R>(call: impl FnOnce() -> R) -> R {
    let began = Instant::now();
    let result = call();
    assert!(began.elapsed() < LATEST, "{:?}", began.elapsed());
    result
}

/// Resets the connection: what has not been read by then is lost, and the other side is told.
fn reset(peer: TcpStream) {
    let socket = socket2::SockRef::from(&peer);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
}

/// Reads a head, up to the blank line.
fn head(peer: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// What a server says to a request.
fn answer(request: &str) -> String {
    let key = request
        .split("Sec-WebSocket-Key: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next());
    let accept = accept_value(key.unwrap().as_bytes().try_into().unwrap(), &mut SoftSha1);
    let accept = str::from_utf8(&accept).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: host\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A client, while `peer` has the accepted connection.
fn connect<R: Send>(
    table: &mut Table,
    peer: impl FnOnce(TcpStream) -> R + Send,
) -> (Result<WebSocketId, ConnectError<StdError>>, R) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        let peer = scope.spawn(|| peer(listener.accept().unwrap().0));
        let request = WebSocketRequest::new("host", "/");
        let connected = soon(|| table.connect_to(address, request, CALL));
        (connected, peer.join().unwrap())
    })
}

/// A socket that listens, and where.
fn listen(table: &mut Table) -> (StdSocket, SocketAddr) {
    let mut listener = table.stack().socket().unwrap();
    table.stack().bind(&mut listener, 0).unwrap();
    table.stack().listen(&mut listener).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server, while `peer` is its client.
fn accept(
    table: &mut Table,
    listener: &mut StdSocket,
    address: SocketAddr,
) -> (WebSocketId, TcpStream) {
    std::thread::scope(|scope| {
        let peer = scope.spawn(|| {
            let mut peer = TcpStream::connect(address).unwrap();
            peer.write_all(REQUEST.as_bytes()).unwrap();
            head(&mut peer);
            peer
        });
        let ws = soon(|| table.accept(listener, &AcceptOptions::default(), CALL)).unwrap();
        (ws, peer.join().unwrap())
    })
}

/// An open connection and its peer.
struct Open {
    table: Table,
    ws: WebSocketId,
    /// None once it has reset the connection.
    peer: Option<TcpStream>,
    is_client: bool,
}

/// Runs `test` with open connections: both roles, with a lent buffer and without.
fn for_each(test: impl Fn(Open)) {
    for mut table in tables() {
        let (ws, peer) = connect(&mut table, |mut peer| {
            let request = head(&mut peer);
            peer.write_all(answer(&request).as_bytes()).unwrap();
            peer
        });
        let (ws, is_client) = (ws.unwrap(), true);
        let peer = Some(peer);
        test(Open {
            table,
            ws,
            peer,
            is_client,
        });
    }
    for mut table in tables() {
        let (mut listener, address) = listen(&mut table);
        let (ws, peer) = accept(&mut table, &mut listener, address);
        table.stack().close(listener).unwrap();
        let is_client = false;
        let peer = Some(peer);
        test(Open {
            table,
            ws,
            peer,
            is_client,
        });
    }
}

impl Open {
    /// The peer sends a frame, or the front of it; a mask key of zeros changes nothing.
    fn frame(&mut self, opcode: u8, length: u8, payload: &[u8]) {
        let mut bytes = vec![0x80 | opcode];
        if self.is_client {
            bytes.push(length);
        } else {
            bytes.extend([0x80 | length, 0, 0, 0, 0]);
        }
        bytes.extend(payload);
        self.peer.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    fn reset(&mut self) {
        reset(self.peer.take().unwrap());
    }

    /// Receives, which must say that the connection was lost: not closed, nor the peer's fault.
    fn finds_it_lost(&mut self) {
        let mut buffer = [0; 64];
        let error = soon(|| {
            loop {
                if let Err(error) = self.table.recv_msg(self.ws, &mut buffer, CALL) {
                    return error;
                }
            }
        });
        let lost = matches!(error, ReceiveError::Stack(_) | ReceiveError::Lost);
        assert!(lost, "{error}");
        // And it stays like that, for every call.
        let again = soon(|| self.table.recv_msg(self.ws, &mut buffer, CALL));
        assert!(matches!(
            again,
            Err(ReceiveError::Lost | ReceiveError::Stack(_))
        ));
        let open = self.table.open_frame(self.ws).unwrap();
        let sent = self.send(b"late");
        // Where a frame of ours is open another one cannot be begun, on whatever connection.
        let refused = match open {
            None => matches!(sent, Err(SendError::NotConnected | SendError::Stack(_))),
            Some(_) => matches!(sent, Err(SendError::Frame(FrameError::FrameOpen))),
        };
        assert!(refused, "{sent:?}");
        let mut items = [PollItem::new(self.ws, Events::IN)];
        soon(|| assert_eq!(self.table.poll(&mut items, CALL), 1));
        assert!(items[0].revents.contains(Events::HUP));
    }

    fn send(&mut self, payload: &[u8]) -> Result<usize, SendError<StdError>> {
        let opcode = Opcode::Binary;
        soon(|| self.table.send_msg(self.ws, payload, opcode, true, CALL))
    }

    /// The slot comes free.
    fn ends(mut self) {
        let ended = soon(|| self.table.disconnect(self.ws, CALL)).unwrap();
        assert_eq!((ended.clean, ended.code), (false, CloseCode::ABNORMAL));
        assert_eq!(self.table.in_use(), 0);
    }
}

/// The stack says so, or that the stream has ended, by the call that met it.
fn not_connected(table: &Table, connected: Result<WebSocketId, ConnectError<StdError>>) {
    let error = connected.unwrap_err();
    let typed = matches!(
        error,
        ConnectError::Stack(_) | ConnectError::Handshake(ClientError::Eof)
    );
    assert!(typed, "{error}");
    assert_eq!(error.errno(), Errno::Econnaborted);
    assert_eq!(table.in_use(), 0);
}

#[test]
fn amid_a_clients_handshake() {
    for mut table in tables() {
        for said in [0, 1, 60] {
            let (connected, ()) = connect(&mut table, |mut peer| {
                let request = head(&mut peer);
                peer.write_all(&answer(&request).as_bytes()[..said])
                    .unwrap();
                reset(peer);
            });
            not_connected(&table, connected);
        }
    }
}

#[test]
fn before_a_client_has_asked() {
    for mut table in tables() {
        let (connected, ()) = connect(&mut table, reset);
        not_connected(&table, connected);
    }
}

/// A server gets over it: the next client is served, in the slots that were taken.
#[test]
fn amid_a_servers_handshake() {
    for mut table in tables() {
        let (mut listener, address) = listen(&mut table);
        for said in [0, 1, 60] {
            // More than there are slots.
            for _ in 0..3 {
                let mut peer = TcpStream::connect(address).unwrap();
                peer.write_all(&REQUEST.as_bytes()[..said]).unwrap();
                reset(peer);
            }
            let (ws, peer) = accept(&mut table, &mut listener, address);
            drop(peer);
            soon(|| table.disconnect(ws, CALL)).unwrap();
            assert_eq!(table.in_use(), 0);
        }
    }
}

#[test]
fn while_open() {
    for_each(|mut open| {
        open.reset();
        open.finds_it_lost();
        open.ends();
    });
}

/// The call that finds out may be a send, a poll or the disconnect itself.
#[test]
fn while_open_found_by_other_calls() {
    for_each(|mut open| {
        open.reset();
        let sent = open.send(b"hello");
        assert!(matches!(sent, Err(SendError::Stack(_))), "{sent:?}");
        open.finds_it_lost();
        open.ends();
    });
    for_each(|mut open| {
        open.reset();
        let mut items = [PollItem::new(open.ws, Events::IN)];
        soon(|| assert_eq!(open.table.poll(&mut items, CALL), 1));
        open.finds_it_lost();
        open.ends();
    });
    for_each(|mut open| {
        open.reset();
        open.ends();
    });
}

#[test]
fn amid_a_header_and_amid_a_payload() {
    for sent in [&[][..], b"some"] {
        for_each(|mut open| {
            open.frame(2, 100, sent);
            let mut buffer = [0; 64];
            if !sent.is_empty() {
                let piece = open.table.recv_msg(open.ws, &mut buffer, CALL).unwrap();
                assert!(piece.length > 0 && piece.remaining >= 96);
            }
            open.reset();
            open.finds_it_lost();
            open.ends();
        });
    }
    for_each(|mut open| {
        open.peer.as_mut().unwrap().write_all(&[0x82]).unwrap();
        open.reset();
        open.finds_it_lost();
        open.ends();
    });
}

/// It does not read, until nothing more goes out; then it resets.
#[test]
fn amid_a_frame_of_ours() {
    for_each(|mut open| {
        let payload = vec![7; 32 << 20];
        let mut sent = 0;
        while sent < payload.len() {
            let rest = &payload[sent..];
            match open.table.send_msg(open.ws, rest, Opcode::Binary, true, 50) {
                Ok(count) => sent += count,
                Err(SendError::Timeout) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(open.table.open_frame(open.ws).unwrap().is_some());
        open.reset();
        let rest = open.send(&payload[sent..]);
        assert!(matches!(rest, Err(SendError::Stack(_))), "{rest:?}");
        open.finds_it_lost();
        open.ends();
    });
}

/// It resets on our Close, instead of answering it.
#[test]
fn behind_our_close() {
    for_each(|mut open| {
        let mut peer = open.peer.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut header = [0; 2];
                peer.read_exact(&mut header).unwrap();
                assert_eq!(header[0], 0x88);
                reset(peer);
            });
            let ended = soon(|| open.table.disconnect(open.ws, CALL)).unwrap();
            assert_eq!((ended.clean, ended.code), (false, CloseCode::ABNORMAL));
        });
        assert_eq!(open.table.in_use(), 0);
    });
}

/// It resets once its Close is there and our answer is out.
#[test]
fn behind_its_own_close() {
    for_each(|mut open| {
        open.frame(8, 2, &1000_u16.to_be_bytes());
        let mut buffer = [0; 64];
        let close = soon(|| open.table.recv_msg(open.ws, &mut buffer, CALL)).unwrap();
        assert_eq!(close.opcode(), Opcode::Close);
        open.reset();
        let again = soon(|| open.table.recv_msg(open.ws, &mut buffer, CALL));
        assert!(matches!(
            again,
            Err(ReceiveError::Closed(CloseCode::NORMAL))
        ));
        let sent = open.send(b"late");
        assert!(matches!(sent, Err(SendError::NotConnected)), "{sent:?}");
        let ended = soon(|| open.table.disconnect(open.ws, CALL)).unwrap();
        assert_eq!(ended.code, CloseCode::NORMAL);
        assert_eq!(open.table.in_use(), 0);
    });
}
