//! The operating system's sockets, over loopback.
#![cfg(feature = "std")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use common::conformance::Rig;
use embedded_nal::{AddrType, Dns, TcpClientStack, TcpError, TcpErrorKind, TcpFullStack};
use ws_socket::stack::{StdError, StdSocket, StdStack};

/// One stack serves as both ends.
struct Loopback {
    stack: StdStack,
    ip: IpAddr,
}

impl Loopback {
    fn new() -> Self {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            stack: StdStack::new().with_bind_addr(ip),
            ip,
        }
    }
}

impl Rig for Loopback {
    type Stack = StdStack;

    fn server(&mut self) -> &mut StdStack {
        &mut self.stack
    }

    fn client(&mut self) -> &mut StdStack {
        &mut self.stack
    }

    fn drive(&mut self) {
        std::thread::sleep(Duration::from_micros(200));
    }

    fn addr_of(&mut self, listener: &StdSocket) -> SocketAddr {
        SocketAddr::new(self.ip, listener.local_addr().unwrap().port())
    }

    fn closed_addr(&mut self) -> SocketAddr {
        TcpListener::bind((self.ip, 0))
            .unwrap()
            .local_addr()
            .unwrap()
    }

    fn reset(&mut self, socket: StdSocket) {
        let stream = socket2::SockRef::from(socket.stream().unwrap());
        stream.set_linger(Some(Duration::ZERO)).unwrap();
        drop(socket);
    }
}

conformance!(Loopback::new());

/// Waits for what has to happen in the end.
fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "it never happened"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn listening(stack: &mut StdStack) -> (StdSocket, u16) {
    let mut listener = stack.socket().unwrap();
    stack.bind(&mut listener, 0).unwrap();
    assert_ne!(stack.local_addr(&listener).unwrap().port(), 0);
    stack.listen(&mut listener).unwrap();
    let port = stack.local_addr(&listener).unwrap().port();
    (listener, port)
}

fn connect(stack: &mut StdStack, addr: SocketAddr) -> StdSocket {
    let mut socket = stack.socket().unwrap();
    until(|| match stack.connect(&mut socket, addr) {
        Ok(()) => true,
        Err(nb::Error::WouldBlock) => false,
        Err(e) => panic!("{e:?}"),
    });
    socket
}

fn accept(stack: &mut StdStack, listener: &mut StdSocket) -> (StdSocket, SocketAddr) {
    let mut accepted = None;
    until(|| {
        accepted = stack.accept(listener).ok();
        accepted.is_some()
    });
    accepted.unwrap()
}

/// By default one socket serves both IP versions, and an IPv4 peer shows its IPv4 address.
#[test]
fn every_address_by_default() {
    let mut stack = StdStack::new();
    let (mut listener, port) = listening(&mut stack);
    let c = connect(&mut stack, (Ipv4Addr::LOCALHOST, port).into());
    let (s, peer) = accept(&mut stack, &mut listener);
    assert_eq!(peer, c.local_addr().unwrap());
    assert_eq!(s.remote_addr().unwrap(), peer);
    assert!(s.stream().unwrap().nodelay().unwrap() && c.stream().unwrap().nodelay().unwrap());
    if listener.local_addr().unwrap().is_ipv6() {
        let c = connect(&mut stack, (Ipv6Addr::LOCALHOST, port).into());
        let (_, peer) = accept(&mut stack, &mut listener);
        assert_eq!(peer, c.local_addr().unwrap());
    }
}

/// A client may choose its own port, on a socket of either IP version.
#[test]
fn connect_from_a_bound_port() {
    let mut stack = StdStack::new();
    let (mut listener, port) = listening(&mut stack);
    let mut c = stack.socket().unwrap();
    stack.bind(&mut c, 0).unwrap();
    let own = c.local_addr().unwrap().port();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    until(|| stack.connect(&mut c, addr).is_ok());
    let (_, peer) = accept(&mut stack, &mut listener);
    assert_eq!(peer, (Ipv4Addr::LOCALHOST, own).into());
    stack.connect(&mut c, addr).unwrap();
}

