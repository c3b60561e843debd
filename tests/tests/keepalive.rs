//! Time in the async calls: keepalive, timeouts, when a stream is flushed, and peers that send
//! without end.

use std::pin::pin;

use embedded_io_async::{Read, ReadReady, Write, WriteReady};
use ws_socket::asynch::{AsyncRequest, AsyncWebSockets, Framing, WebSocket};
use ws_socket::{
    AcceptOptions, Buffer, CloseCode, Config, Events, Keepalive, Opcode, PollItem, ReceiveError,
    Role, SendError, SocketError, Timeout,
};
use ws_tests::frames::{frame, head, plain, request};
use ws_tests::hand::{Hand, poll, run, settle};
use ws_tests::table::{borrowed, lent};
use ws_tests::wire::{Line, Reset, Script, Tail, Wire};

const FOREVER: Timeout = Timeout::Forever;
const WATCHED: Config = Config {
    keepalive: Some(Keepalive {
        interval: 1000,
        timeout: 100,
    }),
    ..Config::DEFAULT
};

fn open<'b>(
    script: &Script,
    hand: &Hand,
    config: Config,
    lent: impl Into<Buffer<'b>>,
) -> WebSocket<'b, Wire, Hand> {
    WebSocket::from_upgraded(script.wire(), Role::Client, lent, 0, hand.clone(), config)
}

fn sent(script: &Script) -> Vec<(bool, u8, Vec<u8>)> {
    plain(&script.line(Line::sent))
}

fn ping() -> Vec<(bool, u8, Vec<u8>)> {
    vec![(true, 9, Vec::new())]
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    for lazy in [false, true] {
        let (script, hand) = (Script::new(), Hand::new());
        if lazy {
            hand.clock.lazy();
        }
        let mut ws = open(&script, &hand, WATCHED, lent(256));
        let mut piece = [0; 9];
        let mut call = pin!(ws.recv_msg(&mut piece, FOREVER));
        assert!(settle(call.as_mut()).is_none());
        hand.clock.advance(999);
        assert!(settle(call.as_mut()).is_none());
        assert_eq!(sent(&script), []);
        hand.clock.advance(1);
        assert!(settle(call.as_mut()).is_none());
        assert_eq!(sent(&script), ping());
        // Any byte counts, half a header too; and from it on the peer may be silent again.
        hand.clock.advance(99);
        script.line(|line| line.feed(&[0x81]));
        assert!(settle(call.as_mut()).is_none());
        hand.clock.advance(999);
        assert!(settle(call.as_mut()).is_none());
        assert_eq!(sent(&script), []);
        hand.clock.advance(1);
        assert!(settle(call.as_mut()).is_none());
        assert_eq!(sent(&script), ping());
        hand.clock.advance(99);
        assert!(settle(call.as_mut()).is_none());
        hand.clock.advance(1);
        assert_eq!(settle(call.as_mut()), Some(Err(ReceiveError::NoPong)));
        assert_eq!(sent(&script), []);
    }
}

/// Calls that do not wait watch the peer, too, also where a sleep of no time waits.
#[test]
fn a_silent_peer_is_noticed_without_waiting() {
    for lazy in [false, true] {
        let (script, hand) = (Script::new(), Hand::new());
        if lazy {
            hand.clock.lazy();
        }
        let mut ws = open(&script, &hand, WATCHED, lent(256));
        let mut receive = || run(ws.recv_msg(&mut [0; 9], Timeout::NoWait));
        assert_eq!(receive(), Err(ReceiveError::Timeout));
        hand.clock.advance(1000);
        assert_eq!(receive(), Err(ReceiveError::Timeout));
        assert_eq!(sent(&script), ping());
        hand.clock.advance(100);
        assert_eq!(receive(), Err(ReceiveError::NoPong));
        // It was there after all.
        script.line(|line| line.feed(&frame(true, 1, false, b"here")));
        assert_eq!(receive().unwrap().length, 4);
    }
}

#[test]
fn a_frame_partly_sent_delays_the_ping() {
    let (script, hand) = (Script::new(), Hand::new());
    script.line(|line| line.window = 8);
    let mut ws = open(&script, &hand, WATCHED, lent(256));
    assert_eq!(run(ws.send_msg(b"payload", Opcode::Text, true, 0)), Ok(2));
    {
        let mut piece = [0; 9];
        let mut call = pin!(ws.recv_msg(&mut piece, FOREVER));
        for _ in 0..50 {
            assert!(settle(call.as_mut()).is_none());
            hand.clock.advance(60);
        }
    }
    script.line(|line| line.open(100));
    assert_eq!(run(ws.send_msg(b"yload", Opcode::Text, true, 0)), Ok(5));
    // It goes out right after the frame, and the time for the answer counts from here.
    assert_eq!(
        sent(&script),
        [(true, 1, b"payload".to_vec()), (true, 9, Vec::new())]
    );
    let mut piece = [0; 9];
    let mut call = pin!(ws.recv_msg(&mut piece, FOREVER));
    assert!(settle(call.as_mut()).is_none());
    hand.clock.advance(99);
    assert!(settle(call.as_mut()).is_none());
    hand.clock.advance(1);
    assert_eq!(settle(call.as_mut()), Some(Err(ReceiveError::NoPong)));
}

