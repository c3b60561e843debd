//! Pongs of a WebSocket in two tasks: due while the other half is in the middle of a frame, the wire
//! is stuck, or a call is dropped.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use embassy_futures::join::{join, join3};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use ws_socket::{Config, Opcode, Role, SendError, Timeout};
use ws_tests::frames::frame;
use ws_tests::halves::{halves, open, sent};
use ws_tests::hand::{Hand, poll, run, settle};
use ws_tests::table::borrowed;
use ws_tests::wire::{Line, Script};

const FOREVER: Timeout = Timeout::Forever;

/// Each end sends long messages with a Ping behind each, and reads what the other sends, through a
/// pipe that holds a few bytes: while its Pong is stuck it has to read on.
#[test]
fn two_ends_that_flood_each_other() {
    for room in [1, 2, 7, 16, 64] {
        for length in [0, 1, 30, 125] {
            for late in [0, 3, 50] {
                let lines = [Script::new(), Script::new()];
                let mut buffers = [[0; 300]; 2];
                let done = Cell::new(0);
                let [near, far] = &mut buffers;
                let near = end(&lines[0], Role::Client, near, length, 0, &done);
                let far = end(&lines[1], Role::Server, far, length, late, &done);
                run(join3(near, far, pipe(&lines, room, &done)));
            }
        }
    }
}

/// Carries what is written to the other end, with at most `room` bytes under way.
async fn pipe(lines: &[Script; 2], room: usize, done: &Cell<usize>) {
    while done.get() < 2 {
        for (from, to) in [(&lines[0], &lines[1]), (&lines[1], &lines[0])] {
            let bytes = from.line(Line::sent);
            if !bytes.is_empty() {
                to.line(|line| line.feed(&bytes));
            }
            let free = room - to.line(|line| line.incoming.len());
            if free != from.line(|line| line.window) {
                from.line(|line| line.open(free));
            }
        }
        yield_now().await;
    }
}

async fn end(
    script: &Script,
    role: Role,
    lent: &mut [u8; 300],
    length: usize,
    late: usize,
    done: &Cell<usize>,
) {
    const MESSAGES: usize = 6;
    script.line(|line| line.window = 0);
    let config = Config {
        report_pongs: true,
        ..Config::DEFAULT
    };
    let mut ws = open(script, role, lent, &Hand::new(), config);
    let mut halves = halves::<NoopRawMutex>(&mut ws, script);
    let (mut receiver, mut sender) = halves.split();
    let pongs = Cell::new(0);
    let sends = async {
        for _ in 0..late {
            yield_now().await;
        }
        let ping = vec![b'p'; length];
        for index in 0..MESSAGES {
            let message = sender.send_msg(&[7; 200], Opcode::Binary, true, FOREVER);
            assert_eq!(message.await, Ok(200));
            let asked = sender.send_msg(&ping, Opcode::Ping, true, FOREVER);
            assert_eq!(asked.await, Ok(length));
            // One Ping at a time, as keepalive has it.
            while pongs.get() <= index {
                yield_now().await;
            }
        }
    };
    let receives = async {
        let (mut found, mut piece) = (0, [0; 50]);
        while found < MESSAGES * 200 || pongs.get() < MESSAGES {
            let received = receiver.recv_msg(&mut piece, FOREVER).await.unwrap();
            if received.opcode() == Opcode::Binary {
                found += received.length;
            } else if received.is_complete() {
                pongs.set(pongs.get() + 1);
            }
        }
        // The last Pong of ours may be due, and the other end waits for it.
        let mut rest = pin!(receiver.recv_msg(&mut piece, FOREVER));
        let mut counted = false;
        while done.get() < 2 {
            assert!(poll(rest.as_mut()).0.is_none());
            if !counted {
                done.set(done.get() + 1);
                counted = true;
            }
            yield_now().await;
        }
    };
    join(sends, receives).await;
}

/// A Pong that was written and not let go of by the stream is let go of by the next receive.
#[test]
fn a_pong_is_flushed_after_a_drop() {
    let (script, hand) = (Script::new(), Hand::new());
    script.line(|line| (line.holds, line.flush_waits) = (true, true));
    let mut lent = [0; 300];
    let mut ws = open(
        &script,
        Role::Client,
        borrowed(&mut lent),
        &hand,
        Config::DEFAULT,
    );
    let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
    let (mut receiver, _) = halves.split();
    script.line(|line| line.feed(&frame(true, 9, false, b"ping")));
    assert!(settle(pin!(receiver.recv_msg(&mut [0; 9], FOREVER))).is_none());
    script.line(|line| line.flush_waits = false);
    assert!(settle(pin!(receiver.recv_msg(&mut [0; 9], FOREVER))).is_none());
    assert_eq!(sent(&script), [(true, 10, b"ping".to_vec())]);
}

