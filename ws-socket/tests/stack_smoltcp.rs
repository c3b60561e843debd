//! The smoltcp adapter: two stacks joined in memory, the time driven by hand.
#![cfg(feature = "smoltcp")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use common::net::{Net, Stack, no};
use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, TcpFullStack};
use smoltcp::socket::tcp;
use smoltcp::time::Duration;
use ws_socket::stack::{MAX_LISTENERS, SmoltcpError, SmoltcpSocket};

conformance!(Net::<8>::new());

/// The same over IPv6.
mod v6 {
    use super::*;

    fn net() -> Net<8> {
        let mut net = Net::new();
        net.v6 = true;
        net
    }

    conformance!(net());
}

#[test]
fn pool_comes_back_to_the_last_socket() {
    let mut net = Net::<3>::with(|s| s);
    let mut l = net.listen(80);
    for round in 0..200 {
        let mut c = net.connect(80).unwrap();
        let mut s = net.accept(&mut l);
        assert_eq!(net.client.send(&mut c, b"x"), Ok(1));
        net.steps(2);
        assert_eq!(net.server.receive(&mut s, &mut [0; 4]), Ok(1));
        match round % 4 {
            0 => drop((net.client.close(c), net.steps(2), net.server.close(s))),
            1 => drop((net.server.close(s), net.steps(2), net.client.close(c))),
            2 => drop((net.server.close(s), net.client.close(c))),
            _ => drop((net.server.abort(s), net.steps(2), net.client.close(c))),
        }
        net.steps(5);
        assert_eq!(net.client.free_sockets(), 3, "round {round}");
        // One listens.
        assert_eq!(net.server.free_sockets(), 2, "round {round}");
    }
    net.server.close(l).unwrap();
    assert_eq!(net.server.free_sockets(), 3);
}

#[test]
fn an_empty_pool_arms_the_listener_later() {
    let mut net = Net::<2>::with(|s| s);
    let mut l = net.listen(80);
    let a = net.connect(80).unwrap();
    let server_a = net.accept(&mut l);
    let b = net.connect(80).unwrap();
    let server_b = net.accept(&mut l);
    // Both of the server's sockets are connections: nobody listens, and the listener lives on.
    assert_eq!(net.server.free_sockets(), 0);
    assert_eq!(net.server.socket(), Err(SmoltcpError::PoolExhausted));
    assert_eq!(net.server.accept(&mut l), Err(nb::Error::WouldBlock));
    assert_eq!(net.client.socket(), Err(SmoltcpError::PoolExhausted));
    net.client.close(a).unwrap();
    net.steps(2);
    assert_eq!(
        net.connect(80),
        Err(SmoltcpError::PoolExhausted),
        "still closing"
    );
    net.server.close(server_a).unwrap();
    net.steps(5);
    let c = net.connect(80).unwrap();
    let server_c = net.accept(&mut l);
    for s in [b, c] {
        net.client.close(s).unwrap();
    }
    for s in [server_b, server_c] {
        net.server.close(s).unwrap();
    }
    net.steps(5);
    assert_eq!(net.client.free_sockets(), 2);
    assert_eq!(net.server.free_sockets(), 1);
}

#[test]
fn the_backlog_bounds_what_waits() {
    let mut net = Net::<6>::with(|s| s.with_backlog(2));
    let mut l = net.listen(80);
    assert_eq!(net.server.free_sockets(), 4);
    let a = net.connect(80).unwrap();
    let b = net.connect(80).unwrap();
    net.steps(2);
    // Two wait, so the third finds nobody, though the pool has sockets left.
    assert_eq!(net.connect(80), Err(SmoltcpError::Refused));
    assert_eq!(net.server.free_sockets(), 4);
    net.accept(&mut l);
    let c = net.connect(80).unwrap();
    net.accept(&mut l);
    net.accept(&mut l);
    assert_eq!(net.server.accept(&mut l), Err(nb::Error::WouldBlock));
    // The peers' addresses were theirs.
    for s in [a, b, c] {
        assert_eq!(net.client.remote_addr(&s), Ok(net.server_addr(80)));
    }
}

#[test]
fn a_peer_that_resets_before_accept_is_not_handed_out() {
    let mut net = Net::<3>::with(|s| s);
    let mut l = net.listen(80);
    let c = net.connect(80).unwrap();
    net.steps(2);
    net.client.abort(c).unwrap();
    net.steps(3);
    assert_eq!(net.server.accept(&mut l), Err(nb::Error::WouldBlock));
    net.connect(80).unwrap();
    net.accept(&mut l);
}

