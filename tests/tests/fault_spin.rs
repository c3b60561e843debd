//! What made a loop of calls burn the processor: a poll that says OUT while the stack takes nothing, a
//! receive into no room. And the look at what comes next that takes nothing.

use std::cell::Cell;
use std::rc::Rc;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use ws_socket::asynch::{self, WebSocket};
use ws_socket::{
    Config, Errno, Events, Flags, Opcode, PollItem, ReceiveError, Received, Role, SharedWebSockets,
    SlotStore, Table, Timeout, WebSocketId, WebSockets, asynch::Clock,
};
use ws_tests::drivers::{Call, Case, Driver, Turns, WireStack, drive};
use ws_tests::frames::frame;
use ws_tests::hand::Hand;
use ws_tests::table::lent;
use ws_tests::wire::{Line, Script, Tail, Wire};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// Two milliseconds of a window that is shut, then it opens. Says how often poll said OUT.
fn polled<L: SlotStore<'static, Socket = Wire>>(
    table: &mut Table<'static, WireStack, Turns, L>,
    ws: WebSocketId,
    script: &Script,
    timeout: Timeout,
) -> usize {
    let platform = table.platform().clone();
    let start = platform.hand.clock.now_ms();
    let mut items = [PollItem::new(ws, Events(Events::IN.0 | Events::OUT.0))];
    let (mut sent, mut said) = (0, 0);
    let payload = [7; 100];
    while platform.hand.clock.now_ms() - start < 100 {
        if table.poll(&mut items, timeout) == 0 {
            continue;
        }
        assert_eq!(items[0].revents, Events::OUT);
        said += 1;
        let rest = &payload[sent..];
        match table.send_msg(ws, rest, Opcode::Binary, true, 0) {
            Ok(count) => sent += count,
            Err(error) => assert_eq!(error.errno(), Errno::Etimedout),
        }
        assert!(sent < 100);
        assert!(said <= 120, "it spins");
    }
    script.line(|line| line.open(usize::MAX));
    assert_eq!(table.poll(&mut items, Timeout::Millis(10)), 1);
    let rest = &payload[sent..];
    let all = table.send_msg(ws, rest, Opcode::Binary, true, 0);
    assert_eq!(all, Ok(rest.len()));
    // Nothing was refused: at once.
    assert_eq!(table.poll(&mut items, Timeout::NoWait), 1);
    said
}

fn shut(window: usize) -> Script {
    let script = Script::cut(1, usize::MAX, 0);
    script.line(|line| line.window = window);
    script
}

#[test]
fn poll_does_not_say_out_over_and_over_while_the_window_is_shut() {
    for role in ROLES {
        for window in [0, 1, 3, 50] {
            for timeout in [Timeout::Forever, Timeout::Millis(1_000)] {
                let (script, hand) = (shut(window), Hand::new());
                let mut table = WebSockets::<_, _, 1>::new(WireStack, Turns::new(&hand));
                let ws = table.register(script.wire(), role, Some(lent(300)), 0);
                let ws = ws.map_err(|(error, _)| error).unwrap();
                let said = polled(&mut table, ws, &script, timeout);
                assert!((20..=101).contains(&said), "{said}");

                let (script, hand) = (shut(window), Hand::new());
                let shared = SharedWebSockets::<_, 1>::new();
                let mut table = shared.attach(WireStack, Turns::new(&hand));
                let ws = table.register(script.wire(), role, Some(lent(300)), 0);
                let ws = ws.map_err(|(error, _)| error).unwrap();
                let said = polled(&mut table, ws, &script, timeout);
                assert!((20..=101).contains(&said), "{said}");
            }
        }
    }
}

