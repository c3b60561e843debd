//! Peers that mean harm once frames flow: each call ends in its time, does a bounded number of
//! calls of the stack, and the slot is free afterwards.
//!
//! Elsewhere: a Close that is never answered and a connection that ends at every byte (`states`),
//! a peer that never reads a broadcast (`broadcast`), a wire that is cut under smoltcp (`smoltcp`).

use ws_socket::{
    CloseCode, Config, Events, Opcode, PollItem, Progress, ProtocolError, ReceiveError, Recipient,
    SendError, SlowPolicy, WebSocketId,
};
use ws_tests::frames::{KEY, frame, plain};
use ws_tests::net::{Net, Size};
use ws_tests::script::{Incoming, Line, ScriptError, ScriptStack};
use ws_tests::table::{Scripted, client, server, table, with_config};

const LENT: [usize; 3] = [256, 257, 1000];
/// `recv_msg` that does not wait takes two steps, each of which reads so often.
const READS: usize = 2 * 64;
/// Calls of the stack per millisecond, where they take time.
const PACE: usize = 100;

fn open<const N: usize>(table: &mut Scripted<N>, is_server: bool) -> (WebSocketId, u8) {
    if is_server {
        server(table)
    } else {
        client(table)
    }
}

/// Disconnects, which may take 20 ms and the calls of the last steps, and leaves nothing behind.
fn leave(stack: &ScriptStack, table: &mut Scripted<1>, ws: WebSocketId) -> bool {
    stack.calls();
    let began = table.platform().clock.get();
    let closed = table.disconnect(ws, 20).unwrap();
    let took = table.platform().clock.get() - began;
    assert!(took <= 40, "{took} ms");
    assert!(stack.calls().reads <= 40 * PACE);
    assert_eq!((table.in_use(), stack.open()), (0, 0));
    closed.clean
}

/// The header of a frame that announces `length` bytes.
fn announces(opcode: u8, masked: bool, length: u64) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![0x80 | opcode, mask | 127];
    bytes.extend(length.to_be_bytes());
    if masked {
        bytes.extend(KEY);
    }
    bytes
}

/// The longest frame there can be, without end: it is handed out in pieces and costs no more than
/// those; a limit refuses it at its header, and more than that is no length at all.
#[test]
fn a_frame_of_all_the_bytes_there_are() {
    for is_server in [false, true] {
        for lent in LENT {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, lent);
            let (ws, socket) = open(&mut table, is_server);
            stack.cost(&table.platform().clock.clone(), PACE);
            let longest = u64::MAX / 2;
            stack.line(socket, |line| {
                line.feed(&announces(2, is_server, longest), 5);
                line.flood(&[7; 4]);
            });
            stack.calls();
            let mut left = usize::try_from(longest).unwrap();
            for _ in 0..100 {
                let piece = table.recv_msg(ws, &mut [0; 300], 0).unwrap();
                assert!(piece.length > 0 && !piece.is_complete());
                left -= piece.length;
                assert_eq!(piece.remaining, left);
            }
            assert!(stack.calls().reads <= 100 + 14);
            assert!(!leave(&stack, &mut table, ws));
        }
        for (opcode, length, limit, expected) in [
            (1, u64::MAX / 2, 1 << 20, ProtocolError::MessageTooBig),
            (2, (1 << 20) + 1, 1 << 20, ProtocolError::MessageTooBig),
            (2, 1 << 63, usize::MAX, ProtocolError::LengthTopBit),
            (2, u64::MAX, usize::MAX, ProtocolError::LengthTopBit),
            (9, u64::MAX / 2, usize::MAX, ProtocolError::ControlTooLong),
            (8, 1 << 63, usize::MAX, ProtocolError::ControlTooLong),
        ] {
            let stack = ScriptStack::new();
            let config = Config {
                max_message: limit,
                ..Config::DEFAULT
            };
            let mut table: Scripted<1> = with_config(&stack, 300, config);
            let (ws, socket) = open(&mut table, is_server);
            stack.cost(&table.platform().clock.clone(), PACE);
            stack.line(socket, |line| {
                line.feed(&announces(opcode, is_server, length), 3);
                line.flood(&[7; 4]);
            });
            stack.calls();
            let error = table.recv_msg(ws, &mut [0; 300], 0).unwrap_err();
            assert_eq!(error, ReceiveError::Protocol(expected));
            assert!(stack.calls().reads <= 5, "not a byte behind the header");
            let code = expected.close_code().0.to_be_bytes().to_vec();
            let sent = plain(&stack.line(socket, Line::sent));
            assert_eq!(sent, [(true, 8, code)]);
            assert!(!leave(&stack, &mut table, ws));
        }
    }
}