/// The Pong of a Ping that came while a frame was partly sent goes out behind it, also where the call
/// that sent its last byte, or took the frame back, is dropped then.
#[test]
fn a_pong_behind_a_dropped_send() {
    for taken_back in [false, true] {
        let (script, hand) = (Script::new(), Hand::new());
        script.line(|line| line.window = if taken_back { 0 } else { 1 });
        let mut lent = [0; 300];
        let mut ws = open(
            &script,
            Role::Server,
            borrowed(&mut lent),
            &hand,
            Config::DEFAULT,
        );
        let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
        let (mut receiver, mut sender) = halves.split();
        let mut piece = [0; 9];
        let mut receive = pin!(receiver.recv_msg(&mut piece, FOREVER));
        {
            let mut send = pin!(sender.send_msg(b"frame", Opcode::Text, true, FOREVER));
            assert!(settle(send.as_mut()).is_none());
            script.line(|line| line.feed(&frame(true, 9, true, b"ping")));
            assert!(settle(receive.as_mut()).is_none());
            if !taken_back {
                script.line(|line| line.open(6));
                assert!(settle(send.as_mut()).is_none());
            }
        }
        script.line(|line| line.window = usize::MAX);
        assert!(settle(receive.as_mut()).is_none());
        let frames = [(true, 1, b"frame".to_vec()), (true, 10, b"ping".to_vec())];
        assert_eq!(sent(&script), frames[usize::from(taken_back)..]);
        assert_eq!(sender.open_frame(), (!taken_back).then_some(0));
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whoever waits in another task is woken for it.
#[test]
fn the_receiver_is_woken_for_a_pong_behind_a_dropped_send() {
    let (script, hand) = (Script::new(), Hand::new());
    script.line(|line| line.window = 0);
    let mut lent = [0; 300];
    let mut ws = open(
        &script,
        Role::Server,
        borrowed(&mut lent),
        &hand,
        Config::DEFAULT,
    );
    let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
    let (mut receiver, mut sender) = halves.split();
    let mut piece = [0; 9];
    let mut receive = pin!(receiver.recv_msg(&mut piece, FOREVER));
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(flag.clone());
    let mut polls = || {
        flag.0.store(false, Ordering::Relaxed);
        let ready = receive.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(ready.is_pending());
    };
    {
        let mut send = pin!(sender.send_msg(b"frame", Opcode::Text, true, FOREVER));
        assert!(settle(send.as_mut()).is_none());
        script.line(|line| line.feed(&frame(true, 9, true, b"ping")));
        polls();
        polls();
        assert!(!flag.0.load(Ordering::Relaxed));
    }
    script.line(|line| line.window = usize::MAX);
    assert!(flag.0.load(Ordering::Relaxed), "the frame was taken back");
    polls();
    assert_eq!(sent(&script), [(true, 10, b"ping".to_vec())]);
}

/// A send waits for the rest of a Pong that is half out; where the task that receives is gone, it
/// writes the rest itself.
#[test]
fn a_send_waits_for_a_pong_that_is_half_out() {
    for (lent, half, receiving) in [
        (256, 1, true),
        (256, 3, true),
        (300, 5, true),
        (256, 1, false),
        (300, 3, false),
    ] {
        let (script, hand) = (Script::new(), Hand::new());
        let mut lent = vec![0; lent];
        let mut ws = open(
            &script,
            Role::Server,
            borrowed(&mut lent),
            &hand,
            Config::DEFAULT,
        );
        let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
        let (mut receiver, mut sender) = halves.split();
        script.line(|line| {
            line.window = half;
            line.feed(&frame(true, 9, true, b"ping"));
        });
        let mut piece = [0; 9];
        {
            let mut receive = pin!(receiver.recv(&mut piece, FOREVER));
            assert!(settle(receive.as_mut()).is_none());
            let timed = run(sender.send_msg(b"x", Opcode::Text, true, 0));
            assert_eq!(timed, Err(SendError::Timeout));
            if receiving {
                let mut send = pin!(sender.send_msg(b"text", Opcode::Text, true, FOREVER));
                assert!(settle(send.as_mut()).is_none());
                script.line(|line| line.open(usize::MAX));
                assert!(settle(receive.as_mut()).is_none());
                assert_eq!(settle(send.as_mut()), Some(Ok(4)));
            }
        }
        if !receiving {
            let mut send = pin!(sender.send_msg(b"text", Opcode::Text, true, FOREVER));
            assert!(settle(send.as_mut()).is_none());
            script.line(|line| line.open(usize::MAX));
            assert_eq!(settle(send.as_mut()), Some(Ok(4)));
        }
        let expected = [(true, 10, b"ping".to_vec()), (true, 1, b"text".to_vec())];
        assert_eq!(sent(&script), expected);
    }
}

/// A sender that always has something does not keep a Ping from being answered.
#[test]
fn a_busy_sender_lets_a_pong_through() {
    for lent in [256, 300] {
        let script = Script::cut(usize::MAX, 9, 1);
        let mut lent = vec![0; lent];
        let mut ws = open(
            &script,
            Role::Server,
            borrowed(&mut lent),
            &Hand::new(),
            Config::DEFAULT,
        );
        let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
        let (mut receiver, mut sender) = halves.split();
        script.line(|line| line.feed(&frame(true, 9, true, b"ping")));
        script.line(|line| line.feed(&frame(true, 2, true, b"data")));
        let received = Cell::new(false);
        let sends = async {
            for _ in 0..100 {
                let sent = sender.send_msg(&[1; 20], Opcode::Binary, true, FOREVER);
                assert_eq!(sent.await, Ok(20));
                if received.get() {
                    return;
                }
            }
            panic!("nothing is received");
        };
        let receives = async {
            assert_eq!(receiver.recv(&mut [0; 9], FOREVER).await, Ok(4));
            received.set(true);
        };
        run(join(sends, receives));
        let found = sent(&script);
        assert!(found.contains(&(true, 10, b"ping".to_vec())), "{found:?}");
    }
}

/// Pings that are reported and answered too, read straight into the user's buffer while the Pong to
/// the one before begins to go out.
#[test]
fn a_reported_ping_leaves_the_pong_before_alone() {
    let config = Config {
        report_pings: true,
        ..Config::DEFAULT
    };
    for lent in [256, 265, 300] {
        let script = Script::new();
        script.line(|line| line.window = 4);
        let mut lent = vec![0; lent];
        let mut ws = open(
            &script,
            Role::Server,
            borrowed(&mut lent),
            &Hand::new(),
            config,
        );
        let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
        let (mut receiver, mut sender) = halves.split();
        let mut send = pin!(sender.send_msg(b"frame", Opcode::Text, true, FOREVER));
        assert!(settle(send.as_mut()).is_none());
        let mut piece = [0; 125];
        script.line(|line| line.feed(&frame(true, 9, true, &[b'1'; 100])));
        let mut length = 0;
        while length < 100 {
            length += run(receiver.recv_msg(&mut piece, FOREVER)).unwrap().length;
        }
        let second = frame(true, 9, true, &[b'2'; 60]);
        script.line(|line| line.feed(&second[..6]));
        let first = {
            let mut receive = pin!(receiver.recv_msg(&mut piece, FOREVER));
            assert!(settle(receive.as_mut()).is_none());
            // The boundary, and half of the Pong.
            script.line(|line| line.open(3 + 20));
            assert!(settle(send.as_mut()).is_none());
            script.line(|line| line.feed(&second[6..]));
            let got = settle(receive.as_mut());
            script.line(|line| line.open(usize::MAX));
            assert_eq!(settle(send.as_mut()), Some(Ok(5)));
            got.or_else(|| settle(receive)).unwrap().unwrap()
        };
        let mut found = piece[..first.length].to_vec();
        while found.len() < 60 {
            let length = run(receiver.recv_msg(&mut piece, FOREVER)).unwrap().length;
            found.extend_from_slice(&piece[..length]);
        }
        assert_eq!(found, [b'2'; 60]);
        assert!(settle(pin!(receiver.recv_msg(&mut piece, FOREVER))).is_none());
        let expected = [
            (true, 1, b"frame".to_vec()),
            (true, 10, vec![b'1'; 100]),
            (true, 10, vec![b'2'; 60]),
        ];
        assert_eq!(sent(&script), expected);
    }
}