/// A wire that takes nothing is no reason to wait for ever.
#[test]
fn a_silent_peer_that_reads_nothing() {
    for broken in [None, Some(Ok(())), Some(Err(Reset))] {
        for flush in [false, true] {
            let (script, hand) = (Script::new(), Hand::new());
            script.line(|line| {
                if flush {
                    line.flush_waits = true;
                } else {
                    line.window = 0;
                }
                line.broken = broken;
            });
            let mut lent = [0; 300];
            let mut ws = open(&script, &hand, WATCHED, borrowed(&mut lent));
            // Its Pong cannot go out.
            script.line(|line| line.feed(&frame(true, 9, false, b"are you there?")));
            let mut piece = [0; 9];
            let mut call = pin!(ws.recv_msg(&mut piece, FOREVER));
            let mut end = settle(call.as_mut());
            for _ in 0..30 {
                if end.is_some() {
                    break;
                }
                hand.clock.advance(100);
                end = settle(call.as_mut());
            }
            let says = match broken {
                None => ReceiveError::NoPong,
                Some(_) => ReceiveError::Lost,
            };
            assert_eq!(end, Some(Err(says)));
        }
    }
}

#[test]
fn a_silent_peer_shows_in_poll() {
    let (script, busy, hand) = (Script::new(), Script::new(), Hand::new());
    let mut table = AsyncWebSockets::<_, _, 2>::new(hand.clone())
        .with_buffers([lent(256), lent(256)])
        .with_config(WATCHED);
    let ws = [&script, &busy].map(|script| {
        let ws = table.register(script.wire(), Role::Client, b"");
        ws.map_err(|(error, _)| error).unwrap()
    });
    let mut items = ws.map(|ws| PollItem::new(ws, Events::IN));
    {
        let mut call = pin!(table.poll(&mut items, FOREVER));
        assert!(settle(call.as_mut()).is_none());
        hand.clock.advance(999);
        busy.line(|line| line.feed(&frame(true, 10, false, b"")));
        assert!(settle(call.as_mut()).is_none());
        hand.clock.advance(1);
        assert!(settle(call.as_mut()).is_none());
        assert_eq!((sent(&script), sent(&busy)), (ping(), vec![]));
        hand.clock.advance(100);
        assert_eq!(settle(call), Some(1));
    }
    assert_eq!(items.map(|item| item.revents), [Events::IN, Events(0)]);
    let end = run(table.recv_msg(ws[0], &mut [0; 9], FOREVER));
    assert_eq!(end, Err(ReceiveError::NoPong));
}

#[test]
fn each_call_has_its_time() {
    let (script, hand) = (Script::new(), Hand::new());
    let request = AsyncRequest::new("host", "/");
    for timeout in [Timeout::NoWait, Timeout::Millis(50)] {
        let late = |call: &mut dyn FnMut() -> bool| {
            if timeout != Timeout::NoWait {
                assert!(!call());
                hand.clock.advance(49);
                assert!(!call());
                hand.clock.advance(1);
            }
            assert!(call());
        };
        {
            let call = WebSocket::connect(
                script.wire(),
                &request,
                lent(256),
                hand.clone(),
                Config::DEFAULT,
                timeout,
            );
            let mut call = pin!(call);
            late(&mut || match settle(call.as_mut()) {
                None => false,
                Some(end) => matches!(end, Err(ws_socket::ConnectError::Timeout)),
            });
            assert!(script.line(|line| line.dropped));
        }
        let mut ws = open(&script, &hand, Config::DEFAULT, lent(256));
        {
            let mut piece = [0; 9];
            let mut call = pin!(ws.recv_msg(&mut piece, timeout));
            late(&mut || match settle(call.as_mut()) {
                None => false,
                Some(end) => end == Err(ReceiveError::Timeout),
            });
        }
        script.line(|line| line.window = 0);
        {
            let mut call = pin!(ws.send_msg(b"x", Opcode::Text, true, timeout));
            late(&mut || match settle(call.as_mut()) {
                None => false,
                Some(end) => end == Err(SendError::Timeout),
            });
        }
        assert_eq!(ws.open_frame(), None);
        script.line(|line| line.open(usize::MAX));
        let mut call = pin!(ws.disconnect(timeout));
        late(&mut || match settle(call.as_mut()) {
            None => false,
            Some(end) => !end.unwrap().clean,
        });
    }
}

