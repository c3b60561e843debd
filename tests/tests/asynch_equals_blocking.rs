//! The blocking table and the async driver, given the same bytes, cuts and calls: the same pieces,
//! the same errors, the same bytes written.

use std::pin::pin;

use proptest::prelude::*;
use ws_socket::asynch::WebSocket;
use ws_socket::{CloseCode, Config, Opcode, ReceiveError, Role, Timeout, WebSockets};
use ws_tests::drivers::WireStack;
use ws_tests::frames::{frame, plain};
use ws_tests::hand::{Hand, run, settle};
use ws_tests::table::borrowed;
use ws_tests::wire::{Line, Reset, Script, Tail};

#[derive(Debug, Clone)]
enum Call {
    /// Into a buffer of this length.
    RecvMsg(usize),
    Recv(usize),
    /// Of this length.
    SendMsg(usize, Opcode, bool),
    Send(usize),
}

/// What a call came to, in words: its numbers, the payload, or the error.
type Outcome = String;

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

/// A call that does not wait may stop before it has read all there is, so that others run; how far
/// it goes at once is a driver's own affair.
fn insist<R>(
    mut call: impl FnMut() -> Result<R, ReceiveError<Reset>>,
) -> Result<R, ReceiveError<Reset>> {
    for _ in 0..200 {
        match call() {
            Err(ReceiveError::Timeout) => {}
            result => return result,
        }
    }
    Err(ReceiveError::Timeout)
}

struct Case {
    role: Role,
    lent: usize,
    config: Config,
    script: Script,
    end: (CloseCode, &'static str),
}

fn blocking(case: &Case, calls: &[Call]) -> (Vec<Outcome>, Vec<u8>) {
    let mut lent = vec![0; case.lent];
    let mut table = WebSockets::<_, _, 1>::new(WireStack, Hand::new()).with_config(case.config);
    let ws = table.register(case.script.wire(), case.role, Some(borrowed(&mut lent)), 0);
    let ws = ws.map_err(|(error, _)| error).unwrap();
    let mut outcomes: Vec<_> = calls
        .iter()
        .map(|call| match *call {
            Call::RecvMsg(room) => {
                let mut piece = vec![0; room];
                let got = insist(|| table.recv_msg(ws, &mut piece, Timeout::NoWait));
                format!("{got:?} {piece:x?}")
            }
            Call::Recv(room) => {
                let mut piece = vec![0; room];
                let got = insist(|| table.recv(ws, &mut piece, Timeout::NoWait));
                format!("{got:?} {piece:x?}")
            }
            Call::SendMsg(length, opcode, fin) => {
                let sent = table.send_msg(ws, &payload(length), opcode, fin, Timeout::NoWait);
                format!("{sent:?}")
            }
            Call::Send(length) => {
                format!("{:?}", table.send(ws, &payload(length), Timeout::NoWait))
            }
        })
        .collect();
    let (code, reason) = case.end;
    let end = table.disconnect_with(ws, code, reason, 5);
    outcomes.push(format!("{end:?}"));
    (outcomes, case.script.line(Line::sent))
}

fn waiting(case: &Case, calls: &[Call]) -> (Vec<Outcome>, Vec<u8>) {
    let mut lent = vec![0; case.lent];
    let (wire, hand) = (case.script.wire(), Hand::new());
    let mut ws = WebSocket::from_upgraded(
        wire,
        case.role,
        borrowed(&mut lent),
        0,
        hand.clone(),
        case.config,
    );
    let mut outcomes: Vec<_> = calls
        .iter()
        .map(|call| match *call {
            Call::RecvMsg(room) => {
                let mut piece = vec![0; room];
                let got = insist(|| run(ws.recv_msg(&mut piece, Timeout::NoWait)));
                format!("{got:?} {piece:x?}")
            }
            Call::Recv(room) => {
                let mut piece = vec![0; room];
                let got = insist(|| run(ws.recv(&mut piece, Timeout::NoWait)));
                format!("{got:?} {piece:x?}")
            }
            Call::SendMsg(length, opcode, fin) => {
                let sent = run(ws.send_msg(&payload(length), opcode, fin, Timeout::NoWait));
                format!("{sent:?}")
            }
            Call::Send(length) => format!("{:?}", run(ws.send(&payload(length), Timeout::NoWait))),
        })
        .collect();
    let (code, reason) = case.end;
    let mut end = pin!(ws.disconnect_with(code, reason, 5));
    let end = settle(end.as_mut()).unwrap_or_else(|| {
        hand.clock.advance(5);
        run(end)
    });
    outcomes.push(format!("{end:?}"));
    (outcomes, case.script.line(Line::sent))
}

fn opcodes() -> impl Strategy<Value = Opcode> {
    prop_oneof![
        3 => Just(Opcode::Text),
        3 => Just(Opcode::Binary),
        3 => Just(Opcode::Continuation),
        1 => Just(Opcode::Ping),
        1 => Just(Opcode::Pong),
    ]
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        4 => (0..200_usize).prop_map(Call::RecvMsg),
        2 => (0..50_usize).prop_map(Call::Recv),
        2 => (0..200_usize, opcodes(), any::<bool>()).prop_map(|(n, o, fin)| Call::SendMsg(n, o, fin)),
        1 => (0..50_usize).prop_map(Call::Send),
    ];
    prop::collection::vec(call, 0..40)
}

