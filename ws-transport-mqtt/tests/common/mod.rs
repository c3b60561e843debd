//! A broker's end, and packets.
#![allow(dead_code, unreachable_pub)]

#[path = "../../../ws-socket/tests/common/pipe.rs"]
pub mod pipe;

use pipe::{End, Host};
use ws_socket::asynch::WebSocket;
use ws_socket::{AcceptOptions, Buffer, Config, Opcode, Timeout};

pub const FOREVER: Timeout = Timeout::Forever;

pub type Server<'buf> = WebSocket<'buf, End, Host>;

/// A broker that has shaken hands.
pub async fn broker(far: End, subprotocols: &[&str], buffer: Buffer<'static>) -> Server<'static> {
    let options = AcceptOptions {
        subprotocols,
        ..Default::default()
    };
    let config = Config {
        report_pongs: true,
        ..Config::DEFAULT
    };
    let ws = WebSocket::accept(far, &options, buffer, Host, config);
    ws.await.unwrap().unwrap()
}

/// To read into, for the rest of the test.
pub fn lend(length: usize) -> Buffer<'static> {
    Buffer::new(gathering(length)).unwrap()
}

/// To gather in, for the rest of the test.
pub fn gathering(length: usize) -> &'static mut [u8] {
    Box::leak(vec![0; length].into_boxed_slice())
}

/// The next whole message.
pub async fn message(ws: &mut Server<'_>) -> Option<(Opcode, Vec<u8>)> {
    let (mut whole, mut piece) = (Vec::new(), [0; 100]);
    loop {
        let received = ws.recv_msg(&mut piece, FOREVER).await.ok()?;
        whole.extend_from_slice(&piece[..received.length]);
        if received.is_complete() {
            return Some((received.opcode(), whole));
        }
    }
}

/// A PUBLISH, as far as its length.
pub fn packet(length: usize) -> Vec<u8> {
    assert!(length < 16_384);
    let head = match length {
        0..128 => vec![0x30, length as u8],
        _ => vec![0x30, length as u8 | 0x80, (length >> 7) as u8],
    };
    let body = (0..length).map(|place| place as u8);
    head.into_iter().chain(body).collect()
}