/// The backlog of the listener is full and the SYN goes unanswered: still no call blocks.
#[test]
fn connect_never_blocks() {
    let mut stack = StdStack::new()
        .with_backlog(0)
        .with_bind_addr(Ipv4Addr::LOCALHOST.into());
    let (_listener, port) = listening(&mut stack);
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let start = Instant::now();
    let mut sockets: Vec<_> = (0..8).map(|_| stack.socket().unwrap()).collect();
    for _ in 0..3 {
        sockets
            .iter_mut()
            .for_each(|s| drop(stack.connect(s, addr)));
    }
    let pending = sockets
        .iter_mut()
        .filter_map(|s| stack.connect(s, addr).err())
        .count();
    assert!(pending > 0, "the backlog never filled");
    sockets.into_iter().for_each(|s| stack.close(s).unwrap());
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn closed_connections_are_let_go() {
    let mut stack = StdStack::new().with_bind_addr(Ipv4Addr::LOCALHOST.into());
    let (mut listener, port) = listening(&mut stack);
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // The peer answers.
    let c = connect(&mut stack, addr);
    let (s, _) = accept(&mut stack, &mut listener);
    stack.close(s).unwrap();
    assert_eq!(stack.sweep(), 1);
    stack.close(c).unwrap();
    until(|| stack.sweep() == 0);
    // The peer never answers.
    let mut stack = stack.with_linger(Duration::from_millis(20));
    let _c = connect(&mut stack, addr);
    let (s, _) = accept(&mut stack, &mut listener);
    stack.close(s).unwrap();
    until(|| stack.sweep() == 0);
    // Never more than so many.
    let mut stack = stack.with_linger(Duration::from_secs(60));
    let mut peers = Vec::new();
    for _ in 0..300 {
        peers.push(connect(&mut stack, addr));
        let (s, _) = accept(&mut stack, &mut listener);
        stack.close(s).unwrap();
    }
    assert_eq!(stack.sweep(), 256);
}

#[test]
#[cfg(unix)]
fn the_descriptor_can_be_waited_on() {
    use std::os::fd::AsRawFd;
    let mut stack = StdStack::new().with_bind_addr(Ipv4Addr::LOCALHOST.into());
    let mut c = stack.socket().unwrap();
    assert!(c.as_fd().is_none());
    let mut listener = stack.socket().unwrap();
    stack.bind(&mut listener, 0).unwrap();
    let fd = listener.as_fd().unwrap().as_raw_fd();
    stack.listen(&mut listener).unwrap();
    assert_eq!(
        listener.as_fd().unwrap().as_raw_fd(),
        fd,
        "an event loop keeps it"
    );
    let addr = listener.local_addr().unwrap();
    let _ = stack.connect(&mut c, addr);
    let fd = c.as_fd().unwrap().as_raw_fd();
    until(|| stack.connect(&mut c, addr).is_ok());
    assert_eq!(c.as_fd().unwrap().as_raw_fd(), fd);
}

#[test]
fn names_and_addresses() {
    let mut stack = StdStack::default();
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    assert_eq!(
        stack
            .get_host_by_name("127.0.0.1", AddrType::Either)
            .unwrap(),
        v4
    );
    assert_eq!(stack.get_host_by_name("::1", AddrType::IPv6).unwrap(), v6);
    assert_eq!(
        stack.get_host_by_name("[::1]", AddrType::Either).unwrap(),
        v6
    );
    assert_eq!(
        stack.get_host_by_name("localhost", AddrType::IPv4).unwrap(),
        v4
    );
    let wrong = stack.get_host_by_name("127.0.0.1", AddrType::IPv6);
    assert!(matches!(
        wrong,
        Err(nb::Error::Other(StdError::NameNotFound))
    ));
    let reverse = stack.get_host_by_address(v4, &mut [0; 255]);
    assert!(matches!(
        reverse,
        Err(nb::Error::Other(StdError::ReverseLookupUnsupported))
    ));
    assert_eq!(StdError::NameNotFound.kind(), TcpErrorKind::Other);
}
