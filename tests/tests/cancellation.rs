//! Futures dropped at every await point, for every cut of what is read and every size of what is
//! written: nothing is lost, sent twice, or left behind.

use std::cell::RefCell;
use std::pin::pin;

use embedded_io_async::{Read, Write};
use embedded_nal_async::TcpConnect;
use ws_socket::asynch::{AsyncRequest, AsyncWebSockets, Connector, Framing, WebSocket};
use ws_socket::{
    AcceptOptions, Buffer, CloseCode, Config, Events, Opcode, PollItem, ReceiveError, Role, Timeout,
};
use ws_tests::drops::{count, everywhere, scripts};
use ws_tests::frames::{frame, head, plain, request, switching};
use ws_tests::hand::{Dropper, Hand, run, settle};
use ws_tests::table::{borrowed, lent};
use ws_tests::wire::{Line, Reset, Script, Tail, Wire};

const FOREVER: Timeout = Timeout::Forever;
const ROLES: [Role; 2] = [Role::Client, Role::Server];
const LENT: [usize; 2] = [256, 300];

/// What the peer says: text, an empty text, a binary message in fragments with Pings between (one
/// of them empty), a Ping of 125 bytes, a longer one, a Close.
fn conversation(role: Role) -> Vec<u8> {
    let masked = role == Role::Server;
    [
        frame(true, 1, masked, "Grüße".as_bytes()),
        frame(true, 1, masked, b""),
        frame(false, 2, masked, b"one"),
        frame(true, 9, masked, b"ping"),
        frame(false, 0, masked, b""),
        frame(true, 9, masked, b""),
        frame(true, 0, masked, b"two"),
        frame(true, 9, masked, &[b'p'; 125]),
        frame(true, 10, masked, b"pong"),
        frame(true, 2, masked, &[b'b'; 130]),
        frame(true, 8, masked, &[0x03, 0xE9, b'b', b'y', b'e']),
    ]
    .concat()
}

fn messages() -> Vec<(Opcode, Vec<u8>)> {
    vec![
        (Opcode::Text, "Grüße".into()),
        (Opcode::Text, Vec::new()),
        (Opcode::Binary, b"onetwo".to_vec()),
        (Opcode::Binary, vec![b'b'; 130]),
        (Opcode::Close, vec![0x03, 0xE9, b'b', b'y', b'e']),
    ]
}

/// What we send while we receive: opcode, FIN, payload.
fn replies() -> Vec<(Opcode, bool, Vec<u8>)> {
    vec![
        (Opcode::Text, true, b"reply".to_vec()),
        (Opcode::Binary, false, Vec::new()),
        (Opcode::Continuation, true, vec![b'r'; 140]),
        (Opcode::Text, true, Vec::new()),
    ]
}

fn upgraded<'b>(
    script: &Script,
    role: Role,
    buffer: impl Into<Buffer<'b>>,
) -> WebSocket<'b, Wire, Hand> {
    with_config(script, role, buffer, Config::DEFAULT)
}

fn with_config<'b>(
    script: &Script,
    role: Role,
    buffer: impl Into<Buffer<'b>>,
    config: Config,
) -> WebSocket<'b, Wire, Hand> {
    WebSocket::from_upgraded(script.wire(), role, buffer, 0, Hand::new(), config)
}

/// Sends a frame; after a drop it goes on as the documentation says.
fn send(
    dropper: &mut Dropper,
    ws: &mut WebSocket<'_, Wire, Hand>,
    payload: &[u8],
    opcode: Opcode,
    fin: bool,
) {
    let mut rest = payload;
    loop {
        if let Some(sent) = dropper.run(ws.send_msg(rest, opcode, fin, FOREVER)) {
            assert_eq!(sent, Ok(rest.len()));
            return;
        }
        // Before its first byte it is as if it had not been called.
        if let Some(open) = ws.open_frame() {
            rest = &payload[payload.len() - open..];
        }
    }
}

