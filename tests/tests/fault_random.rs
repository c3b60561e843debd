//! A source of randomness that fails: no key is made up, no byte goes out, the connection goes on.

use std::pin::pin;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_nal::{TcpClientStack, nb};
use ws_socket::asynch::{self, WebSocket};
use ws_socket::{
    Buffer, CloseCode, Config, ConnectError, DisconnectError, Errno, Events, Keepalive, Opcode,
    PollItem, RandomError, ReceiveError, Recipient, Role, SendError, SlowPolicy, SocketError,
    Timeout, WebSocketRequest,
};
use ws_tests::frames::{frame, plain};
use ws_tests::halves::halves;
use ws_tests::hand::{Hand, poll, run, settle};
use ws_tests::script::ScriptStack;
use ws_tests::table::{borrowed, client, lent, server, table};
use ws_tests::wire::{Line, Script};

const PING: &[u8] = b"still there?";
const REMOTE: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);

/// Lengths of the borrowed buffer.
const LENT: [usize; 2] = [256, 300];

#[test]
fn connecting_without_a_key_sends_nothing() {
    let stack = ScriptStack::new();
    let mut table = table::<1>(&stack, 256);
    let no_random = table.platform().no_random.clone();
    no_random.set(true);
    let error = table
        .connect_to(REMOTE, WebSocketRequest::new("host", "/"), 100)
        .unwrap_err();
    assert_eq!(
        (error, error.errno()),
        (ConnectError::Random(RandomError), Errno::Eio)
    );
    assert_eq!(
        (stack.open(), stack.calls().writes, table.in_use()),
        (0, 0, 0)
    );

    let mut socket = TcpClientStack::socket(&mut table).unwrap();
    let failed = TcpClientStack::connect(&mut table, &mut socket, REMOTE);
    assert!(matches!(
        failed,
        Err(nb::Error::Other(SocketError::Connect(
            ConnectError::Random(_)
        )))
    ));
    assert_eq!(stack.calls().writes, 0);
    TcpClientStack::close(&mut table, socket).unwrap();

    no_random.set(false);
    client(&mut table);
    assert_eq!(table.in_use(), 1);

    let (script, hand) = (Script::new(), Hand::new());
    hand.no_random.set(true);
    let request = asynch::AsyncRequest::new("host", "/");
    let ws = WebSocket::connect(
        script.wire(),
        &request,
        lent(256),
        hand.clone(),
        Config::DEFAULT,
        5,
    );
    assert_eq!(run(ws).err(), Some(ConnectError::Random(RandomError)));
    assert!(script.line(|line| line.dropped && line.out.is_empty()));

    let mut table = asynch::AsyncWebSockets::<_, _, 1>::new(hand).with_buffers([lent(256)]);
    let failed = run(table.connect(script.wire(), &request, 5));
    assert_eq!(failed, Err(ConnectError::Random(RandomError)));
    assert_eq!(table.in_use(), 0);
}

#[test]
fn a_server_needs_none() {
    let stack = ScriptStack::new();
    let mut table = table::<1>(&stack, 256);
    table.platform().no_random.set(true);
    let (ws, socket) = server(&mut table);
    assert_eq!(table.send_msg(ws, b"hello", Opcode::Text, true, 5), Ok(5));
    assert_eq!(
        plain(&stack.line(socket, |line| line.sent())),
        [(true, 1, b"hello".to_vec())]
    );
}