#[test]
fn closing_a_listener_resets_those_who_wait() {
    let mut net = Net::<3>::new();
    let l = net.listen(80);
    let mut c = net.connect(80).unwrap();
    net.steps(2);
    net.server.close(l).unwrap();
    assert_eq!(net.server.free_sockets(), 3);
    net.steps(3);
    assert_eq!(
        net.client.receive(&mut c, &mut [0; 4]),
        Err(no(SmoltcpError::Reset))
    );
    assert_eq!(net.connect(80), Err(SmoltcpError::Refused));
}

/// A handshake that is never finished gives its place in the backlog back.
#[test]
fn half_open_handshake_times_out() {
    let mut net = Net::<2>::with(|s| s);
    let mut l = net.listen(80);
    let mut ghost = net.client.socket().unwrap();
    let addr = net.server_addr(80);
    assert_eq!(
        net.client.connect(&mut ghost, addr),
        Err(nb::Error::WouldBlock)
    );
    net.client.poll(net.now);
    net.client.device_mut().cut = true;
    net.seconds(9);
    net.client.device_mut().cut = false;
    net.client.close(ghost).unwrap();
    net.client.device_mut().cut = true;
    net.step();
    assert!(net.server.poll_delay(net.now).unwrap() <= Duration::from_millis(1_200));
    net.seconds(2);
    net.client.device_mut().cut = false;
    net.connect(80).unwrap();
    net.accept(&mut l);
}

/// The network repeats a SYN when another socket listens before the one that has the connection.
#[test]
fn a_repeated_syn_changes_nothing() {
    let mut net = Net::<3>::with(|s| s.with_backlog(2));
    let mut l = net.listen(80);
    let a = net.connect(80).unwrap();
    let server_a = net.accept(&mut l);
    net.client.device_mut().sent.borrow_mut().clear();
    let mut b = net.connect(80).unwrap();
    let syn = net.client.device_mut().sent.borrow()[0].clone();
    let mut server_b = net.accept(&mut l);
    net.server.close(server_a).unwrap();
    net.client.close(a).unwrap();
    net.steps(20);
    for _ in 0..3 {
        net.server.device_mut().inject(syn.clone());
        net.steps(20);
    }
    assert_eq!(net.server.accept(&mut l), Err(nb::Error::WouldBlock));
    assert_eq!(net.client.send(&mut b, b"alive"), Ok(5));
    net.steps(20);
    assert_eq!(net.server.receive(&mut server_b, &mut [0; 8]), Ok(5));
    net.connect(80).unwrap();
    net.accept(&mut l);
}

/// A peer that has vanished costs a socket for the linger time and no longer.
#[test]
fn linger_ends_when_the_peer_is_silent() {
    let mut net = Net::<2>::with(|s| s.with_linger(Duration::from_secs(5)));
    let mut l = net.listen(80);
    net.connect(80).unwrap();
    let mut s = net.accept(&mut l);
    net.steps(2);
    net.client.device_mut().cut = true;
    assert_eq!(net.server.send(&mut s, b"nobody hears this"), Ok(17));
    net.server.close(s).unwrap();
    net.seconds(4);
    assert_eq!(net.server.free_sockets(), 0, "one listens, one lingers");
    assert!(net.server.poll_delay(net.now).unwrap() <= Duration::from_secs(1));
    net.seconds(2);
    assert_eq!(net.server.free_sockets(), 1);
}

/// Nor does a peer pin it that keeps sending and never ends its half.
#[test]
fn linger_ends_when_the_peer_goes_on() {
    let mut net = Net::<2>::with(|s| s.with_linger(Duration::from_secs(5)));
    let mut l = net.listen(80);
    let mut c = net.connect(80).unwrap();
    let s = net.accept(&mut l);
    net.server.close(s).unwrap();
    let mut sent = 0;
    for _ in 0..40 {
        sent += net.client.send(&mut c, &[7; 500]).unwrap_or(0);
        net.seconds(1);
        if net.server.free_sockets() == 1 {
            break;
        }
    }
    assert!(sent >= 2000, "input is thrown away, not held up: {sent}");
    assert_eq!(net.server.free_sockets(), 1);
    net.seconds(1);
    assert_eq!(net.client.send(&mut c, b"x"), Err(no(SmoltcpError::Reset)));
}

/// What the closing side has not read fills its window, and must not keep the peer's FIN out.
#[test]
fn unread_input_does_not_hold_up_closing() {
    let mut net = Net::<2>::with(|s| s);
    let mut l = net.listen(80);
    let mut c = net.connect(80).unwrap();
    let s = net.accept(&mut l);
    for _ in 0..10 {
        let _ = net.client.send(&mut c, &[1; 2048]);
        net.steps(5);
    }
    net.server.close(s).unwrap();
    net.client.close(c).unwrap();
    net.seconds(3);
    assert_eq!(
        (net.client.free_sockets(), net.server.free_sockets()),
        (2, 1)
    );
}