/// Peers that send without end what is not for the user: others run, and time is noticed.
#[test]
fn floods_starve_nobody() {
    let floods: [(&[u8], &str); 4] = [
        (&[0x89, 0x00], "Pings"),
        (&[0x89, 0x02, b'h', b'i'], "Pings with payload"),
        (&[0x8A, 0x00], "Pongs"),
        (&[0x00, 0x00], "empty fragments"),
    ];
    for (bytes, what) in floods {
        for lent in [256, 300, 5000] {
            let start = || {
                let script = Script::new();
                script.line(|line| {
                    line.feed(&frame(false, 1, false, b""));
                    line.end(Tail::Flood(bytes));
                });
                script
            };
            let polls = |name: &str,
                         mut call: std::pin::Pin<&mut dyn Future<Output = ()>>,
                         script: &Script| {
                for _ in 0..5 {
                    script.line(|line| line.calls = 0);
                    let (end, woken) = poll(call.as_mut());
                    assert!(end.is_none() && woken, "{name}: {what}, {lent}");
                    let calls = script.line(|line| line.calls);
                    assert!(calls < 2000, "{name}: {what}: {calls} calls at once");
                }
            };
            let hand = Hand::new();
            let (script, mut lent) = (start(), vec![0; lent]);
            let mut ws = open(&script, &hand, Config::DEFAULT, borrowed(&mut lent));
            polls(
                "read",
                pin!(async { ws.read(&mut [0; 9]).await.map(|_| ()).unwrap() }),
                &script,
            );
            assert_eq!(ws.read_ready(), Ok(false), "{what}");
            polls(
                "disconnect",
                pin!(async { ws.disconnect(FOREVER).await.map(|_| ()).unwrap() }),
                &script,
            );
            // Its time is noticed.
            {
                let mut call = pin!(ws.disconnect(10));
                assert!(poll(call.as_mut()).0.is_none());
                hand.clock.advance(10);
                assert!(poll(call.as_mut()).0.is_some());
            }
            let is_for_user = bytes[0] == 0;
            if !is_for_user {
                let script = start();
                let mut table = AsyncWebSockets::<_, _, 1>::new(Hand::new())
                    .with_buffers([borrowed(&mut lent)]);
                let ws = table.register(script.wire(), Role::Client, b"");
                let ws = ws.map_err(|(error, _)| error).unwrap();
                assert_eq!(
                    run(table.recv_msg(ws, &mut [0; 9], FOREVER))
                        .unwrap()
                        .length,
                    0
                );
                let mut items = [PollItem::new(ws, Events::IN)];
                polls(
                    "poll",
                    pin!(async {
                        table.poll(&mut items, FOREVER).await;
                    }),
                    &script,
                );
            }
        }
    }
    // Requests without end.
    let script = Script::new();
    let pages: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    script.line(|line| line.end(Tail::Flood(Box::leak(pages.into()))));
    let mut call = pin!(WebSocket::accept(
        script.wire(),
        Pages,
        lent(256),
        Hand::new(),
        Config::DEFAULT
    ));
    for _ in 0..5 {
        script.line(|line| line.calls = 0);
        assert!(poll(call.as_mut()).0.is_none());
        assert!(script.line(|line| line.calls) < 2000);
    }
}

struct Pages;

impl<'r> ws_socket::Handler<'r> for Pages {
    fn answer(
        &mut self,
        _: ws_socket::WebSocketId,
        _: &ws_socket::handshake::Asked,
    ) -> ws_socket::handshake::Response<'_> {
        ws_socket::handshake::Response::Page(ws_socket::handshake::Page::new(200, &[], b"page"))
    }
}

