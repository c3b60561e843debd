//! Two hosts with smoltcp: whole conversations over TCP, on good and bad wires, until the peer
//! vanishes, with many connections, for a thousand times.

use ws_socket::{
    CloseCode, ConnectError, Events, Opcode, PollItem, ReceiveError, SendError, WebSocketId,
    WebSocketRequest,
};
use ws_tests::link::Faults;
use ws_tests::net::{Net, SERVER, Size, Table, echo};
use ws_tests::platform::random;

/// Sends one message and receives it back, whatever the windows: what does not go out now goes out
/// behind what comes in.
fn round_trip<const T: usize, const N: usize>(
    table: &mut Table<T, N>,
    ws: WebSocketId,
    opcode: Opcode,
    message: &[u8],
) {
    let (mut sent, mut received, mut done) = (None, Vec::new(), false);
    let mut buffer = [0; 700];
    let mut idle = 0;
    while !done {
        if sent != Some(message.len()) {
            let rest = &message[sent.unwrap_or(0)..];
            match table.send_msg(ws, rest, opcode, true, 0) {
                Ok(count) => sent = Some(sent.unwrap_or(0) + count),
                Err(SendError::Timeout) => {}
                Err(error) => panic!("{error}"),
            }
        }
        match table.recv_msg(ws, &mut buffer, 1) {
            Ok(piece) => {
                idle = 0;
                assert_eq!(piece.opcode(), opcode);
                received.extend_from_slice(&buffer[..piece.length]);
                done = piece.is_complete();
            }
            Err(ReceiveError::Timeout) => idle += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(idle < 300_000, "nothing came for five minutes");
    }
    assert!(
        received == message,
        "{} bytes came back otherwise",
        message.len()
    );
}

fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    (0..length)
        .map(|_| (random(&mut state) >> 40) as u8)
        .collect()
}

/// Both roles, every size around the forms of the length and the sizes of the buffers.
#[test]
fn a_conversation() {
    for lent in [256, 257, 300, 2000] {
        for tcp in [64, 300, 4096] {
            let mut net: Net<6, 2> = Net::new(
                Size {
                    lent,
                    tcp,
                    ..Size::DEFAULT
                },
                echo(),
            );
            let ws = net.connect();
            for length in [0, 1, 124, 125, 126, 127, 511, 512, 513, 65535, 65536] {
                if length > 1000 && (tcp < 1000 || lent == 257) {
                    continue;
                }
                round_trip(&mut net.client, ws, Opcode::Binary, &pattern(length, 1));
            }
            round_trip(&mut net.client, ws, Opcode::Text, "grüß dich €".as_bytes());
            let closed = net.client.disconnect(ws, 10_000).unwrap();
            assert!(closed.clean && closed.code == CloseCode::NORMAL);
            net.steps(50);
            assert_eq!(
                (net.client.in_use(), net.server.borrow().table.in_use()),
                (0, 0)
            );
            assert_eq!(net.client.stack().free_sockets(), 6);
        }
    }
}

/// What a subprotocol, a refused request and a wrong port come to over TCP.
#[test]
fn handshakes() {
    let mut net: Net<6, 2> = Net::new(Size::DEFAULT, echo());
    let request = || WebSocketRequest::new("server", "/").subprotocols(&["x", "mqtt"]);
    let ws = net.client.connect_to(SERVER, request(), 10_000).unwrap();
    assert_eq!(net.client.subprotocol(ws), Ok(Some(1)));
    let there = net.server.borrow().accepted[0];
    assert_eq!(
        net.server.borrow_mut().table.subprotocol(there),
        Ok(Some(1))
    );
    net.client.disconnect(ws, 10_000).unwrap();

    let mut closed = SERVER;
    closed.set_port(81);
    let error = net
        .client
        .connect_to(closed, request(), 10_000)
        .unwrap_err();
    assert!(matches!(error, ConnectError::Stack(_)), "{error:?}");
    net.steps(50);
    assert_eq!(net.client.stack().free_sockets(), 6);
}

