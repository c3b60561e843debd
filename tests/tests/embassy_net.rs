//! embassy-net 0.9, client and server: two stacks joined in this process, the clock moved by hand.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::task::Poll;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select, select3};
use embassy_futures::{poll_once, yield_now};
use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_net::tcp::client::{TcpClient, TcpClientState};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::Timer;
use embedded_io_async::{Read, Write};
use embedded_nal_async::TcpConnect;
use ws_socket::asynch::{AsyncRequest, AsyncWebSockets, Connector, Framing, WebSocket};
use ws_socket::{
    AcceptOptions, CloseCode, Config, Events, Keepalive, Opcode, PollItem, ReceiveError, Timeout,
};
use ws_tests::embassy::{Resources, address, platform, run, stack, wire};

const FOREVER: Timeout = Timeout::Forever;
const TCP: Config = Config {
    flush: false,
    ..Config::DEFAULT
};
const PORT: u16 = 80;

/// The clock is one for all tests of this process.
static CLOCK: Mutex<()> = Mutex::new(());

/// Runs a server and a client on a stack each.
fn on_two_stacks<'d, A, B>(
    resources: &'d mut [Resources; 2],
    server: impl FnOnce(Stack<'d>) -> A,
    client: impl FnOnce(Stack<'d>) -> B,
) where
    A: Future<Output = ()>,
    B: Future<Output = ()>,
{
    let _clock = CLOCK
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let [near, far] = resources;
    let (one, other) = wire();
    let (near, mut near_runs) = stack(one, 1, near);
    let (far, mut far_runs) = stack(other, 2, far);
    let work = join(server(far), client(near));
    run(600_000, async {
        select3(near_runs.run(), far_runs.run(), work).await;
    });
}

async fn listening<'a>(stack: Stack<'a>, rx: &'a mut [u8], tx: &'a mut [u8]) -> TcpSocket<'a> {
    let mut socket = TcpSocket::new(stack, rx, tx);
    socket.accept(PORT).await.unwrap();
    socket
}

fn server_address() -> SocketAddr {
    (address(2), PORT).into()
}

/// Sends back what comes, a fragment for each piece.
async fn echo(stack: Stack<'_>) {
    let (mut rx, mut tx, mut buffer) = ([0; 2048], [0; 2048], [0; 400]);
    let socket = listening(stack, &mut rx, &mut tx).await;
    let options = AcceptOptions::default();
    let ws = WebSocket::accept(socket, &options, &mut buffer, platform(), TCP).await;
    let mut ws = ws.unwrap().unwrap();
    let mut piece = [0; 300];
    loop {
        let received = match ws.recv_msg(&mut piece, FOREVER).await {
            Ok(received) if received.opcode().is_control() => continue,
            Ok(received) => received,
            Err(ReceiveError::Closed(_)) => break,
            Err(error) => panic!("{error}"),
        };
        let opcode = if ws.in_message() {
            Opcode::Continuation
        } else {
            received.opcode()
        };
        let payload = &piece[..received.length];
        let sent = ws.send_msg(payload, opcode, received.is_complete(), FOREVER);
        assert_eq!(sent.await, Ok(payload.len()));
    }
    assert!(ws.disconnect(10_000).await.unwrap().clean);
}

