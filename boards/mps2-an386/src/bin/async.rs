//! The client's conversation over the async calls: embassy-executor, embassy-net, embassy-time, and
//! keepalive on.
//!
//! Command line: the server's port on the host.
#![no_std]
#![no_main]

use core::net::SocketAddr;

use cortex_m_rt::{entry, exception};
use embassy_executor::task;
use embassy_net::{Runner, Stack};
use static_cell::StaticCell;
use ws_mps2_an386::async_net::{self, Memory};
use ws_mps2_an386::conversation::{
    AFTER_SILENCE, CLOSE, KEPT_ALIVE, Payload, REFUSED, SCRIPT, SILENT, Step, TIMEOUT,
};
use ws_mps2_an386::lan9118::Lan9118;
use ws_mps2_an386::paint::Meter;
use ws_mps2_an386::semihosting::{self, Random};
use ws_mps2_an386::{executor, net, say};
use ws_socket::asynch::{AsyncPlatform, AsyncRequest, Embassy, WebSocket};
use ws_socket::{
    Config, ConnectError, Keepalive, Opcode, ReceiveError, Received, Timeout, handshake,
};

/// One at a time, and one for a connection that is still closing.
const SOCKETS: usize = 2;

type TcpState = async_net::client::TcpClientState<1, 4096, 4096>;
type TcpClient<'tcp> = async_net::client::TcpClient<'tcp, 1, 4096, 4096>;
type Tcp<'tcp> = async_net::client::TcpConnection<'tcp, 1, 4096, 4096>;
type Error = embassy_net::tcp::Error;

/// What all connections have.
const CONFIG: Config = Config {
    report_pongs: true,
    keepalive: Some(Keepalive {
        interval: 200,
        timeout: 10_000,
    }),
    // embassy-net's waits for the peer's acknowledgement.
    flush: false,
    ..Config::DEFAULT
};

/// Of a server that is found to be dead, soon.
const IMPATIENT: Config = Config {
    keepalive: Some(Keepalive {
        interval: 200,
        timeout: 300,
    }),
    ..CONFIG
};

#[exception]
fn PendSV() {
    async_net::alarm();
}

#[exception]
unsafe fn DefaultHandler(number: i16) {
    async_net::interrupt(number);
}

#[entry]
fn main() -> ! {
    static NETWORK: StaticCell<Memory<SOCKETS>> = StaticCell::new();
    let meter = Meter::new();
    let server = net::peer();
    let mut random = Random::open();
    let network = NETWORK.init_with(Memory::new);
    let (stack, runner) = async_net::start(network, &mut random);
    executor::run(|spawner| {
        let network = run_network(runner).unwrap_or_else(|why| panic!("{why:?}"));
        let converse = converse(stack, random, server, meter);
        spawner.spawn(network);
        spawner.spawn(converse.unwrap_or_else(|why| panic!("{why:?}")));
    })
}

#[task]
async fn run_network(mut runner: Runner<'static, Lan9118>) -> ! {
    runner.run().await
}

#[task]
async fn converse(stack: Stack<'static>, mut random: Random, server: SocketAddr, mut meter: Meter) {
    static STATE: StaticCell<TcpState> = StaticCell::new();
    let tcp = TcpClient::new(stack, STATE.init_with(TcpState::new));
    let mut platform = Embassy(|bytes: &mut [u8]| {
        random.fill(bytes);
        Ok(())
    });
    let mut lent = [0; 256];

    is_refused(&tcp, server, &mut lent, &mut platform).await;
    is_found_dead(&tcp, server, &mut lent, &mut platform).await;
    let ws = connect(&tcp, server, KEPT_ALIVE, &mut lent, &mut platform, CONFIG).await;
    let mut ws = ws.unwrap_or_else(|why| panic!("{why}"));
    for step in SCRIPT.iter().chain(AFTER_SILENCE) {
        take(&mut ws, step).await;
    }
    close(ws).await;
    say!("closed");
    meter.print();
    say!("async: ok");
    semihosting::succeed()
}