/// A wire that drops, delays, reorders, duplicates, cuts and changes packets: TCP repairs it, and
/// what is built on it notices nothing.
#[test]
fn bad_wires() {
    let bad = |drop, duplicate, cut, corrupt, delay_ms| Faults {
        drop,
        duplicate,
        cut,
        corrupt,
        delay_ms,
        ..Faults::NONE
    };
    for (index, faults) in [
        bad(20, 0, 0, 0, 0),
        bad(0, 50, 0, 0, 3),
        bad(0, 0, 15, 0, 0),
        bad(0, 0, 0, 15, 0),
        bad(0, 0, 0, 0, 80),
        bad(8, 10, 4, 4, 20),
    ]
    .into_iter()
    .enumerate()
    {
        for seed in 1..=4 {
            let size = Size {
                faults,
                seed: seed * 10 + index as u64,
                ..Size::DEFAULT
            };
            let mut net: Net<6, 2> = Net::new(size, echo());
            let ws = net.connect();
            for length in [0, 100, 3000, 20_000] {
                round_trip(&mut net.client, ws, Opcode::Binary, &pattern(length, seed));
            }
            let closed = net.client.disconnect(ws, 60_000).unwrap();
            assert!(closed.clean, "{faults:?} {seed}");
        }
    }
}

/// The wire is cut at every hundredth packet of a conversation: each call that waits ends in its
/// time, and the slot is free.
#[test]
fn the_peer_vanishes() {
    for after in (0..60).step_by(3) {
        let mut net: Net<4, 1> = Net::new(Size::DEFAULT, echo());
        let link = net.link.clone();
        let cutter = link.clone();
        net.client
            .platform()
            .others
            .borrow_mut()
            .push(Box::new(move || {
                if cutter.packets() >= after {
                    cutter.cut();
                }
            }));
        let clock = net.clock.clone();
        let within = |began: u32, most: u32| assert!(clock.get() - began <= most);
        let began = net.clock.get();
        let request = WebSocketRequest::new("server", "/");
        match net.client.connect_to(SERVER, request, 500) {
            Err(error) => {
                assert_eq!(error, ConnectError::Timeout);
                within(began, 500);
            }
            Ok(ws) => {
                let message = pattern(20_000, 1);
                let mut sent = 0;
                let mut buffer = [0; 500];
                let mut ended = false;
                for _ in 0..100 {
                    let began = net.clock.get();
                    let send = net
                        .client
                        .send_msg(ws, &message[sent..], Opcode::Binary, true, 20);
                    within(began, 20);
                    sent += send.unwrap_or(0);
                    let began = net.clock.get();
                    let received = net.client.recv_msg(ws, &mut buffer, 20);
                    within(began, 20);
                    if sent == message.len() || link.packets() >= after && received.is_err() {
                        ended = true;
                        break;
                    }
                }
                assert!(ended);
                let began = net.clock.get();
                let closed = net.client.disconnect(ws, 100).unwrap();
                within(began, 100);
                assert!(!closed.clean);
            }
        }
        assert_eq!(net.client.in_use(), 0);
        // TCP's own lingering ends too, and the socket can be used again.
        net.steps(6000);
        assert_eq!(net.client.stack().free_sockets(), 4);
    }
}

