//! A WebSocket in two tasks: both halves dropped at every await point, for every cut of what is read
//! and every size of what is written; frames and Closes that are half out.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;

use embassy_futures::join::join;
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex, RawMutex};
use ws_socket::asynch::Sender;
use ws_socket::{CloseCode, Config, Opcode, ProtocolError, ReceiveError, Role, SendError, Timeout};
use ws_tests::drops::scripts;
use ws_tests::frames::{Found, frame, frames};
use ws_tests::halves::{Drops, everywhere, halves, open, sent};
use ws_tests::hand::{Hand, run, settle};
use ws_tests::table::{borrowed, lent};
use ws_tests::wire::{Line, Script, Tail, Wire};

const FOREVER: Timeout = Timeout::Forever;
const ROLES: [Role; 2] = [Role::Client, Role::Server];
const LENT: [usize; 2] = [256, 300];
const CLOSE: [u8; 2] = [0x03, 0xE8];
type Out<'h, 's, M> = Sender<'h, 's, M, Wire, Hand>;

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
    (role, (lent, by_user), wires, ours): (Role, (usize, bool), Wires, bool),
) {
    let masked = role == Role::Server;
    let hand = Hand::new();
    let mut buffer = vec![0; lent];
    let config = Config {
        answer_pings: !by_user,
        report_pings: by_user,
        ..Config::DEFAULT
    };
    let mut ws = open(script, role, borrowed(&mut buffer), &hand, config);
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
    judge(&script.line(Line::sent), role, by_user, ours);
}

