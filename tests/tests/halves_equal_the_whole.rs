//! A WebSocket in halves and the whole one: the same bytes give the same pieces, errors and answers;
//! and where the stream is `Send`, so are the halves' futures.

use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex};
use proptest::prelude::*;
use ws_socket::asynch::{AsyncPlatform, Clock, WebSocket};
use ws_socket::{CloseCode, Config, Opcode, ReceiveError, Role, Timeout, WebSockets};
use ws_tests::drivers::{Driver, Turns, WireStack};
use ws_tests::frames::{Found, frame, frames, plain};
use ws_tests::halves::{halves, open};
use ws_tests::hand::{Hand, run};
use ws_tests::table::{borrowed, lent};
use ws_tests::wire::{Line, Reset, Script, Tail};

const FOREVER: Timeout = Timeout::Forever;

/// A stream, a clock and randomness that may go to another thread.
struct Thread;

impl embedded_io_async::ErrorType for Thread {
    type Error = Reset;
}

impl embedded_io_async::Read for Thread {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, Reset> {
        Ok(0)
    }
}

impl embedded_io_async::Write for Thread {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Reset> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Reset> {
        Ok(())
    }
}

impl Clock for Thread {
    fn now_ms(&self) -> u32 {
        0
    }

    async fn sleep_ms(&self, _: u32) {}
}

impl AsyncPlatform for Thread {
    type Clock = Thread;

    fn clock(&self) -> Thread {
        Thread
    }

    fn fill_random(&mut self, _: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        Ok(())
    }
}

#[test]
fn futures_are_send() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let mut ws =
        WebSocket::from_upgraded(Thread, Role::Client, lent(256), 0, Thread, Config::DEFAULT);
    let halves = ws.halves::<CriticalSectionRawMutex, _, _>(|_| (Thread, Thread));
    let mut halves = is_send(halves).unwrap();
    let (receiver, sender) = halves.split();
    let (mut receiver, mut sender) = (is_send(receiver), is_send(sender));
    let (mut piece, text) = ([0; 9], Opcode::Text);
    drop(is_send(receiver.recv_msg(&mut piece, FOREVER)));
    drop(is_send(receiver.recv(&mut piece, FOREVER)));
    drop(is_send(sender.send_msg(b"x", text, true, FOREVER)));
    drop(is_send(sender.send_msg_mut(&mut piece, text, true, 9)));
    drop(is_send(sender.send_part(b"x", 2, text, true, FOREVER)));
    drop(is_send(sender.close(CloseCode::NORMAL, "", FOREVER)));
    let sends = std::thread::scope(|scope| {
        let sends = scope.spawn(|| run(sender.send_msg(b"x", text, true, FOREVER)));
        let receives = scope.spawn(|| run(receiver.recv_msg(&mut [0; 9], FOREVER)));
        assert_eq!(receives.join().unwrap(), Err(ReceiveError::Lost));
        sends.join().unwrap()
    });
    assert_eq!(sends, Ok(1));
}

type Pieces = Vec<Result<(Opcode, bool, usize, Vec<u8>), ReceiveError<Reset>>>;

fn piece(
    received: Result<ws_socket::Received, ReceiveError<Reset>>,
    buffer: &[u8],
    found: &mut Pieces,
) -> bool {
    found.push(received.map(|received| {
        let bytes = buffer[..received.length].to_vec();
        (
            received.opcode(),
            received.is_complete(),
            received.remaining,
            bytes,
        )
    }));
    found.last().is_none_or(Result::is_ok)
}