/// The frames that went out: those of ours, the Pongs, the Close.
fn judge(
    out: &[u8],
    role: Role,
    own: &[(u8, bool, Vec<u8>)],
    pongs: &[Vec<u8>],
    all: bool,
    code: u16,
) {
    let mut sent = plain(out);
    for found in ws_tests::frames::frames(out).0 {
        assert_eq!(found.key.is_some(), role == Role::Client);
    }
    let (_, opcode, payload) = sent.pop().expect("a Close");
    assert_eq!((opcode, payload), (8, code.to_be_bytes().to_vec()));
    let ponged: Vec<_> = sent
        .iter()
        .filter(|(_, opcode, _)| *opcode == 10)
        .map(|(_, _, payload)| payload.clone())
        .collect();
    if all {
        assert_eq!(ponged, pongs);
    } else {
        // RFC 6455 section 5.5.3: the most recent has to be answered, the others may be.
        let mut asked = pongs.iter();
        assert!(
            ponged.iter().all(|pong| asked.any(|ping| ping == pong)),
            "{ponged:x?}"
        );
        assert_eq!(ponged.last(), pongs.last());
    }
    let data: Vec<_> = sent
        .into_iter()
        .filter(|(_, opcode, _)| *opcode < 8)
        .map(|(fin, opcode, payload)| (opcode, fin, payload))
        .collect();
    assert_eq!(data, own);
}

/// Receives and sends on one connection, to its end. Who answers Pings is a setting.
fn converse(
    dropper: &mut Dropper,
    script: &Script,
    role: Role,
    (lent, by_user): (usize, bool),
    room: usize,
) {
    let mut buffer = vec![0; lent];
    let config = Config {
        answer_pings: !by_user,
        report_pings: by_user,
        ..Config::DEFAULT
    };
    let mut ws = with_config(script, role, borrowed(&mut buffer), config);
    script.line(|line| {
        line.feed(&conversation(role));
        line.end(Tail::Eof);
    });
    let mut replies = replies().into_iter();
    let mut own = Vec::new();
    let (mut found, mut message, mut ping) = (Vec::new(), Vec::new(), Vec::new());
    let mut piece = vec![0; room];
    loop {
        let received = dropper.insist(async || ws.recv_msg(&mut piece, FOREVER).await);
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                assert_eq!(error, ReceiveError::Closed(CloseCode::GOING_AWAY));
                break;
            }
        };
        let bytes = &piece[..received.length];
        if received.opcode() == Opcode::Ping {
            assert!(by_user);
            ping.extend_from_slice(bytes);
            if received.is_complete() {
                let payload = std::mem::take(&mut ping);
                send(dropper, &mut ws, &payload, Opcode::Pong, true);
            }
            continue;
        }
        message.extend_from_slice(bytes);
        if received.is_complete() {
            found.push((received.opcode(), std::mem::take(&mut message)));
            if received.opcode() != Opcode::Close
                && let Some((opcode, fin, payload)) = replies.next()
            {
                send(dropper, &mut ws, &payload, opcode, fin);
                own.push((opcode as u8, fin, payload));
            }
        }
    }
    assert_eq!(found, messages());
    let end = dropper.insist(async || ws.disconnect(FOREVER).await);
    assert!(end.unwrap().clean);
    drop(ws);
    assert!(script.line(|line| line.dropped));
    let pongs = [b"ping".to_vec(), Vec::new(), vec![b'p'; 125]];
    judge(&script.line(Line::sent), role, &own, &pongs, by_user, 1001);
}

#[test]
fn a_conversation() {
    for role in ROLES {
        for how in [(256, false), (300, false), (256, true), (300, true)] {
            for room in [1, 64, 200] {
                for (index, _) in scripts().enumerate() {
                    everywhere(|dropper| {
                        let script = scripts().nth(index).unwrap();
                        converse(dropper, &script, role, how, room);
                    });
                }
            }
        }
    }
    count("recv_msg, send_msg, disconnect");
}

/// A flush that waits comes behind the last byte of a frame: what is dropped there was sent.
#[test]
fn a_send_that_is_dropped_while_it_flushes_is_not_sent_again() {
    for role in ROLES {
        for payload in [&b"payload"[..], b""] {
            let script = Script::new();
            script.line(|line| line.flush_waits = true);
            let mut ws = upgraded(&script, role, lent(256));
            let sent = run(ws.send_msg(payload, Opcode::Text, true, 0));
            assert_eq!(sent, Ok(payload.len()), "all of it is out");
            assert_eq!(ws.open_frame(), None);
            {
                let call = pin!(ws.send_msg(payload, Opcode::Binary, true, FOREVER));
                assert!(settle(call).is_none());
            }
            assert_eq!(ws.open_frame(), Some(0));
            script.line(|line| line.flush_waits = false);
            assert_eq!(run(ws.send_msg(b"", Opcode::Binary, true, FOREVER)), Ok(0));
            assert_eq!(ws.open_frame(), None);
            assert_eq!(run(ws.send_msg(b"", Opcode::Binary, true, FOREVER)), Ok(0));
            let sent = plain(&script.line(Line::sent));
            let payload = payload.to_vec();
            assert_eq!(
                sent,
                [
                    (true, 1, payload.clone()),
                    (true, 2, payload),
                    (true, 2, vec![])
                ]
            );
        }
    }
}

