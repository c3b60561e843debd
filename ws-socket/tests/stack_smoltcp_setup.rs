//! Putting a `SmoltcpStack` together, and what is refused.
#![cfg(feature = "smoltcp")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::pair::{host, pair};
use embedded_nal::TcpClientStack;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::{dns, tcp};
use ws_socket::stack::{SetupError, SmoltcpStack, add_tcp_sockets};

#[test]
fn setup_is_checked() {
    let (mut a, _) = pair();
    let build = |change: &dyn Fn(&mut SocketSet<'static>, &mut [SocketHandle; 2])| {
        let (mut device, _) = pair();
        let (iface, mut sockets, mut pool) = host::<2>(&mut device, 1, 64);
        change(&mut sockets, &mut pool);
        SmoltcpStack::new(iface, device, sockets, pool, 7).map(|_| ())
    };
    assert_eq!(build(&|_, _| ()), Ok(()));
    assert_eq!(build(&|_, p| p[1] = p[0]), Err(SetupError::Duplicate(1)));
    assert_eq!(
        build(&|s, p| drop(s.remove(p[0]))),
        Err(SetupError::NotTcp(0))
    );
    assert_eq!(
        build(&|s, p| p[1] = s.add(dns::Socket::new(&[], vec![]))),
        Err(SetupError::NotTcp(1))
    );
    assert_eq!(
        build(&|s, p| s.get_mut::<tcp::Socket<'_>>(p[0]).listen(1).unwrap()),
        Err(SetupError::Unusable(0))
    );
    let empty = || tcp::SocketBuffer::new(vec![]);
    assert_eq!(
        build(&|s, p| p[0] = s.add(tcp::Socket::new(empty(), empty()))),
        Err(SetupError::Unusable(0))
    );
    let (iface, sockets, pool) = host::<2>(&mut a, 1, 64);
    let stack = SmoltcpStack::new(iface, a, sockets, pool, 7).unwrap();
    assert!(matches!(stack.with_dns(pool[0]), Err(SetupError::NotDns)));
}

/// Nothing here is on the heap but what the test's device uses.
#[test]
fn lent_storage() {
    let (mut device, _other) = pair();
    let (iface, _, _) = host::<0>(&mut device, 1, 0);
    let (mut rx, mut tx) = ([[0; 256]; 2], [[0; 128]; 2]);
    let mut storage = [smoltcp::iface::SocketStorage::EMPTY; 2];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let pool = add_tcp_sockets(&mut sockets, &mut rx, &mut tx);
    let mut stack = SmoltcpStack::new(iface, device, sockets, pool, 3).unwrap();
    let s = stack.socket().unwrap();
    let tcp = stack.tcp(&s).unwrap();
    assert_eq!((tcp.recv_capacity(), tcp.send_capacity()), (256, 128));
    assert!(!tcp.nagle_enabled());
}
