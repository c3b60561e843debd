//! Log lines name the connection they are about, where it has an id.

use std::cell::RefCell;

use log::{LevelFilter, Log, Metadata, Record};
use ws_socket::asynch::{AsyncRequest, AsyncWebSockets};
use ws_socket::{AcceptOptions, Role, SharedWebSockets, SlotStore, Table, WebSocketId};
use ws_tests::drivers::{Call, Case, Driver, GOODBYES, Turns, WireStack, drive};
use ws_tests::frames::{head, request, switching};
use ws_tests::hand::Hand;
use ws_tests::script::ScriptStack;
use ws_tests::table::{client, lent, server, table};
use ws_tests::wire::{Line, Script, Tail};

struct Lines;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target().starts_with("ws_socket") {
            LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// What this thread logs meanwhile.
fn logged<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    // The first test sets it for all.
    let _ = log::set_logger(&Lines);
    log::set_max_level(LevelFilter::Debug);
    LINES.take();
    let result = work();
    (result, LINES.take())
}

/// Each is about `ws`, and they are these.
#[track_caller]
fn assert_about(lines: &[String], ws: WebSocketId, expected: &[&str]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|line| format!("{ws}: {line}"))
        .collect();
    assert_eq!(lines, expected);
}

const ENDED: [&str; 3] = [
    "open, 400 bytes lent",
    "the peer broke the protocol: closing with 1002",
    "closed, clean false, code 1006",
];

/// Opened, a frame that is none, closed: on every driver, by every call.
#[test]
fn all_drivers_say_the_same_with_the_id_in_front_where_there_is_one() {
    for case in Case::all().filter(|case| case.lent == 400) {
        for goodbye in GOODBYES {
            for receive in [Call::RecvMsg(20), Call::Recv(20)] {
                let script = Script::new();
                script.line(|line| {
                    line.feed(&case.frame(3, b""));
                    line.end(Tail::Eof);
                });
                let calls = [(receive, 20), (goodbye, 20)];
                let (_, lines) = logged(|| case.run(&script, &calls, |_, _| {}));
                let id = match case.driver {
                    Driver::Async | Driver::Halves => "",
                    Driver::Blocking | Driver::Shared | Driver::Table => "0: ",
                };
                let expected = ENDED.map(|line| format!("{id}{line}"));
                assert_eq!(lines, expected, "{case:?} {goodbye:?} {receive:?}");
            }
        }
    }
}

fn of_many<L: SlotStore<'static, Socket = ws_tests::wire::Wire>>(
    table: &mut Table<'static, WireStack, Turns, L>,
) {
    let scripts = [Script::new(), Script::new(), Script::new()];
    let mut before = Vec::new();
    // The slots are taken twice: the generation counts.
    for _ in 0..2 {
        let ids = scripts.each_ref().map(|script| {
            script.line(|line| {
                line.feed(&[0x83, 0]);
                line.end(Tail::Eof);
            });
            let (ws, lines) = logged(|| {
                let ws = table.register(script.wire(), Role::Client, Some(lent(400)), 0);
                ws.map_err(|(error, _)| error).unwrap()
            });
            assert_about(&lines, ws, &ENDED[..1]);
            ws
        });
        for ws in ids {
            assert!(!before.contains(&ws));
            before.push(ws);
            let (_, lines) = logged(|| table.recv_msg(ws, &mut [0; 9], 20).unwrap_err());
            assert_about(&lines, ws, &ENDED[1..2]);
        }
        for ws in ids {
            let (_, lines) = logged(|| table.disconnect(ws, 20).unwrap());
            assert_about(&lines, ws, &ENDED[2..]);
        }
    }
}

#[test]
fn one_of_many_is_named_by_its_own_id() {
    let hand = Hand::new();
    of_many(&mut ws_socket::WebSockets::<_, _, 3>::new(
        WireStack,
        Turns::new(&hand),
    ));
    let shared = SharedWebSockets::<_, 3>::new();
    of_many(&mut shared.attach(WireStack, Turns::new(&hand)));
}

