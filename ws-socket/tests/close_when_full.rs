//! A peer that breaks the protocol while the wire to it is full: it is still told why.
#![cfg(all(feature = "smoltcp", any(feature = "crates-hash", feature = "compact")))]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::net::{Net, Stack};
use embedded_nal::TcpClientStack;
use smoltcp::time::Instant;
use ws_socket::stack::SmoltcpSocket;
use ws_socket::{
    AcceptOptions, Opcode, Platform, ProtocolError, ReceiveError, SendError, Timeout, WebSockets,
};

/// As much as each TCP buffer of `Net` holds: with its header the frame fills one.
const PAYLOAD: [u8; 2048 - 4] = [7; 2048 - 4];

/// A peer without a WebSocket: what it has read, while it reads.
struct Peer {
    stack: Stack<2>,
    socket: Option<SmoltcpSocket>,
    read: Vec<u8>,
    reads: bool,
}

/// A millisecond passes with each wait, and packets move.
struct Driven {
    now: u32,
    peer: Rc<RefCell<Peer>>,
}

impl Platform<Stack<2>> for Driven {
    fn now_ms(&mut self) -> u32 {
        self.now
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        bytes.fill(1);
        Ok(())
    }

    fn wait(&mut self, stack: &mut Stack<2>, _: u32) {
        self.now += 1;
        let now = Instant::from_millis(self.now);
        stack.poll(now);
        let mut peer = self.peer.borrow_mut();
        let Peer {
            stack: theirs,
            socket,
            read,
            reads,
        } = &mut *peer;
        theirs.poll(now);
        let mut buffer = [0; 4096];
        if let (true, Some(socket)) = (*reads, socket)
            && let Ok(count) = theirs.receive(socket, &mut buffer)
        {
            read.extend_from_slice(&buffer[..count]);
        }
    }
}

#[test]
fn rfc6455_7_1_7_the_close_that_says_why_waits_for_the_wire() {
    let mut net: Net<2> = Net::with(|stack| stack.with_backlog(1));
    let mut listener = net.listen(80);
    let socket = net.connect(80).unwrap();
    let now = net.now.total_millis() as u32;
    let peer = Rc::new(RefCell::new(Peer {
        stack: net.client,
        socket: Some(socket),
        read: Vec::new(),
        reads: true,
    }));
    let send = |bytes: &[u8]| {
        let Peer { stack, socket, .. } = &mut *peer.borrow_mut();
        let sent = stack.send(socket.as_mut().unwrap(), bytes).unwrap();
        assert_eq!(sent, bytes.len());
    };
    send(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let mut lent = [0; 512];
    let platform = Driven {
        now,
        peer: Rc::clone(&peer),
    };
    let mut table: WebSockets<'_, _, _, 1> =
        WebSockets::new(net.server, platform).with_buffers([&mut lent]);
    let options = AcceptOptions::default();
    let ws = table.accept(&mut listener, &options, 1000).unwrap();
    table.poll(&mut [], 100);
    peer.borrow_mut().reads = false;
    peer.borrow_mut().read.clear();

    // The peer's receive buffer and our transmit buffer are full, and no frame is open.
    for _ in 0..2 {
        let sent = table.send_msg(ws, &PAYLOAD, Opcode::Binary, true, 100);
        assert_eq!(sent.unwrap(), PAYLOAD.len());
        table.poll(&mut [], 100);
    }
    let full = table.send_msg(ws, &PAYLOAD, Opcode::Binary, true, 100);
    assert!(matches!(full, Err(SendError::Timeout)));
    assert_eq!(table.open_frame(ws), Ok(None));

    // No client sends a frame that is not masked.
    send(&[0x81, 1, b'x']);
    let error = table.recv_msg(ws, &mut [0; 9], 1000).unwrap_err();
    assert!(matches!(
        error,
        ReceiveError::Protocol(ProtocolError::UnmaskedByClient)
    ));
    peer.borrow_mut().reads = true;
    table.disconnect(ws, Timeout::Millis(5000)).unwrap();
    table.poll(&mut [], 100);
    let read = &peer.borrow().read;
    assert_eq!(read.len(), 2 * 2048 + 4);
    assert_eq!(read[2 * 2048..], [0x88, 2, 0x03, 0xEA], "Close 1002");
}
