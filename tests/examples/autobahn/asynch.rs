//! Both roles by the async calls, over edge-nal-std. What comes goes back as fragments, one for each
//! piece; a call waits until it is done.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use async_io::{Timer, block_on};
use edge_nal::TcpBind;
use edge_nal_std::{Stack, TcpAcceptor, TcpSocket};
use ws_socket::asynch::{AsyncPlatform, AsyncRequest, Clock, EdgeStack, WebSocket};
use ws_socket::{AcceptOptions, CloseCode, Config, Opcode, ReceiveError, Timeout};

use crate::Result;
use crate::client::{Cases, SILENCE, count_of, server};
use crate::conversation::CALL;
use crate::host::Random;

type Ws<'buf> = WebSocket<'buf, TcpSocket, Host>;

/// Prints its port, and serves one client behind the other until it is ended.
pub(crate) fn serve() -> Result {
    block_on(async {
        let (acceptor, port) = listen().await?;
        println!("{port}");
        std::io::stdout().flush()?;
        let options = AcceptOptions::default();
        let mut buffer = [0; 4096];
        loop {
            let (host, config) = (Host::new(), Config::DEFAULT);
            let forever = Timeout::Forever;
            let accepted = Ws::accept_from(&acceptor, &options, &mut buffer, host, config, forever);
            let (mut ws, _) = accepted.await?;
            at_once(&mut ws)?;
            if let Err(error) = exchange(&mut ws).await {
                eprintln!("autobahn: {error}");
            }
            ws.disconnect_tcp(CloseCode::NORMAL, "", CALL).await?;
        }
    })
}

/// Listens on a port that is free: an acceptor does not say which one the system chose.
async fn listen() -> Result<(TcpAcceptor, u16)> {
    loop {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        match Stack::new().bind(free).await {
            Ok(acceptor) => return Ok((acceptor, free.port())),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Has small frames go out at once.
fn at_once(ws: &mut Ws<'_>) -> io::Result<()> {
    ws.stream()
        .map_or(Ok(()), |stream| stream.get_ref().set_nodelay(true))
}

/// All cases of the server that `url` names.
pub(crate) fn run(url: &str) -> Result {
    let (server, host) = server(url)?;
    Client { server, host }.all_cases()
}

/// A client and the fuzzing server it talks to.
struct Client<'u> {
    server: SocketAddr,
    host: &'u str,
}

impl Cases for Client<'_> {
    fn count(&mut self) -> Result<usize> {
        block_on(async {
            let mut buffer = [0; 4096];
            let mut ws = self.connect("/getCaseCount", &mut buffer).await?;
            let mut text = Vec::new();
            let mut piece = [0; 16];
            loop {
                let received = ws.recv_msg(&mut piece, CALL).await?;
                if count_of(&received, &piece, &mut text)? {
                    break;
                }
            }
            ws.disconnect_tcp(CloseCode::NORMAL, "", CALL).await?;
            Ok(str::from_utf8(&text)?.parse()?)
        })
    }

    fn echo(&mut self, path: &str) -> Result {
        block_on(async {
            let mut buffer = [0; 4096];
            let mut ws = self.connect(path, &mut buffer).await?;
            let outcome = exchange(&mut ws).await;
            ws.disconnect_tcp(CloseCode::NORMAL, "", CALL).await?;
            outcome
        })
    }
}

impl Client<'_> {
    async fn connect<'buf>(&self, path: &str, buffer: &'buf mut [u8; 4096]) -> Result<Ws<'buf>> {
        let request = AsyncRequest::new(self.host, path);
        let (stack, host) = (EdgeStack(Stack::new()), Host::new());
        let config = Config::DEFAULT;
        let ws = WebSocket::connect_to(&stack, self.server, &request, buffer, host, config, CALL);
        let mut ws = ws.await?;
        at_once(&mut ws)?;
        Ok(ws)
    }
}

/// Sends back what comes until the connection ends, whatever ends it.
async fn exchange(ws: &mut Ws<'_>) -> Result {
    let mut piece = [0; 4096];
    loop {
        let received = match ws.recv_msg(&mut piece, SILENCE).await {
            Ok(received) if received.opcode().is_control() => continue,
            Ok(received) => received,
            Err(error @ ReceiveError::Timeout) => return Err(error.into()),
            // Whatever ended it: the suite knows whether it had to end like this.
            Err(_) => return Ok(()),
        };
        let mut opcode = received.opcode();
        let mut payload = &piece[..received.length];
        if ws.in_message() {
            opcode = Opcode::Continuation;
        }
        loop {
            let fin = received.is_complete();
            match ws.send_msg(payload, opcode, fin, SILENCE).await {
                Ok(sent) => payload = &payload[sent..],
                // What to make of that, receiving tells.
                Err(_) => break,
            }
            if payload.is_empty() {
                break;
            }
        }
    }
}

/// A clock, randomness.
struct Host(Random);

impl Host {
    fn new() -> Self {
        Self(Random::new())
    }
}

impl AsyncPlatform for Host {
    type Clock = SystemClock;

    fn clock(&self) -> SystemClock {
        SystemClock
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> std::result::Result<(), ws_socket::RandomError> {
        self.0.fill(bytes);
        Ok(())
    }
}

/// The system's.
#[derive(Clone, Copy)]
struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u32 {
        static ORIGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        ORIGIN.elapsed().as_millis() as u32
    }

    async fn sleep_ms(&self, ms: u32) {
        Timer::after(Duration::from_millis(ms.into())).await;
    }
}
