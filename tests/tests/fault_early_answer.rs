//! A server that answers before all of the request is there, and closes: what it said is not lost
//! after the write that failed.

use std::future::Future;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use embedded_io_async::{ErrorType, Read, Write};
use embedded_nal::{Dns, TcpClientStack, nb};
use embedded_nal_async::{AddrType, TcpConnect};
use ws_socket::asynch::{self, Connector, WebSocket};
use ws_socket::handshake::{ClientError, Headers, Host, Request};
use ws_socket::stack::StdStack;
use ws_socket::{
    Config, ConnectError, Opcode, RandomError, SocketError, StreamOptions, WebSocketRequest,
    WebSockets,
};
use ws_tests::drivers::{Turns, WireStack, drive};
use ws_tests::hand::{Hand, settle};
use ws_tests::table::lent;
use ws_tests::wire::{Reset, Script, Tail, Wire};

/// How long connecting may take, in milliseconds.
const PATIENCE: i32 = 400;

/// Where the connections go.
const REMOTE: &str = "10.0.0.1:80";

/// One connection of a script, for both drivers.
struct OneStack(Script);

impl TcpClientStack for OneStack {
    type TcpSocket = Wire;
    type Error = Reset;

    fn socket(&mut self) -> Result<Wire, Reset> {
        Ok(self.0.wire())
    }

    fn connect(&mut self, _: &mut Wire, _: SocketAddr) -> nb::Result<(), Reset> {
        Ok(())
    }

    fn send(&mut self, socket: &mut Wire, bytes: &[u8]) -> nb::Result<usize, Reset> {
        WireStack.send(socket, bytes)
    }

    fn receive(&mut self, socket: &mut Wire, buffer: &mut [u8]) -> nb::Result<usize, Reset> {
        WireStack.receive(socket, buffer)
    }

    fn close(&mut self, _: Wire) -> Result<(), Reset> {
        Ok(())
    }
}

impl Dns for OneStack {
    type Error = Reset;

    fn get_host_by_name(&mut self, _: &str, _: AddrType) -> nb::Result<IpAddr, Reset> {
        Ok([10, 0, 0, 1].into())
    }

    fn get_host_by_address(&mut self, _: IpAddr, _: &mut [u8]) -> nb::Result<usize, Reset> {
        Err(nb::Error::Other(Reset))
    }
}

impl TcpConnect for OneStack {
    type Error = Reset;
    type Connection<'a> = Wire;

    async fn connect(&self, _: SocketAddr) -> Result<Wire, Reset> {
        Ok(self.0.wire())
    }
}

impl embedded_nal_async::Dns for OneStack {
    type Error = Reset;

    async fn get_host_by_name(&self, _: &str, _: AddrType) -> Result<IpAddr, Reset> {
        Ok([10, 0, 0, 1].into())
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> Result<usize, Reset> {
        Err(Reset)
    }
}

/// A way to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Connect,
    ConnectTo,
    ConnectUrl,
    TableAsStack,
    Async,
    AsyncTo,
    AsyncUrl,
    AsyncTable,
    AsyncTableTo,
    AsyncTableUrl,
    Connector,
}

impl Way {
    const ALL: [Self; 11] = [
        Self::Connect,
        Self::ConnectTo,
        Self::ConnectUrl,
        Self::TableAsStack,
        Self::Async,
        Self::AsyncTo,
        Self::AsyncUrl,
        Self::AsyncTable,
        Self::AsyncTableTo,
        Self::AsyncTableUrl,
        Self::Connector,
    ];

    fn blocks(self) -> bool {
        use Way::*;
        matches!(self, Connect | ConnectTo | ConnectUrl | TableAsStack)
    }

