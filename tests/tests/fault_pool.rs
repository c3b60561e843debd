//! A small pool of smoltcp sockets: a connect waits for one within its timeout while the stack runs,
//! whatever became of the connections before.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use embedded_nal::{TcpClientStack, TcpFullStack};
use ws_socket::stack::{SmoltcpError, SmoltcpSocket};
use ws_socket::{
    ConnectError, Opcode, Platform, RandomError, Timeout, WebSocketId, WebSocketRequest, WebSockets,
};
use ws_tests::frames::{head, switching};
use ws_tests::link::{Faults, Link};
use ws_tests::net::{PORT, SERVER, Size, Stack, stack};
use ws_tests::platform::{Clock, HandPlatform, Polled};
use ws_tests::table::lent;

/// What the server does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// Nothing: it does not even end its half when the client has.
    Deaf,
    /// It says 101, closes at once when the client closes, and not before.
    Answers,
    /// It says 101, answers the Close, and never ends its half.
    KeepsTcp,
    /// It says 404.
    Refuses,
}

struct Server {
    stack: Stack<32>,
    listener: SmoltcpSocket,
    peer: Peer,
    open: Vec<(SmoltcpSocket, Vec<u8>, bool)>,
    resets: usize,
}

impl Server {
    fn tick(&mut self, now: u32) {
        self.stack.poll_at(now);
        while let Ok((socket, _)) = self.stack.accept(&mut self.listener) {
            self.open.push((socket, Vec::new(), false));
        }
        let mut over = Vec::new();
        for (index, (socket, heard, upgraded)) in self.open.iter_mut().enumerate() {
            let mut bytes = [0; 512];
            let ended = match self.stack.receive(socket, &mut bytes) {
                Ok(0) => true,
                Ok(count) => {
                    heard.extend_from_slice(&bytes[..count]);
                    false
                }
                Err(embedded_nal::nb::Error::WouldBlock) => false,
                Err(embedded_nal::nb::Error::Other(_)) => {
                    self.resets += 1;
                    over.push(index);
                    continue;
                }
            };
            let answer = match (self.peer, head(heard)) {
                (Peer::Answers | Peer::KeepsTcp, Some((request, _))) if !*upgraded => {
                    *upgraded = true;
                    switching(request, "").into_bytes()
                }
                (Peer::Refuses, Some(_)) if !*upgraded => {
                    *upgraded = true;
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()
                }
                // Whatever frame of a client comes, it is a Close.
                (Peer::Answers | Peer::KeepsTcp, None) if *upgraded && !heard.is_empty() => {
                    vec![0x88, 2, 3, 232]
                }
                _ => Vec::new(),
            };
            if !answer.is_empty() {
                heard.clear();
                self.stack.send(socket, &answer).unwrap();
                if self.peer == Peer::Answers && answer[0] == 0x88 {
                    over.push(index);
                }
            }
            if ended && matches!(self.peer, Peer::Answers | Peer::Refuses) {
                over.push(index);
            }
        }
        over.dedup();
        for index in over.into_iter().rev() {
            let _ = self.stack.close(self.open.remove(index).0);
        }
        self.stack.poll_at(now);
    }
}

type Client<P, const T: usize> = WebSockets<'static, Stack<T>, P, 1>;

struct Net {
    clock: Clock,
    link: Link,
    server: Rc<RefCell<Server>>,
}

fn net<const T: usize>(peer: Peer) -> (Net, Stack<T>) {
    let clock = Rc::new(Cell::new(1));
    let (link, near, far) = Link::new(&clock, Faults::NONE, 1);
    let mut far = stack::<32>(far, 1, Size::DEFAULT);
    let mut listener = far.socket().unwrap();
    far.bind(&mut listener, PORT).unwrap();
    far.listen(&mut listener).unwrap();
    let server = Rc::new(RefCell::new(Server {
        stack: far,
        listener,
        peer,
        open: Vec::new(),
        resets: 0,
    }));
    let net = Net {
        clock,
        link,
        server,
    };
    (
        net,
        stack(near, 2, Size::DEFAULT).with_linger(smoltcp::time::Duration::from_secs(20)),
    )
}

/// With a buffer for each slot.
fn buffered<P: Platform<Stack<T>>, const T: usize>(table: Client<P, T>) -> Client<P, T> {
    table.with_buffers([lent(256)])
}

fn client<const T: usize>(peer: Peer) -> (Net, Client<HandPlatform, T>) {
    let (net, stack) = net(peer);
    let (server, clock) = (net.server.clone(), net.clock.clone());
    let platform = HandPlatform::new(&net.clock, 3);
    let platform = platform.with(move || server.borrow_mut().tick(clock.get()));
    (net, buffered(WebSockets::new(stack, platform)))
}

fn connect<P: Platform<Stack<T>>, const T: usize>(
    table: &mut Client<P, T>,
    timeout: impl Into<Timeout>,
) -> Result<WebSocketId, ConnectError<SmoltcpError>> {
    table.connect_to(SERVER, WebSocketRequest::new("server", "/"), timeout)
}

