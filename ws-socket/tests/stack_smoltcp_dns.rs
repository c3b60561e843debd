//! Name lookup by the smoltcp adapter, against a DNS server made of a few lines.
#![cfg(feature = "smoltcp")]
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::net::IpAddr;

use common::net::{Net, no};
use common::pair::{host, pair};
use embedded_nal::{AddrType, Dns};
use smoltcp::socket::{dns, udp};
use smoltcp::time::Instant;
use smoltcp::wire::IpEndpoint;
use ws_socket::stack::{SmoltcpError, SmoltcpStack};

/// DNS server on the first host, lookups on the second.
struct Names {
    net: Net<1>,
    server: smoltcp::iface::SocketHandle,
    asked: Vec<(String, u16)>,
}

impl Names {
    fn new(places: usize) -> Self {
        let (mut a, mut b) = pair();
        let (iface, mut sockets, pool) = host(&mut a, 1, 64);
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 2048]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(53).unwrap();
        let handle = sockets.add(socket);
        let server = SmoltcpStack::new(iface, a, sockets, pool, 1).unwrap();
        let (iface, mut sockets, pool) = host(&mut b, 2, 64);
        let queries = (0..places).map(|_| None).collect::<Vec<_>>().leak();
        let resolver = sockets.add(dns::Socket::new(
            &["10.0.0.1".parse::<IpAddr>().unwrap().into()],
            &mut queries[..],
        ));
        let client = SmoltcpStack::new(iface, b, sockets, pool, 2)
            .unwrap()
            .with_dns(resolver)
            .unwrap();
        let net = Net {
            server,
            client,
            now: Instant::from_secs(1),
            v6: false,
        };
        Self {
            net,
            server: handle,
            asked: Vec::new(),
        }
    }

    /// One step; questions are answered by `answer`, or not at all if it has none.
    fn step(&mut self, answer: &dyn Fn(&str, u16) -> Option<Vec<u8>>) {
        self.net.step();
        let handle = self.server;
        let socket = self
            .net
            .server
            .sockets_mut()
            .get_mut::<udp::Socket<'_>>(handle);
        while let Ok((query, from)) = socket.recv() {
            let query = query.to_vec();
            let (mut name, mut at) = (String::new(), 12);
            while query[at] != 0 {
                let end = at + 1 + usize::from(query[at]);
                name += &format!(
                    "{}.",
                    std::str::from_utf8(&query[at + 1..end])
                        .unwrap()
                        .to_lowercase()
                );
                at = end;
            }
            let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
            self.asked.push((name.clone(), kind));
            let Some(data) = answer(&name, kind) else {
                continue;
            };
            let mut reply = query.clone();
            reply[2] |= 0x80;
            if data.is_empty() {
                reply[3] |= 3;
            } else {
                reply[7] = 1;
                reply.extend([
                    0xc0,
                    12,
                    0,
                    kind as u8,
                    0,
                    1,
                    0,
                    0,
                    0,
                    60,
                    0,
                    data.len() as u8,
                ]);
                reply.extend(data);
            }
            let to: IpEndpoint = from.endpoint;
            socket.send_slice(&reply, to).unwrap();
        }
    }

    fn resolve(
        &mut self,
        name: &str,
        kind: AddrType,
        answer: &dyn Fn(&str, u16) -> Option<Vec<u8>>,
    ) -> Result<IpAddr, SmoltcpError> {
        for _ in 0..100_000 {
            match self.net.client.get_host_by_name(name, kind.clone()) {
                Ok(a) => return Ok(a),
                Err(nb::Error::Other(e)) => return Err(e),
                Err(nb::Error::WouldBlock) => self.step(answer),
            }
        }
        panic!("would block for ever");
    }
}

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

fn zone(name: &str, kind: u16) -> Option<Vec<u8>> {
    let v6 = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    Some(match (name, kind) {
        ("both.test.", 1) => vec![10, 0, 0, 7],
        ("both.test." | "six.test.", 28) => v6.to_vec(),
        _ => vec![],
    })
}

