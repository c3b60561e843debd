//! The face for blocking clients against a broker in the same future.
#![cfg(feature = "async")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::Poll;

use common::pipe::{End, pipe};
use common::{FOREVER, Server, broker, gathering, lend, message, packet};
use embassy_futures::join::join;
use embassy_futures::{block_on, poll_once, yield_now};
use embedded_io_async::{Read, Write};
use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, nb};
use proptest::prelude::*;
use ws_socket::{CloseCode, Opcode, Platform, ProtocolError, ReceiveError, SocketError};
use ws_transport_mqtt::{Buffers, MqttError, MqttRequest, MqttStack};

/// A stack with one connection, which is there already.
struct One(Option<End>);

#[derive(Debug, PartialEq)]
struct Broken;

impl TcpError for Broken {
    fn kind(&self) -> TcpErrorKind {
        TcpErrorKind::Other
    }
}

fn now<T>(polled: Poll<Result<T, Infallible>>) -> nb::Result<T, Broken> {
    match polled {
        Poll::Ready(Ok(value)) => Ok(value),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => Err(nb::Error::WouldBlock),
    }
}

impl TcpClientStack for One {
    type TcpSocket = End;
    type Error = Broken;

    fn socket(&mut self) -> Result<End, Broken> {
        self.0.take().ok_or(Broken)
    }

    fn connect(&mut self, _: &mut End, _: SocketAddr) -> nb::Result<(), Broken> {
        Ok(())
    }

    fn send(&mut self, end: &mut End, bytes: &[u8]) -> nb::Result<usize, Broken> {
        now(poll_once(end.write(bytes)))
    }

    fn receive(&mut self, end: &mut End, buffer: &mut [u8]) -> nb::Result<usize, Broken> {
        now(poll_once(end.read(buffer)))
    }

    fn close(&mut self, _: End) -> Result<(), Broken> {
        Ok(())
    }
}

/// A clock that stands still, and a counter for randomness.
struct Chip;

impl Platform<One> for Chip {
    fn now_ms(&mut self) -> u32 {
        0
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        for (byte, random) in bytes.iter_mut().zip(1..) {
            *byte = random;
        }
        Ok(())
    }

    fn wait(&mut self, _: &mut One, _: u32) {}
}

type Stack = MqttStack<'static, One, Chip, 1>;
type Error = MqttError<Broken>;

const REMOTE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);

fn stack(near: End, receive: usize, gather: usize) -> Stack {
    let buffers = [Buffers::new(lend(receive), gathering(gather))];
    MqttStack::new(
        One(Some(near)),
        Chip,
        MqttRequest::new("broker.example"),
        buffers,
    )
}

/// Calls until it does not block any more.
async fn wait<R>(mut call: impl FnMut() -> nb::Result<R, Error>) -> Result<R, Error> {
    loop {
        match call() {
            Ok(value) => return Ok(value),
            Err(nb::Error::Other(error)) => return Err(error),
            Err(nb::Error::WouldBlock) => yield_now().await,
        }
    }
}

#[test]
fn a_server_that_confirms_no_subprotocol_is_refused() {
    let (near, far) = pipe(2_000);
    let client = async {
        let mut stack = stack(near, 300, 0);
        let mut socket = stack.socket().unwrap();
        for _ in 0..2 {
            let connected = wait(|| stack.connect(&mut socket, REMOTE)).await;
            assert_eq!(connected, Err(MqttError::Subprotocol));
        }
        stack.close(socket).unwrap();
    };
    let server = async {
        let mut ws = broker(far, &["chat"], lend(300)).await;
        assert!(matches!(message(&mut ws).await, Some((Opcode::Close, _))));
    };
    block_on(join(client, server));
}