/// Frames of a peer, mostly in order: (FIN, opcode, payload).
fn peer() -> impl Strategy<Value = Vec<(bool, u8, Vec<u8>)>> {
    let text = prop::collection::vec(b'a'..=b'z', 0..150);
    let control = prop::collection::vec(any::<u8>(), 0..126);
    let each = prop_oneof![
        6 => text.prop_map(|bytes| vec![(true, 1, bytes)]),
        3 => (control.clone(), control.clone()).prop_map(|(one, two)| {
            vec![(false, 2, one.clone()), (true, 9, two), (false, 0, vec![]), (true, 0, one)]
        }),
        3 => control.clone().prop_map(|bytes| vec![(true, 9, bytes)]),
        1 => control.clone().prop_map(|bytes| vec![(true, 10, bytes)]),
        1 => control.prop_map(|bytes| vec![(true, 1, bytes)]),
        1 => Just(vec![(true, 0, vec![1])]),
        1 => Just(vec![(true, 8, vec![0x03, 0xE9])]),
    ];
    prop::collection::vec(each, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_same_in_both(
        peer in peer(),
        calls in calls(),
        client in any::<bool>(),
        lent in prop::sample::select(vec![256_usize, 257, 266, 300, 2000]),
        (cut, take) in (1..60_usize, prop_oneof![Just(usize::MAX), 1..40_usize]),
        tail in prop::sample::select(vec![Tail::Silence, Tail::Eof, Tail::Reset]),
        (report_pings, report_pongs) in any::<(bool, bool)>(),
        max_message in prop::sample::select(vec![usize::MAX, 200]),
        end in prop::sample::select(vec![(CloseCode::NORMAL, ""), (CloseCode::GOING_AWAY, "reason")]),
    ) {
        let role = if client { Role::Client } else { Role::Server };
        let config = Config { report_pings, report_pongs, max_message, ..Config::DEFAULT };
        let case = || {
            let script = Script::cut(cut, take, 0);
            script.line(|line| {
                for (fin, opcode, payload) in &peer {
                    line.feed(&frame(*fin, *opcode, !client, payload));
                }
                line.end(tail);
            });
            Case { role, lent, config, script, end }
        };
        let (one, sent) = blocking(&case(), &calls);
        let (other, also_sent) = waiting(&case(), &calls);
        prop_assert_eq!(one, other);
        prop_assert_eq!(plain(&sent), plain(&also_sent));
    }
}