/// A platform that sleeps as long as it may is not let to sleep for ever.
#[test]
fn poll_asks_for_no_more_than_a_millisecond_while_out_is_held_back() {
    struct Sleeps(Turns, Rc<Cell<u32>>);
    impl<S> ws_socket::Platform<S> for Sleeps {
        fn now_ms(&mut self) -> u32 {
            self.0.hand.clock.now_ms()
        }
        fn fill_random(&mut self, _: &mut [u8]) -> Result<(), ws_socket::RandomError> {
            Ok(())
        }
        fn wait(&mut self, _: &mut S, at_most_ms: u32) {
            self.1.set(self.1.get().max(at_most_ms));
            self.0.hand.clock.advance(at_most_ms.min(1_000));
        }
    }
    let (script, hand, longest) = (shut(0), Hand::new(), Rc::<Cell<u32>>::default());
    let platform = Sleeps(Turns::new(&hand), longest.clone());
    let mut table = WebSockets::<_, _, 1>::new(WireStack, platform);
    let ws = table.register(script.wire(), Role::Server, Some(lent(256)), 0);
    let ws = ws.map_err(|(error, _)| error).unwrap();
    let mut items = [PollItem::new(ws, Events::OUT)];
    assert!(table.send_msg(ws, b"x", Opcode::Text, true, 0).is_err());
    assert_eq!(table.poll(&mut items, -1), 1);
    assert_eq!(longest.get(), 1);
    // The time that a poll has is kept.
    assert!(table.send_msg(ws, b"x", Opcode::Text, true, 0).is_err());
    assert_eq!(table.poll(&mut items, 0), 0);
}

#[test]
fn the_async_poll_does_not_say_out_over_and_over() {
    for role in ROLES {
        for window in [0, 1, 3, 50] {
            for timeout in [Timeout::Forever, Timeout::Millis(1_000)] {
                let (script, hand) = (shut(window), Hand::new());
                let table = asynch::AsyncWebSockets::<_, _, 1>::new(hand.clone());
                let mut table = table.with_buffers([lent(300)]);
                let ws = table.register(script.wire(), role, &[]);
                let ws = ws.map_err(|(error, _)| error).unwrap();
                let mut items = [PollItem::new(ws, Events(Events::IN.0 | Events::OUT.0))];
                let payload = [7; 100];
                let work = async {
                    let (mut said, mut sent) = (0, 0);
                    while hand.clock.now_ms() < 100 {
                        if table.poll(&mut items, timeout).await == 0 {
                            continue;
                        }
                        said += 1;
                        assert!(said <= 120, "it spins");
                        let rest = &payload[sent..];
                        let send = table.send_msg(ws, rest, Opcode::Binary, true, 0);
                        sent += send.await.unwrap_or(0);
                    }
                    script.line(|line| line.open(usize::MAX));
                    assert_eq!(table.poll(&mut items, 10).await, 1);
                    let rest = &payload[sent..];
                    let all = table.send_msg(ws, rest, Opcode::Binary, true, 0);
                    assert_eq!(all.await, Ok(rest.len()));
                    assert_eq!(table.poll(&mut items, 0).await, 1);
                    said
                };
                let (said, _) = drive(&hand, work);
                assert!((20..=101).contains(&said), "{said}");
            }
        }
    }
}

/// Zephyr's own loop, `buf[n..]`, comes to an empty buffer where a message is longer than its buffer.
#[test]
fn a_receive_without_room_is_einval() {
    for case in Case::all() {
        for came in [case.frame(1, b"hello"), case.frame(1, b""), Vec::new()] {
            let script = Script::new();
            script.line(|line| line.feed(&came));
            let calls = [
                (Call::RecvMsg(0), 1_000),
                (Call::RecvMsg(0), -1),
                (Call::Recv(0), -1),
            ];
            let ends = case.run(&script, &calls, |_, _| {});
            for (end, says) in ends
                .iter()
                .zip(["Err(EmptyBuffer)", "Err(EmptyBuffer)", "Ok(0)"])
            {
                assert_eq!(end.to, says, "{case:?} {came:x?}");
                assert_eq!((end.took, end.turns), (0, 0), "{case:?}");
            }
        }
    }
    assert_eq!(ReceiveError::<()>::EmptyBuffer.errno(), Errno::Einval);
}