async fn connect<'tcp, 'buf, P: AsyncPlatform>(
    tcp: &'tcp TcpClient<'_>,
    server: SocketAddr,
    path: &str,
    lent: &'buf mut [u8; 256],
    platform: P,
    config: Config,
) -> Result<WebSocket<'buf, Tcp<'tcp>, P>, ConnectError<Error>> {
    let request = AsyncRequest::new("10.0.2.2", path);
    WebSocket::connect_to(tcp, server, &request, lent, platform, config, TIMEOUT).await
}

/// What a server that wants no WebSocket says reaches the caller.
async fn is_refused(
    tcp: &TcpClient<'_>,
    server: SocketAddr,
    lent: &mut [u8; 256],
    platform: impl AsyncPlatform,
) {
    let (path, expected) = REFUSED;
    let refused = connect(tcp, server, path, lent, platform, CONFIG).await;
    let refused = refused.map(|_| ()).err();
    let Some(ConnectError::Handshake(handshake::ClientError::Refused { status, .. })) = refused
    else {
        panic!("not refused: {refused:?}");
    };
    assert_eq!(status, expected);
}

/// A server that does not answer a Ping ends a receive that would wait for ever.
async fn is_found_dead(
    tcp: &TcpClient<'_>,
    server: SocketAddr,
    lent: &mut [u8; 256],
    platform: impl AsyncPlatform,
) {
    let ws = connect(tcp, server, SILENT, lent, platform, IMPATIENT).await;
    let mut ws = ws.unwrap_or_else(|why| panic!("{why}"));
    let found = ws.recv_msg(&mut [0; 16], Timeout::Forever).await.err();
    assert_eq!(found, Some(ReceiveError::NoPong));
    say!("a dead server was found out");
}

async fn take<P: AsyncPlatform>(ws: &mut WebSocket<'_, Tcp<'_>, P>, step: &Step) {
    match *step {
        Step::Send {
            opcode,
            payload: Payload::Bytes(bytes),
            fin,
        } => {
            let sent = ws.send_msg(bytes, opcode, fin, TIMEOUT).await;
            assert_eq!(sent, Ok(bytes.len()), "{opcode:?}");
        }
        Step::Send {
            opcode,
            payload,
            fin,
        } => send_in_parts(ws, &payload, opcode, fin).await,
        Step::Expect(mut expected) => {
            let mut buffer = [0; 256];
            loop {
                let piece = receive(ws, &mut buffer).await;
                if expected.piece(&piece, &buffer[..piece.length]) {
                    break;
                }
            }
        }
        Step::Reached(what) => say!("{what}"),
    }
}

/// A frame that is a thousand times longer than any buffer here.
async fn send_in_parts<P: AsyncPlatform>(
    ws: &mut WebSocket<'_, Tcp<'_>, P>,
    payload: &Payload,
    opcode: Opcode,
    fin: bool,
) {
    let mut buffer = [0; 256];
    let mut offset = 0;
    while offset < payload.length() {
        let part = payload.part(offset, &mut buffer);
        let rest = payload.length() - offset;
        let sent = ws.send_part(part, rest, opcode, fin, TIMEOUT).await;
        offset += sent.unwrap_or_else(|why| panic!("at {offset}: {why}"));
    }
}

async fn receive<P: AsyncPlatform>(
    ws: &mut WebSocket<'_, Tcp<'_>, P>,
    buffer: &mut [u8],
) -> Received {
    loop {
        let received = ws.recv_msg(buffer, TIMEOUT).await;
        let received = received.unwrap_or_else(|why| panic!("receiving: {why}"));
        // The answer to a Ping of keepalive's may come at any time: it is empty.
        if received.opcode() != Opcode::Pong || received.length > 0 {
            return received;
        }
    }
}

async fn close<P: AsyncPlatform>(mut ws: WebSocket<'_, Tcp<'_>, P>) {
    let (code, reason) = CLOSE;
    let end = ws.disconnect_with(code, reason, TIMEOUT).await;
    let end = end.unwrap_or_else(|why| panic!("{why}"));
    assert!(end.clean);
    assert_eq!(end.code, code);
}