/// Payload masked where it stands, and payload in parts.
#[test]
fn without_a_copy_and_in_parts() {
    let whole: Vec<u8> = (0..40).collect();
    for role in ROLES {
        for (index, _) in scripts().enumerate() {
            everywhere(|dropper| {
                let script = scripts().nth(index).unwrap();
                let mut ws = upgraded(&script, role, lent(256));
                let mut payload = whole.clone();
                let mut from = 0;
                loop {
                    let call = ws.send_msg_mut(&mut payload[from..], Opcode::Binary, true, FOREVER);
                    if let Some(sent) = dropper.run(call) {
                        assert_eq!(sent, Ok(40 - from));
                        break;
                    }
                    match ws.open_frame() {
                        Some(open) => from = 40 - open,
                        None => {
                            assert_eq!(payload, whole, "it is as it was");
                            assert!(script.line(|line| line.out.is_empty()));
                        }
                    }
                }
                let mut from = 0;
                while from < 40 {
                    let part = &whole[from..(from + 16).min(40)];
                    let call = ws.send_part(part, 40 - from, Opcode::Text, true, FOREVER);
                    match dropper.run(call) {
                        Some(sent) => from += sent.unwrap(),
                        None => from = ws.open_frame().map_or(from, |open| 40 - open),
                    }
                }
                // Where all that was left is to flush.
                if ws.open_frame() == Some(0) {
                    assert_eq!(run(ws.send_msg(b"", Opcode::Text, true, FOREVER)), Ok(0));
                }
                let sent = plain(&script.line(Line::sent));
                assert_eq!(sent, [(true, 2, whole.clone()), (true, 1, whole.clone())]);
            });
        }
    }
    count("send_msg_mut, send_part");
}

/// The closing handshake begun by us, with a reason, while data still comes.
#[test]
fn a_close_of_ours() {
    for role in ROLES {
        for lent in LENT {
            for (index, _) in scripts().enumerate() {
                everywhere(|dropper| {
                    let script = scripts().nth(index).unwrap();
                    let mut buffer = vec![0; lent];
                    let mut ws = upgraded(&script, role, borrowed(&mut buffer));
                    let masked = role == Role::Server;
                    script.line(|line| {
                        line.feed(&frame(true, 2, masked, &[7; 100]));
                        line.feed(&frame(true, 9, masked, b"late"));
                        line.feed(&frame(true, 8, masked, &[0x03, 0xE8]));
                        line.end(Tail::Eof);
                    });
                    let end = dropper.insist(async || {
                        ws.disconnect_with(CloseCode::GOING_AWAY, "reason", FOREVER)
                            .await
                    });
                    let end = end.unwrap();
                    assert!(end.clean);
                    assert_eq!(end.code, CloseCode::NORMAL);
                    let sent = plain(&script.line(Line::sent));
                    assert_eq!(sent, [(true, 8, b"\x03\xE9reason".to_vec())]);
                });
            }
        }
    }
    count("disconnect with a reason");
}

/// As a stream of bytes: `write` and `flush` again after a drop, with what they were given.
#[test]
fn the_socket_face() {
    for role in ROLES {
        for lent in LENT {
            for until_flush in [false, true] {
                for (index, _) in scripts().enumerate() {
                    everywhere(|dropper| {
                        let script = scripts().nth(index).unwrap();
                        socket_face(dropper, &script, role, lent, until_flush);
                    });
                }
            }
        }
    }
    count("read, write, flush");
}

