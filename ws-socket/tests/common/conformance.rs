//! The contract of `ws_socket::stack` as a test for any `TcpFullStack`.
//!
//! A [`Rig`] is two stacks that reach each other and a way to let time pass. The macro
//! [`conformance!`](crate::conformance) makes a test of every line of the contract.

use std::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, TcpFullStack};

type Sock<R> = <<R as Rig>::Stack as TcpClientStack>::TcpSocket;
type Error<R> = <<R as Rig>::Stack as TcpClientStack>::Error;

/// Two stacks joined by a network.
pub trait Rig {
    type Stack: TcpFullStack;
    /// The one that listens.
    fn server(&mut self) -> &mut Self::Stack;
    /// The one that connects.
    fn client(&mut self) -> &mut Self::Stack;
    /// Lets packets move. Called a bounded number of times for each thing waited for.
    fn drive(&mut self);
    /// Where the client reaches the server's listening socket.
    fn addr_of(&mut self, listener: &Sock<Self>) -> SocketAddr;
    /// An address of the server where nobody listens.
    fn closed_addr(&mut self) -> SocketAddr;
    /// Ends a connection of the client's by a reset.
    fn reset(&mut self, socket: Sock<Self>);
}

/// How often `drive` is called before a test gives up.
const PATIENCE: usize = 10_000;

/// Calls until it no longer would block.
fn wait<R: Rig, T>(
    rig: &mut R,
    mut call: impl FnMut(&mut R) -> nb::Result<T, Error<R>>,
) -> Result<T, Error<R>> {
    for _ in 0..PATIENCE {
        match call(rig) {
            Ok(value) => return Ok(value),
            Err(nb::Error::Other(e)) => return Err(e),
            Err(nb::Error::WouldBlock) => rig.drive(),
        }
    }
    panic!("would block for ever");
}

fn settle(rig: &mut impl Rig) {
    (0..20).for_each(|_| rig.drive());
}

fn would_block<T: std::fmt::Debug, E: std::fmt::Debug>(result: nb::Result<T, E>) {
    assert!(matches!(result, Err(nb::Error::WouldBlock)), "{result:?}");
}

fn listen<R: Rig>(rig: &mut R) -> (Sock<R>, SocketAddr) {
    let server = rig.server();
    let mut listener = server.socket().unwrap();
    server.bind(&mut listener, 0).unwrap();
    server.listen(&mut listener).unwrap();
    let addr = rig.addr_of(&listener);
    (listener, addr)
}

fn dial<R: Rig>(rig: &mut R, addr: SocketAddr) -> Sock<R> {
    let mut socket = rig.client().socket().unwrap();
    wait(rig, |r| r.client().connect(&mut socket, addr)).unwrap();
    socket
}

/// A connection: the listener, the client's end, the server's end.
fn connected<R: Rig>(rig: &mut R) -> (Sock<R>, Sock<R>, Sock<R>) {
    let (mut listener, addr) = listen(rig);
    let client = dial(rig, addr);
    let (server, _) = wait(rig, |r| r.server().accept(&mut listener)).unwrap();
    (listener, client, server)
}

fn send_all<R: Rig>(rig: &mut R, from_client: bool, socket: &mut Sock<R>, mut data: &[u8]) {
    while !data.is_empty() {
        let n = wait(rig, |r| side(r, from_client).send(socket, data)).unwrap();
        assert!(n > 0 && n <= data.len());
        data = &data[n..];
    }
}

/// Everything up to the end of the stream.
fn read_to_end<R: Rig>(rig: &mut R, at_client: bool, socket: &mut Sock<R>) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), [0; 700]);
    loop {
        match wait(rig, |r| side(r, at_client).receive(socket, &mut chunk)).unwrap() {
            0 => return all,
            n => all.extend_from_slice(&chunk[..n]),
        }
    }
}

fn read_exact<R: Rig>(rig: &mut R, at_client: bool, socket: &mut Sock<R>, n: usize) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), vec![0; n]);
    while all.len() < n {
        let left = n - all.len();
        let got = wait(rig, |r| {
            side(r, at_client).receive(socket, &mut chunk[..left])
        })
        .unwrap();
        assert!(got > 0, "the stream ended early");
        all.extend_from_slice(&chunk[..got]);
    }
    all
}

