//! Goes through the cases of Autobahn|Testsuite's fuzzing server as a client that sends back what
//! comes, over one of three transports:
//!
//! ```text
//! autobahn_client std|unbuffered|dripping ws://ADDR:PORT
//! ```

// The same echo as that of `ws serve`, so that a case judges both roles by the same bytes.
#[allow(dead_code)] // not all that a server needs of it
#[path = "../../boards/host/src/echo.rs"]
mod echo;

use std::error::Error;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use echo::{Echo, Step};
use embedded_nal::{TcpClientStack, nb};
use ws_socket::stack::{StdError, StdSocket, StdStack};
use ws_socket::{
    Opcode, Platform, ReceiveError, Received, WebSocketId, WebSocketRequest, WebSockets,
};

/// How long the server may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// The same for a single call, in milliseconds.
const CALL: i32 = 10_000;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// One slot: the cases come one after the other.
type Table<S> = WebSockets<'static, S, Host, 1>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [transport, url] = args.as_slice() else {
        eprintln!("usage: autobahn_client std|unbuffered|dripping ws://ADDR:PORT");
        return ExitCode::from(2);
    };
    let host = Host::new();
    let lent: &'static mut [u8] = vec![0; 4096].leak();
    let outcome = match transport.as_str() {
        "std" => {
            let table = WebSockets::new(StdStack::new(), host).with_buffers([lent]);
            Client::new(table, url, transport).and_then(|mut it| it.all_cases())
        }
        "unbuffered" => {
            let table = WebSockets::new(StdStack::new(), host);
            Client::new(table, url, transport).and_then(|mut it| it.all_cases())
        }
        "dripping" => {
            let table = WebSockets::new(Dripping(StdStack::new()), host).with_buffers([lent]);
            Client::new(table, url, transport).and_then(|mut it| it.all_cases())
        }
        other => Err(format!("no transport `{other}`").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autobahn_client {transport}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A client and the fuzzing server it talks to.
struct Client<S: TcpClientStack> {
    table: Table<S>,
    server: SocketAddr,
    host: String,
    agent: String,
}

impl<S> Client<S>
where
    S: TcpClientStack,
    S::Error: 'static,
    Host: Platform<S>,
{
    fn new(table: Table<S>, url: &str, transport: &str) -> Result<Self> {
        let host = url.strip_prefix("ws://").ok_or("no ws:// URL")?;
        let host = host.trim_end_matches('/').to_owned();
        Ok(Self {
            table,
            server: host.parse()?,
            host,
            agent: format!("ws-socket-{transport}"),
        })
    }

    fn all_cases(&mut self) -> Result {
        let count = self.count()?;
        let mut problems = String::new();
        for case in 1..=count {
            let path = format!("/runCase?case={case}&agent={}", self.agent);
            // The server judges by what it saw; the cases after one that went wrong still count.
            if let Err(error) = self.echo(&path) {
                writeln!(problems, "case {case} of {count}: {error}")?;
            }
        }
        self.echo(&format!("/updateReports?agent={}", self.agent))?;
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.into())
        }
    }

    /// How many cases there are.
    fn count(&mut self) -> Result<usize> {
        let ws = self.connect("/getCaseCount")?;
        let mut text = Vec::new();
        let mut piece = [0; 16];
        loop {
            let received = self.table.recv_msg(ws, &mut piece, CALL)?;
            if received.opcode() != Opcode::Text {
                return Err("the count of cases is no text".into());
            }
            text.extend_from_slice(&piece[..received.length]);
            if received.is_complete() {
                break;
            }
        }
        self.table.disconnect(ws, CALL)?;
        Ok(str::from_utf8(&text)?.parse()?)
    }

    fn connect(&mut self, path: &str) -> Result<WebSocketId> {
        let request = WebSocketRequest::new(&self.host, path);
        Ok(self.table.connect_to(self.server, request, CALL)?)
    }

    /// Sends back what comes until the connection ends, whatever ends it.
    fn echo(&mut self, path: &str) -> Result {
        let ws = self.connect(path)?;
        let outcome = self.exchange(ws);
        self.table.disconnect(ws, CALL)?;
        outcome
    }

    fn exchange(&mut self, ws: WebSocketId) -> Result {
        let mut echo = Echo::new([0; 4096]);
        let mut ping = Ping {
            payload: [0; 125],
            length: 0,
        };
        let mut last = Instant::now();
        loop {
            match echo.step(&mut self.table, ws, true) {
                Ok(Step::Received(piece, payload)) if piece.opcode() == Opcode::Ping => {
                    if let Some(payload) = ping.piece(&piece, payload) {
                        pong(&mut self.table, ws, payload)?;
                    }
                }
                Ok(Step::Received(..) | Step::Sent) => {}
                Ok(Step::Idle) if last.elapsed() > SILENCE => {
                    return Err(format!("nothing for {SILENCE:?}").into());
                }
                Ok(Step::Idle) => {
                    idle();
                    continue;
                }
                Err(error @ ReceiveError::Handle(_)) => return Err(error.into()),
                // What the case is about: the server knows whether it had to end like this.
                Err(_) => return Ok(()),
            }
            last = Instant::now();
        }
    }
}

