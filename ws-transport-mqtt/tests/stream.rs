//! The stream face against a server in the same future, over a stream in memory.
#![cfg(feature = "async")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use common::pipe::{End, Host, pipe};
use common::{FOREVER, Server, broker, gathering, lend, message, packet};
use embassy_futures::join::join;
use embassy_futures::{block_on, yield_now};
use embedded_io_async::{ErrorKind, Read, ReadReady, Write};
use proptest::prelude::*;
use ws_socket::{CloseCode, Opcode, ProtocolError, ReceiveError, SocketError};
use ws_transport_mqtt::{Buffers, MqttError, MqttRequest, MqttStream};

type Stream<'buf> = MqttStream<'buf, End, Host>;

/// A client and a broker that are connected, and what they do.
fn talk<R>(
    room: usize,
    (receive, gather): (usize, usize),
    client: impl AsyncFnOnce(Stream<'static>) -> R,
    server: impl AsyncFnOnce(Server<'static>),
) -> R {
    let (near, far) = pipe(room);
    let client = async {
        let request = MqttRequest::new("broker.example");
        let buffers = Buffers::new(lend(receive), gathering(gather));
        let stream = MqttStream::connect(near, &request, buffers, Host, FOREVER);
        client(stream.await.unwrap()).await
    };
    let server = async { server(broker(far, &["mqtt"], lend(300)).await).await };
    block_on(join(client, server)).0
}

/// MQTT 5.0 section 6, `[MQTT-6.0.0-4]`; an upgrade alone is not enough.
#[test]
fn a_server_that_confirms_no_subprotocol_is_refused() {
    let (near, far) = pipe(2_000);
    let client = async {
        let request = MqttRequest::new("broker.example");
        let stream = MqttStream::connect(
            near,
            &request,
            Buffers::new(lend(256), &mut []),
            Host,
            FOREVER,
        );
        let error = stream.await.map(|_| ()).unwrap_err();
        assert_eq!(error, MqttError::Subprotocol);
        assert_eq!(
            embedded_io_async::Error::kind(&error),
            ErrorKind::Unsupported
        );
        assert!(error.to_string().contains("subprotocol `mqtt`"));
    };
    let server = async {
        let mut ws = broker(far, &["chat"], lend(300)).await;
        let close = message(&mut ws).await.unwrap();
        assert_eq!(close, (Opcode::Close, vec![3, 0xEA]));
        assert_eq!(ws.close_code(), Some(CloseCode::PROTOCOL_ERROR));
    };
    block_on(join(client, server));
}

#[test]
fn mqttv31_is_taken_where_it_was_offered() {
    let (near, far) = pipe(2_000);
    let client = async {
        let request = MqttRequest::new("broker.example")
            .offering_v31()
            .url("/old");
        let stream = MqttStream::connect(
            near,
            &request,
            Buffers::new(lend(256), &mut []),
            Host,
            FOREVER,
        );
        let mut stream = stream.await.unwrap();
        assert_eq!(stream.websocket().subprotocol(), Some(1));
        assert!(stream.disconnect(FOREVER).await);
    };
    let server = async {
        let mut ws = broker(far, &["mqttv3.1"], lend(300)).await;
        ws.disconnect(FOREVER).await.unwrap();
    };
    block_on(join(client, server));
}

/// `[MQTT-6.0.0-1]`: text from the broker closes the connection.
#[test]
fn text_is_refused_with_1003() {
    let client = async |mut stream: Stream<'_>| {
        let mut buffer = [0; 10];
        assert_eq!(stream.read(&mut buffer).await, Ok(3));
        let refused = ReceiveError::Protocol(ProtocolError::UnwantedText);
        let refused = MqttError::Socket(SocketError::Receive(refused));
        assert_eq!(stream.read(&mut buffer).await, Err(refused));
    };
    talk(500, (300, 0), client, async |mut ws| {
        ws.send_msg(b"mqt", Opcode::Binary, true, FOREVER)
            .await
            .unwrap();
        ws.send_msg(b"text", Opcode::Text, true, FOREVER)
            .await
            .unwrap();
        let close = message(&mut ws).await.unwrap();
        assert_eq!(close, (Opcode::Close, vec![3, 0xEB]));
    });
}

#[test]
fn the_brokers_close_is_the_end() {
    let client = async |mut stream: Stream<'_>| {
        let mut buffer = [0; 10];
        assert_eq!(stream.read(&mut buffer).await, Ok(2));
        assert_eq!(stream.read(&mut buffer).await, Ok(0));
        assert_eq!(stream.read(&mut buffer).await, Ok(0));
        assert_eq!(stream.close_code(), Some(CloseCode::GOING_AWAY));
        let write = stream.write(&[0xC0, 0]).await.unwrap_err();
        assert_eq!(
            embedded_io_async::Error::kind(&write),
            ErrorKind::NotConnected
        );
    };
    talk(500, (300, 0), client, async |mut ws| {
        ws.send_msg(b"by", Opcode::Binary, true, FOREVER)
            .await
            .unwrap();
        let code = CloseCode::GOING_AWAY;
        let end = ws.disconnect_keeping_stream(code, "", FOREVER).await;
        assert!(end.unwrap().clean);
    });
}