#[test]
fn close_frees_at_once_what_was_never_connected() {
    let mut net = Net::<1>::with(|s| s);
    let s = net.client.socket().unwrap();
    net.client.close(s).unwrap();
    assert_eq!(net.client.free_sockets(), 1);
    // Half open, before and after the SYN has gone out.
    for polls in 0..2 {
        let mut s = net.client.socket().unwrap();
        let addr = net.server_addr(80);
        assert_eq!(net.client.connect(&mut s, addr), Err(nb::Error::WouldBlock));
        for _ in 0..polls {
            net.client.poll(net.now);
        }
        net.client.close(s).unwrap();
        assert_eq!(net.client.free_sockets(), 1);
    }
    // Refused.
    assert_eq!(net.connect(80), Err(SmoltcpError::Refused));
    assert_eq!(net.client.free_sockets(), 1);
}

#[test]
fn stale_and_foreign_handles() {
    let mut net = Net::<3>::with(|s| s);
    let mut l = net.listen(80);
    let c = net.connect(80).unwrap();
    let mut stale = c;
    net.client.close(c).unwrap();
    let s = net.accept(&mut l);
    net.server.close(s).unwrap();
    net.steps(5);
    let addr = net.server_addr(80);
    // The place is somebody else's now.
    let others = [
        net.connect(80).unwrap(),
        net.client.socket().unwrap(),
        net.client.socket().unwrap(),
    ];
    let gone = SmoltcpError::StaleSocket;
    let check = |stack: &mut Stack<3>, h: &mut SmoltcpSocket| {
        assert_eq!(stack.connect(h, addr), Err(no(gone)));
        assert_eq!(stack.send(h, b"x"), Err(no(gone)));
        assert_eq!(stack.receive(h, &mut [0; 4]), Err(no(gone)));
        assert_eq!(stack.bind(h, 1), Err(gone));
        assert_eq!(stack.listen(h), Err(gone));
        assert_eq!(stack.accept(h), Err(no(gone)));
        assert_eq!(stack.local_addr(h), Err(gone));
        assert_eq!(stack.remote_addr(h), Err(gone));
        assert!(matches!(stack.tcp(h), Err(e) if e == gone));
        assert_eq!(stack.abort(*h), Err(gone));
        assert_eq!(stack.close(*h), Err(gone));
    };
    check(&mut net.client, &mut stale);
    for mut foreign in others {
        check(&mut net.server, &mut foreign);
    }
    // Closed in the background: stale as well.
    let s = net.accept(&mut l);
    net.server.close(s).unwrap();
    check(&mut net.server, &mut { s });
    // A listener, closed.
    net.server.close(l).unwrap();
    check(&mut net.server, &mut l);
    // Nobody was touched.
    assert_eq!(
        net.client.tcp(&others[0]).unwrap().state(),
        tcp::State::Established
    );
    for s in others {
        net.client.close(s).unwrap();
    }
}

#[test]
fn a_listening_handle_is_no_connection() {
    let mut net = Net::<2>::with(|s| s);
    let mut unlistened = net.server.socket().unwrap();
    net.server.bind(&mut unlistened, 80).unwrap();
    let mut l = unlistened;
    net.server.listen(&mut l).unwrap();
    assert_eq!(
        net.server.listen(&mut unlistened),
        Err(SmoltcpError::StaleSocket)
    );
    assert_eq!(net.server.bind(&mut l, 81), Err(SmoltcpError::WrongState));
    assert_eq!(
        net.server.send(&mut l, b"x"),
        Err(no(SmoltcpError::WrongState))
    );
    assert!(matches!(
        net.server.tcp_mut(&l),
        Err(SmoltcpError::WrongState)
    ));
    assert_eq!(net.server.remote_addr(&l), Err(SmoltcpError::NotConnected));
    assert_eq!(net.server.local_addr(&l).unwrap().port(), 80);
}

#[test]
fn listeners_are_bounded() {
    let mut net = Net::<6>::with(|s| s);
    let listeners: Vec<_> = (0..MAX_LISTENERS)
        .map(|i| net.listen(80 + i as u16))
        .collect();
    let mut more = net.server.socket().unwrap();
    net.server.bind(&mut more, 90).unwrap();
    assert_eq!(
        net.server.listen(&mut more),
        Err(SmoltcpError::TooManyListeners)
    );
    net.server.close(listeners[0]).unwrap();
    net.server.listen(&mut more).unwrap();
    net.connect(90).unwrap();
    net.connect(82).unwrap();
    net.accept(&mut more);
}