fn judge(out: &[u8], role: Role, by_user: bool, ours: bool) {
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
    if by_user {
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
        for lent in [(256, false), (300, false), (256, true), (300, true)] {
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
        let mut ws = open(&script, role, lent(256), &Hand::new(), Config::DEFAULT);
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

/// Payload masked where it stands, payload in parts, while the other half reads as a socket does.
fn parts<M: RawMutex>(drops: &Drops, script: &Script, role: Role, lent: usize, wires: Wires) {
    let whole: Vec<u8> = (0..40).collect();
    let masked = role == Role::Server;
    let mut buffer = vec![0; lent];
    let mut ws = open(
        script,
        role,
        borrowed(&mut buffer),
        &Hand::new(),
        Config::DEFAULT,
    );
    script.line(|line| {
        line.feed(&frame(true, 2, masked, &[1; 20]));
        line.feed(&frame(true, 9, masked, b"ping"));
        line.feed(&frame(true, 2, masked, &[2; 20]));
        line.window = if wires == Wires::Free { usize::MAX } else { 0 };
    });
    let mut halves = halves::<M>(&mut ws, script);
    let (mut receiver, mut sender) = halves.split();
    let over = Cell::new(false);
    let receives = async {
        let (mut found, mut piece) = (Vec::new(), [0; 7]);
        while found.len() < 40 {
            let call = async || receiver.recv(&mut piece, FOREVER).await;
            let count = drops.insist(call).await.unwrap();
            found.extend_from_slice(&piece[..count]);
        }
        assert_eq!(found, [[1; 20], [2; 20]].concat());
    };
    let sends = async {
        let (mut payload, mut from) = (whole.clone(), 0);
        loop {
            let rest = &mut payload[from..];
            let call = sender.send_msg_mut(rest, Opcode::Binary, true, FOREVER);
            if let Some(sent) = drops.run(call).await {
                assert_eq!(sent, Ok(40 - from));
                break;
            }
            match sender.open_frame() {
                Some(open) => from = 40 - open,
                None => assert_eq!(payload, whole, "it is as it was"),
            }
        }
        let mut from = 0;
        while from < 40 || sender.open_frame().is_some() {
            let part = &whole[from..(from + 16).min(40)];
            let call = sender.send_part(part, 40 - from, Opcode::Text, true, FOREVER);
            match drops.run(call).await {
                Some(sent) => from += sent.unwrap(),
                None => from = sender.open_frame().map_or(from, |open| 40 - open),
            }
        }
    };
    let wire = async {
        if let Wires::Slow(step) = wires {
            while !over.get() {
                yield_now().await;
                script.line(|line| line.open(step));
            }
        }
    };
    let both = async {
        join(receives, sends).await;
        over.set(true);
    };
    run(join(both, wire));
    drop(halves);
    script.line(|line| {
        line.open(usize::MAX);
        line.feed(&frame(true, 8, masked, &CLOSE));
        line.end(Tail::Eof);
    });
    assert!(run(ws.disconnect(FOREVER)).unwrap().clean);
    let mut found = sent(script);
    assert_eq!(found.pop(), Some((true, 8, CLOSE.to_vec())));
    found.retain(|frame| *frame != (true, 10, b"ping".to_vec()));
    assert_eq!(found, [(true, 2, whole.clone()), (true, 1, whole)]);
}

#[test]
fn without_a_copy_and_in_parts() {
    let mut runs = 0;
    for role in ROLES {
        for lent in LENT {
            for wires in [Wires::Free, Wires::Slow(5), Wires::Slow(40)] {
                for index in 0..scripts().count() {
                    runs += everywhere(|drops| {
                        let script = scripts().nth(index).unwrap();
                        parts::<NoopRawMutex>(drops, &script, role, lent, wires);
                    });
                }
            }
        }
    }
    println!("recv, send_msg_mut, send_part: {runs} runs, each with another cut or drop");
    assert!(runs > 5_000);
}

/// What is partly sent when the halves are dropped is the whole WebSocket's to go on with.
#[test]
fn the_whole_goes_on_in_the_middle() {
    for role in ROLES {
        for close in [false, true] {
            let script = Script::new();
            let mut ws = open(&script, role, lent(256), &Hand::new(), Config::DEFAULT);
            script.line(|line| line.window = 8);
            {
                let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
                let (_, mut sender) = halves.split();
                if close {
                    let call = sender.close(CloseCode::GOING_AWAY, "some reason", FOREVER);
                    assert!(settle(pin!(call)).is_none());
                } else {
                    let call = sender.send_msg(b"a long frame", Opcode::Text, true, FOREVER);
                    assert!(settle(pin!(call)).is_none());
                }
            }
            script.line(|line| line.open(usize::MAX));
            let mut expected = vec![(true, 8, b"\x03\xE9some reason".to_vec())];
            if !close {
                let open = ws.open_frame().unwrap();
                let rest = &b"a long frame"[12 - open..];
                let sent = run(ws.send_msg(rest, Opcode::Text, true, FOREVER));
                assert_eq!(sent, Ok(open));
                expected.insert(0, (true, 1, b"a long frame".to_vec()));
            }
            script.line(|line| {
                line.feed(&frame(true, 8, role == Role::Server, &CLOSE));
                line.end(Tail::Eof);
            });
            let end = ws.disconnect_with(CloseCode::GOING_AWAY, "some reason", FOREVER);
            assert!(run(end).unwrap().clean);
            assert_eq!(sent(&script), expected);
        }
    }
}

/// A send whose time is up says nothing of the frame before, which was dropped while it was flushed.
#[test]
fn out_of_time_behind_a_frame_that_was_dropped() {
    let script = Script::new();
    script.line(|line| line.flush_waits = true);
    let mut lent = [0; 300];
    let mut ws = open(
        &script,
        Role::Client,
        borrowed(&mut lent),
        &Hand::new(),
        Config::DEFAULT,
    );
    let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
    let (mut receiver, mut sender) = halves.split();
    let text = Opcode::Text;
    {
        let first = sender.send_msg(b"first", text, true, FOREVER);
        assert!(settle(pin!(first)).is_none());
    }
    assert_eq!(sender.open_frame(), Some(0));
    // The receiver has the wire, and waits.
    let mut piece = [0; 9];
    let mut receive = pin!(receiver.recv_msg(&mut piece, FOREVER));
    assert!(settle(receive.as_mut()).is_none());
    let late = run(sender.send_msg(b"", Opcode::Binary, true, 0));
    assert_eq!(late, Err(SendError::Timeout));
    script.line(|line| {
        line.flush_waits = false;
        line.open(usize::MAX);
    });
    assert!(settle(receive.as_mut()).is_none());
    assert_eq!(run(sender.send_msg(b"", text, true, FOREVER)), Ok(0));
    assert_eq!(sent(&script), [(true, 1, b"first".to_vec())]);
}

/// The answer to the peer's Close is out before the end is reported.
#[test]
fn the_close_first() {
    let script = Script::cut(usize::MAX, 1, 3);
    let mut ws = open(
        &script,
        Role::Client,
        lent(256),
        &Hand::new(),
        Config::DEFAULT,
    );
    let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
    let (mut receiver, _) = halves.split();
    script.line(|line| line.feed(&frame(true, 8, false, &CLOSE)));
    let end = run(async {
        while receiver.recv_msg(&mut [0; 9], FOREVER).await.is_ok() {}
        receiver.recv_msg(&mut [0; 9], FOREVER).await
    });
    assert_eq!(end, Err(ReceiveError::Closed(CloseCode::NORMAL)));
    assert_eq!(sent(&script), [(true, 8, CLOSE.to_vec())]);
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
                borrowed(&mut lent),
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