#[test]
fn hundreds_of_messages_and_fragments_both_ways() {
    let mut resources = [const { Resources::new() }; 2];
    on_two_stacks(&mut resources, echo, async |stack| {
        let state = TcpClientState::<1, 2048, 2048>::new();
        let tcp = TcpClient::new(stack, &state);
        let mut buffer = [0; 512];
        let request = AsyncRequest::new("10.0.0.2", "/");
        let ws = WebSocket::connect_to(
            &tcp,
            server_address(),
            &request,
            &mut buffer,
            platform(),
            TCP,
            10_000,
        );
        let mut ws = ws.await.unwrap();
        for index in 0..300usize {
            let payload = vec![b'a' + (index % 26) as u8; index * 3];
            // Whole, or as three fragments.
            let third = payload.len() / 3;
            let parts = if index % 2 == 0 {
                vec![(Opcode::Text, &payload[..], true)]
            } else {
                vec![
                    (Opcode::Text, &payload[..third], false),
                    (Opcode::Continuation, &payload[third..2 * third], false),
                    (Opcode::Continuation, &payload[2 * third..], true),
                ]
            };
            for (opcode, part, fin) in parts {
                let sent = ws.send_msg(part, opcode, fin, FOREVER).await;
                assert_eq!(sent, Ok(part.len()));
            }
            let mut whole = Vec::new();
            loop {
                let mut piece = [0; 200];
                let received = ws.recv_msg(&mut piece, FOREVER).await.unwrap();
                whole.extend_from_slice(&piece[..received.length]);
                if received.is_complete() {
                    break;
                }
            }
            assert_eq!(whole, payload, "message {index}");
        }
        assert!(ws.disconnect(10_000).await.unwrap().clean);
    });
}

/// A receive that is dropped at its first wait, again and again, loses nothing of the stream; a send that
/// loses against a timer leaves its frame open, to be gone on with.
#[test]
fn cancelled_by_select() {
    let mut resources = [const { Resources::new() }; 2];
    on_two_stacks(&mut resources, echo, async |stack| {
        let (mut rx, mut tx, mut buffer) = ([0; 600], [0; 600], [0; 300]);
        let mut socket = TcpSocket::new(stack, &mut rx, &mut tx);
        socket.connect((address(2), PORT)).await.unwrap();
        let request = AsyncRequest::new("10.0.0.2", "/");
        let ws = WebSocket::connect(socket, &request, &mut buffer, platform(), TCP, FOREVER);
        let mut ws = ws.await.unwrap();
        let payload: Vec<u8> = (0..5_000u32).map(|n| (n % 251) as u8).collect();
        let (mut sent, mut echoed, mut dropped) = (0, Vec::new(), [0; 2]);
        let mut complete = false;
        while !complete {
            if sent < payload.len() {
                let send = ws.send_msg(&payload[sent..], Opcode::Binary, true, FOREVER);
                if let Either::Second(()) = select(send, Timer::after_millis(1)).await {
                    dropped[0] += 1;
                }
                sent = payload.len() - ws.open_frame().unwrap_or(0);
            }
            let mut piece = [0; 64];
            let receive = ws.recv_msg(&mut piece, FOREVER);
            match poll_once(receive) {
                Poll::Ready(received) => {
                    let received = received.unwrap();
                    echoed.extend_from_slice(&piece[..received.length]);
                    complete = received.is_complete();
                }
                Poll::Pending => {
                    dropped[1] += 1;
                    yield_now().await;
                }
            }
        }
        assert_eq!(echoed, payload);
        assert!(dropped.iter().all(|count| *count > 2), "{dropped:?}");
        assert!(ws.disconnect(10_000).await.unwrap().clean);
    });
}

/// A peer that says nothing and does not answer is found out; one that answers is kept.
#[test]
fn keepalive_finds_a_silent_peer() {
    let mut resources = [const { Resources::new() }; 2];
    let silent = Cell::new(false);
    let server = async |stack| {
        let (mut rx, mut tx, mut buffer) = ([0; 1024], [0; 1024], [0; 300]);
        let socket = listening(stack, &mut rx, &mut tx).await;
        let options = AcceptOptions::default();
        let ws = WebSocket::accept(socket, &options, &mut buffer, platform(), TCP).await;
        let mut ws = ws.unwrap().unwrap();
        // Answers Pings for a while, then lets the connection lie.
        assert_eq!(
            ws.recv_msg(&mut [0; 9], 10_000).await.unwrap_err(),
            ReceiveError::Timeout
        );
        silent.set(true);
        Timer::after_secs(60).await;
    };
    on_two_stacks(&mut resources, server, async |stack| {
        let state = TcpClientState::<1, 1024, 1024>::new();
        let tcp = TcpClient::new(stack, &state);
        let config = Config {
            keepalive: Some(Keepalive {
                interval: 2_000,
                timeout: 1_000,
            }),
            ..TCP
        };
        let mut buffers = [[0; 300]];
        let mut table = AsyncWebSockets::<_, _, 1>::new(platform())
            .with_buffers(buffers.each_mut())
            .with_config(config);
        let request = AsyncRequest::new("10.0.0.2", "/");
        let ws = table.connect_to(&tcp, server_address(), &request, 10_000);
        let ws = ws.await.unwrap();
        let mut items = [PollItem::new(ws, Events::IN)];
        assert_eq!(table.poll(&mut items, FOREVER).await, 1);
        assert!(silent.get());
        let found = table.recv_msg(ws, &mut [0; 9], FOREVER).await;
        assert_eq!(found.unwrap_err(), ReceiveError::NoPong);
        table.abort(ws).unwrap();
        assert_eq!(table.in_use(), 0);
    });
}