    /// Connects: how that failed.
    #[track_caller]
    fn fails(self, script: &Script, room: usize) -> ConnectError<Reset> {
        let hand = Hand::new();
        let (stack, remote) = (OneStack(script.clone()), REMOTE.parse().unwrap());
        let config = Config {
            handshake_timeout: PATIENCE as u32,
            ..Config::DEFAULT
        };
        let url = "ws://host/path";
        if self.blocks() {
            let options = StreamOptions {
                request: Some(Request::new(Host::Text("host"), "/path")),
                opcode: Opcode::Binary,
            };
            let mut table = WebSockets::<_, _, 1>::new(stack, Turns::new(&hand))
                .with_buffers([lent(room)])
                .with_config(config)
                .with_stream_options(options);
            let request = WebSocketRequest::new("host", "/path");
            let connected = match self {
                Self::Connect => table.connect(script.wire(), request, PATIENCE),
                Self::ConnectTo => table.connect_to(remote, request, PATIENCE),
                Self::ConnectUrl => table.connect_url(url, request, PATIENCE),
                _ => {
                    let mut socket = TcpClientStack::socket(&mut table).unwrap();
                    loop {
                        match TcpClientStack::connect(&mut table, &mut socket, remote) {
                            Ok(()) => break Ok(socket),
                            Err(nb::Error::WouldBlock) => hand.clock.advance(1),
                            Err(nb::Error::Other(SocketError::Connect(error))) => break Err(error),
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            };
            return connected.unwrap_err();
        }
        let request = asynch::AsyncRequest::new("host", "/path");
        let (request, wire) = (&request, script.wire());
        let mut table = asynch::AsyncWebSockets::<_, _, 1>::new(hand.clone())
            .with_buffers([lent(room)])
            .with_config(config);
        let (buffer, platform) = (lent(room), hand.clone());
        match self {
            Self::Async => {
                let made = WebSocket::connect(wire, request, buffer, platform, config, PATIENCE);
                ended(&hand, async { made.await.map(drop) })
            }
            Self::AsyncTo => ended(&hand, async {
                WebSocket::connect_to(&stack, remote, request, buffer, platform, config, PATIENCE)
                    .await
                    .map(drop)
            }),
            Self::AsyncUrl => ended(&hand, async {
                WebSocket::connect_url(&stack, url, request, buffer, platform, config, PATIENCE)
                    .await
                    .map(drop)
            }),
            Self::AsyncTable => ended(&hand, async {
                table.connect(wire, request, PATIENCE).await.map(drop)
            }),
            Self::AsyncTableTo => ended(&hand, async {
                let made = table.connect_to(&stack, remote, request, PATIENCE);
                made.await.map(drop)
            }),
            Self::AsyncTableUrl => ended(&hand, async {
                let made = table.connect_url(&stack, url, request, PATIENCE);
                made.await.map(drop)
            }),
            _ => {
                let connector = Connector::new(stack, platform, [buffer])
                    .with_request(*request)
                    .with_config(config);
                ended(&hand, async {
                    match connector.connect(remote).await {
                        Ok(_) => Ok(()),
                        Err(SocketError::Connect(error)) => Err(error),
                        Err(error) => panic!("{error:?}"),
                    }
                })
            }
        }
    }
}

/// How a wire takes no more of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stuck {
    /// Its window is full.
    Blocks,
    /// It was reset.
    Fails,
    /// It takes nothing, and says so.
    TakesNothing,
}

/// A wire that takes `taken` bytes of the request; then `answer` is there, in pieces of `cut`
/// bytes, and `tail` after it.
fn script(taken: usize, stuck: Stuck, answer: &[u8], cut: usize, tail: Tail) -> Script {
    let script = Script::new();
    let broken = match stuck {
        Stuck::Blocks => None,
        Stuck::Fails => Some(Err(Reset)),
        Stuck::TakesNothing => Some(Ok(())),
    };
    let answer = answer.to_vec();
    let mut over = false;
    let mut look = move |line: &mut ws_tests::wire::Line| {
        if line.out.len() >= taken && !over {
            over = true;
            line.broken = broken;
            line.feed(&answer);
            line.end(tail);
        }
    };
    script.line(|line| {
        (line.cut, line.window) = (cut, taken);
        look(line);
    });
    script.answer(look);
    script
}

const ANSWERS: [(u16, &str); 4] = [
    (
        414,
        "HTTP/1.1 414 URI Too Long\r\nConnection: close\r\n\r\n",
    ),
    (431, "HTTP/1.1 431 \r\nContent-Length: 5\r\n\r\nlarge"),
    (401, "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n\r\n"),
    (503, "HTTP/1.0 503 Busy\r\nRetry-After: 5\r\n\r\n"),
];

/// The length of the request that all [`Way`]s send.
fn request_length() -> usize {
    let script = script(usize::MAX, Stuck::Blocks, b"", 1, Tail::Silence);
    let error = Way::Connect.fails(&script, 256);
    assert_eq!(error, ConnectError::Timeout);
    let sent = script.line(|line| line.sent());
    assert!(sent.ends_with(b"\r\n\r\n"));
    sent.len()
}

/// What a wire that is stuck may be for a driver: an async write waits where a window is full, and
/// nothing can be read meanwhile.
fn kinds(way: Way) -> &'static [Stuck] {
    match way.blocks() {
        true => &[Stuck::Blocks, Stuck::Fails, Stuck::TakesNothing],
        false => &[Stuck::Fails, Stuck::TakesNothing],
    }
}

fn refused(status: u16) -> ConnectError<Reset> {
    ClientError::Refused { status }.into()
}

/// Wherever the request got stuck, the status is there.
#[test]
fn status_wherever_the_request_is_stuck() {
    let length = request_length();
    for way in Way::ALL {
        for stuck in kinds(way) {
            for taken in 0..length {
                for (room, cut) in [(256, 1), (256, 100), (300, 3), (400, 7), (400, 100)] {
                    let (status, answer) = ANSWERS[taken % ANSWERS.len()];
                    let tail = [Tail::Eof, Tail::Reset, Tail::Silence][taken % 3];
                    let script = script(taken, *stuck, answer.as_bytes(), cut, tail);
                    let error = way.fails(&script, room);
                    assert_eq!(
                        error,
                        refused(status),
                        "{way:?} {stuck:?} {taken} {room} {cut}"
                    );
                }
            }
        }
    }
}

/// However the answer is cut, and however often a read waits for its next poll.
#[test]
fn status_however_the_answer_is_cut() {
    for way in Way::ALL {
        for stuck in kinds(way) {
            for (status, answer) in ANSWERS {
                for cut in 1..=answer.len() {
                    for (taken, pends) in [(0, 0), (1, 2), (70, 0)] {
                        let script = script(taken, *stuck, answer.as_bytes(), cut, Tail::Eof);
                        script.line(|line| line.pends = pends);
                        let error = way.fails(&script, [256, 300][cut % 2]);
                        assert_eq!(error, refused(status), "{way:?} {stuck:?} {cut} {taken}");
                    }
                }
            }
        }
    }
}

/// An answer that breaks off is none: what ended it is the error. Where nothing came at all, it is
/// what became of the request.
#[test]
fn part_of_an_answer_is_no_status() {
    let (_, answer) = ANSWERS[0];
    for way in Way::ALL {
        for stuck in kinds(way) {
            for came in 0..answer.len() {
                for tail in [Tail::Silence, Tail::Eof, Tail::Reset] {
                    let script = script(30, *stuck, &answer.as_bytes()[..came], 9, tail);
                    let expected = match (came, stuck, tail) {
                        (0, Stuck::Fails, _) => ConnectError::Stack(Reset),
                        (0, Stuck::TakesNothing, _) if !way.blocks() => ClientError::Eof.into(),
                        (_, _, Tail::Eof) => ClientError::Eof.into(),
                        (_, _, Tail::Reset) => ConnectError::Stack(Reset),
                        _ => ConnectError::Timeout,
                    };
                    let error = way.fails(&script, [256, 300][came % 2]);
                    assert_eq!(error, expected, "{way:?} {stuck:?} {came} {tail:?}");
                }
            }
        }
    }
}

/// A request that gets on again, with nothing read meanwhile, is no fault.
#[test]
fn a_full_window_that_opens() {
    for room in [256, 300, 400] {
        let script = script(33, Stuck::Blocks, b"", 1, Tail::Silence);
        script.answer(|line| {
            if line.out.ends_with(b"\r\n\r\n") {
                let request = String::from_utf8(line.sent()).unwrap();
                line.feed(ws_tests::frames::switching(&request, "").as_bytes());
            }
        });
        let hand = Hand::new();
        let opening = Opening {
            turns: Turns::new(&hand),
            script: script.clone(),
        };
        let mut table = WebSockets::<_, _, 1>::new(OneStack(script.clone()), opening)
            .with_buffers([lent(room)]);
        let request = WebSocketRequest::new("host", "/path");
        let ws = table.connect(script.wire(), request, 1000);
        assert!(ws.is_ok(), "{room}: {ws:?}");
    }
}

/// Each wait makes room for another byte.
struct Opening {
    turns: Turns,
    script: Script,
}

impl ws_socket::Platform<OneStack> for Opening {
    fn now_ms(&mut self) -> u32 {
        ws_socket::Platform::<OneStack>::now_ms(&mut self.turns)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        ws_socket::Platform::<OneStack>::fill_random(&mut self.turns, bytes)
    }

