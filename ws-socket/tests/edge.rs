//! Over edge-nal's traits: the system's sockets by edge-nal-std, on loopback, client and server in
//! one future.
#![cfg(feature = "edge-nal")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use async_io::block_on;
use edge_nal::TcpBind;
use edge_nal_std::{Stack, TcpAcceptor, TcpSocket};
use embassy_futures::join::join;
use embassy_futures::poll_once;
use embedded_io_async::{Read, Write};
use ws_socket::asynch::{
    AsyncPlatform, AsyncRequest, AsyncWebSockets, Clock, EdgeStack, WebSocket,
};
use ws_socket::handshake::{Asked, HeadPart, Page, Response};
use ws_socket::{
    AcceptError, AcceptOptions, CloseCode, Config, Handler, Opcode, ReceiveError, Timeout,
    WebSocketId,
};

/// Nothing takes that long.
const PATIENCE: Timeout = Timeout::Millis(20_000);
const CONFIG: Config = Config::DEFAULT;

/// The system's clock, and a counter for randomness.
#[derive(Clone, Copy)]
struct Host(Instant);

fn host() -> Host {
    Host(Instant::now())
}

impl AsyncPlatform for Host {
    type Clock = Self;

    fn clock(&self) -> Self {
        *self
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        for (byte, random) in bytes.iter_mut().zip(1..) {
            *byte = random;
        }
        Ok(())
    }
}

