//! The async calls over an in-memory stream, client and server in one future.
#![cfg(feature = "async")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::pipe::{Host, pipe};
use std::cell::Cell;

use embassy_futures::join::join;
use embassy_futures::{block_on, yield_now};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_io_async::{Read, Write};
use ws_socket::asynch::{AsyncRequest, AsyncWebSockets, WebSocket};
use ws_socket::{
    AcceptOptions, CloseCode, Config, Events, Opcode, PollItem, ReceiveError, Timeout,
};

const FOREVER: Timeout = Timeout::Forever;

#[test]
fn a_conversation() {
    // Both send at once: what is under way has to fit.
    let (near, far) = pipe(8_000);
    let (mut near_buffer, mut far_buffer) = ([0; 300], [0; 300]);
    let client = async {
        let request = AsyncRequest::new("example.com", "/chat").subprotocols(&["chat"]);
        let ws = WebSocket::connect(
            near,
            &request,
            &mut near_buffer,
            Host,
            Config::DEFAULT,
            FOREVER,
        );
        let mut ws = ws.await.unwrap();
        assert_eq!(ws.subprotocol(), Some(0));
        for length in [0, 1, 125, 126, 5_000] {
            let payload = vec![b'x'; length];
            let sent = ws.send_msg(&payload, Opcode::Text, true, FOREVER).await;
            assert_eq!(sent, Ok(length));
            let mut echoed = Vec::new();
            loop {
                let mut piece = [0; 100];
                let received = ws.recv_msg(&mut piece, FOREVER).await.unwrap();
                assert_eq!(received.opcode(), Opcode::Text);
                echoed.extend_from_slice(&piece[..received.length]);
                if received.is_complete() {
                    break;
                }
            }
            assert_eq!(echoed, payload);
        }
        let end = ws.disconnect(FOREVER).await.unwrap();
        assert!(end.clean);
    };
    let server = async {
        let options = AcceptOptions {
            subprotocols: &["chat"],
            ..Default::default()
        };
        let ws = WebSocket::accept(far, &options, &mut far_buffer, Host, Config::DEFAULT);
        let mut ws = ws.await.unwrap().unwrap();
        ws.send_msg(b"ping", Opcode::Ping, true, FOREVER)
            .await
            .unwrap();
        let mut piece = [0; 90];
        loop {
            let received = match ws.recv_msg(&mut piece, FOREVER).await {
                Ok(received) if received.opcode() == Opcode::Close => break,
                Ok(received) => received,
                Err(error) => panic!("{error}"),
            };
            // As fragments, one for each piece.
            let opcode = if ws.in_message() {
                Opcode::Continuation
            } else {
                received.opcode()
            };
            let fin = received.is_complete();
            let sent = ws
                .send_msg(&piece[..received.length], opcode, fin, FOREVER)
                .await;
            assert_eq!(sent, Ok(received.length));
        }
        assert!(ws.disconnect(FOREVER).await.unwrap().clean);
        let after = ws.recv_msg(&mut piece, FOREVER).await;
        assert!(matches!(after, Err(ReceiveError::Closed(_))));
    };
    block_on(join(client, server));
}

#[test]
fn the_socket_face() {
    let (near, far) = pipe(16);
    let (mut near_buffer, mut far_buffer) = ([0; 300], [0; 256]);
    let config = Config::DEFAULT;
    let client = async {
        let request = AsyncRequest::new("example.com", "/");
        let ws = WebSocket::connect(near, &request, &mut near_buffer, Host, config, FOREVER);
        let mut ws = ws.await.unwrap();
        ws.write_all(b"over a stream of bytes").await.unwrap();
        ws.flush().await.unwrap();
        let mut echoed = [0; 22];
        ws.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"over a stream of bytes");
        ws.disconnect(FOREVER).await.unwrap();
    };
    let server = async {
        let options = AcceptOptions::default();
        let ws = WebSocket::accept(far, &options, &mut far_buffer, Host, config);
        let mut ws = ws.await.unwrap().unwrap();
        let mut piece = [0; 7];
        loop {
            match ws.read(&mut piece).await.unwrap() {
                0 => break,
                count => ws.write_all(&piece[..count]).await.unwrap(),
            }
        }
        ws.disconnect(FOREVER).await.unwrap();
    };
    block_on(join(client, server));
}