/// A stream that holds back what is not flushed.
#[test]
fn flushed_behind_each_message() {
    let hand = Hand::new();
    let held = || {
        let script = Script::new();
        script.line(|line| line.holds = true);
        script
    };
    for flush in [true, false] {
        let config = Config {
            flush,
            ..Config::DEFAULT
        };
        let script = held();
        let mut lent = [0; 300];
        let mut ws = open(&script, &hand, config, borrowed(&mut lent));
        let expected = |frames: Vec<(bool, u8, Vec<u8>)>| if flush { frames } else { vec![] };
        run(ws.send_msg(b"message", Opcode::Text, true, FOREVER)).unwrap();
        assert_eq!(
            sent(&script),
            expected(vec![(true, 1, b"message".to_vec())])
        );
        script.line(|line| line.feed(&frame(true, 9, false, b"ping")));
        let end = run(ws.recv_msg(&mut [0; 9], Timeout::NoWait));
        assert_eq!(end, Err(ReceiveError::Timeout));
        assert_eq!(sent(&script), expected(vec![(true, 10, b"ping".to_vec())]));
        let flushes = script.line(|line| line.flushes);
        assert_eq!(
            flushes,
            if flush { 2 } else { 0 },
            "and no more than it takes"
        );
        let end = run(ws.recv_msg(&mut [0; 9], Timeout::NoWait));
        assert_eq!(
            (end, script.line(|line| line.flushes)),
            (Err(ReceiveError::Timeout), flushes)
        );
        script.line(|line| {
            line.feed(&frame(true, 8, false, &[0x03, 0xE8]));
            line.end(Tail::Eof);
        });
        assert!(run(ws.disconnect(FOREVER)).unwrap().clean);
        assert_eq!(sent(&script).last().unwrap().1, 8);
        assert!(script.line(|line| line.held.is_empty()));
    }
    // The handshakes, of both ends.
    let script = held();
    let asked = AsyncRequest::new("host", "/");
    let mut call = pin!(WebSocket::connect(
        script.wire(),
        &asked,
        lent(256),
        hand.clone(),
        Config::DEFAULT,
        FOREVER
    ));
    assert!(settle(call.as_mut()).is_none());
    assert!(head(&script.line(Line::sent)).is_some());
    let script = held();
    script.line(|line| line.feed(request("").as_bytes()));
    let options = AcceptOptions::default();
    let ws = run(WebSocket::accept(
        script.wire(),
        &options,
        lent(256),
        hand,
        Config::DEFAULT,
    ));
    assert!(ws.unwrap().is_some());
    assert!(script.line(Line::sent).starts_with(b"HTTP/1.1 101 "));
}

/// `read`, `read_ready`, `write_ready` at the ends of a connection.
#[test]
fn ends_of_the_socket_face() {
    let hand = Hand::new();
    for lent in [256, 300] {
        let script = Script::new();
        let mut lent = vec![0; lent];
        let mut ws = open(&script, &hand, Config::DEFAULT, borrowed(&mut lent));
        assert_eq!((ws.read_ready(), ws.write_ready()), (Ok(false), Ok(true)));
        script.line(|line| line.feed(&frame(false, 1, false, b"")));
        assert_eq!(
            ws.read_ready(),
            Ok(false),
            "an empty fragment is nothing to a read"
        );
        script.line(|line| line.feed(&frame(true, 0, false, b"x")));
        assert_eq!(ws.read_ready(), Ok(true));
        assert_eq!(run(ws.read(&mut [0; 9])), Ok(1));
        script.line(|line| line.window = 0);
        assert_eq!(ws.write_ready(), Ok(false));
        script.line(|line| line.open(usize::MAX));
        script.line(|line| line.feed(&frame(true, 8, false, &[0x03, 0xE8])));
        assert_eq!(run(ws.read(&mut [0; 9])), Ok(0));
        assert_eq!(run(ws.read(&mut [0; 9])), Ok(0));
        assert_eq!((ws.read_ready(), ws.write_ready()), (Ok(true), Ok(true)));
        assert_eq!(
            run(ws.write(b"x")),
            Err(SocketError::Send(SendError::NotConnected))
        );
    }
    for (tail, error) in [
        (Tail::Eof, ReceiveError::Lost),
        (Tail::Reset, ReceiveError::Stack(Reset)),
    ] {
        let script = Script::new();
        script.line(|line| line.end(tail));
        let mut ws = open(&script, &hand, Config::DEFAULT, lent(256));
        assert_eq!(run(ws.read(&mut [0; 9])), Err(SocketError::Receive(error)));
        assert_eq!(ws.read_ready(), Ok(true));
    }
    // A flush makes a message of the writes before.
    let script = Script::new();
    let mut ws = open(&script, &hand, Config::DEFAULT, lent(256));
    ws.set_framing(Framing {
        opcode: Opcode::Text,
        until_flush: true,
    });
    run(async {
        ws.write_all(b"one").await.unwrap();
        ws.write_all(b"two").await.unwrap();
        ws.flush().await.unwrap();
        ws.flush().await.unwrap();
        ws.write_all(b"three").await.unwrap();
        ws.flush().await.unwrap();
    });
    let parts = [
        (false, 1, "one"),
        (false, 0, "two"),
        (true, 0, ""),
        (false, 1, "three"),
        (true, 0, ""),
    ];
    assert_eq!(
        sent(&script),
        parts.map(|(fin, opcode, text)| (fin, opcode, text.into()))
    );
    // A Close cannot go out in the middle of a frame.
    script.line(|line| line.window = 7);
    assert_eq!(run(ws.send_msg(b"x", Opcode::Binary, true, 0)), Ok(1));
    assert_eq!(
        run(ws.send_msg(b"xyz", Opcode::Binary, true, 0)),
        Err(SendError::Timeout)
    );
    let end = run(ws.disconnect_with(CloseCode::NORMAL, "why", 0)).unwrap();
    assert!(!end.clean);
}
