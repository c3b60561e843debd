//! A peer that keeps the stream ready without end: others run all the same, and a call ends with its
//! timeout.

use std::pin::pin;

use ws_socket::asynch::{AsyncRequest, AsyncWebSockets, WebSocket};
use ws_socket::{AcceptOptions, Config, Role, Timeout};
use ws_tests::drivers::{Call, Case, Driver, GOODBYES, drive};
use ws_tests::frames::frame;
use ws_tests::hand::{Hand, poll};
use ws_tests::table::lent;
use ws_tests::wire::{Line, Script, Tail};

const TIMEOUT: i32 = 20;

/// Frames of the peer's, without end.
fn flood(case: &Case, opcode: u8, payload: &[u8]) -> Tail {
    Tail::Flood(case.frame(opcode, payload).leak())
}

/// What a peer may flood a call with that has nothing to hand out.
fn floods(case: &Case, call: Call) -> Vec<(Vec<u8>, Tail)> {
    let close = case.frame(8, &[0x03, 0xE8]);
    let pongs = (Vec::new(), flood(case, 10, b"x"));
    let empty = (Vec::new(), flood(case, 10, b""));
    let fragments = [
        frame(false, 2, case.role == Role::Server, b"").as_slice(),
        &frame(false, 0, case.role == Role::Server, b""),
    ]
    .map(<[u8]>::to_vec);
    let [first, more] = fragments;
    let fragments = (first, Tail::Flood(more.leak()));
    let zeros = Tail::Flood(&[0]);
    match call {
        Call::Recv(_) => vec![
            pongs,
            empty,
            fragments,
            (Vec::new(), flood(case, 9, b"ping")),
        ],
        Call::RecvMsg(_) => vec![pongs, empty],
        _ => vec![
            pongs,
            empty,
            fragments,
            (Vec::new(), flood(case, 2, &[7; 99])),
            (Vec::new(), flood(case, 9, b"ping")),
            (close, zeros),
            (case.frame(3, b""), zeros),
            (b"GARBAGE\r\n\r\n".to_vec(), zeros),
        ],
    }
}

