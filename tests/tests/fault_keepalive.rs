//! Keepalive is a matter of the connection, not of the driver: in blocking and async calls, of both
//! roles, a silent peer is asked and given up in its time, and one that says anything stays.

use std::cell::Cell;
use std::rc::Rc;

use ws_socket::{
    Config, Events, Keepalive, Opcode, Platform, PollItem, RandomError, ReceiveError, Role,
    WebSocketId, WebSockets,
};
use ws_tests::drivers::{Call, Case, Turns, WireStack};
use ws_tests::frames::plain;
use ws_tests::hand::Hand;
use ws_tests::table::lent;
use ws_tests::wire::{Line, Script, Wire};

const INTERVAL: u32 = 50;
const TIMEOUT: u32 = 20;
const WATCHED: Config = Config {
    keepalive: Some(Keepalive {
        interval: INTERVAL,
        timeout: TIMEOUT,
    }),
    ..Config::DEFAULT
};
const RECEIVES: [Call; 2] = [Call::RecvMsg(200), Call::Recv(200)];

fn pings(script: &Script) -> Vec<(bool, u8, Vec<u8>)> {
    plain(&script.line(Line::sent))
}

fn ping() -> (bool, u8, Vec<u8>) {
    (true, 9, Vec::new())
}

#[test]
fn a_dead_peer_is_asked_once_and_given_up() {
    for case in Case::all() {
        for call in RECEIVES {
            for timeout in [-1, 5_000] {
                let script = Script::new();
                let came = case.run_with(WATCHED, &script, &[(call, timeout)], |_, _| {});
                let what = format!("{case:?} {call:?}: {came:?}");
                assert_eq!(came[0].to, "Err(NoPong)", "{what}");
                let least = INTERVAL + TIMEOUT;
                assert!((least..=least + 2).contains(&came[0].took), "{what}");
                assert_eq!(pings(&script), [ping()], "{what}");
            }
        }
    }
}

/// The wait ends with the call's own time where that is up first, and goes on with the next call.
#[test]
fn a_dead_peer_is_given_up_over_many_short_calls() {
    for case in Case::all() {
        for call in RECEIVES {
            let script = Script::new();
            let came = case.run_with(WATCHED, &script, &[(call, 9); 12], |_, _| {});
            let what = format!("{case:?} {call:?}: {came:?}");
            let given_up = came.iter().position(|came| came.to == "Err(NoPong)");
            let until = given_up.unwrap_or_else(|| panic!("{what}"));
            let silent = came[..until].iter().all(|came| came.to == "Err(Timeout)");
            assert!(silent, "{what}");
            let took: u32 = came[..=until].iter().map(|came| came.took).sum();
            let least = INTERVAL + TIMEOUT;
            assert!((least..=least + 10).contains(&took), "{what}");
            assert_eq!(pings(&script), [ping()], "{what}");
        }
    }
}

#[test]
fn a_peer_that_answers_stays() {
    for case in Case::all() {
        for call in RECEIVES {
            let script = Script::new();
            let pong = case.frame(10, b"");
            script.answer(move |line| {
                if !line.out.is_empty() {
                    let sent = plain(&line.sent());
                    assert_eq!(sent, [ping()]);
                    line.feed(&pong);
                }
            });
            let calls = [(call, 1_000)];
            let came = case.run_with(WATCHED, &script, &calls, |_, _| {});
            assert_eq!(came[0].to, "Err(Timeout)", "{case:?} {call:?}");
            assert_eq!(came[0].took, 1_000, "{case:?} {call:?}");
        }
    }
}

/// Any byte is a sign of life, half a header too: no Ping goes out while there are some.
#[test]
fn a_peer_that_says_anything_is_not_asked() {
    for case in Case::all() {
        for call in RECEIVES {
            let script = Script::new();
            let frame = case.frame(2, &[7; 50]);
            let calls = [(call, INTERVAL as i32 - 1); 30];
            let came = case.run_with(WATCHED, &script, &calls, |nth, script| {
                let byte = frame[nth];
                script.line(|line| line.feed(&[byte]));
            });
            let what = format!("{case:?} {call:?}: {came:?}");
            assert!(came.iter().all(|came| came.to != "Err(NoPong)"), "{what}");
            assert_eq!(pings(&script), [], "{what}");
        }
    }
}

/// A wire that takes nothing is no reason to wait for ever.
#[test]
fn a_dead_peer_that_reads_nothing_is_given_up() {
    for case in Case::all() {
        for call in RECEIVES {
            let script = Script::new();
            script.line(|line| line.window = 0);
            let came = case.run_with(WATCHED, &script, &[(call, -1)], |_, _| {});
            let what = format!("{case:?} {call:?}: {came:?}");
            assert_eq!(came[0].to, "Err(NoPong)", "{what}");
            assert!(came[0].took <= INTERVAL + TIMEOUT + 2, "{what}");
            assert_eq!(pings(&script), []);
        }
    }
}