#[test]
fn a_table_polls_many() {
    let config = Config::DEFAULT;
    let pipes = [pipe(1000), pipe(1000), pipe(1000)];
    let (nears, fars): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
    let mut buffers = [[0; 300]; 3];
    let server = async {
        let mut table = AsyncWebSockets::<_, _, 3>::new(Host).with_buffers(buffers.each_mut());
        let mut items = Vec::new();
        for far in fars {
            let ws = table.accept(far, &AcceptOptions::default()).await.unwrap();
            items.push(PollItem::new(ws.unwrap(), Events::IN));
        }
        let mut seen = Vec::new();
        while !items.is_empty() {
            assert!(table.poll(&mut items, FOREVER).await > 0);
            for item in items.clone() {
                if item.revents == Events(0) {
                    continue;
                }
                let mut piece = [0; 50];
                match table.recv_msg(item.ws, &mut piece, Timeout::NoWait).await {
                    Ok(received) if received.opcode() == Opcode::Text => {
                        seen.push((item.ws.slot(), piece[..received.length].to_vec()));
                    }
                    _ => {
                        assert!(table.disconnect(item.ws, 1_000).await.unwrap().clean);
                        items.retain(|other| other.ws != item.ws);
                    }
                }
            }
        }
        assert_eq!(table.in_use(), 0);
        seen.sort();
        let expected: Vec<_> = (0..3)
            .map(|slot| (slot, format!("from {slot}").into_bytes()))
            .collect();
        assert_eq!(seen, expected);
    };
    let clients = async {
        let mut open = Vec::new();
        for near in nears {
            let request = AsyncRequest::new("example.com", "/");
            let ws = WebSocket::connect(
                near,
                &request,
                Box::leak(Box::new([0; 256])),
                Host,
                config,
                FOREVER,
            );
            open.push(ws.await.unwrap());
        }
        for index in [2, 0, 1] {
            let text = format!("from {index}");
            let ws = &mut open[index];
            ws.send_msg(text.as_bytes(), Opcode::Text, true, FOREVER)
                .await
                .unwrap();
        }
        for ws in &mut open {
            assert!(
                ws.disconnect_keeping_stream(CloseCode::NORMAL, "", FOREVER)
                    .await
                    .unwrap()
                    .clean
            );
        }
    };
    block_on(join(server, clients));
}

/// Both ends send while they receive, through a stream that holds 16 bytes, with Pings in between:
/// each half has to let the other go on.
#[test]
fn halves_in_two_tasks() {
    const MESSAGES: usize = 60;
    let (near, far) = pipe(16);
    let mut buffers = [[0; 300]; 2];
    let [near_buffer, far_buffer] = &mut buffers;
    let config = Config::DEFAULT;
    let client = async {
        let request = AsyncRequest::new("example.com", "/");
        let ws = WebSocket::connect(near, &request, near_buffer, Host, config, FOREVER);
        let mut ws = ws.await.unwrap();
        both_ways(&mut ws, MESSAGES, true).await;
        assert!(ws.disconnect(FOREVER).await.unwrap().clean);
    };
    let server = async {
        let options = AcceptOptions::default();
        let ws = WebSocket::accept(far, &options, far_buffer, Host, config);
        let mut ws = ws.await.unwrap().unwrap();
        both_ways(&mut ws, MESSAGES, false).await;
        assert!(ws.disconnect(FOREVER).await.unwrap().clean);
    };
    block_on(join(client, server));
}

async fn both_ways(ws: &mut WebSocket<'_, common::pipe::End, Host>, messages: usize, closes: bool) {
    let mut halves = ws.halves::<NoopRawMutex, _, _>(|end| end.split()).unwrap();
    let (mut receiver, mut sender) = halves.split();
    let complete = Cell::new(0);
    let sends = async {
        for index in 0..messages {
            let payload = vec![index as u8; index * 7];
            let sent = sender
                .send_msg(&payload, Opcode::Binary, true, FOREVER)
                .await;
            assert_eq!(sent, Ok(payload.len()));
            let ping = [index as u8; 100];
            sender
                .send_msg(&ping, Opcode::Ping, true, FOREVER)
                .await
                .unwrap();
        }
        while closes && complete.get() < messages {
            yield_now().await;
        }
        if closes {
            sender
                .close(CloseCode::NORMAL, "done", FOREVER)
                .await
                .unwrap();
        }
    };
    let receives = async {
        let mut whole = Vec::new();
        loop {
            let mut piece = [0; 50];
            let index = complete.get();
            match receiver.recv_msg(&mut piece, FOREVER).await {
                Ok(received) if received.opcode() == Opcode::Binary => {
                    whole.extend_from_slice(&piece[..received.length]);
                    if received.is_complete() {
                        assert_eq!(whole, vec![index as u8; index * 7]);
                        whole.clear();
                        complete.set(index + 1);
                    }
                }
                Ok(received) => assert_eq!(received.opcode(), Opcode::Close),
                Err(ReceiveError::Closed(code)) => {
                    assert_eq!((code, index), (CloseCode::NORMAL, messages));
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    join(sends, receives).await;
}
