//! A Pong that is half out when a connection is closed with a reason: its rest goes first, and the
//! reason is not lost, on every driver.

use ws_socket::{Config, Role};
use ws_tests::drivers::{Call, Case};
use ws_tests::frames::{frames, plain};
use ws_tests::wire::{Line, Script};

const PING: [u8; 125] = [b'p'; 125];

/// The peer's Ping is there, and `window` bytes of its Pong go out.
fn half(case: &Case, window: usize) -> Script {
    let script = Script::new();
    script.line(|line| {
        line.window = window;
        line.feed(&case.frame(9, &PING));
    });
    script
}

#[test]
fn a_reason_goes_out_behind_the_rest_of_a_pong() {
    for case in Case::all() {
        let head = if case.role == Role::Client { 6 } else { 2 };
        for window in [1, head, head + 1, head + 60, head + 124] {
            for (goodbye, close) in [
                (Call::Disconnect, &b"\x03\xE8"[..]),
                (Call::DisconnectWith, &b"\x03\xE9enough"[..]),
                (Call::DisconnectKeeping, &b"\x03\xE9enough"[..]),
            ] {
                let script = half(&case, window);
                let calls = [(Call::RecvMsg(9), 5), (goodbye, 100)];
                let came = case.run(&script, &calls, |nth, script| {
                    if nth == 1 {
                        let out = script.line(|line| line.out.len());
                        assert_eq!(out, window, "{case:?}: half a Pong");
                        script.line(|line| {
                            line.open(usize::MAX);
                            line.feed(&case.frame(8, b"\x03\xE8"));
                            line.end(ws_tests::wire::Tail::Eof);
                        });
                    }
                });
                let what = format!("{case:?} {goodbye:?} {window}: {came:?}");
                assert_eq!(came[0].to, "Err(Timeout)", "{what}");
                assert!(came[1].to.contains("clean: true"), "{what}");
                assert!(came[1].took <= 2, "{what}");
                let sent = plain(&script.line(Line::sent));
                let pong = (true, 10, PING.to_vec());
                assert_eq!(sent, [pong, (true, 8, close.to_vec())], "{what}");
            }
        }
    }
}

/// Where the wire takes no more, the call ends with its time, and nothing else is in the stream.
#[test]
fn a_reason_behind_a_pong_that_stays_half_out() {
    for case in Case::all() {
        for goodbye in [
            Call::Disconnect,
            Call::DisconnectWith,
            Call::DisconnectKeeping,
        ] {
            let script = half(&case, 20);
            let calls = [(Call::RecvMsg(9), 5), (goodbye, 30)];
            let came = case.run(&script, &calls, |_, _| {});
            let what = format!("{case:?} {goodbye:?}: {came:?}");
            assert!(came[1].to.contains("clean: false"), "{what}");
            assert!((29..=31).contains(&came[1].took), "{what}");
            let out = script.line(Line::sent);
            assert_eq!(out.len(), 20, "{what}");
            assert_eq!(out[0], 0x8A, "{what}");
        }
    }
}

/// With `answer_pings: false` there is no Pong in the way, on any driver.
#[test]
fn no_pong_where_the_user_answers() {
    let config = Config {
        answer_pings: false,
        report_pings: true,
        ..Config::DEFAULT
    };
    for case in Case::all() {
        let script = half(&case, usize::MAX);
        let calls = [
            (Call::RecvMsg(200), 5),
            (Call::RecvMsg(9), 5),
            (Call::DisconnectWith, 30),
        ];
        let came = case.run_with(config, &script, &calls, |_, _| {});
        let what = format!("{case:?}: {came:?}");
        assert!(came[0].to.contains("length: 1"), "{what}");
        let sent = script.line(Line::sent);
        let (found, rest) = frames(&sent);
        assert!(rest.is_empty(), "{what}");
        let opcodes: Vec<u8> = found.iter().map(|found| found.opcode).collect();
        assert_eq!(opcodes, [8], "{what}");
    }
}