#[test]
fn text_is_refused_and_the_brokers_close_is_the_end() {
    for text in [false, true] {
        let (near, far) = pipe(2_000);
        let client = async {
            let mut stack = stack(near, 300, 0);
            let mut socket = stack.socket().unwrap();
            wait(|| stack.connect(&mut socket, REMOTE)).await.unwrap();
            let mut buffer = [0; 10];
            let end = wait(|| stack.receive(&mut socket, &mut buffer))
                .await
                .unwrap_err();
            let why = if text {
                ReceiveError::Protocol(ProtocolError::UnwantedText)
            } else {
                ReceiveError::Closed(CloseCode::GOING_AWAY)
            };
            assert_eq!(end, MqttError::Socket(SocketError::Receive(why)));
            assert_eq!(end.kind() == TcpErrorKind::PipeClosed, !text);
            let sent = stack.send(&mut socket, &[0xC0, 0]);
            assert!(matches!(sent, Err(nb::Error::Other(_))), "{sent:?}");
            stack
        };
        let server = async {
            let mut ws = broker(far, &["mqtt"], lend(300)).await;
            if text {
                ws.send_msg(b"text", Opcode::Text, true, FOREVER)
                    .await
                    .unwrap();
                let close = message(&mut ws).await.unwrap();
                assert_eq!(close, (Opcode::Close, vec![3, 0xEB]));
            } else {
                let code = CloseCode::GOING_AWAY;
                let end = ws.disconnect_keeping_stream(code, "", FOREVER).await;
                assert!(end.unwrap().clean);
            }
        };
        block_on(join(client, server));
    }
}

/// A client that only writes answers Pings.
#[test]
fn pings_are_answered_while_publishing() {
    for receive in [256, 300] {
        let (near, far) = pipe(2_000);
        let client = async {
            let mut stack = stack(near, receive, 10);
            let mut socket = stack.socket().unwrap();
            wait(|| stack.connect(&mut socket, REMOTE)).await.unwrap();
            for _ in 0..100 {
                let _ = stack.send(&mut socket, &[0xC0, 0]);
                yield_now().await;
            }
        };
        let server = async {
            let mut ws = broker(far, &["mqtt"], lend(300)).await;
            ws.send_msg(b"there?", Opcode::Ping, true, FOREVER)
                .await
                .unwrap();
            loop {
                // `None` where the client has gone without an answer.
                match message(&mut ws).await.unwrap() {
                    (Opcode::Pong, payload) => return assert_eq!(payload, b"there?"),
                    (_, payload) => assert_eq!(payload, [0xC0, 0]),
                }
            }
        };
        block_on(join(client, server));
    }
}

async fn echo(ws: &mut Server<'_>, packets: &[Vec<u8>]) {
    for packet in packets {
        let sent = message(ws).await.unwrap();
        assert_eq!(sent, (Opcode::Binary, packet.clone()));
    }
    for packet in packets {
        for piece in packet.chunks(90) {
            ws.send_msg(piece, Opcode::Binary, true, FOREVER)
                .await
                .unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Any packets, any cuts of the writes, any buffers, a wire that blocks anywhere: the broker gets
    /// them as messages of their own, and what it sends arrives.
    #[test]
    fn any_writes_and_reads(
        lengths in prop::collection::vec(prop_oneof![0usize..5, 0usize..300, 4_000usize..5_000], 1..5),
        cuts in prop::collection::vec(1usize..300, 1..6),
        gather in 0usize..320,
        receive in 256usize..600,
        room in 130usize..2_000,
    ) {
        let packets: Vec<_> = lengths.iter().map(|&length| packet(length)).collect();
        let bytes = packets.concat();
        let (near, far) = pipe(room);
        let client = async {
            let mut stack = stack(near, receive, gather);
            let mut socket = stack.socket().unwrap();
            wait(|| stack.connect(&mut socket, REMOTE)).await.unwrap();
            let (mut rest, mut turn) = (&bytes[..], 0);
            while !rest.is_empty() {
                let count = cuts[turn % cuts.len()].min(rest.len());
                let sent = wait(|| stack.send(&mut socket, &rest[..count])).await.unwrap();
                rest = &rest[sent..];
                turn += 1;
            }
            let mut echoed = Vec::new();
            while echoed.len() < bytes.len() {
                let mut piece = vec![0; cuts[turn % cuts.len()]];
                turn += 1;
                let count = wait(|| stack.receive(&mut socket, &mut piece)).await.unwrap();
                echoed.extend_from_slice(&piece[..count]);
            }
            assert_eq!(echoed, bytes);
            // The broker reads to the end before the line goes.
            stack
        };
        let server = async {
            let mut ws = broker(far, &["mqtt"], lend(300)).await;
            echo(&mut ws, &packets).await;
        };
        block_on(join(client, server));
    }
}