/// One task sends while another receives, on a socket that splits.
#[test]
fn halves_of_a_socket() {
    let mut resources = [const { Resources::new() }; 2];
    on_two_stacks(&mut resources, echo, async |stack| {
        let (mut rx, mut tx, mut buffer) = ([0; 700], [0; 700], [0; 300]);
        let mut socket = TcpSocket::new(stack, &mut rx, &mut tx);
        socket.connect((address(2), PORT)).await.unwrap();
        let request = AsyncRequest::new("10.0.0.2", "/");
        let ws = WebSocket::connect(socket, &request, &mut buffer, platform(), TCP, FOREVER);
        let mut ws = ws.await.unwrap();
        let mut halves = ws
            .halves::<NoopRawMutex, _, _>(|socket| socket.split())
            .unwrap();
        let (mut receiver, mut sender) = halves.split();
        let messages: Vec<Vec<u8>> = (0..50).map(|n| vec![n; 400]).collect();
        let sends = async {
            for message in &messages {
                let sent = sender.send_msg(message, Opcode::Binary, true, FOREVER);
                assert_eq!(sent.await, Ok(message.len()));
            }
        };
        let receives = async {
            let mut echoed = vec![Vec::new()];
            while echoed.len() <= messages.len() {
                let mut piece = [0; 100];
                let received = receiver.recv_msg(&mut piece, FOREVER).await.unwrap();
                if let Some(last) = echoed.last_mut() {
                    last.extend_from_slice(&piece[..received.length]);
                }
                if received.is_complete() {
                    echoed.push(Vec::new());
                }
            }
            assert_eq!(echoed[..messages.len()], messages);
        };
        join(sends, receives).await;
        sender.close(CloseCode::NORMAL, "", FOREVER).await.unwrap();
        drop(halves);
        assert!(ws.disconnect(10_000).await.unwrap().clean);
    });
}

/// What connects by `TcpConnect` speaks WebSocket by being given another one.
#[test]
fn a_connector_in_place_of_tcp() {
    async fn client_of_tcp<S: TcpConnect>(tcp: &S) -> S::Connection<'_> {
        let mut socket = tcp.connect(server_address()).await.unwrap();
        for part in [&b"one "[..], b"message ", b"of parts"] {
            socket.write_all(part).await.unwrap();
        }
        socket.flush().await.unwrap();
        let mut echoed = [0; 20];
        socket.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"one message of parts");
        socket
    }
    let mut resources = [const { Resources::new() }; 2];
    on_two_stacks(&mut resources, echo, async |stack| {
        let state = TcpClientState::<1, 1024, 1024>::new();
        let tcp = TcpClient::new(stack, &state);
        let mut buffer = [0; 300];
        let connector = Connector::new(tcp, platform(), [&mut buffer])
            .with_request(AsyncRequest::new("10.0.0.2", "/"))
            .with_config(TCP)
            .with_framing(Framing {
                until_flush: true,
                ..Framing::DEFAULT
            });
        let mut socket = client_of_tcp(&connector).await;
        assert!(socket.disconnect(10_000).await.unwrap().clean);
    });
}
