//! Time for a WebSocket in two tasks: keepalive, timeouts, wires that fail, peers that send without
//! end.

use std::pin::pin;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use ws_socket::{CloseCode, Config, Keepalive, Opcode, ReceiveError, Role, SendError, Timeout};
use ws_tests::frames::{frame, frames};
use ws_tests::halves::{halves, open, sent};
use ws_tests::hand::{Hand, poll, run, settle};
use ws_tests::table::{borrowed, lent};
use ws_tests::wire::{Line, Reset, Script, Tail};

const FOREVER: Timeout = Timeout::Forever;
const LENT: [usize; 2] = [256, 300];
const WATCHED: Config = Config {
    keepalive: Some(Keepalive {
        interval: 1000,
        timeout: 100,
    }),
    ..Config::DEFAULT
};

/// One end's frame is stuck and its peer silent; or there is nothing to send.
#[test]
fn a_silent_peer() {
    for lazy in [false, true] {
        for stuck in [false, true] {
            let (script, hand) = (Script::new(), Hand::new());
            if lazy {
                hand.clock.lazy();
            }
            let mut lent = [0; 300];
            let mut ws = open(&script, Role::Server, borrowed(&mut lent), &hand, WATCHED);
            let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
            let (mut receiver, mut sender) = halves.split();
            let mut piece = [0; 9];
            let mut receive = pin!(receiver.recv_msg(&mut piece, FOREVER));
            let mut send = pin!(sender.send_msg(b"frame", Opcode::Text, true, FOREVER));
            if stuck {
                script.line(|line| line.window = 4);
                assert!(settle(send.as_mut()).is_none());
            }
            for step in [999, 1, 99] {
                assert!(settle(receive.as_mut()).is_none());
                hand.clock.advance(step);
            }
            assert!(settle(receive.as_mut()).is_none());
            hand.clock.advance(1);
            assert_eq!(settle(receive.as_mut()), Some(Err(ReceiveError::NoPong)));
            let pings = usize::from(!stuck);
            assert_eq!(frames(&script.line(Line::sent)).0.len(), pings);
        }
    }
}

/// While a frame still moves, its peer is there; and the time for the answer to the Ping behind it
/// counts from that.
#[test]
fn a_slow_frame_is_no_silent_peer() {
    let (script, hand) = (Script::new(), Hand::new());
    script.line(|line| line.window = 4);
    let mut ws = open(&script, Role::Server, lent(256), &hand, WATCHED);
    let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
    let (mut receiver, mut sender) = halves.split();
    let mut piece = [0; 9];
    let mut receive = pin!(receiver.recv_msg(&mut piece, FOREVER));
    let mut send = pin!(sender.send_msg(&[7; 100], Opcode::Binary, true, FOREVER));
    assert!(settle(receive.as_mut()).is_none());
    hand.clock.advance(900);
    for _ in 0..31 {
        script.line(|line| line.open(1));
        assert!(settle(send.as_mut()).is_none());
        hand.clock.advance(99);
        assert!(settle(receive.as_mut()).is_none());
    }
    script.line(|line| line.open(usize::MAX));
    assert_eq!(settle(send.as_mut()), Some(Ok(100)));
    assert_eq!(frames(&script.line(Line::sent)).0.last().unwrap().opcode, 9);
    for _ in 0..99 {
        hand.clock.advance(1);
        assert!(settle(receive.as_mut()).is_none());
    }
    hand.clock.advance(1);
    assert_eq!(settle(receive), Some(Err(ReceiveError::NoPong)));
}

