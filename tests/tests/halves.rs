//! A WebSocket in two tasks: both halves dropped at every await point, for every cut of what is read
//! and every size of what is written, on wires that are slow, stuck, or fail.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use embassy_futures::join::{join, join3};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex, RawMutex};
use proptest::prelude::*;
use ws_socket::asynch::{Clock, Halves, Platform, Sender, WebSocket};
use ws_socket::{
    CloseCode, Config, Keepalive, Opcode, ProtocolError, ReceiveError, Role, SendError, Timeout,
};
use ws_tests::drops::scripts;
use ws_tests::frames::{Found, frame, frames, plain};
use ws_tests::hand::{Hand, poll, run, settle};
use ws_tests::wire::{Line, Reset, Script, Tail, Wire};

const FOREVER: Timeout = Timeout::Forever;
const ROLES: [Role; 2] = [Role::Client, Role::Server];
const LENT: [usize; 4] = [0, 10, 125, 300];
const WATCHED: Config = Config {
    keepalive: Some(Keepalive {
        interval: 1000,
        timeout: 100,
    }),
    ..Config::DEFAULT
};
const CLOSE: [u8; 2] = [0x03, 0xE8];

type Open<'b> = WebSocket<'b, Wire, Hand>;
type Out<'h, 's, M> = Sender<'h, 's, M, Wire, Hand>;

fn open<'b>(
    script: &Script,
    role: Role,
    lent: &'b mut [u8],
    hand: &Hand,
    config: Config,
) -> Open<'b> {
    WebSocket::from_upgraded(script.wire(), role, lent, 0, hand.clone(), config)
}

/// Both ends of the split stream follow the script.
fn halves<'s, M: RawMutex>(
    ws: &'s mut Open<'_>,
    script: &Script,
) -> Halves<'s, M, Wire, Wire, Hand> {
    ws.halves(|_| (script.wire(), script.wire())).unwrap()
}

fn sent(script: &Script) -> Vec<(bool, u8, Vec<u8>)> {
    plain(&script.line(Line::sent))
}

/// Drops futures inside of tasks that go on: at one poll of all, or at each so many.
struct Drops {
    left: Cell<usize>,
    every: usize,
    dropped: Cell<usize>,
}

impl Drops {
    fn new(left: usize, every: usize) -> Self {
        Self {
            left: left.into(),
            every,
            dropped: 0.into(),
        }
    }

    /// `None` where it was dropped.
    async fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        let output = {
            let mut future = pin!(future);
            poll_fn(|context| match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending => {
                    self.left.set(self.left.get() - 1);
                    if self.left.get() > 0 {
                        return Poll::Pending;
                    }
                    self.left.set(self.every);
                    self.dropped.set(self.dropped.get() + 1);
                    Poll::Ready(None)
                }
            })
            .await
        };
        if output.is_none() {
            yield_now().await;
        }
        output
    }

    async fn insist<R>(&self, mut call: impl AsyncFnMut() -> R) -> R {
        loop {
            if let Some(output) = self.run(call()).await {
                return output;
            }
        }
    }
}

/// With a drop at the first poll, the second, and so on until it is through without; then at each
/// poll, and each third. Says how many runs that were.
fn everywhere(mut work: impl FnMut(&Drops)) -> usize {
    for nth in 1.. {
        let drops = Drops::new(nth, usize::MAX);
        work(&drops);
        if drops.dropped.get() == 0 {
            for every in [1, 3] {
                work(&Drops::new(every, every));
            }
            return nth + 2;
        }
    }
    unreachable!()
}

/// How the wire takes what is written while the halves work.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wires {
    Free,
    /// So many bytes now and then.
    Slow(usize),
}

/// What the peer says before its Close.
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
        frame(true, 10, masked, b"pong"),
        frame(true, 2, masked, &[b'b'; 130]),
        frame(true, 9, masked, &[b'p'; 125]),
    ]
    .concat()
}

fn messages() -> Vec<(Opcode, Vec<u8>)> {
    vec![
        (Opcode::Text, "Grüße".into()),
        (Opcode::Text, Vec::new()),
        (Opcode::Binary, b"onetwo".to_vec()),
        (Opcode::Binary, vec![b'b'; 130]),
    ]
}