#[test]
fn a_frame_without_a_key_is_not_begun() {
    for lent in LENT {
        let stack = ScriptStack::new();
        let mut table = table::<1>(&stack, lent);
        let (ws, socket) = client(&mut table);
        stack.line(socket, |line| line.sent());
        let no_random = table.platform().no_random.clone();
        no_random.set(true);
        let random = Err(SendError::Random(RandomError));
        for timeout in [Timeout::NoWait, Timeout::Millis(50), Timeout::Forever] {
            let sent = table.send_msg(ws, b"hello", Opcode::Text, true, timeout);
            assert_eq!(sent, random);
            assert_eq!(sent.unwrap_err().errno(), Errno::Eio);
            let mut payload = *b"in place";
            let sent = table.send_msg_mut(ws, &mut payload, Opcode::Text, true, timeout);
            assert_eq!((sent, &payload), (random, b"in place"));
            assert_eq!(table.send(ws, b"hello", timeout), random);
            let part = table.send_part(ws, b"hel", 5, Opcode::Text, true, timeout);
            assert_eq!(part, random);
        }
        assert_eq!(table.open_frame(ws), Ok(None));
        let mut to = [Recipient::new(ws)];
        assert_eq!(
            table.broadcast(&mut to, b"all", Opcode::Text, SlowPolicy::Wait, 5),
            1
        );
        assert!(!to[0].is_done(), "it may still be sent");
        assert_eq!(stack.line(socket, |line| line.sent()), []);

        no_random.set(false);
        assert_eq!(table.send_msg(ws, b"hello", Opcode::Text, true, 5), Ok(5));
        assert_eq!(
            plain(&stack.line(socket, |line| line.sent())),
            [(true, 1, b"hello".to_vec())]
        );

        let (script, hand) = (Script::new(), Hand::new());
        let mut buffer = vec![0; lent];
        let mut ws = open(&script, &hand, borrowed(&mut buffer), Config::DEFAULT);
        hand.no_random.set(true);
        for timeout in [Timeout::NoWait, Timeout::Millis(50), Timeout::Forever] {
            let sent = run(ws.send_msg(b"hello", Opcode::Text, true, timeout));
            assert_eq!(sent, Err(SendError::Random(RandomError)));
            let mut payload = *b"in place";
            let sent = run(ws.send_msg_mut(&mut payload, Opcode::Text, true, timeout));
            assert_eq!(
                (sent, &payload),
                (Err(SendError::Random(RandomError)), b"in place")
            );
            let sent = run(ws.send(b"hello", timeout));
            assert_eq!(sent, Err(SendError::Random(RandomError)));
        }
        {
            let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
            let (_, mut sender) = halves.split();
            let sent = run(sender.send_msg(b"hello", Opcode::Text, true, 50));
            assert_eq!(sent, Err(SendError::Random(RandomError)));
        }
        assert_eq!(script.line(Line::sent), []);
        hand.no_random.set(false);
        assert_eq!(run(ws.send_msg(b"hello", Opcode::Text, true, 5)), Ok(5));
        assert_eq!(
            plain(&script.line(Line::sent)),
            [(true, 1, b"hello".to_vec())]
        );
    }
}

/// What was sent before the key failed is said, so that nobody sends it twice.
#[test]
fn the_rest_of_an_open_frame_is_counted() {
    let stack = ScriptStack::new();
    let mut table = table::<1>(&stack, 256);
    let (ws, socket) = client(&mut table);
    stack.line(socket, |line| {
        line.sent();
        line.window = 8;
    });
    assert_eq!(table.send(ws, b"hello", 5), Ok(2));
    table.platform().no_random.set(true);
    stack.line(socket, |line| line.window = usize::MAX);
    assert_eq!(table.send(ws, b"llo, world", 5), Ok(3));
    assert_eq!(
        plain(&stack.line(socket, |line| line.sent())),
        [(true, 2, b"hello".to_vec())]
    );

    let (script, hand) = (Script::new(), Hand::new());
    let mut ws = open(&script, &hand, lent(256), Config::DEFAULT);
    script.line(|line| line.window = 8);
    {
        let mut sending = pin!(ws.send(b"hello", 5));
        assert!(settle(sending.as_mut()).is_none());
        hand.clock.advance(5);
        assert_eq!(settle(sending), Some(Ok(2)));
    }
    hand.no_random.set(true);
    script.line(|line| line.open(usize::MAX));
    assert_eq!(run(ws.send(b"llo, world", 5)), Ok(3));
    assert_eq!(
        plain(&script.line(Line::sent)),
        [(true, 2, b"hello".to_vec())]
    );
}

