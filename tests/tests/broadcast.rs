//! One message to many, some of whom are slow, gone or busy.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

use ws_socket::{Opcode, Progress, Recipient, SendError, SlowPolicy};
use ws_tests::frames::{frame, frames, plain};
use ws_tests::script::{Incoming, Line, ScriptStack};
use ws_tests::table::{Scripted, client, server, table};

const PAYLOAD: &[u8] = b"the same for everyone, and long enough to be cut";

/// A table with `N` open connections of a server.
fn many<const N: usize>() -> (ScriptStack, Scripted<N>, Vec<Recipient>, Vec<u8>) {
    let stack = ScriptStack::new();
    let mut table: Scripted<N> = table(&stack, 256);
    let (ids, sockets): (Vec<_>, _) = (0..N).map(|_| server(&mut table)).unzip();
    let recipients = ids.into_iter().map(Recipient::new).collect();
    (stack, table, recipients, sockets)
}

/// The progress of each.
fn progress(recipients: &[Recipient]) -> Vec<Progress> {
    recipients.iter().map(|to| to.progress).collect()
}

#[test]
fn everyone_gets_it() {
    let (stack, mut table, mut to, sockets) = many::<5>();
    let left = table.broadcast(&mut to, PAYLOAD, Opcode::Text, SlowPolicy::Wait, 0);
    assert_eq!((left, progress(&to)), (0, vec![Progress::Sent; 5]));
    for socket in sockets {
        let sent = stack.line(socket, Line::sent);
        assert_eq!(sent, frame(true, 1, false, PAYLOAD));
    }
    let mut empty = to.clone();
    empty
        .iter_mut()
        .for_each(|to| to.progress = Progress::Waiting);
    let left = table.broadcast(&mut empty, b"", Opcode::Binary, SlowPolicy::Skip, 0);
    assert_eq!((left, progress(&empty)), (0, vec![Progress::Sent; 5]));
    assert_eq!(
        table.broadcast(&mut [], PAYLOAD, Opcode::Text, SlowPolicy::Wait, -1),
        0
    );
}

/// A window of every size, by every policy: the frame of a slow one is whole, or none of it is
/// there, or its connection ends; the others have it at once.
#[test]
fn a_slow_one_by_every_policy() {
    let whole = frame(true, 2, false, PAYLOAD);
    for policy in [SlowPolicy::Skip, SlowPolicy::Close, SlowPolicy::Wait] {
        for window in 0..=whole.len() {
            let (stack, mut table, mut to, sockets) = many::<3>();
            stack.line(sockets[1], |line| line.window = window);
            let left = table.broadcast(&mut to, PAYLOAD, Opcode::Binary, policy, 0);
            for fast in [0, 2] {
                assert_eq!(to[fast].progress, Progress::Sent);
                assert_eq!(stack.line(sockets[fast], Line::sent), whole);
            }
            let partly = Progress::Partly(window.saturating_sub(2));
            let expected = match (policy, window) {
                (_, all) if all == whole.len() => Progress::Sent,
                (SlowPolicy::Close, _) => Progress::Closed,
                (SlowPolicy::Skip, 0) => Progress::Skipped,
                (SlowPolicy::Wait, 0) => Progress::Waiting,
                _ => partly,
            };
            assert_eq!(to[1].progress, expected, "{policy:?} {window}");
            assert_eq!(left, usize::from(!to[1].is_done()));
            if expected == Progress::Closed {
                assert!(!stack.is_open(sockets[1]));
                assert_eq!(table.in_use(), 2);
                continue;
            }
            // Something else in between is refused, and another broadcast waits its turn.
            if let Progress::Partly(_) = expected {
                let other = table.send_msg(to[1].ws, b"other", Opcode::Text, true, 0);
                assert!(matches!(other, Err(SendError::Frame(_))));
                let mut second = [Recipient::new(to[1].ws)];
                // Even one whose rest would be of the same length.
                let rest = &PAYLOAD[window.saturating_sub(2)..];
                let left = table.broadcast(&mut second, rest, Opcode::Binary, SlowPolicy::Wait, 0);
                assert_eq!((left, second[0].progress), (1, Progress::Waiting));
                table.broadcast(&mut second, rest, Opcode::Binary, SlowPolicy::Skip, 0);
                assert_eq!(second[0].progress, Progress::Skipped);
            }
            stack.line(sockets[1], |line| line.window = usize::MAX);
            let left = table.broadcast(&mut to, PAYLOAD, Opcode::Binary, policy, 0);
            assert_eq!(left, 0);
            let sent = stack.line(sockets[1], Line::sent);
            if expected == Progress::Skipped {
                assert_eq!(sent, b"");
            } else {
                assert_eq!((to[1].progress, sent), (Progress::Sent, whole.clone()));
            }
        }
    }
}