/// Without it nobody is asked, however long it takes.
#[test]
fn without_keepalive_nobody_is_asked() {
    for case in Case::all() {
        for call in RECEIVES {
            let script = Script::new();
            let came = case.run(&script, &[(call, 2_000)], |_, _| {});
            assert_eq!((&came[0].to[..], came[0].took), ("Err(Timeout)", 2_000));
            assert_eq!(pings(&script), []);
        }
    }
}

/// It sleeps for as long as it may, and notes the longest.
struct Sleeper {
    turns: Turns,
    longest: Rc<Cell<u32>>,
}

impl Platform<WireStack> for Sleeper {
    fn now_ms(&mut self) -> u32 {
        Platform::<WireStack>::now_ms(&mut self.turns)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        Platform::<WireStack>::fill_random(&mut self.turns, bytes)
    }

    fn wait(&mut self, _: &mut WireStack, at_most_ms: u32) {
        self.longest.set(self.longest.get().max(at_most_ms));
        assert!(at_most_ms < 10_000, "it would sleep for ever");
        self.turns.hand.clock.advance(at_most_ms);
    }
}

type Table = WebSockets<'static, WireStack, Sleeper, 1>;

fn sleeping(role: Role, script: &Script) -> (Table, WebSocketId, Rc<Cell<u32>>, Hand) {
    let (hand, longest) = (Hand::new(), Rc::<Cell<u32>>::default());
    let platform = Sleeper {
        turns: Turns::new(&hand),
        longest: longest.clone(),
    };
    let mut table = WebSockets::new(WireStack, platform).with_config(WATCHED);
    let wire: Wire = script.wire();
    let ws = table.register(wire, role, Some(lent(256)), 0);
    let ws = ws.map_err(|(error, _)| error).unwrap();
    (table, ws, longest, hand)
}

/// A platform that sleeps as long as it may is woken for the Ping, and for the end.
#[test]
fn a_wait_is_no_longer_than_the_silence_may_be() {
    for role in [Role::Client, Role::Server] {
        let script = Script::new();
        let (mut table, ws, longest, hand) = sleeping(role, &script);
        let began = ws_socket::asynch::Clock::now_ms(&hand.clock);
        let end = table.recv_msg(ws, &mut [0; 9], -1);
        assert_eq!(end, Err(ReceiveError::NoPong));
        let took = ws_socket::asynch::Clock::now_ms(&hand.clock) - began;
        assert_eq!((took, longest.get()), (INTERVAL + TIMEOUT, INTERVAL));
        assert_eq!(pings(&script), [ping()]);
    }
}

/// Who only polls finds the dead peer, too: it is readable then, and the receive says why.
#[test]
fn a_dead_peer_shows_in_a_blocking_poll() {
    for role in [Role::Client, Role::Server] {
        let script = Script::new();
        let (mut table, ws, _, hand) = sleeping(role, &script);
        let began = ws_socket::asynch::Clock::now_ms(&hand.clock);
        let mut items = [PollItem::new(ws, Events::IN)];
        assert_eq!(table.poll(&mut items, -1), 1);
        assert!(items[0].revents.contains(Events::IN));
        let took = ws_socket::asynch::Clock::now_ms(&hand.clock) - began;
        assert!(
            (INTERVAL + TIMEOUT..=INTERVAL + TIMEOUT + 2).contains(&took),
            "{took}"
        );
        assert_eq!(pings(&script), [ping()]);
        assert_eq!(
            table.recv_msg(ws, &mut [0; 9], 0),
            Err(ReceiveError::NoPong)
        );
        // It is closed as any other, at once.
        let closed = table.disconnect(ws, 100).unwrap();
        assert!(!closed.clean);
        assert_eq!(table.in_use(), 0);
    }
}

/// A frame of the user's that still moves is a sign of life; a Ping goes out behind it.
#[test]
fn a_frame_partly_sent_delays_the_ping_of_a_blocking_call() {
    let script = Script::new();
    script.line(|line| line.window = 4);
    let (mut table, ws, ..) = sleeping(Role::Server, &script);
    let sent = table.send_msg(ws, b"payload", Opcode::Text, true, 0);
    assert_eq!(sent, Ok(2));
    // A Ping cannot go out in the middle of a frame: its time does not run.
    for _ in 0..10 {
        let received = table.recv_msg(ws, &mut [0; 9], INTERVAL as i32);
        assert_eq!(received, Err(ReceiveError::Timeout));
    }
    script.line(|line| line.window = usize::MAX);
    let sent = table.send_msg(ws, b"yload", Opcode::Text, true, 0);
    assert_eq!(sent, Ok(5));
    assert_eq!(
        table.recv_msg(ws, &mut [0; 9], -1),
        Err(ReceiveError::NoPong)
    );
    assert_eq!(pings(&script), [(true, 1, b"payload".to_vec()), ping()]);
}