    fn wait(&mut self, stack: &mut OneStack, at_most_ms: u32) {
        self.script.line(|line| line.open(1));
        self.turns.wait(stack, at_most_ms);
    }
}

/// A stream that keeps what is written, and fails to let go of it.
struct Unflushed(Wire);

impl ErrorType for Unflushed {
    type Error = Reset;
}

impl Read for Unflushed {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Reset> {
        self.0.read(buffer).await
    }
}

impl Write for Unflushed {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Reset> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Reset> {
        Err(Reset)
    }
}

/// A request that is kept back until it is flushed fails there.
#[test]
fn status_where_the_flush_fails() {
    for (answer, expected) in [
        (ANSWERS[1].1, refused(ANSWERS[1].0)),
        ("", ConnectError::Stack(Reset)),
    ] {
        let hand = Hand::new();
        let script = script(0, Stuck::Fails, answer.as_bytes(), 4, Tail::Eof);
        let (stream, platform) = (Unflushed(script.wire()), hand.clone());
        let config = Config {
            flush: true,
            ..Config::DEFAULT
        };
        let request = asynch::AsyncRequest::new("host", "/path");
        let made = WebSocket::connect(stream, &request, lent(256), platform, config, PATIENCE);
        let made = settle(pin!(made)).unwrap();
        assert_eq!(made.map(drop).unwrap_err(), expected);
    }
}

/// The time of this machine.
struct StdHost(Instant);

impl<S> ws_socket::Platform<S> for StdHost {
    fn now_ms(&mut self) -> u32 {
        self.0.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.fill(0x5A);
        Ok(())
    }