/// Those who read slowly get all of it within one call, if it may take its time.
#[test]
fn waiting_for_the_slow() {
    let (stack, mut table, mut to, sockets) = many::<3>();
    let slow = [sockets[0], sockets[2]];
    for socket in slow {
        stack.line(socket, |line| line.window = 0);
    }
    stack.answer(|line| {
        if line.window < 1000 {
            line.window += 1;
        }
    });
    let begin = table.platform().clock.get();
    let left = table.broadcast(&mut to, PAYLOAD, Opcode::Text, SlowPolicy::Wait, 1000);
    assert_eq!((left, progress(&to)), (0, vec![Progress::Sent; 3]));
    assert!(table.platform().clock.get() - begin < 100);
    for socket in sockets {
        assert_eq!(
            plain(&stack.line(socket, Line::sent)),
            [(true, 1, PAYLOAD.to_vec())]
        );
    }
}

/// A peer that never reads does not stop the others' hundred messages, by any policy.
#[test]
fn a_peer_that_never_reads() {
    for policy in [SlowPolicy::Skip, SlowPolicy::Close, SlowPolicy::Wait] {
        let (stack, mut table, recipients, sockets) = many::<4>();
        stack.line(sockets[2], |line| line.window = 5);
        let begin = table.platform().clock.get();
        for _ in 0..100 {
            let mut to = recipients.clone();
            table.broadcast(&mut to, PAYLOAD, Opcode::Binary, policy, 0);
        }
        assert_eq!(table.platform().clock.get(), begin, "no time was lost");
        for fast in [0, 1, 3] {
            assert_eq!(plain(&stack.line(sockets[fast], Line::sent)).len(), 100);
        }
        assert_eq!(stack.is_open(sockets[2]), policy != SlowPolicy::Close);
        if policy != SlowPolicy::Close {
            let sent = stack.line(sockets[2], Line::sent);
            assert_eq!(sent, frame(true, 2, false, PAYLOAD)[..5]);
        }
    }
}

/// The closed, the lost and the unknown are told apart from the slow.
#[test]
fn those_who_are_gone() {
    let (stack, mut table, mut to, sockets) = many::<4>();
    stack.line(sockets[0], |line| {
        line.feed(&frame(true, 8, true, &[3, 232]), 99)
    });
    let _ = table.recv_msg(to[0].ws, &mut [0; 9], 0);
    stack.line(sockets[1], |line| {
        line.incoming.push_back(Incoming::Reset);
        line.reset = true;
    });
    table.abort(to[2].ws).unwrap();
    let left = table.broadcast(&mut to, PAYLOAD, Opcode::Text, SlowPolicy::Close, 0);
    assert_eq!(left, 0);
    let gone = Progress::Gone;
    assert_eq!(progress(&to), [gone, gone, gone, Progress::Sent]);
}

/// Where nothing of the message is out, the slow one is told 1013.
#[test]
fn a_close_says_try_again_later() {
    let (stack, mut table, mut to, sockets) = many::<2>();
    // A fragmented message of the application's own is under way.
    let begun = table.send_msg(to[0].ws, b"a", Opcode::Text, false, 0);
    assert_eq!(begun, Ok(1));
    let copy = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    stack.line(sockets[0], |line| line.copy = Some(copy.clone()));
    let left = table.broadcast(&mut to, PAYLOAD, Opcode::Text, SlowPolicy::Close, 5);
    assert_eq!(
        (left, progress(&to)),
        (0, vec![Progress::Closed, Progress::Sent])
    );
    assert_eq!(
        plain(&copy.borrow()),
        [(true, 8, 1013_u16.to_be_bytes().to_vec())]
    );
}

/// Clients can be among the recipients: their frames are masked, the payload stays as it is.
#[test]
fn clients_mask() {
    let stack = ScriptStack::new();
    let mut table: Scripted<2> = table(&stack, 256);
    let (masking, near) = client(&mut table);
    stack.line(near, Line::sent);
    let (serving, far) = server(&mut table);
    let mut to = [Recipient::new(masking), Recipient::new(serving)];
    stack.line(near, |line| line.piece = 3);
    let left = table.broadcast(&mut to, PAYLOAD, Opcode::Text, SlowPolicy::Wait, 5);
    assert_eq!(left, 0);
    for (socket, masks) in [(near, true), (far, false)] {
        let sent = stack.line(socket, Line::sent);
        let (found, rest) = frames(&sent);
        assert_eq!((found.len(), rest.len()), (1, 0));
        assert_eq!(found[0].key.is_some(), masks);
        assert_eq!(found[0].payload, PAYLOAD);
    }
}