#[test]
fn handshakes_name_the_id_that_they_lead_to() {
    let stack = ScriptStack::new();
    let mut table = table::<3>(&stack, 400);
    for _ in 0..2 {
        let ((ws, _), lines) = logged(|| client(&mut table));
        assert_about(&lines, ws, &["open, 400 bytes lent"]);
        table.abort(ws).unwrap();
        let ((ws, _), lines) = logged(|| server(&mut table));
        assert_about(&lines, ws, &["open, 400 bytes lent"]);
    }
}

#[test]
fn a_refusal_names_the_connection() {
    let stack = ScriptStack::new();
    let mut table = table::<3>(&stack, 400);
    let (first, _) = server(&mut table);
    let mut listener = stack.connected();
    let socket = stack.arrive();
    let bad = b"GARBAGE\r\n\r\n";
    stack.line(socket, |line| line.feed(bad, usize::MAX));
    let accept = || table.accept(&mut listener, &AcceptOptions::default(), 100);
    let (_, lines) = logged(accept);
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let (id, rest) = line.split_once(": ").unwrap();
    assert_eq!(rest, "refused with 400");
    assert_ne!(id, first.to_string());
    assert!(id.parse::<i32>().is_ok(), "{id}");
}

/// The async table: a client, a server and a refusal, in slots that were used before.
#[test]
fn the_async_table_names_the_id() {
    let hand = Hand::new();
    let mut table =
        AsyncWebSockets::<_, _, 2>::new(hand.clone()).with_buffers([lent(400), lent(400)]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let script = Script::new();
        script.answer(|line: &mut Line| {
            let sent = line.sent();
            if let Some((request, _)) = head(&sent) {
                line.feed(switching(request, "").as_bytes());
            }
        });
        let asked = AsyncRequest::new("host", "/");
        let (ws, lines) = logged(|| {
            let connect = table.connect(script.wire(), &asked, 100);
            drive(&hand, connect).0.unwrap()
        });
        assert_about(&lines, ws, &["open, 400 bytes lent"]);

        let script = Script::new();
        script.line(|line| line.feed(request("").as_bytes()));
        let options = AcceptOptions::default();
        let (accepted, lines) = logged(|| {
            let accept = table.accept(script.wire(), &options);
            drive(&hand, accept).0.unwrap().unwrap()
        });
        assert_about(&lines, accepted, &["open, 400 bytes lent"]);
        script.line(|line| line.feed(&[0x83, 0x80, 0, 0, 0, 0]));
        let (_, lines) = logged(|| {
            let mut buffer = [0; 9];
            let received = table.recv_msg(accepted, &mut buffer, 20);
            drive(&hand, received).0.unwrap_err()
        });
        assert_about(&lines, accepted, &ENDED[1..2]);
        script.line(|line| line.end(Tail::Eof));
        let (_, lines) = logged(|| drive(&hand, table.disconnect(accepted, 20)).0.unwrap());
        assert_about(&lines, accepted, &ENDED[2..]);

        let script = Script::new();
        script.line(|line| line.feed(b"GARBAGE\r\n\r\n"));
        let options = AcceptOptions::default();
        let (_, lines) = logged(|| drive(&hand, table.accept(script.wire(), &options)).0);
        let [line] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert!(line.ends_with(": refused with 400"), "{line}");
        table.abort(ws).unwrap();
        ids.extend([ws, accepted]);
    }
    let mut raw: Vec<_> = ids.iter().map(|ws| ws.to_raw()).collect();
    raw.sort_unstable();
    raw.dedup();
    assert_eq!(raw.len(), 4);
}

/// A connection that is alone has no number that could be another's.
#[test]
fn a_refusal_of_one_that_is_alone_has_no_id() {
    let hand = Hand::new();
    let script = Script::new();
    script.line(|line| line.feed(b"GARBAGE\r\n\r\n"));
    let options = AcceptOptions::default();
    let (_, lines) = logged(|| {
        let config = ws_socket::Config::DEFAULT;
        let accept = ws_socket::asynch::WebSocket::accept(
            script.wire(),
            &options,
            lent(400),
            hand.clone(),
            config,
        );
        drive(&hand, accept).0.map(|ws| ws.is_some())
    });
    assert_eq!(lines, ["refused with 400"]);
}