/// Two tables talk to each other at once, each in both roles' directions: full windows both ways.
#[test]
fn two_tables_talk_at_once() {
    let length = 30_000;
    let message = pattern(length, 5);
    let theirs = message.clone();
    let mut sent = 0;
    let received = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = received.clone();
    let mut net: Net<4, 1> = Net::new(
        Size {
            tcp: 512,
            ..Size::DEFAULT
        },
        move |server| {
            let Some(&ws) = server.accepted.first() else {
                return;
            };
            if sent < theirs.len() {
                sent += server
                    .table
                    .send_msg(ws, &theirs[sent..], Opcode::Binary, true, 0)
                    .unwrap_or(0);
            }
            let mut buffer = [0; 100];
            while let Ok(piece) = server.table.recv_msg(ws, &mut buffer, 0) {
                log.borrow_mut().extend_from_slice(&buffer[..piece.length]);
            }
        },
    );
    let ws = net.connect();
    round_trip(&mut net.client, ws, Opcode::Binary, &message);
    net.steps(20);
    assert!(*received.borrow() == message);
}

/// A thousand times connect, a message, close: no slot and no TCP socket is lost.
#[test]
fn a_thousand_connections_one_after_the_other() {
    let mut net: Net<8, 2> = Net::new(Size::DEFAULT, echo());
    for round in 0..1000u32 {
        let ws = net.connect();
        round_trip(
            &mut net.client,
            ws,
            Opcode::Text,
            round.to_string().as_bytes(),
        );
        match round % 3 {
            0 => assert!(net.client.disconnect(ws, 1000).unwrap().clean),
            1 => net.client.abort(ws).unwrap(),
            _ => {
                let there = *net.server.borrow().accepted.last().unwrap();
                net.server
                    .borrow_mut()
                    .accepted
                    .retain(|other| *other != there);
                net.server.borrow_mut().table.disconnect(there, 0).unwrap();
                net.steps(3);
                assert!(net.client.recv_msg(ws, &mut [0; 9], 100).is_ok());
                assert!(net.client.disconnect(ws, 1000).is_ok());
            }
        }
        assert_eq!(net.client.in_use(), 0);
        let error = net.client.recv_msg(ws, &mut [0; 9], 0).unwrap_err();
        assert!(matches!(error, ReceiveError::Handle(_)), "the id is stale");
    }
    net.steps(100);
    assert_eq!(net.server.borrow().table.in_use(), 0);
    assert_eq!(net.client.stack().free_sockets(), 8);
    // All but the listener's backlog of four.
    assert_eq!(net.server.borrow_mut().table.stack().free_sockets(), 4);
}

/// Three hundred connections in one table at once, all of them alive.
#[test]
fn hundreds_of_connections() {
    const N: usize = 300;
    let size = Size {
        tcp: 256,
        lent: 280,
        ..Size::DEFAULT
    };
    let mut net: Box<Net<310, N>> = Box::new(Net::new(size, echo()));
    let ids: Vec<WebSocketId> = (0..N).map(|_| net.connect()).collect();
    assert_eq!(
        (net.client.in_use(), net.server.borrow().table.in_use()),
        (N, N)
    );
    let error = net
        .client
        .connect_to(SERVER, WebSocketRequest::new("server", "/"), 1000)
        .unwrap_err();
    assert_eq!(error, ConnectError::NoFreeSlot);
    for (index, &ws) in ids.iter().enumerate() {
        let text = format!("I am {index}");
        net.client
            .send_msg(ws, text.as_bytes(), Opcode::Text, true, 1000)
            .unwrap();
    }
    let mut items: Vec<PollItem> = ids
        .iter()
        .map(|&ws| PollItem::new(ws, Events::IN))
        .collect();
    let mut heard = vec![false; N];
    while heard.contains(&false) {
        assert!(net.client.poll(&mut items, 10_000) > 0);
        for (index, item) in items.iter().enumerate() {
            if item.revents.contains(Events::IN) {
                let mut buffer = [0; 50];
                let piece = net.client.recv_msg(item.ws, &mut buffer, 0).unwrap();
                assert_eq!(&buffer[..piece.length], format!("I am {index}").as_bytes());
                heard[index] = true;
            }
        }
    }
    for ws in ids {
        assert!(net.client.disconnect(ws, 10_000).unwrap().clean);
    }
    assert_eq!(net.client.in_use(), 0);
}