/// Pings, Pongs and empty fragments without end, answered or not: each call that does not wait
/// reads a fixed number of times, and one that waits returns in its time.
#[test]
fn floods() {
    for is_server in [false, true] {
        for lent in LENT {
            for window in [0, usize::MAX] {
                for (begin, flood) in [
                    (vec![], frame(true, 9, is_server, b"")),
                    (vec![], frame(true, 9, is_server, b"p")),
                    (vec![], frame(true, 9, is_server, &[0; 125])),
                    (vec![], frame(true, 10, is_server, b"p")),
                    (
                        frame(false, 1, is_server, b""),
                        frame(false, 0, is_server, b""),
                    ),
                    (vec![], frame(true, 2, is_server, b"")),
                ] {
                    let stack = ScriptStack::new();
                    let mut table: Scripted<1> = table(&stack, lent);
                    let (ws, socket) = open(&mut table, is_server);
                    let clock = table.platform().clock.clone();
                    stack.cost(&clock, PACE);
                    stack.line(socket, |line| {
                        line.window = window;
                        line.feed(&begin, 99);
                        line.flood(&flood);
                    });
                    let mut buffer = [0; 200];
                    let mut items = [PollItem::new(ws, Events::IN)];
                    for _ in 0..20 {
                        stack.calls();
                        let _ = table.recv_msg(ws, &mut buffer, 0);
                        assert!(stack.calls().reads <= READS);
                        table.poll(&mut items, 0);
                        assert!(stack.calls().reads <= READS);
                        // Here empty frames are skipped, of which each may take its reads.
                        assert!(table.recv(ws, &mut buffer, 0).is_err());
                        assert!(stack.calls().reads <= 64 * READS);
                    }
                    // What a step reads, and the Pongs to it, may come behind the deadline.
                    let step = (2 * 64 * (64 + lent) / PACE) as u32;
                    let began = clock.get();
                    assert!(table.recv(ws, &mut buffer, 20).is_err());
                    let took = clock.get() - began;
                    assert!(took <= 20 + 2 * step, "{took} ms");
                    assert!(table.is_open(ws));
                    table.abort(ws).unwrap();
                    assert_eq!((table.in_use(), stack.open()), (0, 0));
                }
            }
        }
    }
}

/// Data without end in place of the Close that answers ours.
#[test]
fn data_without_end_is_no_answer_to_a_close() {
    for is_server in [false, true] {
        for lent in LENT {
            for opcode in [2, 9, 10] {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, lent);
                let (ws, socket) = open(&mut table, is_server);
                stack.cost(&table.platform().clock.clone(), PACE);
                let flood = frame(true, opcode, is_server, b"x");
                stack.line(socket, |line| line.flood(&flood));
                assert!(!leave(&stack, &mut table, ws));
            }
        }
    }
}

/// Data without end behind the peer's Close: a client that waits for the end of TCP does not wait
/// for ever.
#[test]
fn data_without_end_behind_a_close() {
    for is_server in [false, true] {
        for lent in LENT {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, lent);
            let (ws, socket) = open(&mut table, is_server);
            stack.cost(&table.platform().clock.clone(), PACE);
            stack.line(socket, |line| {
                line.feed(&frame(true, 8, is_server, &[3, 0xE8]), 99);
                line.flood(&frame(true, 2, is_server, b"x"));
            });
            let piece = table.recv_msg(ws, &mut [0; 9], 0).unwrap();
            assert_eq!(piece.opcode(), Opcode::Close);
            stack.calls();
            for _ in 0..10 {
                let error = table.recv_msg(ws, &mut [0; 9], 0).unwrap_err();
                assert_eq!(error, ReceiveError::Closed(CloseCode::NORMAL));
                let error = table.send_msg(ws, b"x", Opcode::Text, true, 0);
                assert!(error.is_err());
            }
            assert_eq!(stack.calls().reads, 0, "nothing is read behind a Close");
            assert!(leave(&stack, &mut table, ws));
        }
    }
}

/// The peer takes some bytes of a message and then none: a send returns in its time and does not
/// hammer the stack, what comes in is received meanwhile, and the end comes at once.
#[test]
fn a_peer_that_never_reads() {
    for is_server in [false, true] {
        for lent in LENT {
            for window in [0, 1, 5, 300] {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, lent);
                let (ws, socket) = open(&mut table, is_server);
                let clock = table.platform().clock.clone();
                stack.line(socket, |line| line.window = window);
                let message = [3; 5000];
                let mut taken = 0;
                for round in 0..10 {
                    stack.calls();
                    let began = clock.get();
                    let rest = &message[taken..];
                    match table.send_msg(ws, rest, Opcode::Binary, true, 20) {
                        Ok(count) => taken += count,
                        Err(error) => assert_eq!(error, SendError::Timeout),
                    }
                    assert!(clock.get() - began <= 20);
                    let calls = stack.calls();
                    assert!(calls.writes <= 24 && calls.reads == 0, "{calls:?}");
                    stack.line(socket, |line| {
                        line.feed(&frame(true, 1, is_server, &[round]), 2);
                        line.feed(&frame(true, 10, is_server, b"x"), 9);
                    });
                    let piece = table.recv_msg(ws, &mut [0; 9], 0).unwrap();
                    assert_eq!((piece.opcode(), piece.length), (Opcode::Text, 1));
                }
                assert!(taken < window.max(1));
                assert!(!leave(&stack, &mut table, ws));
            }
        }
    }
}