/// What a driver's peek says, twice, and what is then received.
fn peeks(case: &Case, script: &Script, timeout: i32) -> [String; 3] {
    let hand = Hand::new();
    let (wire, lent, role) = (script.wire(), lent(case.lent), case.role);
    let said = |what: &Result<Received, ReceiveError<ws_tests::wire::Reset>>| format!("{what:?}");
    let mut piece = [0; 200];
    match case.driver {
        Driver::Blocking | Driver::Shared => {
            let shared = SharedWebSockets::<_, 1>::new();
            let mut table = shared.attach(WireStack, Turns::new(&hand));
            let ws = table.register(wire, role, Some(lent), 0);
            let ws = ws.map_err(|(error, _)| error).unwrap();
            let peeks = [(); 2].map(|()| said(&table.peek(ws, timeout)));
            let [one, two] = peeks;
            [one, two, said(&table.recv_msg(ws, &mut piece, 5))]
        }
        Driver::Async => {
            let config = Config::DEFAULT;
            let mut ws = WebSocket::from_upgraded(wire, role, lent, 0, hand.clone(), config);
            let work = async {
                let one = said(&ws.peek(timeout).await);
                let two = said(&ws.peek(timeout).await);
                [one, two, said(&ws.recv_msg(&mut piece, 5).await)]
            };
            drive(&hand, work).0
        }
        Driver::Table => {
            let table = asynch::AsyncWebSockets::<_, _, 1>::new(hand.clone());
            let mut table = table.with_buffers([lent]);
            let ws = table.register(wire, role, &[]);
            let ws = ws.map_err(|(error, _)| error).unwrap();
            let work = async {
                let one = said(&table.peek(ws, timeout).await);
                let two = said(&table.peek(ws, timeout).await);
                [one, two, said(&table.recv_msg(ws, &mut piece, 5).await)]
            };
            drive(&hand, work).0
        }
        Driver::Halves => {
            let config = Config::DEFAULT;
            let mut ws = WebSocket::from_upgraded(wire, role, lent, 0, hand.clone(), config);
            let split = ws.halves::<NoopRawMutex, _, _>(|_| (script.wire(), script.wire()));
            let mut halves = split.unwrap();
            let (mut receiver, _) = halves.split();
            let work = async {
                let one = said(&receiver.peek(timeout).await);
                let two = said(&receiver.peek(timeout).await);
                [one, two, said(&receiver.recv_msg(&mut piece, 5).await)]
            };
            drive(&hand, work).0
        }
    }
}

#[test]
fn a_peek_takes_nothing() {
    for case in Case::all() {
        let masked = case.role == Role::Server;
        let close = [&[0x03, 0xE8][..], b"bye"].concat();
        let looks = [
            (case.frame(1, b"hello"), Flags::TEXT | Flags::FINAL, 5),
            (case.frame(2, &[7; 150]), Flags::BINARY | Flags::FINAL, 150),
            (frame(false, 2, masked, b"part"), Flags::BINARY, 4),
            (case.frame(1, b""), Flags::TEXT | Flags::FINAL, 0),
            (case.frame(8, &close), Flags::CLOSE | Flags::FINAL, 5),
            (case.frame(8, b""), Flags::CLOSE | Flags::FINAL, 0),
            (
                [case.frame(10, b"pong"), case.frame(1, b"hi")].concat(),
                Flags::TEXT | Flags::FINAL,
                2,
            ),
        ];
        for (came, flags, length) in looks {
            let script = Script::new();
            script.line(|line| line.feed(&came));
            let look = Received {
                length: 0,
                flags,
                remaining: length,
            };
            let taken = Received {
                length,
                flags,
                remaining: 0,
            };
            let [one, two, received] = peeks(&case, &script, 100);
            assert_eq!((&one, &two), (&format!("Ok({look:?})"), &one), "{case:?}");
            // A message comes in pieces where it is read in pieces.
            if case.lent != 256 || length < 100 {
                assert_eq!(received, format!("Ok({taken:?})"), "{case:?}");
            }
        }
    }
}

#[test]
fn a_peek_ends_with_its_timeout_or_the_connection() {
    for case in Case::all() {
        let script = Script::new();
        for timeout in [0, 7] {
            let [one, two, _] = peeks(&case, &script, timeout);
            assert_eq!(
                [one, two],
                ["Err(Timeout)"; 2].map(String::from),
                "{case:?}"
            );
        }
        let script = Script::new();
        script.line(|line| line.end(Tail::Eof));
        assert_eq!(
            peeks(&case, &script, -1),
            ["Err(Lost)"; 3].map(String::from)
        );
        // What the peer did wrong is still to be said to who receives.
        let script = Script::new();
        script.line(|line| line.feed(&case.frame(3, b"")));
        let says = "Err(Protocol(ReservedOpcode(3)))";
        assert_eq!(
            peeks(&case, &script, -1),
            [says; 3].map(String::from),
            "{case:?}"
        );
        // Pings are answered meanwhile.
        let script = Script::new();
        script.line(|line| line.feed(&case.frame(9, b"there?")));
        let [one, ..] = peeks(&case, &script, 5);
        assert_eq!(one, "Err(Timeout)");
        assert!(script.line(Line::sent).len() >= 8, "{case:?}");
    }
}
