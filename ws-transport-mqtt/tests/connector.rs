//! The face for clients that connect by themselves: buffers go out and come back.
#![cfg(feature = "async")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use common::pipe::{End, Host, pipe};
use common::{FOREVER, Server, broker, gathering, lend, message};
use embassy_futures::block_on;
use embassy_futures::join::join;
use embedded_io_async::{Read, Write};
use embedded_nal_async::TcpConnect;
use ws_socket::{ConnectError, Flags, Opcode, SocketError};
use ws_transport_mqtt::{Buffers, MqttConnector, MqttError, MqttRequest};

const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);

/// A stack whose connections are there already.
struct Pipes(RefCell<Vec<End>>);

impl TcpConnect for Pipes {
    type Error = Infallible;
    type Connection<'a> = End;

    async fn connect(&self, _: SocketAddr) -> Result<End, Infallible> {
        Ok(self.0.borrow_mut().pop().unwrap())
    }
}

fn pipes(count: usize) -> (Pipes, Vec<End>) {
    let (nears, fars) = (0..count).map(|_| pipe(2_000)).unzip();
    (Pipes(RefCell::new(nears)), fars)
}

/// Are two writes one frame?
async fn gathered(ws: &mut Server<'_>) -> bool {
    let mut piece = [0; 100];
    let received = ws.recv_msg(&mut piece, FOREVER).await.unwrap();
    let whole = received.flags.contains(Flags::FINAL);
    if !whole {
        assert_eq!(&piece[..received.length], [0xC0]);
        let rest = ws.recv_msg(&mut piece, FOREVER).await.unwrap();
        assert!(rest.is_complete());
    }
    whole
}

async fn write_in_two(stream: &mut impl Write) {
    stream.write_all(&[0xC0]).await.unwrap();
    stream.write_all(&[0]).await.unwrap();
}

#[test]
fn buffers_are_lent_and_come_back() {
    let (stack, mut fars) = pipes(2);
    let client = async {
        let request = MqttRequest::new("broker.example");
        let buffers = [Buffers::new(lend(300), gathering(16))];
        let connector = MqttConnector::new(stack, Host, request, buffers);
        let mut first = connector.connect(REMOTE).await.unwrap();
        write_in_two(&mut first).await;
        let second = connector.connect(REMOTE).await.map(|_| ());
        let none = SocketError::Connect(ConnectError::NoBuffer);
        assert_eq!(second.unwrap_err(), MqttError::Socket(none));
        drop(first);
        let mut third = connector.connect(REMOTE).await.unwrap();
        write_in_two(&mut third).await;
        // The broker has it all.
        let mut end = [0; 1];
        assert_eq!(third.read(&mut end).await, Ok(0));
        assert!(third.close_code().is_some());
    };
    let server = async {
        let mut first = broker(fars.pop().unwrap(), &["mqtt"], lend(300)).await;
        assert!(gathered(&mut first).await);
        let close = message(&mut first).await.unwrap();
        assert_eq!(close, (Opcode::Close, vec![3, 0xE8]));
        let mut third = broker(fars.pop().unwrap(), &["mqtt"], lend(300)).await;
        assert!(gathered(&mut third).await, "it came back");
        third.disconnect(FOREVER).await.unwrap();
    };
    block_on(join(client, server));
}

#[test]
fn a_server_that_confirms_no_subprotocol_is_refused() {
    let (stack, mut fars) = pipes(1);
    let client = async {
        let request = MqttRequest::new("broker.example");
        let connector =
            MqttConnector::new(stack, Host, request, [Buffers::new(lend(256), &mut [])]);
        let refused = connector.connect(REMOTE).await.map(|_| ());
        assert_eq!(refused.unwrap_err(), MqttError::Subprotocol);
    };
    let server = async {
        let mut ws = broker(fars.pop().unwrap(), &["chat"], lend(300)).await;
        assert!(matches!(message(&mut ws).await, Some((Opcode::Close, _))));
    };
    block_on(join(client, server));
}