/// What came may be a protocol error: then its Close, and the end.
fn frames_of(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let masked = role == Role::Server;
    let opcodes = prop_oneof![
        Just(0u8),
        Just(1),
        Just(2),
        Just(9),
        Just(10),
        Just(8),
        0..16u8
    ];
    let payload = proptest::collection::vec(prop_oneof![b'a'..=b'z', any::<u8>()], 0..140);
    let one = (any::<bool>(), opcodes, payload, 0..20u8).prop_map(
        move |(fin, opcode, mut payload, odd)| {
            if opcode >= 8 {
                payload.truncate(125);
            }
            frame(fin || opcode >= 8, opcode, masked != (odd == 0), &payload)
        },
    );
    proptest::collection::vec(one, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The same bytes give the same pieces and errors, and the same answers, as on the whole.
    #[test]
    fn halves_equal_the_whole(
        (server, bytes) in any::<bool>().prop_flat_map(|server| {
            let role = if server { Role::Server } else { Role::Client };
            (Just(server), frames_of(role))
        }),
        lent in prop_oneof![Just(0usize), Just(10), Just(125), Just(300), 0..400usize],
        room in 0..200usize,
        (cut, take, pends) in (1..40usize, 1..40usize, 0..2usize),
        (pings, pongs, stream) in any::<(bool, bool, bool)>(),
    ) {
        // The shortest buffer there is, and more.
        let lent = 256 + lent;
        let role = if server { Role::Server } else { Role::Client };
        let config = Config { report_pings: pings, report_pongs: pongs, ..Config::DEFAULT };
        let ends = [false, true].map(|split| {
            let script = Script::cut(cut, take, pends);
            script.line(|line| {
                line.feed(&bytes);
                line.end(Tail::Eof);
            });
            let (mut lent, mut buffer) = (vec![0; lent], vec![0; room + usize::from(stream)]);
            let mut ws = open(&script, role, borrowed(&mut lent), &Hand::new(), config);
            let (mut found, mut count) = (Pieces::new(), 0);
            let mut stream_bytes = Vec::new();
            let limit = bytes.len() * 2 + 20;
            macro_rules! receive {
                ($half:expr) => {
                    while count < limit {
                        count += 1;
                        if stream {
                            match run($half.recv(&mut buffer, FOREVER)) {
                                Ok(length) => stream_bytes.extend_from_slice(&buffer[..length]),
                                Err(error) => {
                                    found.push(Err(error));
                                    break;
                                }
                            }
                        } else {
                            let received = run($half.recv_msg(&mut buffer, FOREVER));
                            if !piece(received, &buffer, &mut found) {
                                break;
                            }
                        }
                    }
                };
            }
            if split {
                let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
                let (mut half, _) = halves.split();
                receive!(half);
            } else {
                receive!(ws);
            }
            let end = run(ws.disconnect(FOREVER)).unwrap();
            let out = script.line(Line::sent);
            (found, stream_bytes, (end.clean, end.code), frames(&out).0)
        });
        let [whole, halves] = ends;
        prop_assert_eq!(&whole.0, &halves.0);
        prop_assert_eq!((whole.1, whole.2), (halves.1, halves.2));
        let closes = |found: &[Found]| {
            let closes = found.iter().filter(|found| found.opcode == 8);
            closes.map(|found| found.payload.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(closes(&whole.3), closes(&halves.3));
        if pends == 0 {
            prop_assert_eq!(whole.3, halves.3);
        }
    }
}

/// The pieces of each frame as one.
fn whole_frames(pieces: &Pieces) -> Pieces {
    let mut whole = Pieces::new();
    for piece in pieces {
        match (whole.last_mut(), piece) {
            (Some(Ok((was, complete, left @ 1.., bytes))), Ok((opcode, now, remaining, more))) => {
                assert_eq!(was, opcode, "a piece of another frame");
                assert_eq!(*left, remaining + more.len());
                (*complete, *left) = (*now, *remaining);
                bytes.extend(more);
            }
            _ => whole.push(piece.clone()),
        }
    }
    whole
}

/// All that a driver makes of the bytes: the pieces, and what goes out.
fn received(
    driver: Driver,
    bytes: &[u8],
    (lent, room, cut): (usize, usize, usize),
    config: Config,
) -> (Pieces, Vec<(bool, u8, Vec<u8>)>) {
    let script = Script::cut(cut, usize::MAX, 0);
    script.line(|line| {
        line.feed(bytes);
        line.end(Tail::Eof);
    });
    let (mut lent, mut buffer, hand) = (vec![0; lent], vec![0; room], Hand::new());
    let (lent, mut found) = (borrowed(&mut lent), Pieces::new());
    if driver == Driver::Blocking {
        let mut table =
            WebSockets::<_, _, 1>::new(WireStack, Turns::new(&hand)).with_config(config);
        let ws = table.register(script.wire(), Role::Client, Some(lent), 0);
        let ws = ws.map_err(|(error, _)| error).unwrap();
        while piece(table.recv_msg(ws, &mut buffer, -1), &buffer, &mut found) {}
    } else {
        let mut ws = open(&script, Role::Client, lent, &hand, config);
        if driver == Driver::Halves {
            let mut halves = halves::<NoopRawMutex>(&mut ws, &script);
            let (mut half, _) = halves.split();
            while piece(
                run(half.recv_msg(&mut buffer, FOREVER)),
                &buffer,
                &mut found,
            ) {}
        } else {
            while piece(run(ws.recv_msg(&mut buffer, FOREVER)), &buffer, &mut found) {}
        }
    }
    (found, plain(&script.line(Line::sent)))
}

/// However the stream cuts the same bytes, and wherever they come to the end of what is read into: only
/// where a frame is cut into pieces may differ, and it is the same on every driver. (A reported Ping,
/// something that fills the buffer up, then a fragment of two bytes: once handed out as 1 + 1 by one
/// driver alone.)
#[test]
fn cutting_changes_nothing_but_the_cuts() {
    let config = Config {
        report_pings: true,
        ..Config::DEFAULT
    };
    for filler in [0, 1, 24, 25, 26, 27, 28, 60] {
        let bytes = [
            frame(true, 9, false, &[b'a'; 98]),
            frame(true, 10, false, &vec![b'f'; filler]),
            frame(false, 1, false, b"ab"),
            frame(true, 0, false, b""),
        ]
        .concat();
        let frames: Pieces = vec![
            Ok((Opcode::Ping, true, 0, vec![b'a'; 98])),
            Ok((Opcode::Text, false, 0, b"ab".to_vec())),
            Ok((Opcode::Text, true, 0, vec![])),
            Err(ReceiveError::Lost),
        ];
        for lent in [256, 257, 259, 384] {
            for room in [1, 2, 9, 97, 98, 200] {
                for cut in (1..40).chain([usize::MAX]) {
                    let what = format!("filler {filler}, lent {lent}, room {room}, cut {cut}");
                    let of = |driver| received(driver, &bytes, (lent, room, cut), config);
                    let (pieces, sent) = of(Driver::Async);
                    assert_eq!(whole_frames(&pieces), frames, "{what}");
                    assert_eq!(sent, [(true, 10, vec![b'a'; 98])], "{what}");
                    for driver in [Driver::Blocking, Driver::Halves] {
                        assert_eq!(
                            of(driver),
                            (pieces.clone(), sent.clone()),
                            "{driver:?} {what}"
                        );
                    }
                }
            }
        }
    }
}