fn pings() -> Vec<Vec<u8>> {
    vec![b"ping".to_vec(), Vec::new(), vec![b'p'; 125]]
}

fn replies() -> VecDeque<(Opcode, bool, Vec<u8>)> {
    [
        (Opcode::Text, true, b"reply".to_vec()),
        (Opcode::Binary, false, Vec::new()),
        (Opcode::Continuation, true, vec![b'r'; 140]),
        (Opcode::Text, true, Vec::new()),
    ]
    .into()
}

/// Sends a frame; after a drop it goes on as the documentation says.
async fn send<M: RawMutex>(
    drops: &Drops,
    sender: &mut Out<'_, '_, M>,
    payload: &[u8],
    opcode: Opcode,
    fin: bool,
) {
    let mut rest = payload;
    loop {
        let sent = drops.run(sender.send_msg(rest, opcode, fin, FOREVER)).await;
        if let Some(sent) = sent {
            assert_eq!(sent, Ok(rest.len()));
            return;
        }
        if let Some(open) = sender.open_frame() {
            rest = &payload[payload.len() - open..];
        }
    }
}

/// Receives and sends at the same time, to the Close of the peer or of ours; then the whole
/// WebSocket ends it.
fn converse<M: RawMutex>(
    drops: &Drops,
    script: &Script,
    (role, lent, wires, ours): (Role, usize, Wires, bool),
) {
    let masked = role == Role::Server;
    let hand = Hand::new();
    let mut buffer = vec![0; lent];
    let mut ws = open(script, role, &mut buffer, &hand, Config::DEFAULT);
    script.line(|line| line.feed(&conversation(role)));
    let mut halves = halves::<M>(&mut ws, script);
    let (mut receiver, mut sender) = halves.split();
    let todo = RefCell::new(replies());
    let (seen, closing, over) = (Cell::new(0), Cell::new(false), Cell::new(false));
    let receives = async {
        let (mut found, mut message, mut ping) = (Vec::new(), Vec::new(), Vec::new());
        let mut piece = [0; 64];
        loop {
            let call = async || receiver.recv_msg(&mut piece, FOREVER).await;
            let received = match drops.insist(call).await {
                Ok(received) => received,
                Err(error) => {
                    assert_eq!(error, ReceiveError::Closed(CloseCode::NORMAL));
                    break;
                }
            };
            let bytes = &piece[..received.length];
            let into = match received.opcode() {
                Opcode::Ping => &mut ping,
                _ => &mut message,
            };
            into.extend_from_slice(bytes);
            if !received.is_complete() {
                continue;
            }
            let payload = std::mem::take(into);
            match received.opcode() {
                Opcode::Ping => todo.borrow_mut().push_back((Opcode::Pong, true, payload)),
                Opcode::Close => assert!(closing.get() && payload == CLOSE),
                opcode => {
                    found.push((opcode, payload));
                    seen.set(found.len());
                }
            }
        }
        assert_eq!(found, messages());
    };
    let sends = async {
        loop {
            let next = todo.borrow_mut().pop_front();
            match next {
                Some((opcode, fin, payload)) => {
                    send(drops, &mut sender, &payload, opcode, fin).await;
                }
                None => {
                    // The last Pong goes out whoever waits for what.
                    let out = script.line(|line| frames(&line.out).0);
                    let pong = out.iter().rev().find(|found| found.opcode == 10);
                    let answered = pong.is_some_and(|pong| Some(&pong.payload) == pings().last());
                    if seen.get() == messages().len() && answered {
                        break;
                    }
                    yield_now().await;
                }
            }
        }
        closing.set(true);
        if ours {
            let call = async || sender.close(CloseCode::GOING_AWAY, "reason", FOREVER).await;
            assert_eq!(drops.insist(call).await, Ok(()));
            assert_eq!(sender.open_frame(), None);
        }
        script.line(|line| {
            line.feed(&frame(true, 8, masked, &CLOSE));
            line.end(Tail::Eof);
        });
    };
    let wire = async {
        if let Wires::Slow(step) = wires {
            while !over.get() {
                yield_now().await;
                script.line(|line| line.open(step));
            }
        }
    };
    script.line(|line| line.window = if wires == Wires::Free { usize::MAX } else { 0 });
    let both = async {
        join(receives, sends).await;
        over.set(true);
    };
    run(join(both, wire));
    drop(halves);
    script.line(|line| line.open(usize::MAX));
    assert!(run(ws.disconnect(FOREVER)).unwrap().clean);
    judge(&script.line(Line::sent), role, lent, ours);
}

