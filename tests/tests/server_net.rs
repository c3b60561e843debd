//! A server's pages and WebSockets side by side over smoltcp: real TCP, a wire with faults, peers
//! that never finish.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

use std::cell::RefCell;
use std::rc::Rc;

use embedded_nal::{TcpClientStack, nb};
use ws_socket::stack::SmoltcpSocket;
use ws_socket::{Opcode, WebSocketRequest};
use ws_tests::link::Faults;
use ws_tests::net::{Net, SERVER, Size, echo};
use ws_tests::site::{Found, INDEX, Site, answer, get, log, numbers};

/// A wire that drops, doubles, reorders and changes.
const BAD: Faults = Faults {
    drop: 5,
    duplicate: 5,
    cut: 2,
    corrupt: 2,
    delay_ms: 8,
    mtu: 576,
};

/// A server with a site in place of [`Net`]'s own, which echoes on its WebSockets.
fn net<const T: usize, const N: usize>(size: Size) -> (Net<T, N>, Rc<RefCell<Site>>) {
    let site = Rc::new(RefCell::new(Site::default()));
    let theirs = site.clone();
    let mut echo = echo();
    let net: Net<T, N> = Net::new(size, move |server| echo(server));
    net.server.borrow_mut().site = Some(theirs);
    (net, site)
}

/// A connected TCP socket of the client.
fn dial<const T: usize, const N: usize>(net: &mut Net<T, N>) -> SmoltcpSocket {
    let mut socket = net.client.stack().socket().unwrap();
    for _ in 0..20_000 {
        if net.client.stack().connect(&mut socket, SERVER).is_ok() {
            return socket;
        }
        net.step();
    }
    panic!("no connection");
}

fn write<const T: usize, const N: usize>(
    net: &mut Net<T, N>,
    socket: &mut SmoltcpSocket,
    mut bytes: &[u8],
) {
    while !bytes.is_empty() {
        match net.client.stack().send(socket, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(nb::Error::WouldBlock) => net.step(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Reads one answer, and what stands behind it.
fn read<const T: usize, const N: usize>(
    net: &mut Net<T, N>,
    socket: &mut SmoltcpSocket,
    bytes: &mut Vec<u8>,
) -> Found {
    let mut buffer = [0; 2000];
    for _ in 0..60_000 {
        if let Some((found, rest)) = answer(bytes, false) {
            let rest = rest.to_vec();
            *bytes = rest;
            return found;
        }
        match net.client.stack().receive(socket, &mut buffer) {
            Ok(count) => bytes.extend(&buffer[..count]),
            Err(nb::Error::WouldBlock) => net.step(),
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("no answer: {}", String::from_utf8_lossy(bytes));
}

/// Pages on a kept connection while a WebSocket is echoed, over a good wire and over bad ones.
#[test]
fn pages_beside_websockets() {
    for (faults, seed) in [(Faults::NONE, 1), (BAD, 2), (BAD, 3)] {
        let size = Size {
            faults,
            seed,
            ..Size::DEFAULT
        };
        let (mut net, site) = net::<6, 4>(size);
        let request = WebSocketRequest::new("site", "/ws").subprotocols(&["x", "mqtt"]);
        let ws = net.client.connect_to(SERVER, request, 60_000).unwrap();
        assert_eq!(net.client.subprotocol(ws), Ok(Some(1)));
        let mut socket = dial(&mut net);
        let mut bytes = Vec::new();
        for round in 0..5 {
            let asked = [get("/numbers"), get("/"), get("/log")].concat();
            write(&mut net, &mut socket, asked.as_bytes());
            let text = format!("round {round}");
            let sent = net
                .client
                .send_msg(ws, text.as_bytes(), Opcode::Text, true, 60_000);
            assert_eq!(sent, Ok(text.len()));
            for body in [numbers(), INDEX.to_vec(), log()] {
                let found = read(&mut net, &mut socket, &mut bytes);
                assert_eq!((found.status, found.body), (200, body));
            }
            let mut echoed = Vec::<u8>::new();
            while echoed.len() < text.len() {
                let mut buffer = [0; 50];
                let piece = net.client.recv_msg(ws, &mut buffer, 60_000).unwrap();
                echoed.extend(&buffer[..piece.length]);
            }
            assert_eq!(echoed, text.as_bytes());
        }
        assert_eq!(site.borrow().ended, 15);
    }
}

/// Peers that stop in the middle of their requests or never read their pages fill the table: the
/// next is told 503 at once, an echo goes on, and when their time is up there is room again.
#[test]
fn a_table_full_of_slow_peers() {
    let (mut net, site) = net::<12, 4>(Size::DEFAULT);
    let ws = net
        .client
        .connect_to(SERVER, WebSocketRequest::new("site", "/ws"), 1000)
        .unwrap();
    let mut slow: Vec<_> = (0..3).map(|_| dial(&mut net)).collect();
    write(&mut net, &mut slow[0], b"GET /");
    write(&mut net, &mut slow[1], get("/numbers").as_bytes());
    net.steps(50);
    assert_eq!(net.server.borrow_mut().table.in_use(), 4);
    let mut late = dial(&mut net);
    write(&mut net, &mut late, get("/").as_bytes());
    let found = read(&mut net, &mut late, &mut Vec::new());
    assert_eq!(found.status, 503);
    net.client.stack().close(late).unwrap();
    for _ in 0..10 {
        let sent = net.client.send_msg(ws, b"x", Opcode::Text, true, 100);
        assert_eq!(sent, Ok(1));
        assert_eq!(net.client.recv_msg(ws, &mut [0; 9], 100).unwrap().length, 1);
    }
    net.steps(31_000);
    assert_eq!(net.server.borrow_mut().table.in_use(), 1);
    let mut next = dial(&mut net);
    write(&mut net, &mut next, get("/").as_bytes());
    assert_eq!(read(&mut net, &mut next, &mut Vec::new()).body, INDEX);
    assert!(net.client.is_open(ws));
    // The upgrade's request began and did not end; the kept one has begun its next.
    let site = site.borrow();
    assert_eq!((site.began, site.ended), (6, 4));
}