/// A client that asks whether there is something, and one that only writes.
#[test]
fn pings_are_answered_whatever_the_client_does() {
    for receive in [256, 300] {
        for writes in [false, true] {
            let client = async |mut stream: Stream<'_>| {
                for _ in 0..100 {
                    if writes {
                        let _ = stream.write_all(&[0xC0, 0]).await;
                    } else {
                        // The broker goes when it has its answer.
                        if stream.read_ready().unwrap() {
                            break;
                        }
                    }
                    yield_now().await;
                }
            };
            talk(2_000, (receive, 10), client, async |mut ws| {
                let ping = ws.send_msg(b"there?", Opcode::Ping, true, FOREVER);
                ping.await.unwrap();
                loop {
                    // `None` where the client has gone without an answer.
                    match message(&mut ws).await.unwrap() {
                        (Opcode::Pong, payload) => return assert_eq!(payload, b"there?"),
                        (_, payload) => assert_eq!(payload, [0xC0, 0]),
                    }
                }
            });
        }
    }
}

/// Polls a future so many times at most.
async fn interrupted<F: Future>(polls: usize, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = polls;
    let output = std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    output.await
}

/// Writes and reads that are dropped wherever they wait, and made again: nothing is lost, nothing
/// comes twice.
#[test]
fn dropped_at_every_await() {
    for polls in 1..4 {
        for room in [150, 200, 700] {
            for gather in [0, 7, 400] {
                let packets = [packet(3), packet(300), packet(0), packet(150)];
                let client = async |mut stream: Stream<'_>| {
                    for packet in &packets {
                        for field in packet.chunks(101) {
                            let mut rest = field;
                            while !rest.is_empty() {
                                let write = interrupted(polls, stream.write(rest)).await;
                                rest = &rest[write.map_or(0, Result::unwrap)..];
                                yield_now().await;
                            }
                        }
                    }
                    let mut echoed = Vec::new();
                    let all = packets.concat();
                    while echoed.len() < all.len() {
                        let mut piece = [0; 33];
                        let read = interrupted(polls, stream.read(&mut piece)).await;
                        let count = read.map_or(0, Result::unwrap);
                        echoed.extend_from_slice(&piece[..count]);
                        yield_now().await;
                    }
                    assert_eq!(echoed, all);
                };
                talk(room, (300, gather), client, async |mut ws| {
                    let mut all = Vec::new();
                    for packet in &packets {
                        let sent = message(&mut ws).await.unwrap();
                        assert_eq!(sent, (Opcode::Binary, packet.clone()));
                        all.extend_from_slice(packet);
                    }
                    for piece in all.chunks(90) {
                        let opcode = Opcode::Binary;
                        ws.send_msg(piece, opcode, true, FOREVER).await.unwrap();
                    }
                });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Any packets, any cuts of the writes, any buffer, any room on the wire: the broker gets them as
    /// messages of their own.
    #[test]
    fn any_writes(
        lengths in prop::collection::vec(prop_oneof![0usize..5, 0usize..300, 4_000usize..5_000], 1..6),
        cuts in prop::collection::vec(1usize..300, 1..6),
        gather in 0usize..320,
        receive in 256usize..600,
        room in 130usize..2_000,
    ) {
        let packets: Vec<_> = lengths.iter().map(|&length| packet(length)).collect();
        let client = async |mut stream: Stream<'static>| {
            let bytes = packets.concat();
            let (mut rest, mut turn) = (&bytes[..], 0);
            while !rest.is_empty() {
                let count = cuts[turn % cuts.len()].min(rest.len());
                stream.write_all(&rest[..count]).await.unwrap();
                rest = &rest[count..];
                turn += 1;
            }
            stream
        };
        talk(room, (receive, gather), client, async |mut ws| {
            for packet in &packets {
                let sent = message(&mut ws).await.unwrap();
                assert_eq!(sent, (Opcode::Binary, packet.clone()));
            }
        });
    }

    /// Any frames and fragments with Pings between them, any reads: the same bytes.
    #[test]
    fn any_reads(
        frames in prop::collection::vec((0usize..400, any::<bool>(), any::<bool>()), 1..8),
        reads in prop::collection::vec(1usize..300, 1..6),
        receive in 256usize..600,
        room in 130usize..2_000,
    ) {
        let total: usize = frames.iter().map(|(length, _, _)| length).sum();
        let bytes: Vec<u8> = (0..total).map(|place| place as u8).collect();
        let client = async |mut stream: Stream<'static>| {
            let (mut got, mut turn) = (Vec::new(), 0);
            loop {
                let mut piece = vec![0; reads[turn % reads.len()]];
                turn += 1;
                match stream.read(&mut piece).await.unwrap() {
                    0 => break,
                    count => got.extend_from_slice(&piece[..count]),
                }
            }
            got
        };
        let got = talk(room, (receive, 0), client, async |mut ws| {
            let mut rest = &bytes[..];
            for (index, (length, fin, ping)) in frames.iter().enumerate() {
                let (payload, after) = rest.split_at(*length);
                rest = after;
                let fin = *fin || index + 1 == frames.len();
                let opcode = if ws.in_message() { Opcode::Continuation } else { Opcode::Binary };
                ws.send_msg(payload, opcode, fin, FOREVER).await.unwrap();
                if *ping {
                    ws.send_msg(b"there?", Opcode::Ping, true, FOREVER).await.unwrap();
                }
            }
            assert!(ws.disconnect(FOREVER).await.unwrap().clean);
        });
        prop_assert_eq!(got, bytes);
    }
}