#[test]
fn each_call_has_its_time() {
    for timeout in [Timeout::NoWait, Timeout::Millis(50)] {
        let (script, hand) = (Script::new(), Hand::new());
        script.line(|line| line.window = 0);
        let mut lent = [0; 300];
        let mut ws = open(
            &script,
            Role::Client,
            borrowed(&mut lent),
            &hand,
            Config::DEFAULT,
        );
        let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
        let (mut receiver, mut sender) = halves.split();
        let (mut piece, mut payload) = ([0; 9], *b"payload");
        let ended = |call: &mut dyn FnMut() -> bool| {
            if timeout != Timeout::NoWait {
                assert!(!call());
                hand.clock.advance(49);
                assert!(!call());
                hand.clock.advance(1);
            }
            assert!(call());
        };
        macro_rules! late {
            ($call:expr, $end:expr) => {{
                let mut call = pin!($call);
                ended(&mut || match settle(call.as_mut()) {
                    None => false,
                    Some(end) => end == Err($end),
                });
            }};
        }
        late!(
            receiver.recv_msg(&mut piece, timeout),
            ReceiveError::Timeout
        );
        late!(receiver.recv(&mut piece, timeout), ReceiveError::Timeout);
        // The Pong is stuck.
        script.line(|line| line.feed(&frame(true, 9, false, b"ping")));
        late!(receiver.recv(&mut piece, timeout), ReceiveError::Timeout);
        let text = Opcode::Text;
        late!(
            sender.send_msg(b"x", text, true, timeout),
            SendError::Timeout
        );
        late!(
            sender.send_msg_mut(&mut payload, text, true, timeout),
            SendError::Timeout
        );
        assert_eq!(&payload, b"payload");
        late!(
            sender.send_part(b"x", 2, text, true, timeout),
            SendError::Timeout
        );
        late!(
            sender.close(CloseCode::NORMAL, "why", timeout),
            SendError::Timeout
        );
        assert_eq!((sender.open_frame(), sender.in_message()), (None, false));
        script.line(|line| line.open(usize::MAX));
        assert_eq!(
            run(sender.send_msg_mut(&mut payload, text, false, timeout)),
            Ok(7)
        );
        assert!(sender.in_message());
        let expected = [
            (true, 10, b"ping".to_vec()),
            (false, 1, b"payload".to_vec()),
        ];
        assert_eq!(sent(&script), expected);
    }
}

/// A wire that takes nothing, or fails: what came is received first.
#[test]
fn a_wire_that_fails() {
    for (broken, error) in [
        (Ok(()), SendError::NotConnected),
        (Err(Reset), SendError::Stack(Reset)),
    ] {
        for lent in LENT {
            let script = Script::new();
            script.line(|line| {
                line.broken = Some(broken);
                line.feed(&frame(true, 9, false, b"ping"));
                line.feed(&frame(true, 1, false, b"text"));
                line.end(Tail::Reset);
            });
            let mut lent = vec![0; lent];
            let mut ws = open(
                &script,
                Role::Client,
                borrowed(&mut lent),
                &Hand::new(),
                Config::DEFAULT,
            );
            let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
            let (mut receiver, mut sender) = halves.split();
            let mut piece = [0; 9];
            let sent = run(sender.send_msg(b"x", Opcode::Text, true, FOREVER));
            assert_eq!(sent, Err(error));
            assert_eq!(sender.open_frame(), None);
            assert_eq!(run(receiver.recv(&mut piece, FOREVER)), Ok(4));
            let end = run(receiver.recv(&mut piece, FOREVER));
            assert_eq!(end, Err(ReceiveError::Stack(Reset)));
        }
    }
}

/// Peers that send without end what is not for the user.
#[test]
fn floods_starve_nobody() {
    let floods: [&[u8]; 4] = [
        &[0x89, 0x00],
        &[0x89, 0x02, b'h', b'i'],
        &[0x8A, 0x00],
        &[0x00, 0x00],
    ];
    for bytes in floods {
        for lent in [256, 300, 5000] {
            let script = Script::new();
            script.line(|line| {
                line.feed(&frame(false, 1, false, b""));
                line.end(Tail::Flood(bytes));
            });
            let (mut lent, hand) = (vec![0; lent], Hand::new());
            let mut ws = open(
                &script,
                Role::Client,
                borrowed(&mut lent),
                &hand,
                Config::DEFAULT,
            );
            let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
            let (mut receiver, mut sender) = halves.split();
            let mut piece = [0; 9];
            {
                let mut call = pin!(receiver.recv(&mut piece, 10));
                for _ in 0..5 {
                    script.line(|line| line.calls = 0);
                    let (end, woken) = poll(call.as_mut());
                    assert!(end.is_none() && woken, "{bytes:x?}");
                    assert!(script.line(|line| line.calls) < 2000, "{bytes:x?}");
                    let sent = run(sender.send_msg(b"x", Opcode::Text, true, 0));
                    assert!(matches!(sent, Ok(1) | Err(SendError::Timeout)), "{sent:?}");
                }
                hand.clock.advance(10);
                assert_eq!(poll(call.as_mut()).0, Some(Err(ReceiveError::Timeout)));
            }
        }
    }
}