fn judge(out: &[u8], role: Role, lent: usize, ours: bool) {
    let (found, rest) = frames(out);
    assert!(rest.is_empty(), "half a frame");
    let masks = |found: &Found| found.key.is_some() == (role == Role::Client);
    assert!(found.iter().all(masks));
    let closes: Vec<_> = found.iter().filter(|found| found.opcode == 8).collect();
    let close: &[u8] = if ours { b"\x03\xE9reason" } else { &CLOSE };
    assert_eq!(closes.len(), 1);
    assert_eq!(closes[0].payload, close);
    assert_eq!(found.last().unwrap().opcode, 8);
    let data = found.iter().filter(|found| found.opcode < 8);
    let data: Vec<_> = data
        .map(|found| (found.opcode, found.fin, found.payload.clone()))
        .collect();
    let own = replies().into_iter();
    let own: Vec<_> = own
        .map(|(opcode, fin, payload)| (opcode as u8, fin, payload))
        .collect();
    assert_eq!(data, own);
    let pongs = found.iter().filter(|found| found.opcode == 10);
    let pongs: Vec<_> = pongs.map(|found| found.payload.clone()).collect();
    let pings = pings();
    if lent <= 125 {
        assert_eq!(pongs, pings, "the user answers each");
    }
    let mut asked = pings.iter();
    assert!(pongs.iter().all(|pong| asked.any(|ping| ping == pong)));
    assert_eq!(pongs.last(), pings.last());
}

#[test]
fn a_conversation() {
    let mut runs = 0;
    for role in ROLES {
        for lent in LENT {
            for (wires, ours) in [
                (Wires::Free, false),
                (Wires::Free, true),
                (Wires::Slow(5), true),
                (Wires::Slow(40), false),
            ] {
                for index in 0..scripts().count() {
                    runs += everywhere(|drops| {
                        let script = scripts().nth(index).unwrap();
                        let case = (role, lent, wires, ours);
                        if index % 2 == 0 {
                            converse::<NoopRawMutex>(drops, &script, case);
                        } else {
                            converse::<CriticalSectionRawMutex>(drops, &script, case);
                        }
                    });
                }
            }
        }
    }
    println!("halves: {runs} runs, each with another cut or drop");
    assert!(runs > 10_000);
}

/// A close with a reason, dropped or out of time in the middle, goes on when it is called again.
#[test]
fn a_close_goes_on() {
    for role in ROLES {
        let script = Script::new();
        let mut ws = open(&script, role, &mut [], &Hand::new(), Config::DEFAULT);
        let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
        let (_, mut sender) = halves.split();
        let bad = run(sender.close(CloseCode(1006), "", FOREVER));
        assert_eq!(bad, Err(SendError::Close(ProtocolError::CloseCode(1006))));
        script.line(|line| line.window = 0);
        let mut close = |timeout| {
            let mut call = pin!(sender.close(CloseCode::GOING_AWAY, "reason", timeout));
            settle(call.as_mut())
        };
        for timeout in [Timeout::NoWait, FOREVER].repeat(2) {
            let late = (timeout == Timeout::NoWait).then_some(Err(SendError::Timeout));
            assert_eq!(close(timeout), late, "not out yet");
            script.line(|line| line.open(2));
        }
        script.line(|line| (line.flush_waits, line.window) = (true, usize::MAX));
        assert_eq!(close(FOREVER), None, "it is out, but not flushed");
        assert_eq!(close(FOREVER), None);
        script.line(|line| line.flush_waits = false);
        assert_eq!(close(FOREVER), Some(Ok(())));
        assert_eq!(close(FOREVER), Some(Err(SendError::NotConnected)));
        assert_eq!(sent(&script), [(true, 8, b"\x03\xE9reason".to_vec())]);
    }
}

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
    lent: &mut [u8],
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
    let mut ws = open(&script, Role::Client, &mut lent, &hand, Config::DEFAULT);
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
        let mut ws = open(&script, Role::Server, &mut lent, &hand, Config::DEFAULT);
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
    let mut ws = open(&script, Role::Server, &mut lent, &hand, Config::DEFAULT);
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