/// The Pong stays due and goes out with the first key; receiving goes on meanwhile.
#[test]
fn a_pong_without_a_key_stays_due() {
    let bytes = [frame(true, 9, false, PING), frame(true, 1, false, b"data")].concat();
    for lent in LENT {
        let stack = ScriptStack::new();
        let mut table = table::<1>(&stack, lent);
        let (ws, socket) = client(&mut table);
        let no_random = table.platform().no_random.clone();
        no_random.set(true);
        stack.line(socket, |line| {
            line.sent();
            line.feed(&bytes, usize::MAX);
        });
        let mut piece = [0; 32];
        let received = table.recv(ws, &mut piece, 20);
        stack.calls();
        let again = table.recv(ws, &mut piece, 20);
        let calls = stack.calls();
        assert!(calls.reads + calls.writes < 200, "it spins: {calls:?}");
        let mut items = [PollItem::new(ws, Events::IN | Events::OUT)];
        table.poll(&mut items, 5);
        assert!(
            !items[0].revents.contains(Events::OUT),
            "the Pong comes first"
        );
        assert_eq!(stack.line(socket, |line| line.sent()), []);
        assert_eq!((received, again), (Ok(4), Err(ReceiveError::Timeout)));
        no_random.set(false);
        assert_eq!(table.recv(ws, &mut piece, 5), Err(ReceiveError::Timeout));
        assert_eq!(
            plain(&stack.line(socket, |line| line.sent())),
            [(true, 10, PING.to_vec())]
        );

        let (script, hand) = (Script::new(), Hand::new());
        let mut buffer = vec![0; lent];
        let mut ws = open(&script, &hand, borrowed(&mut buffer), Config::DEFAULT);
        hand.no_random.set(true);
        script.line(|line| line.feed(&bytes));
        let received = run(ws.recv(&mut piece, Timeout::Forever));
        let more = {
            let mut call = pin!(ws.recv(&mut piece, 20));
            assert_eq!(poll(call.as_mut()), (None, false), "it spins");
            hand.clock.advance(20);
            settle(call)
        };
        assert_eq!(script.line(Line::sent), []);
        hand.no_random.set(false);
        assert_eq!((received, more), (Ok(4), Some(Err(ReceiveError::Timeout))));
        assert_eq!(
            run(ws.recv(&mut piece, Timeout::NoWait)),
            Err(ReceiveError::Timeout)
        );
        assert_eq!(plain(&script.line(Line::sent)), [(true, 10, PING.to_vec())]);

        let (script, hand) = (Script::new(), Hand::new());
        let mut ws = open(&script, &hand, borrowed(&mut buffer), Config::DEFAULT);
        let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
        let (mut receiver, mut sender) = halves.split();
        hand.no_random.set(true);
        script.line(|line| line.feed(&bytes));
        let received = run(receiver.recv(&mut piece, Timeout::Forever));
        assert_eq!(script.line(Line::sent), []);
        hand.no_random.set(false);
        assert_eq!(received, Ok(4));
        assert_eq!(run(sender.send_msg(b"hello", Opcode::Text, true, 5)), Ok(5));
        assert_eq!(
            plain(&script.line(Line::sent))[0],
            (true, 10, PING.to_vec())
        );
    }
}

#[test]
fn a_close_without_a_key_stays_due() {
    for reason in ["", "good bye"] {
        let stack = ScriptStack::new();
        let mut table = table::<1>(&stack, 256);
        let (ws, socket) = client(&mut table);
        let no_random = table.platform().no_random.clone();
        no_random.set(true);
        stack.line(socket, |line| line.sent());
        for timeout in [Timeout::NoWait, Timeout::Millis(20), Timeout::Forever] {
            let closed = table.disconnect_with(ws, CloseCode::NORMAL, reason, timeout);
            assert_eq!(closed, Err(DisconnectError::Random(RandomError)));
            assert_eq!(closed.unwrap_err().errno(), Errno::Eio);
        }
        assert_eq!(stack.line(socket, |line| line.sent()), []);
        no_random.set(false);
        stack.line(socket, |line| {
            line.feed(&frame(true, 8, false, &[3, 232]), usize::MAX)
        });
        stack.record();
        let closed = table
            .disconnect_with(ws, CloseCode::NORMAL, reason, 20)
            .unwrap();
        assert!(closed.clean);
        assert_eq!((stack.open(), table.in_use()), (0, 0));

        let (script, hand) = (Script::new(), Hand::new());
        let mut buffer = [0; 256];
        let mut ws = open(&script, &hand, borrowed(&mut buffer), Config::DEFAULT);
        hand.no_random.set(true);
        let closed = run(ws.disconnect_with(CloseCode::NORMAL, reason, Timeout::Forever));
        assert_eq!(closed, Err(DisconnectError::Random(RandomError)));
        assert_eq!(script.line(Line::sent), []);
        hand.no_random.set(false);
        script.line(|line| {
            line.feed(&frame(true, 8, false, &[3, 232]));
            line.end(ws_tests::wire::Tail::Eof);
        });
        let closed = run(ws.disconnect_with(CloseCode::NORMAL, reason, Timeout::Forever));
        assert!(closed.unwrap().clean);
        let close = [&[3, 232], reason.as_bytes()].concat();
        assert_eq!(plain(&script.line(Line::sent)), [(true, 8, close)]);
    }
}