/// With a stream that gives all that is asked for, and one that gives a byte at a time.
#[test]
fn a_flood_ends_with_the_timeout_and_lets_others_run() {
    let mut cases = 0;
    for case in Case::all() {
        let receives = [Call::RecvMsg(20), Call::Recv(20)];
        for call in GOODBYES.into_iter().chain(receives) {
            for (first, then) in floods(&case, call) {
                for cut in [usize::MAX, 1] {
                    let script = Script::cut(cut, usize::MAX, 0);
                    script.line(|line| {
                        line.feed(&first);
                        line.end(then);
                    });
                    let came = case.run(&script, &[(call, TIMEOUT)], |_, _| {});
                    let what = format!("{case:?} {call:?} {first:x?} {then:?} {cut}: {came:?}");
                    assert!(came[0].took <= TIMEOUT as u32 + 1, "{what}");
                    // What ended before had an end; what did not was not alone.
                    let ended = came[0].took < TIMEOUT as u32 && !came[0].to.contains("Timeout");
                    assert!(ended || came[0].turns >= TIMEOUT as usize - 1, "{what}");
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 20 * 2 * (3 * 8 + 2 + 4));
}

/// Between two turns of others lie no more than so many calls of the stream.
#[test]
fn a_flood_has_no_more_than_its_turn() {
    for role in [Role::Client, Role::Server] {
        for (first, then) in floods(
            &Case {
                driver: Driver::Async,
                role,
                lent: 256,
            },
            Call::Disconnect,
        ) {
            for length in [256, 400] {
                let script = Script::cut(1, 1, 0);
                script.line(|line| {
                    line.feed(&first);
                    line.end(then);
                });
                let hand = Hand::new();
                let wire = script.wire();
                let config = Config::DEFAULT;
                let mut ws = WebSocket::from_upgraded(wire, role, lent(length), 0, hand, config);
                let mut goodbye = pin!(ws.disconnect(Timeout::Forever));
                for _ in 0..20 {
                    script.line(|line| line.calls = 0);
                    if poll(goodbye.as_mut()).0.is_some() {
                        break;
                    }
                    let calls = script.line(|line| line.calls);
                    assert!(
                        calls <= 400,
                        "{calls} {role:?} {first:x?} {then:?} {length}"
                    );
                }
            }
        }
    }
}

/// A program that only receives, or echoes, is a loop too.
#[test]
fn calls_that_are_always_ready_let_others_run() {
    for case in Case::all() {
        if matches!(case.driver, Driver::Blocking | Driver::Shared) {
            continue;
        }
        for call in [Call::RecvMsg(20), Call::Recv(20), Call::SendMsg(20)] {
            let script = Script::new();
            script.line(|line| line.end(flood(&case, 2, &[7; 5])));
            let came = case.run(&script, &[(call, 1_000); 1_000], |_, _| {});
            assert!(
                came.iter().all(|came| came.to.starts_with("Ok(")),
                "{case:?}"
            );
            let turns: usize = came.iter().map(|came| came.turns).sum();
            assert!((10..1_000).contains(&turns), "{case:?} {call:?} {turns}");
        }
    }
}

/// What a server says before its answer, in pieces of any size.
#[test]
fn a_handshake_that_never_ends_ends_with_its_timeout() {
    let unlimited = Config {
        max_handshake: u16::MAX,
        ..Config::DEFAULT
    };
    for cut in [1, 7, usize::MAX] {
        for length in [256, 400] {
            let interim: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
            let script = Script::cut(cut, 1, 0);
            script.line(|line| line.end(Tail::Flood(interim)));
            let hand = Hand::new();
            let request = AsyncRequest::new("host", "/");
            let connect = WebSocket::connect(
                script.wire(),
                &request,
                lent(length),
                hand.clone(),
                unlimited,
                TIMEOUT,
            );
            let (connected, turns) = drive(&hand, connect);
            assert!(connected.is_err());
            let calls = script.line(|line| line.calls);
            assert!(turns + 1 >= calls / 64, "{turns} {calls}");
        }
    }
}

/// Requests without end, answered: a server's `accept` has no timeout of its own, so others have to
/// run; and a time that is up ends it.
#[test]
fn pages_without_end_let_others_run() {
    for cut in [1, usize::MAX] {
        let request: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let script = Script::cut(cut, usize::MAX, 0);
        script.line(|line| line.end(Tail::Flood(request)));
        let hand = Hand::new();
        let options = AcceptOptions::default();
        let config = Config::DEFAULT;
        let accept = WebSocket::accept(script.wire(), &options, lent(400), hand.clone(), config);
        let (accepted, _) = drive(&hand, accept);
        assert!(matches!(accepted, Ok(None)));
        assert!(script.line(|line| line.calls) < 1_000);
    }
}

/// A long message to a peer that takes all of it.
#[test]
fn a_long_send_lets_others_run_and_ends_with_its_timeout() {
    for case in Case::all() {
        if matches!(case.driver, Driver::Blocking | Driver::Shared) {
            continue;
        }
        let script = Script::cut(usize::MAX, 1, 0);
        let came = case.run(&script, &[(Call::SendMsg(10_000), TIMEOUT)], |_, _| {});
        assert_eq!(came[0].took, TIMEOUT as u32, "{case:?}");
        let out = script.line(Line::sent).len();
        assert!((64 * 15..64 * 25).contains(&out), "{case:?} {out}");
        // Without a wait it sends what the stream takes.
        let script = Script::cut(usize::MAX, 1, 0);
        let came = case.run(&script, &[(Call::SendMsg(1_000), 0)], |_, _| {});
        assert_eq!(came[0].to, "Ok(1000)", "{case:?}");
    }
}

/// The table waits for many: one that floods does not hide the others, nor the time.
#[test]
fn a_poll_sees_its_timeout_in_a_flood() {
    for role in [Role::Client, Role::Server] {
        let case = Case {
            driver: Driver::Table,
            role,
            lent: 400,
        };
        let (busy, quiet) = (Script::new(), Script::new());
        busy.line(|line| line.end(flood(&case, 10, b"x")));
        let hand = Hand::new();
        let table = AsyncWebSockets::<_, _, 2>::new(hand.clone());
        let mut table = table.with_buffers([lent(400), lent(400)]);
        let mut items = [&busy, &quiet].map(|script| {
            let ws = table.register(script.wire(), role, &[]);
            let ws = ws.map_err(|(error, _)| error).unwrap();
            ws_socket::PollItem::new(ws, ws_socket::Events::IN)
        });
        let (ready, turns) = drive(&hand, table.poll(&mut items, TIMEOUT));
        assert_eq!((ready, turns), (0, TIMEOUT as usize));
        quiet.line(|line| line.feed(&case.frame(1, b"x")));
        let (ready, _) = drive(&hand, table.poll(&mut items, TIMEOUT));
        assert_eq!((ready, items[1].revents), (1, ws_socket::Events::IN));
    }
}