impl Clock for Host {
    fn now_ms(&self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    async fn sleep_ms(&self, ms: u32) {
        async_io::Timer::after(Duration::from_millis(ms.into())).await;
    }
}

/// Listens on a port that is free: an acceptor does not say which one the system chose.
async fn listen() -> (TcpAcceptor, SocketAddr) {
    loop {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        match Stack::new().bind(address).await {
            Ok(acceptor) => return (acceptor, address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Receives a whole message.
async fn message<T: Read + Write>(ws: &mut WebSocket<'_, T, Host>) -> Vec<u8> {
    let mut message = Vec::new();
    let mut piece = [0; 1000];
    loop {
        let received = ws.recv_msg(&mut piece, PATIENCE).await.unwrap();
        message.extend_from_slice(&piece[..received.length]);
        if received.is_complete() {
            return message;
        }
    }
}

/// Sends everything back, until the peer closes.
async fn echo(acceptor: &TcpAcceptor, options: &AcceptOptions<'_>) {
    let mut buffer = [0; 300];
    let accepted = WebSocket::accept_from(acceptor, options, &mut buffer, host(), CONFIG, PATIENCE);
    let (mut ws, peer) = accepted.await.unwrap();
    assert!(peer.ip().is_loopback());
    let mut piece = [0; 5000];
    loop {
        match ws.recv_msg(&mut piece, PATIENCE).await {
            Ok(received) if received.opcode() == Opcode::Close => {}
            Ok(received) => {
                let opcode = if ws.in_message() {
                    Opcode::Continuation
                } else {
                    received.opcode()
                };
                let (payload, fin) = (&piece[..received.length], received.is_complete());
                let sent = ws.send_msg(payload, opcode, fin, PATIENCE).await;
                assert_eq!(sent.unwrap(), received.length);
            }
            Err(ReceiveError::Closed(code)) => {
                assert_eq!(code, CloseCode::NORMAL);
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    let ended = ws.disconnect_tcp(CloseCode::NORMAL, "", PATIENCE).await;
    assert!(ended.unwrap().clean);
}

/// A conversation with [`echo`], to the server's end of TCP.
async fn converse<T: Read + Write>(mut ws: WebSocket<'_, T, Host>) {
    assert_eq!(ws.subprotocol(), Some(1));
    for length in [0, 1, 125, 126, 5_000, 70_000] {
        let payload: Vec<u8> = (0..length).map(|at: u32| at as u8).collect();
        let sent = ws.send_msg(&payload, Opcode::Binary, true, PATIENCE).await;
        assert_eq!(sent.unwrap(), payload.len());
        assert_eq!(message(&mut ws).await, payload);
    }
    assert!(ws.disconnect(PATIENCE).await.unwrap().clean);
}

const OFFERED: &[&str] = &["other", "chat"];
const OPTIONS: AcceptOptions<'static> = AcceptOptions {
    subprotocols: &["chat"],
    headers: &[],
    hosts: &[],
    origins: &[],
};

#[test]
fn a_conversation_over_edge_nal_on_both_ends() {
    block_on(async {
        let (acceptor, address) = listen().await;
        let client = async {
            let url = format!("ws://localhost:{}/chat", address.port());
            let request = AsyncRequest::for_url().subprotocols(OFFERED);
            let stack = EdgeStack(Stack::new());
            let mut buffer = [0; 300];
            let ws = WebSocket::connect_url(
                &stack,
                &url,
                &request,
                &mut buffer,
                host(),
                CONFIG,
                PATIENCE,
            );
            converse(ws.await.unwrap()).await;
        };
        join(echo(&acceptor, &OPTIONS), client).await;
    });
}

#[test]
fn a_conversation_with_a_client_over_std_embedded_nal_async() {
    block_on(async {
        let (acceptor, address) = listen().await;
        let client = async {
            let host_header = address.to_string();
            let request = AsyncRequest::new(&host_header, "/").subprotocols(OFFERED);
            let stack = std_embedded_nal_async::Stack::default();
            let ws = WebSocket::connect_to(
                &stack,
                address,
                &request,
                Box::leak(Box::new([0; 256])),
                host(),
                CONFIG,
                PATIENCE,
            );
            converse(ws.await.unwrap()).await;
        };
        join(echo(&acceptor, &OPTIONS), client).await;
    });
}

/// What this end does not read makes the system reset the connection where a socket is just closed,
/// and the reset takes with it what the peer has not read.
#[test]
fn a_server_that_leaves_loses_nothing_of_what_it_sent() {
    const LENGTH: usize = 1_000_000;
    block_on(async {
        let (acceptor, address) = listen().await;
        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let request = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
                           Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            // Its Close, and behind it more than anybody will read.
            stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 232]).unwrap();
            stream.write_all(&[0; 5000]).unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all
        });
        let mut buffer = [0; 256];
        let options = AcceptOptions::default();
        let accepted =
            WebSocket::accept_from(&acceptor, &options, &mut buffer, host(), CONFIG, PATIENCE);
        let (mut ws, _) = accepted.await.unwrap();
        let payload = vec![b'x'; LENGTH];
        let sent = ws.send_msg(&payload, Opcode::Binary, true, PATIENCE).await;
        assert_eq!(sent.unwrap(), LENGTH);
        let ended = ws.disconnect_tcp(CloseCode::NORMAL, "", PATIENCE).await;
        assert!(ended.unwrap().clean);
        drop(ws);
        let all = client.join().unwrap();
        let head = all.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(all.len() - head, 10 + LENGTH + 4);
        assert!(all.ends_with(&[0x88, 2, 3, 232]));
    });
}

/// Pages, and WebSockets on one path; how many requests began and ended.
#[derive(Default)]
struct Site {
    begun: usize,
    ended: usize,
}

impl Handler<'static> for Site {
    fn begin(&mut self, _: WebSocketId) {
        self.begun += 1;
    }

    fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
        if asked.upgrade() {
            return Response::Upgrade {
                subprotocol: None,
                headers: &[],
            };
        }
        let mut page = Page::new(200, &[], b"a page");
        page.close = true;
        Response::Page(page)
    }

    fn end(&mut self, _: WebSocketId) {
        self.ended += 1;
    }
}

/// What a server answers a client with that sends this and then nothing more.
fn answered(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn what_comes_to_nothing_makes_way_for_the_next() {
    block_on(async {
        let (acceptor, address) = listen().await;
        let client = thread::spawn(move || {
            drop(TcpStream::connect(address).unwrap());
            let refused = answered(address, "no request at all\r\n\r\n and more behind it");
            assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
            let page = answered(address, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
            assert!(page.ends_with("a page"), "{page}");
            block_on(async {
                let request = AsyncRequest::new("h", "/");
                let stack = EdgeStack(Stack::new());
                let ws = WebSocket::<TcpSocket, _>::connect_to(
                    &stack,
                    address,
                    &request,
                    Box::leak(Box::new([0; 256])),
                    host(),
                    CONFIG,
                    PATIENCE,
                );
                let mut ws = ws.await.unwrap();
                let sent = ws.send_msg(b"here", Opcode::Text, true, PATIENCE).await;
                assert_eq!(sent.unwrap(), 4);
            });
        });
        let mut site = Site::default();
        let mut buffer = [0; 256];
        let accepted =
            WebSocket::accept_from(&acceptor, &mut site, &mut buffer, host(), CONFIG, PATIENCE);
        let (mut ws, _) = accepted.await.unwrap();
        assert_eq!(message(&mut ws).await, b"here");
        client.join().unwrap();
        assert_eq!((site.begun, site.ended), (4, 3));
    });
}

#[test]
fn a_full_table_refuses_until_the_time_is_up() {
    block_on(async {
        let (acceptor, address) = listen().await;
        let clients = thread::spawn(move || {
            let request = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
                           Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            let mut first = TcpStream::connect(address).unwrap();
            first.write_all(request.as_bytes()).unwrap();
            let mut status = [0; 12];
            first.read_exact(&mut status).unwrap();
            assert_eq!(&status, b"HTTP/1.1 101");
            let second = answered(address, request);
            assert!(second.starts_with("HTTP/1.1 503 "), "{second}");
            first
        });
        let mut buffer = [0; 256];
        let mut table = AsyncWebSockets::<TcpSocket, _, 1>::new(host()).with_buffers([&mut buffer]);
        let options = AcceptOptions::default();
        let (ws, peer) = table
            .accept_from(&acceptor, &options, PATIENCE)
            .await
            .unwrap();
        let late = table.accept_from(&acceptor, &options, 500).await;
        assert!(matches!(late, Err(AcceptError::Timeout)));
        let first = clients.join().unwrap();
        assert_eq!(first.local_addr().unwrap(), peer);
        assert_eq!(table.in_use(), 1);
        table.abort(ws).unwrap();
        assert_eq!(table.in_use(), 0);
    });
}

/// Says when something of a request has come.
struct Seen<'a>(&'a Cell<bool>);

impl Handler<'static> for Seen<'_> {
    fn part(&mut self, _: WebSocketId, _: HeadPart<'_>) {
        self.0.set(true);
    }

    fn answer(&mut self, _: WebSocketId, _: &Asked) -> Response<'_> {
        Response::Upgrade {
            subprotocol: None,
            headers: &[],
        }
    }
}

/// Polls `work` until `seen` is set, and drops it there.
async fn cut(seen: &Cell<bool>, work: impl Future) {
    let mut work = std::pin::pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(_) => panic!("it is through"),
        Poll::Pending if seen.get() => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    })
    .await;
}