/// The answer to the peer's Close, too.
#[test]
fn the_answer_to_a_close_stays_due() {
    let stack = ScriptStack::new();
    let mut table = table::<1>(&stack, 256);
    let (ws, socket) = client(&mut table);
    let no_random = table.platform().no_random.clone();
    no_random.set(true);
    stack.line(socket, |line| {
        line.sent();
        line.feed(&frame(true, 8, false, &[3, 233]), usize::MAX);
    });
    let mut piece = [0; 9];
    assert!(table.recv_msg(ws, &mut piece, 5).is_ok());
    assert_eq!(
        table.recv_msg(ws, &mut piece, 5),
        Err(ReceiveError::Closed(CloseCode(1001)))
    );
    assert_eq!(stack.line(socket, |line| line.sent()), []);
    no_random.set(false);
    let _ = table.recv_msg(ws, &mut piece, 5);
    assert_eq!(
        plain(&stack.line(socket, |line| line.sent())),
        [(true, 8, vec![3, 233])]
    );
}

/// A Ping of ours that could not go out is no reason to give the peer up.
#[test]
fn a_ping_without_a_key_is_asked_again() {
    let config = Config {
        keepalive: Some(Keepalive {
            interval: 1000,
            timeout: 100,
        }),
        ..Config::DEFAULT
    };
    let (script, hand) = (Script::new(), Hand::new());
    let mut ws = open(&script, &hand, lent(256), config);
    hand.no_random.set(true);
    let mut piece = [0; 9];
    let mut call = pin!(ws.recv_msg(&mut piece, Timeout::Forever));
    for _ in 0..3 {
        assert!(settle(call.as_mut()).is_none());
        hand.clock.advance(1000);
    }
    assert!(settle(call.as_mut()).is_none());
    assert_eq!(script.line(Line::sent), []);
    hand.no_random.set(false);
    hand.clock.advance(1000);
    assert!(settle(call.as_mut()).is_none());
    assert_eq!(plain(&script.line(Line::sent)), [(true, 9, vec![])]);
    hand.clock.advance(100);
    assert_eq!(settle(call), Some(Err(ReceiveError::NoPong)));
}

#[test]
fn an_async_poll_without_keys_waits() {
    let (script, hand) = (Script::new(), Hand::new());
    let mut table =
        asynch::AsyncWebSockets::<_, _, 2>::new(hand.clone()).with_buffers([lent(256), lent(256)]);
    let ws = table
        .register(script.wire(), Role::Client, &[])
        .unwrap_or_else(|_| panic!());
    hand.no_random.set(true);
    script.line(|line| line.feed(&frame(true, 9, false, b"")));
    let mut items = [PollItem::new(ws, Events::IN)];
    let mut polling = pin!(table.poll(&mut items, 50));
    assert!(settle(polling.as_mut()).is_none());
    script.line(|line| line.feed(&frame(true, 1, false, b"data")));
    assert_eq!(settle(polling), Some(1));
    assert_eq!(script.line(Line::sent), []);
}

fn open<'b>(
    script: &Script,
    hand: &Hand,
    lent: impl Into<Buffer<'b>>,
    config: Config,
) -> ws_tests::halves::Open<'b> {
    ws_tests::halves::open(script, Role::Client, lent, hand, config)
}