fn socket_face(d: &mut Dropper, script: &Script, role: Role, lent: usize, until_flush: bool) {
    let mut buffer = vec![0; lent];
    let mut ws = upgraded(script, role, borrowed(&mut buffer));
    ws.set_framing(Framing {
        opcode: Opcode::Binary,
        until_flush,
    });
    script.line(|line| {
        line.feed(&conversation(role));
        line.end(Tail::Eof);
    });
    let (mut found, mut piece, mut written) = (Vec::new(), [0; 50], 0);
    let ours: Vec<u8> = (0..100).collect();
    loop {
        let count = d.insist(async || ws.read(&mut piece).await).unwrap();
        if count == 0 {
            break;
        }
        found.extend_from_slice(&piece[..count]);
        while written < ours.len() {
            let end = (written + 20).min(ours.len());
            while written < end {
                let count = d
                    .insist(async || ws.write(&ours[written..end]).await)
                    .unwrap();
                assert!(count > 0);
                written += count;
            }
            d.insist(async || ws.flush().await).unwrap();
            assert!(!ws.in_message());
        }
    }
    let data = ["Grüßeonetwo".as_bytes(), &[b'b'; 130]].concat();
    assert_eq!(found, data);
    assert!(
        d.insist(async || ws.disconnect(FOREVER).await)
            .unwrap()
            .clean
    );
    let sent = plain(&script.line(Line::sent));
    let data: Vec<_> = sent.iter().filter(|frame| frame.1 < 8).cloned().collect();
    let joined: Vec<u8> = data.iter().flat_map(|frame| frame.2.clone()).collect();
    assert_eq!(joined, ours);
    let messages = data.iter().filter(|frame| frame.0).count();
    assert_eq!(messages, 5, "{data:?}");
    let pongs: Vec<_> = sent
        .iter()
        .filter(|frame| frame.1 == 10)
        .map(|frame| &frame.2)
        .collect();
    assert_eq!(pongs.last().unwrap().as_slice(), &[b'p'; 125]);
    assert_eq!(sent.last().unwrap().1, 8);
}

/// The server's part of a handshake: answers the request, with a frame behind.
fn serve(line: &mut Line) {
    if let Some((request, _)) = head(&line.out) {
        let answer = switching(request, "");
        line.sent();
        line.feed(answer.as_bytes());
        line.feed(&frame(true, 1, false, b"first"));
    }
}

/// `connect` and `accept` dropped: the stream is gone, the slot and its buffer are free.
#[test]
fn handshakes() {
    for role in ROLES {
        for lent in LENT {
            for (index, _) in scripts().enumerate() {
                everywhere(|dropper| {
                    let make = || {
                        let script = scripts().nth(index).unwrap();
                        match role {
                            Role::Client => script.answer(serve),
                            Role::Server => script.line(|line| {
                                line.feed(request("").as_bytes());
                                line.feed(&frame(true, 1, true, b"first"));
                            }),
                        }
                        script
                    };
                    let mut buffer = vec![0; lent];
                    let mut table = AsyncWebSockets::<_, _, 1>::new(Hand::new())
                        .with_buffers([borrowed(&mut buffer)]);
                    let (ws, script) = loop {
                        let script = make();
                        let asked = AsyncRequest::new("host", "/");
                        let options = AcceptOptions::default();
                        let opened = match role {
                            Role::Client => {
                                let call = table.connect(script.wire(), &asked, FOREVER);
                                dropper.run(call).map(|ws| ws.unwrap())
                            }
                            Role::Server => {
                                let call = table.accept(script.wire(), &options);
                                dropper.run(call).map(|ws| ws.unwrap().unwrap())
                            }
                        };
                        match opened {
                            Some(ws) => break (ws, script),
                            None => {
                                assert!(script.line(|line| line.dropped));
                                assert_eq!(table.in_use(), 0);
                                // With a drop at each poll no handshake comes to its end.
                                if dropper.dropped > 3 {
                                    return;
                                }
                            }
                        }
                    };
                    assert_eq!(table.in_use(), 1);
                    let mut piece = [0; 5];
                    let mut first = Vec::new();
                    while first.len() < 5 {
                        let received = run(table.recv_msg(ws, &mut piece, FOREVER)).unwrap();
                        first.extend_from_slice(&piece[..received.length]);
                    }
                    assert_eq!(first, b"first");
                    table.abort(ws).unwrap();
                    assert!(script.line(|line| line.dropped));
                    assert_eq!(table.in_use(), 0);
                });
            }
        }
    }
    count("connect, accept");
}

