//! Any `embedded_io` stream under the table, and the table's WebSockets as such streams.
#![cfg(any(feature = "crates-hash", feature = "compact"))]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use embedded_io::{Error as _, ErrorType, Read, ReadReady, Write, WriteReady};
use ws_socket::stack::{BlockingStreams, ReadyStreams};
use ws_socket::{
    ConnectError, Opcode, Platform, ReceiveError, Role, Timeout, WebSocketRequest, WebSockets,
};

/// A blocking stream, as a TLS library or a driver has one.
struct Line(TcpStream);

impl ErrorType for Line {
    type Error = ErrorKindOf;
}

#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[error("{0:?}")]
struct ErrorKindOf(ErrorKind);

impl embedded_io::Error for ErrorKindOf {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self.0 {
            // What a read timeout of the system's sockets says.
            ErrorKind::WouldBlock => embedded_io::ErrorKind::TimedOut,
            _ => embedded_io::ErrorKind::Other,
        }
    }
}

impl From<io::Error> for ErrorKindOf {
    fn from(error: io::Error) -> Self {
        Self(error.kind())
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKindOf> {
        Ok(io::Read::read(&mut self.0, buffer)?)
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKindOf> {
        Ok(io::Write::write(&mut self.0, bytes)?)
    }

    fn flush(&mut self) -> Result<(), ErrorKindOf> {
        Ok(())
    }
}

impl ReadReady for Line {
    fn read_ready(&mut self) -> Result<bool, ErrorKindOf> {
        self.0.set_nonblocking(true)?;
        let peeked = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false)?;
        match peeked {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

struct Host(Instant);

impl<S> Platform<S> for Host {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        bytes.fill(7);
        Ok(())
    }

    fn wait(&mut self, _: &mut S, _: u32) {
        thread::yield_now();
    }
}

fn lines() -> (Line, Line) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for line in [&near, &far] {
        line.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
    }
    (Line(near), Line(far))
}

/// A server that echoes what it gets until the Close, over blocking streams; its handshake is done
/// by hand, with the sample key of RFC 6455.
fn echo(mut line: Line) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(line.read(&mut byte), Ok(1));
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.split("Sec-WebSocket-Key: ").nth(1).unwrap();
    let key = key.lines().next().unwrap();
    let mut hash = ws_core::handshake::SoftSha1;
    let accept = ws_core::handshake::accept_value(key.as_bytes().try_into().unwrap(), &mut hash);
    let accept = std::str::from_utf8(&accept).unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    line.write_all(answer.as_bytes()).unwrap();
    let mut table = WebSockets::<_, _, 1>::new(BlockingStreams::new(), Host(Instant::now()));
    let mut buffer = [0; 256];
    let ws = table.register(line, Role::Server, Some((&mut buffer).into()), 0);
    let ws = ws.map_err(|(error, _)| error).unwrap();
    let mut piece = [0; 100];
    loop {
        match table.recv_msg(ws, &mut piece, Timeout::Forever) {
            Ok(received) if !received.opcode().is_control() => {
                let payload = &piece[..received.length];
                let opcode = received.opcode();
                let sent = table.send_msg(ws, payload, opcode, true, Timeout::Forever);
                assert_eq!(sent, Ok(payload.len()));
            }
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, ReceiveError::Closed(_)), "{error}");
                break;
            }
        }
    }
    table.disconnect(ws, Timeout::Forever).unwrap();
}

#[test]
fn a_blocking_stream_is_enough() {
    let (near, far) = lines();
    let server = thread::spawn(|| echo(far));
    let mut buffer = [0; 300];
    let mut table = WebSockets::<_, _, 1>::new(BlockingStreams::new(), Host(Instant::now()));
    let request = WebSocketRequest::new("example.com", "/").buffer(&mut buffer);
    let ws = table.connect(near, request, Timeout::Forever).unwrap();
    let sent = table.send_msg(ws, b"Hello", Opcode::Text, true, Timeout::Forever);
    assert_eq!(sent, Ok(5));
    let mut piece = [0; 10];
    let received = table.recv_msg(ws, &mut piece, Timeout::Forever).unwrap();
    assert!(received.is_complete());
    assert_eq!(&piece[..received.length], b"Hello");
    assert!(table.disconnect(ws, Timeout::Forever).unwrap().clean);
    server.join().unwrap();
}

/// A blocking stream whose reads come back when nothing comes keeps timeouts, and the connection.
#[test]
fn a_blocking_stream_that_runs_out_of_time() {
    let (near, far) = lines();
    let server = thread::spawn(|| echo(far));
    near.0
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let mut buffer = [0; 256];
    let mut table = WebSockets::<_, _, 1>::new(BlockingStreams::new(), Host(Instant::now()));
    let request = WebSocketRequest::new("example.com", "/").buffer(&mut buffer);
    let ws = table.connect(near, request, 10_000).unwrap();
    for _ in 0..3 {
        let received = table.recv_msg(ws, &mut [0; 9], 5);
        assert_eq!(received.unwrap_err(), ReceiveError::Timeout);
    }
    let sent = table.send_msg(ws, b"Hello", Opcode::Text, true, 10_000);
    assert_eq!(sent, Ok(5));
    let received = table.recv_msg(ws, &mut [0; 9], 10_000).unwrap();
    assert!(received.is_complete());
    assert!(table.disconnect(ws, 10_000).unwrap().clean);
    server.join().unwrap();
}

/// What says when it is ready keeps all timeouts; and the WebSocket is such a stream itself.
#[test]
fn a_stream_over_a_stream() {
    let (near, far) = lines();
    let server = thread::spawn(|| echo(far));
    let mut buffer = [0; 256];
    let mut table = WebSockets::<_, _, 1>::new(ReadyStreams::new(), Host(Instant::now()));
    let request = WebSocketRequest::new("example.com", "/").buffer(&mut buffer);
    let ws = table.connect(near, request, 10_000).unwrap();
    let received = table.recv_msg(ws, &mut [0; 9], 5);
    assert_eq!(received.unwrap_err(), ReceiveError::Timeout);

    let mut stream = table.stream(ws).with_timeout(10_000);
    assert_eq!(stream.read_ready(), Ok(false));
    assert_eq!(stream.write_ready(), Ok(true));
    stream.write_all(b"bytes").unwrap();
    stream.flush().unwrap();
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"bytes");
    let error = stream.with_timeout(1).read(&mut echoed).unwrap_err();
    assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut);

    // The peer answers a Close; then the stream is at its end.
    let close = table.send_msg(ws, &[3, 0xE8], Opcode::Close, true, 10_000);
    assert_eq!(close, Ok(2));
    let mut stream = table.stream(ws).with_timeout(10_000);
    assert_eq!(stream.read(&mut echoed), Ok(0));
    assert_eq!(stream.read_ready(), Ok(true));
    assert!(table.disconnect(ws, 10_000).unwrap().clean);
    server.join().unwrap();
}

#[test]
fn streams_cannot_be_dialled() {
    let mut buffer = [0; 256];
    let mut table =
        WebSockets::<_, _, 1>::new(BlockingStreams::<Line>::new(), Host(Instant::now()));
    let address = "127.0.0.1:9".parse().unwrap();
    let request = WebSocketRequest::new("h", "/").buffer(&mut buffer);
    let dialled = table.connect_to(address, request, 0);
    assert!(matches!(dialled, Err(ConnectError::Stack(_))));
    assert_eq!(table.in_use(), 0);
}