/// Without a reserve a Ping's payload goes straight into its Pong: a send waits for the rest of it.
#[test]
fn a_send_waits_for_a_pong_that_is_half_out() {
    for (lent, receiving) in [(0, true), (10, true), (125, true), (0, false), (125, false)] {
        let (script, hand) = (Script::new(), Hand::new());
        let mut lent = vec![0; lent];
        let mut ws = open(&script, Role::Server, &mut lent, &hand, Config::DEFAULT);
        let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
        let (mut receiver, mut sender) = halves.split();
        let ping = frame(true, 9, true, b"ping");
        script.line(|line| line.feed(&ping[..8]));
        let mut piece = [0; 9];
        let mut receive = pin!(receiver.recv(&mut piece, FOREVER));
        assert!(settle(receive.as_mut()).is_none());
        let timed = run(sender.send_msg(b"x", Opcode::Text, true, 0));
        assert_eq!(timed, Err(SendError::Timeout));
        let mut send = pin!(sender.send_msg(b"text", Opcode::Text, true, FOREVER));
        assert!(settle(send.as_mut()).is_none());
        let mut expected = vec![(true, 10, b"ping".to_vec()), (true, 1, b"text".to_vec())];
        if receiving {
            script.line(|line| line.feed(&ping[8..]));
            assert!(settle(receive.as_mut()).is_none());
            assert_eq!(settle(send.as_mut()), Some(Ok(4)));
        } else {
            // It will never come.
            script.line(|line| line.end(Tail::Eof));
            assert_eq!(settle(receive), Some(Err(ReceiveError::Lost)));
            assert_eq!(settle(send), Some(Err(SendError::NotConnected)));
            expected.clear();
            script.line(Line::sent);
        }
        assert_eq!(sent(&script), expected);
    }
}