#[test]
fn names_are_resolved() {
    let mut names = Names::new(1);
    for _ in 0..3 {
        assert_eq!(
            names.resolve("both.test", AddrType::Either, &zone),
            Ok(ip("10.0.0.7"))
        );
        assert_eq!(
            names.resolve("both.test", AddrType::IPv6, &zone),
            Ok(ip("fd00::9"))
        );
        assert_eq!(
            names.resolve("six.test", AddrType::Either, &zone),
            Ok(ip("fd00::9"))
        );
        assert_eq!(
            names.resolve("six.test", AddrType::IPv4, &zone),
            Err(SmoltcpError::NameNotFound)
        );
        assert_eq!(
            names.resolve("none.test", AddrType::Either, &zone),
            Err(SmoltcpError::NameNotFound)
        );
    }
    // One place, never leaked; the record of the interface's only version is asked for first.
    let only_v6 = |a: &smoltcp::wire::IpCidr| matches!(a, smoltcp::wire::IpCidr::Ipv6(_));
    let iface = names.net.client.iface_mut();
    iface.update_ip_addrs(|a| a.retain(only_v6));
    assert_eq!(
        names.resolve("both.test", AddrType::Either, &zone),
        Err(SmoltcpError::NameNotFound)
    );
}

#[test]
fn another_name_cancels_the_lookup() {
    let mut names = Names::new(1);
    let client = &mut names.net.client;
    assert_eq!(
        client.get_host_by_name("none.test", AddrType::IPv4),
        Err(nb::Error::WouldBlock)
    );
    names.step(&|_, _| None);
    assert_eq!(
        names.resolve("both.test", AddrType::IPv4, &zone),
        Ok(ip("10.0.0.7"))
    );
    // Another type is another question, and case is not.
    let client = &mut names.net.client;
    assert_eq!(
        client.get_host_by_name("both.test", AddrType::IPv4),
        Err(nb::Error::WouldBlock)
    );
    assert_eq!(
        names.resolve("BOTH.test", AddrType::IPv6, &zone),
        Ok(ip("fd00::9"))
    );
    names.net.client.cancel_lookup();
    names.net.client.cancel_lookup();
}

#[test]
fn an_abandoned_lookup_is_started_again() {
    let mut names = Names::new(1);
    let old = |_: &str, _: u16| Some(vec![10, 0, 0, 66]);
    let client = &mut names.net.client;
    assert_eq!(
        client.get_host_by_name("both.test", AddrType::IPv4),
        Err(nb::Error::WouldBlock)
    );
    (0..10).for_each(|_| names.step(&old));
    names.net.seconds(60);
    assert_eq!(
        names.resolve("both.test", AddrType::IPv4, &zone),
        Ok(ip("10.0.0.7"))
    );
}

#[test]
fn silent_server_and_bad_names() {
    let mut names = Names::new(1);
    assert_eq!(
        names.resolve("both.test", AddrType::IPv4, &|_, _| None),
        Err(SmoltcpError::NameNotFound)
    );
    let long = "a".repeat(64);
    let longer = "abc.".repeat(70);
    for bad in ["", "a..b", &long, &longer] {
        assert_eq!(
            names.resolve(bad, AddrType::IPv4, &zone),
            Err(SmoltcpError::InvalidName),
            "{bad}"
        );
    }
    assert_eq!(
        Names::new(0).resolve("a", AddrType::IPv4, &zone),
        Err(SmoltcpError::DnsBusy)
    );
    assert_eq!(
        Net::<1>::new().client.get_host_by_name("a", AddrType::IPv4),
        Err(no(SmoltcpError::NoDns))
    );
}

#[test]
fn numeric_addresses_need_no_server() {
    let mut net = Net::<1>::new();
    let client = &mut net.client;
    assert_eq!(
        client.get_host_by_name("10.0.0.1", AddrType::Either),
        Ok(ip("10.0.0.1"))
    );
    assert_eq!(
        client.get_host_by_name("fd00::1", AddrType::IPv6),
        Ok(ip("fd00::1"))
    );
    assert_eq!(
        client.get_host_by_name("[fd00::1]", AddrType::Either),
        Ok(ip("fd00::1"))
    );
    let wrong = client.get_host_by_name("10.0.0.1", AddrType::IPv6);
    assert_eq!(wrong, Err(no(SmoltcpError::NameNotFound)));
    let reverse = client.get_host_by_address(ip("10.0.0.1"), &mut [0; 255]);
    assert_eq!(reverse, Err(no(SmoltcpError::ReverseLookupUnsupported)));
}