/// A server may listen again while connections of before are alive or closing.
#[test]
fn listen_again_on_a_port_with_connections() {
    let mut net = Net::<4>::with(|s| s);
    let mut l = net.listen(80);
    let mut old = net.connect(80).unwrap();
    let mut old_s = net.accept(&mut l);
    net.server.close(l).unwrap();
    let mut l = net.listen(80);
    net.connect(80).unwrap();
    net.accept(&mut l);
    assert_eq!(net.client.send(&mut old, b"still here"), Ok(10));
    net.steps(3);
    assert_eq!(net.server.receive(&mut old_s, &mut [0; 20]), Ok(10));
}

#[test]
fn ephemeral_ports_avoid_those_in_use() {
    let mut net = Net::<4>::new();
    net.listen(80);
    let a = net.connect(80).unwrap();
    let port = net.client.local_addr(&a).unwrap().port();
    assert!(port >= 49152);
    let mut b = net.client.socket().unwrap();
    net.client.bind(&mut b, 0).unwrap();
    let bound = net.client.local_addr(&b).unwrap().port();
    assert_ne!(bound, port);
    // Connected from the port it is bound to.
    let addr = net.server_addr(80);
    assert_eq!(net.client.connect(&mut b, addr), Err(nb::Error::WouldBlock));
    assert_eq!(net.client.local_addr(&b).unwrap().port(), bound);
    // The same two ends cannot be connected twice.
    let mut c = net.client.socket().unwrap();
    net.client.bind(&mut c, port).unwrap();
    assert_eq!(
        net.client.connect(&mut c, addr),
        Err(no(SmoltcpError::PortInUse))
    );
    let mut d = net.client.socket().unwrap();
    assert_eq!(net.client.bind(&mut d, port), Err(SmoltcpError::PortInUse));
}

#[test]
fn all_ephemeral_ports_in_turn() {
    let mut net = Net::<3>::with(|s| s);
    net.listen(80);
    let a = net.connect(80).unwrap();
    let connected = net.client.local_addr(&a).unwrap().port();
    let mut held = net.client.socket().unwrap();
    net.client.bind(&mut held, 65535).unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..16382 {
        let mut s = net.client.socket().unwrap();
        net.client.bind(&mut s, 0).unwrap();
        assert!(seen.insert(net.client.local_addr(&s).unwrap().port()));
        net.client.close(s).unwrap();
    }
    assert!(!seen.contains(&65535) && !seen.contains(&connected) && seen.contains(&49152));
    // All but the two in use were given; the round begins again and leaves them out again.
    let mut s = net.client.socket().unwrap();
    net.client.bind(&mut s, 0).unwrap();
    assert!(seen.contains(&net.client.local_addr(&s).unwrap().port()));
}

#[test]
fn time_wait_is_left_alone_while_the_pool_allows() {
    let mut net = Net::<3>::with(|s| s);
    let mut l = net.listen(80);
    let c = net.connect(80).unwrap();
    let s = net.accept(&mut l);
    net.client.close(c).unwrap();
    net.steps(3);
    net.server.close(s).unwrap();
    net.steps(20);
    let taken = [(); 3].map(|()| net.client.socket().unwrap());
    let states = taken.map(|s| net.client.tcp(&s).unwrap().state());
    assert_eq!(
        states,
        [tcp::State::Closed, tcp::State::Closed, tcp::State::TimeWait]
    );
}

/// A server that answers and resets at once, before `connect` is called again.
#[test]
fn an_answer_before_a_reset_is_not_lost() {
    let mut net = Net::<2>::with(|s| s);
    let mut l = net.listen(80);
    let mut c = net.client.socket().unwrap();
    let addr = net.server_addr(80);
    assert_eq!(net.client.connect(&mut c, addr), Err(nb::Error::WouldBlock));
    net.steps(2);
    let mut s = net.accept(&mut l);
    assert_eq!(net.server.send(&mut s, b"busy"), Ok(4));
    net.steps(3);
    net.server.abort(s).unwrap();
    net.steps(3);
    assert_eq!(net.client.connect(&mut c, addr), Ok(()));
    assert_eq!(net.client.receive(&mut c, &mut [0; 9]), Ok(4));
    assert_eq!(
        net.client.receive(&mut c, &mut [0; 9]),
        Err(no(SmoltcpError::Reset))
    );
    assert_eq!(
        net.client.connect(&mut c, addr),
        Err(no(SmoltcpError::Reset))
    );
}