/// `poll` dropped, on two connections.
#[test]
fn polling() {
    for role in ROLES {
        for lent in LENT {
            for (index, _) in scripts().enumerate() {
                everywhere(|dropper| {
                    let lines = [(); 2].map(|()| scripts().nth(index).unwrap());
                    let mut buffers = [vec![0; lent], vec![0; lent]];
                    let mut table = AsyncWebSockets::<_, _, 2>::new(Hand::new())
                        .with_buffers(buffers.each_mut().map(|buffer| borrowed(buffer)));
                    let mut items: Vec<_> = lines
                        .iter()
                        .map(|script| {
                            script.line(|line| {
                                line.feed(&conversation(role));
                                line.end(Tail::Eof);
                            });
                            let ws = table.register(script.wire(), role, b"");
                            PollItem::new(ws.map_err(|(error, _)| error).unwrap(), Events::IN)
                        })
                        .collect();
                    let mut found: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
                    let mut piece = [0; 40];
                    while !items.is_empty() {
                        assert!(dropper.insist(async || table.poll(&mut items, FOREVER).await) > 0);
                        for item in items.clone() {
                            if item.revents == Events(0) {
                                continue;
                            }
                            let received = dropper.insist(async || {
                                table.recv_msg(item.ws, &mut piece, FOREVER).await
                            });
                            match received {
                                Ok(got) if got.opcode() == Opcode::Close && !got.is_complete() => {}
                                Ok(got) if got.opcode() == Opcode::Close && got.is_complete() => {
                                    let end = dropper
                                        .insist(async || table.disconnect(item.ws, FOREVER).await);
                                    assert!(end.unwrap().clean);
                                    items.retain(|other| other.ws != item.ws);
                                }
                                Ok(got) => found[item.ws.slot()].extend(&piece[..got.length]),
                                Err(error) => panic!("{error}"),
                            }
                        }
                    }
                    assert_eq!(table.in_use(), 0);
                    let data = ["Grüßeonetwo".as_bytes(), &[b'b'; 130]].concat();
                    assert_eq!(found, [data.clone(), data]);
                    for script in &lines {
                        let pongs = [b"ping".to_vec(), Vec::new(), vec![b'p'; 125]];
                        judge(&script.line(Line::sent), role, &[], &pongs, false, 1001);
                    }
                });
            }
        }
    }
    count("poll");
}

/// A stack whose connections follow scripts.
struct Stack<'s>(&'s dyn Fn() -> Script);

impl TcpConnect for Stack<'_> {
    type Error = Reset;
    type Connection<'a>
        = Wire
    where
        Self: 'a;

    async fn connect(&self, _: std::net::SocketAddr) -> Result<Wire, Reset> {
        let script = (self.0)();
        let mut wire = script.wire();
        // TCP takes a while, too.
        script.answer(|_| {});
        wire.flush().await?;
        script.answer(serve);
        Ok(wire)
    }
}

/// A connector's `connect` dropped: the connection is gone, its buffer is back.
#[test]
fn connecting_in_place_of_tcp() {
    for (index, _) in scripts().enumerate() {
        everywhere(|dropper| {
            let made = RefCell::new(Vec::new());
            let make = || {
                let script = scripts().nth(index).unwrap();
                made.borrow_mut().push(script.clone());
                script
            };
            let mut buffer = [0; 300];
            let connector = Connector::new(Stack(&make), Hand::new(), [borrowed(&mut buffer)]);
            let remote = std::net::SocketAddr::from(([10, 0, 0, 1], 80));
            for _ in 0..2 {
                let mut connection = loop {
                    match dropper.run(connector.connect(remote)) {
                        Some(connection) => break connection.unwrap(),
                        None if dropper.dropped > 3 => return,
                        None => {
                            let made = made.borrow();
                            assert!(made.iter().all(|script| script.line(|line| line.dropped)));
                        }
                    }
                };
                // It has the one buffer.
                let script = made.borrow().last().unwrap().clone();
                script.line(|line| line.feed(&frame(true, 9, false, b"lent?")));
                let mut first = [0; 5];
                run(connection.read_exact(&mut first)).unwrap();
                assert_eq!(&first, b"first");
                script.line(|line| line.feed(&frame(true, 1, false, b"x")));
                let received = run(connection.recv_msg(&mut first, FOREVER)).unwrap();
                assert_eq!(received.opcode(), Opcode::Text);
                drop(connection);
                assert!(script.line(|line| line.dropped));
            }
        });
    }
    count("Connector::connect");
}