/// The fault as it was found: after two timeouts there was no socket any more, for ever.
#[test]
fn handshakes_that_time_out_do_not_use_the_pool_up() {
    fn of<const T: usize>() {
        let (net, mut table) = client::<T>(Peer::Deaf);
        for round in 0..8 {
            let began = net.clock.get();
            assert_eq!(
                connect(&mut table, 3_000),
                Err(ConnectError::Timeout),
                "{T}, {round}"
            );
            let took = net.clock.get() - began;
            assert!((3_000..=3_001).contains(&took), "{T}, {round}: {took}");
            assert_eq!(table.in_use(), 0);
        }
        net.server.borrow_mut().peer = Peer::Answers;
        let ws = connect(&mut table, 3_000).unwrap();
        assert!(table.is_open(ws));
    }
    of::<1>();
    of::<2>();
    of::<3>();
}

#[test]
fn the_next_connects_after_a_disconnect_with_a_pool_of_one() {
    for peer in [Peer::Answers, Peer::KeepsTcp, Peer::Refuses] {
        let (net, mut table) = client::<1>(peer);
        for round in 0..10 {
            let what = format!("{peer:?}, round {round}");
            if peer == Peer::Refuses {
                let refused = connect(&mut table, 3_000);
                assert!(matches!(refused, Err(ConnectError::Handshake(_))), "{what}");
                continue;
            }
            let ws = connect(&mut table, 3_000).unwrap_or_else(|error| panic!("{what}: {error}"));
            let ended = table.disconnect(ws, 500).unwrap();
            assert!(ended.clean, "{what}");
            if round % 2 == 0 {
                // Nobody polls between the two.
                net.clock.set(net.clock.get() + 5);
            }
        }
    }
}

/// A connection that was sent all of its data keeps its socket while there is another.
#[test]
fn nobody_is_given_up_where_a_socket_is_free() {
    let (net, mut table) = client::<2>(Peer::KeepsTcp);
    let ws = connect(&mut table, 3_000).unwrap();
    assert!(table.disconnect(ws, 100).unwrap().clean);
    let ws = connect(&mut table, 3_000).unwrap();
    table.poll(&mut [], 10_000);
    assert_eq!(net.server.borrow().resets, 0);
    assert!(table.is_open(ws));
}

/// What was not delivered yet keeps its socket until the linger time is over, and the connect says
/// why there was none.
#[test]
fn what_is_not_delivered_is_not_given_up() {
    let (net, mut table) = client::<1>(Peer::Answers);
    let ws = connect(&mut table, 3_000).unwrap();
    table
        .send_msg(ws, b"hello", Opcode::Text, true, 10)
        .unwrap();
    net.link.cut();
    assert!(!table.disconnect(ws, 100).unwrap().clean);
    let pool = Err(ConnectError::Stack(SmoltcpError::PoolExhausted));
    let began = net.clock.get();
    assert_eq!(connect(&mut table, 3_000), pool);
    assert!((3_000..=3_001).contains(&(net.clock.get() - began)));
    assert_eq!(connect(&mut table, Timeout::NoWait), pool);
    // It is over after 20 s, and then the dial is what does not go through.
    assert_eq!(connect(&mut table, 18_000), Err(ConnectError::Timeout));
}

/// A platform that resets what came to nothing.
struct Aborting(HandPlatform);

impl Platform<Stack<2>> for Aborting {
    fn now_ms(&mut self) -> u32 {
        Platform::<Stack<2>>::now_ms(&mut self.0)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        Platform::<Stack<2>>::fill_random(&mut self.0, bytes)
    }

    fn wait(&mut self, stack: &mut Stack<2>, at_most_ms: u32) {
        self.0.wait(stack, at_most_ms);
    }

    fn abort(&mut self, stack: &mut Stack<2>, socket: SmoltcpSocket) {
        stack.abort(socket).unwrap();
    }
}

#[test]
fn a_failed_handshake_resets_tcp_where_the_platform_can() {
    for peer in [Peer::Deaf, Peer::Refuses] {
        let (net, stack) = net::<2>(peer);
        let (server, clock) = (net.server.clone(), net.clock.clone());
        let platform = HandPlatform::new(&net.clock, 3);
        let platform = platform.with(move || server.borrow_mut().tick(clock.get()));
        let mut table: Client<_, 2> = buffered(WebSockets::new(stack, Aborting(platform)));
        for round in 1..5 {
            assert!(connect(&mut table, 100).is_err());
            assert_eq!(table.stack().free_sockets(), 2, "{peer:?}");
            table.poll(&mut [], 10);
            assert_eq!(net.server.borrow().resets, round, "{peer:?}");
        }
        net.server.borrow_mut().peer = Peer::Answers;
        connect(&mut table, 100).unwrap();
    }
}