    fn wait(&mut self, _: &mut S, _: u32) {
        thread::yield_now();
    }
}

/// The same by the TCP of this machine: the server closes with bytes unread, which is a reset.
#[test]
fn status_by_real_tcp() {
    for room in [256, 300] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = listener.local_addr().unwrap();
        let (closed, is_closed) = mpsc::channel();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Read::read_exact(&mut stream, &mut [0]).unwrap();
            std::io::Write::write_all(&mut stream, ANSWERS[1].1.as_bytes()).unwrap();
            drop(stream);
            closed.send(()).unwrap();
        });
        let long = "x".repeat(6000);
        let is_closed = std::sync::Mutex::new(Some(is_closed));
        let runs = std::sync::atomic::AtomicUsize::new(0);
        let source = |headers: &mut Headers<'_>| {
            // It runs to be validated, and for the first piece; before the next the server closes.
            if runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 3
                && let Some(is_closed) = is_closed.lock().unwrap().take()
            {
                is_closed.recv().unwrap();
            }
            for _ in 0..20 {
                headers.add("X-Long", &long);
            }
        };
        let mut table = WebSockets::<_, _, 1>::new(StdStack::new(), StdHost(Instant::now()))
            .with_buffers([lent(room)]);
        let request = WebSocketRequest::new("host", "/path").headers(&source);
        let error = table.connect_to(remote, request, 5000).unwrap_err();
        let expected = ClientError::Refused { status: 431 };
        assert!(
            matches!(&error, ConnectError::Handshake(error) if *error == expected),
            "{error:?}"
        );
        server.join().unwrap();
    }
}

/// Runs an async call to its end, which is a failure.
#[track_caller]
fn ended(
    hand: &Hand,
    call: impl Future<Output = Result<(), ConnectError<Reset>>>,
) -> ConnectError<Reset> {
    drive(hand, call).0.unwrap_err()
}