/// A sender that always has something does not keep a Ping from being answered.
#[test]
fn a_busy_sender_lets_a_pong_through() {
    for lent in [0, 10, 300] {
        let script = Script::cut(usize::MAX, 9, 1);
        let mut lent = vec![0; lent];
        let mut ws = open(
            &script,
            Role::Server,
            &mut lent,
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
    for lent in [126, 135, 300] {
        let script = Script::new();
        script.line(|line| line.window = 4);
        let mut lent = vec![0; lent];
        let mut ws = open(&script, Role::Server, &mut lent, &Hand::new(), config);
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

/// The peer's Close while a frame is stuck: received at once, answered behind the frame.
#[test]
fn a_close_while_a_frame_is_stuck() {
    for lent in LENT {
        for dropped in [false, true] {
            let script = Script::new();
            script.line(|line| line.window = 4);
            let mut lent = vec![0; lent];
            let mut ws = open(
                &script,
                Role::Server,
                &mut lent,
                &Hand::new(),
                Config::DEFAULT,
            );
            let mut halves = halves::<CriticalSectionRawMutex>(&mut ws, &script);
            let (mut receiver, mut sender) = halves.split();
            {
                let mut send = pin!(sender.send_msg(b"frame", Opcode::Text, true, FOREVER));
                assert!(settle(send.as_mut()).is_none());
                script.line(|line| line.feed(&frame(true, 8, true, &CLOSE)));
                let received = run(receiver.recv_msg(&mut [0; 9], FOREVER)).unwrap();
                assert_eq!((received.opcode(), received.length), (Opcode::Close, 2));
                let end = run(receiver.recv_msg(&mut [0; 9], FOREVER));
                assert_eq!(end, Err(ReceiveError::Closed(CloseCode::NORMAL)));
                if !dropped {
                    script.line(|line| line.open(usize::MAX));
                    assert_eq!(settle(send.as_mut()), Some(Ok(5)));
                }
            }
            if dropped {
                script.line(|line| line.open(usize::MAX));
                assert_eq!(sender.open_frame(), Some(3));
                assert_eq!(
                    run(sender.send_msg(b"ame", Opcode::Text, true, FOREVER)),
                    Ok(3)
                );
            }
            let more = run(sender.send_msg(b"", Opcode::Text, true, FOREVER));
            assert_eq!(more, Err(SendError::NotConnected));
            let more = run(sender.close(CloseCode::NORMAL, "", FOREVER));
            assert_eq!(more, Err(SendError::NotConnected));
            drop(halves);
            assert!(run(ws.disconnect(FOREVER)).unwrap().clean);
            let expected = [(true, 1, b"frame".to_vec()), (true, 8, CLOSE.to_vec())];
            assert_eq!(sent(&script), expected);
        }
    }
}

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
            let mut ws = open(&script, Role::Server, &mut lent, &hand, WATCHED);
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
    let mut ws = open(&script, Role::Server, &mut [], &hand, WATCHED);
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
        let mut ws = open(&script, Role::Client, &mut lent, &hand, Config::DEFAULT);
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
            let (mut lent, reserve) = (vec![0; lent], lent > 125);
            let mut ws = open(
                &script,
                Role::Client,
                &mut lent,
                &Hand::new(),
                Config::DEFAULT,
            );
            let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
            let (mut receiver, mut sender) = halves.split();
            let mut piece = [0; 9];
            let sent = run(sender.send_msg(b"x", Opcode::Text, true, FOREVER));
            assert_eq!(sent, Err(error));
            assert_eq!(sender.open_frame(), None);
            if reserve {
                assert_eq!(run(receiver.recv(&mut piece, FOREVER)), Ok(4));
                let end = run(receiver.recv(&mut piece, FOREVER));
                assert_eq!(end, Err(ReceiveError::Stack(Reset)));
            } else {
                // Its payload has no place.
                let end = run(receiver.recv(&mut piece, FOREVER));
                assert_eq!(end, Err(ReceiveError::Lost));
            }
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
        for lent in [0, 10, 125, 300, 5000] {
            let script = Script::new();
            script.line(|line| {
                line.feed(&frame(false, 1, false, b""));
                line.end(Tail::Flood(bytes));
            });
            let (mut lent, hand) = (vec![0; lent], Hand::new());
            let mut ws = open(&script, Role::Client, &mut lent, &hand, Config::DEFAULT);
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

/// A stream, a clock and randomness that may go to another thread.
struct Thread;

impl embedded_io_async::ErrorType for Thread {
    type Error = Reset;
}

impl embedded_io_async::Read for Thread {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, Reset> {
        Ok(0)
    }
}

impl embedded_io_async::Write for Thread {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Reset> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Reset> {
        Ok(())
    }
}

impl Clock for Thread {
    fn now_ms(&self) -> u32 {
        0
    }

    async fn sleep_ms(&self, _: u32) {}
}

impl Platform for Thread {
    type Clock = Thread;

    fn clock(&self) -> Thread {
        Thread
    }

    fn fill_random(&mut self, _: &mut [u8]) {}
}

#[test]
fn futures_are_send() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let mut ws =
        WebSocket::from_upgraded(Thread, Role::Client, &mut [], 0, Thread, Config::DEFAULT);
    let halves = ws.halves::<CriticalSectionRawMutex, _, _>(|_| (Thread, Thread));
    let mut halves = is_send(halves).unwrap();
    let (receiver, sender) = halves.split();
    let (mut receiver, mut sender) = (is_send(receiver), is_send(sender));
    let (mut piece, text) = ([0; 9], Opcode::Text);
    drop(is_send(receiver.recv_msg(&mut piece, FOREVER)));
    drop(is_send(receiver.recv(&mut piece, FOREVER)));
    drop(is_send(sender.send_msg(b"x", text, true, FOREVER)));
    drop(is_send(sender.send_msg_mut(&mut piece, text, true, 9)));
    drop(is_send(sender.send_part(b"x", 2, text, true, FOREVER)));
    drop(is_send(sender.close(CloseCode::NORMAL, "", FOREVER)));
    let sends = std::thread::scope(|scope| {
        let sends = scope.spawn(|| run(sender.send_msg(b"x", text, true, FOREVER)));
        let receives = scope.spawn(|| run(receiver.recv_msg(&mut [0; 9], FOREVER)));
        assert_eq!(receives.join().unwrap(), Err(ReceiveError::Lost));
        sends.join().unwrap()
    });
    assert_eq!(sends, Ok(1));
}

type Pieces = Vec<Result<(Opcode, bool, usize, Vec<u8>), ReceiveError<Reset>>>;

fn piece(
    received: Result<ws_socket::Received, ReceiveError<Reset>>,
    buffer: &[u8],
    found: &mut Pieces,
) -> bool {
    found.push(received.map(|received| {
        let bytes = buffer[..received.length].to_vec();
        (
            received.opcode(),
            received.is_complete(),
            received.remaining,
            bytes,
        )
    }));
    found.last().is_none_or(Result::is_ok)
}

/// What came may be a protocol error: then its Close, and the end.
fn frames_of(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let masked = role == Role::Server;
    let opcodes = prop_oneof![
        Just(0u8),
        Just(1),
        Just(2),
        Just(9),
        Just(10),
        Just(8),
        0..16u8
    ];
    let payload = proptest::collection::vec(prop_oneof![b'a'..=b'z', any::<u8>()], 0..140);
    let one = (any::<bool>(), opcodes, payload, 0..20u8).prop_map(
        move |(fin, opcode, mut payload, odd)| {
            if opcode >= 8 {
                payload.truncate(125);
            }
            frame(fin || opcode >= 8, opcode, masked != (odd == 0), &payload)
        },
    );
    proptest::collection::vec(one, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The same bytes give the same pieces and errors, and the same answers, as on the whole.
    #[test]
    fn halves_equal_the_whole(
        (server, bytes) in any::<bool>().prop_flat_map(|server| {
            let role = if server { Role::Server } else { Role::Client };
            (Just(server), frames_of(role))
        }),
        lent in prop_oneof![Just(0usize), Just(10), Just(125), Just(300), 0..400usize],
        room in 0..200usize,
        (cut, take, pends) in (1..40usize, 1..40usize, 0..2usize),
        (pings, pongs, stream) in any::<(bool, bool, bool)>(),
    ) {
        let role = if server { Role::Server } else { Role::Client };
        let config = Config { report_pings: pings, report_pongs: pongs, ..Config::DEFAULT };
        let ends = [false, true].map(|split| {
            let script = Script::cut(cut, take, pends);
            script.line(|line| {
                line.feed(&bytes);
                line.end(Tail::Eof);
            });
            let (mut lent, mut buffer) = (vec![0; lent], vec![0; room + usize::from(stream)]);
            let mut ws = open(&script, role, &mut lent, &Hand::new(), config);
            let (mut found, mut count) = (Pieces::new(), 0);
            let mut stream_bytes = Vec::new();
            let limit = bytes.len() * 2 + 20;
            macro_rules! receive {
                ($half:expr) => {
                    while count < limit {
                        count += 1;
                        if stream {
                            match run($half.recv(&mut buffer, FOREVER)) {
                                Ok(length) => stream_bytes.extend_from_slice(&buffer[..length]),
                                Err(error) => {
                                    found.push(Err(error));
                                    break;
                                }
                            }
                        } else {
                            let received = run($half.recv_msg(&mut buffer, FOREVER));
                            if !piece(received, &buffer, &mut found) {
                                break;
                            }
                        }
                    }
                };
            }
            if split {
                let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
                let (mut half, _) = halves.split();
                receive!(half);
            } else {
                receive!(ws);
            }
            let end = run(ws.disconnect(FOREVER)).unwrap();
            let out = script.line(Line::sent);
            (found, stream_bytes, (end.clean, end.code), frames(&out).0)
        });
        let [whole, halves] = ends;
        prop_assert_eq!(&whole.0, &halves.0);
        prop_assert_eq!((whole.1, whole.2), (halves.1, halves.2));
        let closes = |found: &[Found]| {
            let closes = found.iter().filter(|found| found.opcode == 8);
            closes.map(|found| found.payload.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(closes(&whole.3), closes(&halves.3));
        if pends == 0 {
            prop_assert_eq!(whole.3, halves.3);
        }
    }
}