/// A Ping that comes to the caller, in pieces as every frame: without a lent buffer the table has
/// no room for its payload.
struct Ping {
    payload: [u8; 125],
    length: usize,
}

impl Ping {
    /// The payload, when this piece was the last.
    fn piece(&mut self, piece: &Received, payload: &[u8]) -> Option<&[u8]> {
        self.payload[self.length..][..payload.len()].copy_from_slice(payload);
        self.length += payload.len();
        if piece.remaining > 0 {
            return None;
        }
        Some(&self.payload[..std::mem::take(&mut self.length)])
    }
}

/// Answers a Ping.
fn pong<S>(table: &mut Table<S>, ws: WebSocketId, payload: &[u8]) -> Result
where
    S: TcpClientStack,
    S::Error: 'static,
    Host: Platform<S>,
{
    let mut rest = payload;
    loop {
        let sent = table.send_msg(ws, rest, Opcode::Pong, true, true, CALL)?;
        rest = &rest[sent..];
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// Lets the server have its turn: shorter than a millisecond, or the cases with thousands of
/// messages are spent asleep.
fn idle() {
    std::thread::sleep(Duration::from_micros(20));
}

/// This machine as a platform.
struct Host {
    origin: Instant,
    random: RandomState,
    drawn: u64,
}

impl Host {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            random: RandomState::new(),
            drawn: 0,
        }
    }
}

impl<S> Platform<S> for Host {
    fn now_ms(&mut self) -> u32 {
        self.origin.elapsed().as_millis() as u32
    }

    // Good enough where the server is one's own. A client needs the system's generator.
    fn fill_random(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            self.drawn += 1;
            let drawn = self.random.hash_one(self.drawn).to_ne_bytes();
            part.copy_from_slice(&drawn[..part.len()]);
        }
    }

    fn wait(&mut self, _: &mut S, at_most_ms: u32) {
        if at_most_ms > 0 {
            idle();
        }
    }
}

/// The system's sockets, a byte at a time both ways.
struct Dripping(StdStack);

impl TcpClientStack for Dripping {
    type TcpSocket = StdSocket;
    type Error = StdError;

    fn socket(&mut self) -> std::result::Result<StdSocket, StdError> {
        self.0.socket()
    }

    fn connect(&mut self, socket: &mut StdSocket, remote: SocketAddr) -> nb::Result<(), StdError> {
        self.0.connect(socket, remote)
    }

    fn send(&mut self, socket: &mut StdSocket, buffer: &[u8]) -> nb::Result<usize, StdError> {
        self.0.send(socket, &buffer[..buffer.len().min(1)])
    }

    fn receive(
        &mut self,
        socket: &mut StdSocket,
        buffer: &mut [u8],
    ) -> nb::Result<usize, StdError> {
        let one = buffer.len().min(1);
        self.0.receive(socket, &mut buffer[..one])
    }

    fn close(&mut self, socket: StdSocket) -> std::result::Result<(), StdError> {
        self.0.close(socket)
    }
}