fn side<R: Rig>(rig: &mut R, client: bool) -> &mut R::Stack {
    if client { rig.client() } else { rig.server() }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

pub fn echo_and_would_block(rig: &mut impl Rig) {
    let (mut listener, mut c, mut s) = connected(rig);
    let mut buf = [0; 16];
    would_block(rig.server().accept(&mut listener).map(|_| ()));
    would_block(rig.client().receive(&mut c, &mut buf));
    would_block(rig.server().receive(&mut s, &mut buf));
    send_all(rig, true, &mut c, b"ping");
    assert_eq!(read_exact(rig, false, &mut s, 4), b"ping");
    would_block(rig.server().receive(&mut s, &mut buf));
    send_all(rig, false, &mut s, b"pong!");
    assert_eq!(read_exact(rig, true, &mut c, 5), b"pong!");
    assert_eq!(rig.client().send(&mut c, &[]).unwrap(), 0);
    rig.client().close(c).unwrap();
    rig.server().close(s).unwrap();
    rig.server().close(listener).unwrap();
}

pub fn connect_refused(rig: &mut impl Rig) {
    let addr = rig.closed_addr();
    let mut c = rig.client().socket().unwrap();
    assert!(wait(rig, |r| r.client().connect(&mut c, addr)).is_err());
    // It does not dial again by itself, and cannot be used.
    assert!(matches!(
        rig.client().connect(&mut c, addr),
        Err(nb::Error::Other(_))
    ));
    assert!(matches!(
        rig.client().send(&mut c, b"x"),
        Err(nb::Error::Other(_))
    ));
    assert!(matches!(
        rig.client().receive(&mut c, &mut [0]),
        Err(nb::Error::Other(_))
    ));
    rig.client().close(c).unwrap();
}

pub fn connect_is_one_attempt(rig: &mut impl Rig) {
    let (mut listener, addr) = listen(rig);
    let mut c = rig.client().socket().unwrap();
    assert!(
        matches!(rig.client().send(&mut c, b"x"), Err(nb::Error::Other(_))),
        "not connected"
    );
    for _ in 0..3 {
        let _ = rig.client().connect(&mut c, addr);
    }
    wait(rig, |r| r.client().connect(&mut c, addr)).unwrap();
    rig.client().connect(&mut c, addr).unwrap();
    let elsewhere = SocketAddr::new(addr.ip(), addr.port() ^ 1);
    assert!(matches!(
        rig.client().connect(&mut c, elsewhere),
        Err(nb::Error::Other(_))
    ));
    let (s, _) = wait(rig, |r| r.server().accept(&mut listener)).unwrap();
    settle(rig);
    would_block(rig.server().accept(&mut listener).map(|_| ()));
    rig.client().close(c).unwrap();
    rig.server().close(s).unwrap();
    rig.server().close(listener).unwrap();
}

pub fn close_of_half_open_connect(rig: &mut impl Rig) {
    let (listener, addr) = listen(rig);
    for _ in 0..20 {
        let mut c = rig.client().socket().unwrap();
        let _ = rig.client().connect(&mut c, addr);
        rig.client().close(c).unwrap();
        settle(rig);
    }
    rig.server().close(listener).unwrap();
}

pub fn orderly_end(rig: &mut impl Rig) {
    let (listener, c, mut s) = connected(rig);
    rig.client().close(c).unwrap();
    assert_eq!(read_to_end(rig, false, &mut s), b"");
    // And it stays at that.
    assert_eq!(
        wait(rig, |r| r.server().receive(&mut s, &mut [0; 4])).unwrap(),
        0
    );
    rig.server().close(s).unwrap();
    rig.server().close(listener).unwrap();
}

pub fn end_with_unread_data(rig: &mut impl Rig) {
    let (listener, mut c, mut s) = connected(rig);
    send_all(rig, true, &mut c, b"last words");
    rig.client().close(c).unwrap();
    settle(rig);
    assert_eq!(read_to_end(rig, false, &mut s), b"last words");
    rig.server().close(s).unwrap();
    rig.server().close(listener).unwrap();
}

pub fn accept_of_a_peer_that_has_gone(rig: &mut impl Rig) {
    let (mut listener, addr) = listen(rig);
    let mut c = dial(rig, addr);
    send_all(rig, true, &mut c, b"hello and goodbye");
    rig.client().close(c).unwrap();
    settle(rig);
    let (mut s, _) = wait(rig, |r| r.server().accept(&mut listener)).unwrap();
    assert_eq!(read_to_end(rig, false, &mut s), b"hello and goodbye");
    rig.server().close(s).unwrap();
    rig.server().close(listener).unwrap();
}

pub fn reset(rig: &mut impl Rig) {
    let (listener, c, mut s) = connected(rig);
    rig.reset(c);
    let error = wait(rig, |r| r.server().receive(&mut s, &mut [0; 4])).unwrap_err();
    assert_eq!(error.kind(), TcpErrorKind::PipeClosed);
    let error = wait(rig, |r| r.server().send(&mut s, b"x")).unwrap_err();
    assert_eq!(error.kind(), TcpErrorKind::PipeClosed);
    rig.server().close(s).unwrap();
    rig.server().close(listener).unwrap();
}

pub fn full_window_and_continuation(rig: &mut impl Rig) {
    let (listener, mut c, mut s) = connected(rig);
    let data = pattern(16 << 20);
    let (mut sent, mut blocked) = (0, 0);
    // Nobody reads: at some point nothing more is taken, and never `Ok(0)`.
    while blocked < 50 {
        match rig.client().send(&mut c, &data[sent..]) {
            Ok(n) => {
                assert!(n > 0);
                sent += n;
                assert!(sent < data.len(), "buffers without bound");
            }
            Err(nb::Error::WouldBlock) => {
                blocked += 1;
                rig.drive();
            }
            Err(e) => panic!("{e:?}"),
        }
    }
    let total = sent + 100_000;
    let (mut got, mut chunk) = (Vec::new(), vec![0; 3000]);
    for _ in 0..PATIENCE * 10 {
        if sent < total {
            match rig.client().send(&mut c, &data[sent..total]) {
                Ok(n) => sent += n,
                Err(nb::Error::WouldBlock) => {}
                Err(e) => panic!("{e:?}"),
            }
        }
        match rig.server().receive(&mut s, &mut chunk) {
            Ok(n) => got.extend_from_slice(&chunk[..n]),
            Err(nb::Error::WouldBlock) => rig.drive(),
            Err(e) => panic!("{e:?}"),
        }
        if got.len() == total {
            break;
        }
    }
    assert!(got == data[..total], "{} of {total} bytes", got.len());
    rig.client().close(c).unwrap();
    rig.server().close(s).unwrap();
    rig.server().close(listener).unwrap();
}

pub fn close_delivers_what_was_sent(rig: &mut impl Rig) {
    let (listener, mut c, mut s) = connected(rig);
    // Both ways at once: what the closing side has not read must not cost it what it sent.
    send_all(rig, true, &mut c, b"never read");
    settle(rig);
    let mut taken = 0;
    let data = pattern(16 << 20);
    while let Ok(n) = rig.server().send(&mut s, &data[taken..]) {
        taken += n;
    }
    rig.server().close(s).unwrap();
    settle(rig);
    let _ = rig.client().send(&mut c, b"sent into a closed half");
    settle(rig);
    let got = read_to_end(rig, true, &mut c);
    assert!(got == data[..taken], "{} of {taken} bytes", got.len());
    rig.client().close(c).unwrap();
    rig.server().close(listener).unwrap();
}

pub fn half_closed_peer_can_be_sent_to(rig: &mut impl Rig) {
    let (listener, mut c, mut s) = connected(rig);
    send_all(rig, true, &mut c, b"question");
    // A peer that closes keeps reading in `close_delivers_what_was_sent`; here the server answers
    // after it has seen the end, which a half-closed connection allows it to.
    rig.client().close(c).unwrap();
    assert_eq!(read_to_end(rig, false, &mut s), b"question");
    assert_eq!(
        wait(rig, |r| r.server().send(&mut s, b"answer")).unwrap(),
        6
    );
    rig.server().close(s).unwrap();
    rig.server().close(listener).unwrap();
}

/// Needs a backlog of at least 3 and a pool of at least 4 at both ends.
pub fn accept_several(rig: &mut impl Rig) {
    let (mut listener, addr) = listen(rig);
    let mut clients: Vec<_> = (0..3).map(|_| dial(rig, addr)).collect();
    for (i, c) in clients.iter_mut().enumerate() {
        send_all(rig, true, c, &[b'a' + i as u8]);
    }
    let mut seen = Vec::new();
    let mut servers = Vec::new();
    for _ in 0..3 {
        let (mut s, _) = wait(rig, |r| r.server().accept(&mut listener)).unwrap();
        seen.extend(read_exact(rig, false, &mut s, 1));
        servers.push(s);
    }
    seen.sort();
    assert_eq!(seen, b"abc");
    would_block(rig.server().accept(&mut listener).map(|_| ()));
    clients
        .into_iter()
        .for_each(|c| rig.client().close(c).unwrap());
    servers
        .into_iter()
        .for_each(|s| rig.server().close(s).unwrap());
    rig.server().close(listener).unwrap();
}

pub fn two_hundred_connections_in_turn(rig: &mut impl Rig) {
    let (mut listener, addr) = listen(rig);
    for i in 0..200 {
        let mut c = dial(rig, addr);
        let (mut s, _) = wait(rig, |r| r.server().accept(&mut listener)).unwrap();
        send_all(rig, true, &mut c, b"x");
        read_exact(rig, false, &mut s, 1);
        // Both orders of closing.
        if i % 2 == 0 {
            rig.client().close(c).unwrap();
            assert_eq!(read_to_end(rig, false, &mut s), b"");
            rig.server().close(s).unwrap();
        } else {
            rig.server().close(s).unwrap();
            assert_eq!(read_to_end(rig, true, &mut c), b"");
            rig.client().close(c).unwrap();
        }
        settle(rig);
    }
    rig.server().close(listener).unwrap();
}

pub fn wrong_calls_are_errors(rig: &mut impl Rig) {
    let server = rig.server();
    let mut s = server.socket().unwrap();
    assert!(server.listen(&mut s).is_err(), "not bound");
    assert!(matches!(
        server.accept(&mut s).map(|_| ()),
        Err(nb::Error::Other(_))
    ));
    assert!(matches!(
        server.receive(&mut s, &mut [0]),
        Err(nb::Error::Other(_))
    ));
    server.bind(&mut s, 0).unwrap();
    assert!(server.bind(&mut s, 0).is_err(), "bound already");
    server.listen(&mut s).unwrap();
    server.listen(&mut s).unwrap();
    let addr = rig.addr_of(&s);
    let server = rig.server();
    assert!(matches!(
        server.connect(&mut s, addr),
        Err(nb::Error::Other(_))
    ));
    assert!(matches!(
        server.send(&mut s, b"x"),
        Err(nb::Error::Other(_))
    ));
    // The port is taken until the listener is closed.
    let mut other = server.socket().unwrap();
    assert!(
        server
            .bind(&mut other, addr.port())
            .and_then(|()| server.listen(&mut other))
            .is_err()
    );
    server.close(other).unwrap();
    server.close(s).unwrap();
    let mut again = rig.server().socket().unwrap();
    rig.server().bind(&mut again, addr.port()).unwrap();
    rig.server().close(again).unwrap();
}

/// Makes a test of each line of the contract on a fresh rig.
#[macro_export]
macro_rules! conformance {
    ($rig:expr) => {
        $crate::conformance!(@ $rig,
            echo_and_would_block, connect_refused, connect_is_one_attempt,
            close_of_half_open_connect, orderly_end, end_with_unread_data,
            accept_of_a_peer_that_has_gone, reset, full_window_and_continuation,
            close_delivers_what_was_sent, half_closed_peer_can_be_sent_to, accept_several,
            two_hundred_connections_in_turn, wrong_calls_are_errors);
    };
    (@ $rig:expr, $($name:ident),*) => {
        $(#[test]
        fn $name() {
            common::conformance::$name(&mut $rig);
        })*
    };
}
