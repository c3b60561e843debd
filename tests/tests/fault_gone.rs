//! A connection that is gone shows in a write that fails, and perhaps nowhere else: a call that waits
//! for what can no longer come ends at once, whatever its timeout.

use ws_tests::drivers::{Call, Case, Driver, GOODBYES};
use ws_tests::wire::{Line, Reset, Script, Tail};

/// What becomes of the connection.
#[derive(Debug, Clone, Copy)]
enum Gone {
    /// Writes fail, reads have nothing, for ever.
    Writes,
    /// Writes fail, reads too.
    Both,
    /// Writes wait for ever, reads fail.
    Reads,
    /// Writes take nothing and say so, reads have ended.
    Ended,
}

fn gone(line: &mut Line, how: Gone) {
    match how {
        Gone::Writes => line.broken = Some(Err(Reset)),
        Gone::Both => {
            line.broken = Some(Err(Reset));
            line.end(Tail::Reset);
        }
        Gone::Reads => {
            line.window = 0;
            line.end(Tail::Reset);
        }
        Gone::Ended => {
            line.broken = Some(Err(Reset));
            line.end(Tail::Eof);
        }
    }
}

/// The peer's Close is there, or a frame that is none, or a Ping, or nothing; and then the connection is
/// gone before anything of ours is out.
#[test]
fn a_goodbye_to_a_peer_that_is_gone_ends_at_once() {
    let mut cases = 0;
    for case in Case::all() {
        for goodbye in GOODBYES {
            for how in [Gone::Writes, Gone::Both, Gone::Ended] {
                let ways = [
                    case.frame(8, &[0x03, 0xE8]),
                    case.frame(8, b""),
                    case.frame(3, b""),
                    case.frame(9, b"are you there"),
                    case.frame(2, &[7; 300]),
                    [case.frame(9, b"1"), case.frame(8, &[0x03, 0xE8])].concat(),
                    Vec::new(),
                ];
                for came in ways {
                    let script = Script::new();
                    script.line(|line| {
                        line.feed(&came);
                        gone(line, how);
                    });
                    let end = case.run(&script, &[(goodbye, -1)], |_, _| {});
                    let what = format!("{case:?} {goodbye:?} {how:?} {came:x?}: {end:?}");
                    assert!(end[0].took <= 2, "{what}");
                    assert!(end[0].to.contains("clean: false"), "{what}");
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 20 * 3 * 3 * 7);
}

/// The same where a receive has seen the Close, or has failed, before.
#[test]
fn a_goodbye_behind_a_receive_ends_at_once() {
    for case in Case::all() {
        for goodbye in GOODBYES {
            for how in [Gone::Writes, Gone::Both, Gone::Ended] {
                for came in [case.frame(8, &[0x03, 0xE8]), case.frame(3, b"")] {
                    let script = Script::new();
                    script.line(|line| line.feed(&came));
                    script.line(|line| line.window = 0);
                    let calls = [(Call::RecvMsg(200), 0), (goodbye, -1)];
                    let end = case.run(&script, &calls, |nth, script| {
                        if nth == 1 {
                            script.line(|line| gone(line, how));
                        }
                    });
                    let what = format!("{case:?} {goodbye:?} {how:?} {came:x?}: {end:?}");
                    assert!(end[1].took <= 2, "{what}");
                    assert!(end[1].to.contains("clean: false"), "{what}");
                }
            }
        }
    }
}

/// A blocking stack whose window is shut may tell only a read that the peer is gone.
#[test]
fn a_goodbye_whose_writes_would_block_sees_a_reset() {
    let blocking = |case: &Case| matches!(case.driver, Driver::Blocking | Driver::Shared);
    for case in Case::all().filter(blocking) {
        for goodbye in GOODBYES {
            for came in [case.frame(8, &[0x03, 0xE8]), case.frame(3, b""), Vec::new()] {
                let script = Script::new();
                script.line(|line| {
                    line.feed(&came);
                    gone(line, Gone::Reads);
                });
                let end = case.run(&script, &[(goodbye, -1)], |_, _| {});
                let what = format!("{case:?} {goodbye:?} {came:x?}: {end:?}");
                assert!(end[0].took <= 2, "{what}");
                assert!(end[0].to.contains("clean: false"), "{what}");
            }
        }
    }
}

/// A Pong or a Close that cannot go out tells a receive what its own reads never would.
#[test]
fn a_receive_whose_answer_cannot_go_out_ends_at_once() {
    for case in Case::all() {
        for call in [Call::RecvMsg(200), Call::Recv(200)] {
            let script = Script::new();
            script.line(|line| {
                line.feed(&case.frame(9, b"are you there"));
                gone(line, Gone::Writes);
            });
            let end = case.run(&script, &[(call, -1), (call, -1)], |_, _| {});
            for end in end {
                let what = format!("{case:?} {call:?}: {end:?}");
                assert!(end.took <= 2, "{what}");
                assert_eq!(end.to, "Err(Lost)", "{what}");
            }
        }
    }
}

/// What came before is still handed out.
#[test]
fn what_came_before_the_end_is_received_first() {
    for case in Case::all() {
        let script = Script::new();
        script.line(|line| {
            let frames = [
                case.frame(9, b"1"),
                case.frame(2, &[7; 300]),
                case.frame(1, b"x"),
            ];
            line.feed(&frames.concat());
            gone(line, Gone::Writes);
        });
        let calls = [
            (Call::Recv(300), -1),
            (Call::Recv(300), -1),
            (Call::Recv(300), -1),
        ];
        let end = case.run(&script, &[calls[0]; 10], |_, _| {});
        let bytes: usize = end
            .iter()
            .filter_map(|end| {
                end.to
                    .strip_prefix("Ok(")?
                    .strip_suffix(')')?
                    .parse::<usize>()
                    .ok()
            })
            .sum();
        assert_eq!(bytes, 301, "{case:?}: {end:?}");
        assert_eq!(end[9].to, "Err(Lost)", "{case:?}");
    }
}