/// The same over TCP: a window of zero in one direction, messages in the other.
#[test]
fn a_window_of_zero() {
    let mut came = 0;
    let mut net: Net<4, 1> = Net::new(Size::DEFAULT, |server| {
        for &ws in &server.accepted {
            let _ = server.table.send(ws, b"news", 0);
        }
    });
    let ws = net.connect();
    let message = [9; 20_000];
    let mut sent = 0;
    for _ in 0..50 {
        let began = net.clock.get();
        let rest = &message[sent..];
        sent += net
            .client
            .send_msg(ws, rest, Opcode::Binary, true, 20)
            .unwrap_or(0);
        assert!(net.clock.get() - began <= 20);
        // There are always more.
        for _ in 0..10 {
            came += net.client.recv(ws, &mut [0; 9], 20).unwrap();
        }
    }
    assert!((1000..4000).contains(&sent), "{sent}");
    assert!(came > 500, "{came}");
    let began = net.clock.get();
    assert!(!net.client.disconnect(ws, 100).unwrap().clean);
    assert!(net.clock.get() - began <= 100);
    assert_eq!(net.client.in_use(), 0);
    let accepted = net.server.borrow_mut().accepted.clone();
    net.server.borrow_mut().accepted.clear();
    for ws in accepted {
        net.server.borrow_mut().table.disconnect(ws, 0).unwrap();
    }
    net.steps(20_000);
    assert_eq!(net.client.stack().free_sockets(), 4);
}

/// The peer has ended its direction (half-closed TCP) and goes on reading: what is sent goes out,
/// what is received is the end, time after time, without another read.
#[test]
fn half_closed() {
    for is_server in [false, true] {
        for lent in LENT {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, lent);
            let (ws, socket) = open(&mut table, is_server);
            stack.line(socket, |line| line.incoming.push_back(Incoming::Eof));
            assert_eq!(table.recv_msg(ws, &mut [0; 9], 50), Err(ReceiveError::Lost));
            stack.calls();
            for _ in 0..10 {
                let began = table.platform().clock.get();
                let end = table.recv_msg(ws, &mut [0; 9], 50);
                assert_eq!(end, Err(ReceiveError::Lost));
                assert_eq!(table.recv(ws, &mut [0; 9], 50), Err(ReceiveError::Lost));
                let mut items = [PollItem::new(ws, Events::IN)];
                assert_eq!(table.poll(&mut items, 50), 1);
                assert_eq!(items[0].revents, Events::IN | Events::HUP);
                assert_eq!(table.platform().clock.get(), began, "it waited");
            }
            assert_eq!(stack.calls().reads, 0);
            assert!(!leave(&stack, &mut table, ws));
        }
    }
}

/// A reset that shows in a write, in every state there is to write in.
#[test]
fn a_reset_under_a_write() {
    for is_server in [false, true] {
        for window in [usize::MAX, 0, 7] {
            for during in 0..5 {
                let stack = ScriptStack::new();
                let mut table: Scripted<1> = table(&stack, 256);
                let (ws, socket) = open(&mut table, is_server);
                let clock = table.platform().clock.clone();
                stack.line(socket, |line| line.window = window);
                // Between messages, or in the middle of one.
                let message = [1; 50];
                let sent = table.send_msg(ws, &message, Opcode::Binary, true, 0);
                let rest = &message[sent.unwrap_or(0) % 50..];
                if during == 4 {
                    // With a Pong due.
                    let ping = frame(true, 9, is_server, b"x");
                    stack.line(socket, |line| line.feed(&ping, 99));
                    assert!(table.recv_msg(ws, &mut [0; 9], 0).is_err());
                }
                stack.line(socket, |line| line.incoming.push_back(Incoming::Reset));
                stack.line(socket, |line| line.reset = true);
                let began = clock.get();
                match during {
                    0 => {
                        let error = table.send_msg(ws, rest, Opcode::Binary, true, 50);
                        assert_eq!(error, Err(SendError::Stack(ScriptError::Reset)));
                    }
                    1 => {
                        let error = table.send(ws, rest, 50);
                        assert_eq!(error, Err(SendError::Stack(ScriptError::Reset)));
                    }
                    2 => {
                        let mut to = [Recipient::new(ws)];
                        table.broadcast(&mut to, &message, Opcode::Text, SlowPolicy::Skip, 50);
                        // Behind another frame that is open nothing of it is tried.
                        if window != 7 {
                            assert_eq!(to[0].progress, Progress::Gone);
                        }
                    }
                    _ => {
                        let mut items = [PollItem::new(ws, Events::IN)];
                        assert_eq!(table.poll(&mut items, 50), 1);
                        assert!(items[0].revents.contains(Events::IN));
                    }
                }
                assert_eq!(clock.get(), began, "it waited");
                assert!(!leave(&stack, &mut table, ws));
                assert_eq!(clock.get(), began, "it waited");
            }
        }
    }
}