#[test]
fn unreachable_addresses_are_errors() {
    let mut net = Net::<1>::with(|s| s);
    let mut c = net.client.socket().unwrap();
    for addr in ["0.0.0.0:80", "10.0.0.1:0", "[::]:80"] {
        let addr = addr.parse().unwrap();
        assert_eq!(
            net.client.connect(&mut c, addr),
            Err(no(SmoltcpError::Unaddressable))
        );
    }
    net.client
        .iface_mut()
        .update_ip_addrs(|a| a.retain(|a| matches!(a, smoltcp::wire::IpCidr::Ipv6(_))));
    let addr = net.server_addr(80);
    assert_eq!(
        net.client.connect(&mut c, addr),
        Err(no(SmoltcpError::Unaddressable))
    );
    // The socket is as before.
    let addr = "[fd00::1]:80".parse().unwrap();
    assert_eq!(net.client.connect(&mut c, addr), Err(nb::Error::WouldBlock));
}

/// The interface loses its address (DHCP): a reset, not a hang.
#[test]
fn losing_the_address_ends_connections() {
    let mut net = Net::<2>::with(|s| s);
    net.listen(80);
    let mut c = net.connect(80).unwrap();
    net.client.iface_mut().update_ip_addrs(|a| a.clear());
    net.step();
    let e = net.client.receive(&mut c, &mut [0; 4]).unwrap_err();
    assert_eq!(e, no(SmoltcpError::Reset));
    let addr = net.server_addr(80);
    assert_eq!(
        net.client.connect(&mut c, addr),
        Err(no(SmoltcpError::Reset))
    );
    net.client.close(c).unwrap();
    assert_eq!(net.client.free_sockets(), 2);
}

#[test]
fn error_kinds() {
    assert_eq!(SmoltcpError::Reset.kind(), TcpErrorKind::PipeClosed);
    assert_eq!(SmoltcpError::NotConnected.kind(), TcpErrorKind::Other);
    assert_eq!(SmoltcpError::StaleSocket.kind(), TcpErrorKind::Other);
}

/// A wrapping millisecond counter does not stop smoltcp's timers.
#[test]
fn time_by_a_wrapping_counter() {
    let mut net = Net::<2>::with(|s| s.with_linger(Duration::from_secs(1)));
    let start = u32::MAX - 200;
    let mut l = net.client.socket().unwrap();
    net.client.bind(&mut l, 80).unwrap();
    net.client.listen(&mut l).unwrap();
    let mut c = net.server.socket().unwrap();
    let addr = "10.0.0.2:80".parse().unwrap();
    let mut now = start;
    let mut step = |net: &mut Net<2>, by: u32| {
        now = now.wrapping_add(by);
        net.server.poll_ms(now);
        net.client.poll_ms(now);
        now
    };
    while net.server.connect(&mut c, addr).is_err() {
        step(&mut net, 1);
    }
    net.client.device_mut().cut = true;
    net.server.close(c).unwrap();
    let now = step(&mut net, 1);
    assert!(net.server.poll_delay_ms(now).unwrap() <= 1000);
    let now = step(&mut net, 900);
    assert!(now < start, "wrapped");
    assert_eq!(net.server.free_sockets(), 1);
    assert!(net.server.poll_delay_ms(now).unwrap() <= 100);
    step(&mut net, 100);
    assert_eq!(net.server.free_sockets(), 2);
}

/// Whatever the peer puts on the wire, no call panics.
#[test]
fn noise_on_the_wire() {
    let mut net = Net::<4>::new();
    let mut l = net.listen(80);
    let mut c = net.connect(80).unwrap();
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    for _ in 0..20_000 {
        // An IPv4 packet with TCP in it, ports that somebody has, and the rest at random.
        let mut packet: Vec<u8> = (0..40 + random() % 20).map(|_| random() as u8).collect();
        let len = packet.len() as u8;
        packet[..10].copy_from_slice(&[0x45, 0, 0, len, 0, 0, 0, 0, 64, 6]);
        packet[12..20].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
        packet[22..24].copy_from_slice(&80u16.to_be_bytes());
        packet[32] = 0x50;
        net.server.device_mut().inject(packet);
        net.step();
        if let Ok((s, _)) = net.server.accept(&mut l) {
            net.server.close(s).unwrap();
        }
        let _ = net.client.send(&mut c, b"x");
    }
    net.seconds(60);
    assert!(net.server.free_sockets() >= 1);
    net.connect(80).unwrap();
}
