//! Peers that never stop, where TCP is accepted and closed by edge-nal's traits: others run, and the
//! time that a call has is kept.

use std::cell::Cell;
use std::net::SocketAddr;

use edge_nal::{Close, Readable, TcpAccept, TcpShutdown, TcpSplit};
use embedded_io_async::{ErrorType, Read, Write};
use ws_socket::asynch::{AsyncWebSockets, WebSocket, close_tcp};
use ws_socket::{AcceptError, AcceptOptions, CloseCode, Config, Role};
use ws_tests::drivers::drive;
use ws_tests::frames::frame;
use ws_tests::hand::Hand;
use ws_tests::table::lent;
use ws_tests::wire::{Reset, Script, Tail, Wire};

const TIMEOUT: u32 = 50;
const ZEROS: Tail = Tail::Flood(&[0; 64]);

/// A scripted stream that ends in halves.
struct Socket(Wire);

impl ErrorType for Socket {
    type Error = Reset;
}

impl Read for Socket {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Reset> {
        self.0.read(buffer).await
    }
}

impl Write for Socket {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Reset> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), Reset> {
        self.0.flush().await
    }
}

impl Readable for Socket {
    async fn readable(&mut self) -> Result<(), Reset> {
        Ok(())
    }
}

impl TcpShutdown for Socket {
    async fn close(&mut self, _: Close) -> Result<(), Reset> {
        Ok(())
    }

    async fn abort(&mut self) -> Result<(), Reset> {
        Ok(())
    }
}

impl TcpSplit for Socket {
    type Read<'a> = &'a mut Self;
    type Write<'a> = &'a mut Self;

    fn split(&mut self) -> (&mut Self, &mut Self) {
        unreachable!("nothing is split here")
    }
}

/// A crowd without end: each sends the same, and then that.
struct Crowd(&'static [u8], Tail, Cell<usize>);

impl TcpAccept for Crowd {
    type Error = Reset;
    type Socket<'a> = Socket;

    async fn accept(&self) -> Result<(SocketAddr, Socket), Reset> {
        self.2.set(self.2.get() + 1);
        assert!(self.2.get() < 10_000, "it accepts without end");
        let script = Script::new();
        script.line(|line| {
            line.feed(self.0);
            line.end(self.1);
        });
        Ok((([10, 0, 0, 9], 9).into(), Socket(script.wire())))
    }
}

const PAGE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn accepting_from_a_crowd_ends_with_its_timeout() {
    let options = AcceptOptions::default();
    let all: [&'static [u8]; 4] = [b"", b"GARBAGE\r\n\r\n", PAGE, b"GET /"];
    for first in all {
        for then in [Tail::Eof, Tail::Reset, ZEROS] {
            let (crowd, hand) = (Crowd(first, then, Cell::new(0)), Hand::new());
            let config = Config::DEFAULT;
            let accept = WebSocket::<Socket, _>::accept_from(
                &crowd,
                &options,
                lent(300),
                hand.clone(),
                config,
                50,
            );
            let (accepted, turns) = drive(&hand, accept);
            assert!(
                matches!(accepted, Err(AcceptError::Timeout)),
                "{first:?} {then:?}"
            );
            assert_eq!(turns, TIMEOUT as usize, "{first:?} {then:?}");

            let crowd = Crowd(first, then, Cell::new(0));
            let table = AsyncWebSockets::<Socket, _, 1>::new(hand.clone());
            let mut table = table.with_buffers([lent(300)]);
            let (accepted, turns) = drive(&hand, table.accept_from(&crowd, &options, 50));
            assert!(
                matches!(accepted, Err(AcceptError::Timeout)),
                "{first:?} {then:?}"
            );
            assert_eq!(
                (turns, table.in_use()),
                (TIMEOUT as usize, 0),
                "{first:?} {then:?}"
            );
        }
    }
}

/// Where all slots are taken each of the crowd is refused.
#[test]
fn refusing_a_crowd_ends_with_its_timeout() {
    let options = AcceptOptions::default();
    for then in [Tail::Eof, Tail::Reset, ZEROS] {
        let (crowd, hand) = (Crowd(PAGE, then, Cell::new(0)), Hand::new());
        let mut table = AsyncWebSockets::<Socket, _, 0>::new(hand.clone());
        let (accepted, turns) = drive(&hand, table.accept_from(&crowd, &options, 50));
        assert!(matches!(accepted, Err(AcceptError::Timeout)), "{then:?}");
        assert_eq!(turns, TIMEOUT as usize, "{then:?}");
    }
}

#[test]
fn closing_tcp_under_a_flood_ends_with_its_timeout() {
    for role in [Role::Client, Role::Server] {
        let close = frame(true, 8, role == Role::Server, &[0x03, 0xE8]);
        let bad = frame(true, 3, role == Role::Server, b"");
        for first in [close, bad, b"GARBAGE\r\n\r\n".to_vec(), Vec::new()] {
            for cut in [1, usize::MAX] {
                let open = |hand: &Hand| {
                    let script = Script::cut(cut, usize::MAX, 0);
                    script.line(|line| {
                        line.feed(&first);
                        line.end(ZEROS);
                    });
                    let socket = Socket(script.wire());
                    let config = Config::DEFAULT;
                    WebSocket::from_upgraded(socket, role, lent(300), 0, hand.clone(), config)
                };
                let hand = Hand::new();
                let mut ws = open(&hand);
                let end = ws.disconnect_tcp(CloseCode::NORMAL, "", 50);
                let (end, turns) = drive(&hand, end);
                assert!(end.is_ok(), "{role:?} {first:x?}");
                assert!(turns <= TIMEOUT as usize + 1, "{turns} {role:?} {first:x?}");

                let mut ws = open(&hand);
                let ((), turns) = drive(&hand, ws.close_tcp(50));
                assert_eq!(turns, TIMEOUT as usize, "{role:?} {first:x?}");

                let script = Script::cut(cut, usize::MAX, 0);
                script.line(|line| line.end(ZEROS));
                let mut socket = Socket(script.wire());
                let ((), turns) = drive(&hand, close_tcp(&mut socket, &hand.clock, 50));
                assert_eq!(turns, TIMEOUT as usize);
            }
        }
    }
}