#[test]
fn dropped_it_loses_no_more_than_the_connection_under_way() {
    block_on(async {
        let (acceptor, address) = listen().await;
        let mut buffer = [0; 256];
        let mut table = AsyncWebSockets::<TcpSocket, _, 1>::new(host()).with_buffers([&mut buffer]);
        let options = AcceptOptions::default();
        // Nobody there, dropped at once: nothing is lost.
        let nobody = poll_once(table.accept_from(&acceptor, &options, Timeout::Forever));
        assert!(nobody.is_pending());
        // One that sends half a request, and one behind it.
        let mut half = TcpStream::connect(address).unwrap();
        half.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        let seen = Cell::new(false);
        cut(&seen, table.accept_from(&acceptor, Seen(&seen), PATIENCE)).await;
        assert_eq!(table.in_use(), 0);
        let client = async {
            let request = AsyncRequest::new("h", "/");
            let stack = EdgeStack(Stack::new());
            let ws = WebSocket::<TcpSocket, _>::connect_to(
                &stack,
                address,
                &request,
                Box::leak(Box::new([0; 256])),
                host(),
                CONFIG,
                PATIENCE,
            );
            let ws = ws.await.unwrap();
            (ws.subprotocol(), ws)
        };
        let (accepted, _client) =
            join(table.accept_from(&acceptor, &options, PATIENCE), client).await;
        assert!(accepted.is_ok());
        assert_eq!(table.in_use(), 1);
        let mut nothing = Vec::new();
        // The first was dropped: it ends, in whichever way.
        let _ = half.read_to_end(&mut nothing);
        assert!(nothing.is_empty());
    });
}
