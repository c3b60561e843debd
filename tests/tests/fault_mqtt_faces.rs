//! The faces for MQTT clients before a broker that floods, and before one that is gone.

use std::net::SocketAddr;
use std::pin::pin;

use embedded_io_async::{Read, Write};
use embedded_nal::{TcpClientStack, TcpError, TcpErrorKind, nb};
use ws_socket::Timeout;
use ws_tests::drivers::{Turns, WireStack, drive};
use ws_tests::frames::{frame, head, switching};
use ws_tests::hand::{Hand, poll};
use ws_tests::table::lent;
use ws_tests::wire::{Line, Reset, Script, Tail, Wire};
use ws_transport_mqtt::{Buffers, MqttError, MqttRequest, MqttStack, MqttStream};

const REMOTE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);
const ROOMS: [usize; 2] = [256, 400];
const TIMEOUT: u32 = 20;
const PING: [u8; 2] = [0xC0, 0];

/// A broker that says 101.
fn broker() -> Script {
    let script = Script::new();
    script.answer(|line: &mut Line| {
        if let Some((request, _)) = head(&line.out) {
            let answer = switching(request, "Sec-WebSocket-Protocol: mqtt\r\n");
            line.sent();
            line.feed(answer.as_bytes());
        }
    });
    script
}

/// A stack whose one socket is the script.
struct One(Option<Wire>);

impl TcpClientStack for One {
    type TcpSocket = Wire;
    type Error = Reset;

    fn socket(&mut self) -> Result<Wire, Reset> {
        self.0.take().ok_or(Reset)
    }

    fn connect(&mut self, _: &mut Wire, _: SocketAddr) -> nb::Result<(), Reset> {
        Ok(())
    }

    fn send(&mut self, socket: &mut Wire, bytes: &[u8]) -> nb::Result<usize, Reset> {
        WireStack.send(socket, bytes)
    }

    fn receive(&mut self, socket: &mut Wire, buffer: &mut [u8]) -> nb::Result<usize, Reset> {
        WireStack.receive(socket, buffer)
    }

    fn close(&mut self, socket: Wire) -> Result<(), Reset> {
        WireStack.close(socket)
    }
}

type Stream = MqttStream<'static, Wire, Hand>;
type Stack = MqttStack<'static, One, Turns, 1>;

fn buffers(room: usize) -> Buffers<'static> {
    Buffers::new(lent(room), lent(room).into_inner())
}

fn stream(hand: &Hand, script: &Script, room: usize) -> Stream {
    let request = MqttRequest::new("broker.example");
    let connect = MqttStream::connect(script.wire(), &request, buffers(room), hand.clone(), 100);
    drive(hand, connect).0.unwrap()
}

fn stack(hand: &Hand, script: &Script, room: usize) -> Stack {
    let request = MqttRequest::new("broker.example");
    let one = One(Some(script.wire()));
    MqttStack::new(one, Turns::new(hand), request, [buffers(room)])
}

type Socket = <Stack as TcpClientStack>::TcpSocket;

/// Connects as a client does that calls again while it would block, a millisecond later.
fn connect(hand: &Hand, stack: &mut Stack, socket: &mut Socket) -> Result<(), MqttError<Reset>> {
    for _ in 0..100_000 {
        match stack.connect(socket, REMOTE) {
            Ok(()) => return Ok(()),
            Err(nb::Error::Other(error)) => return Err(error),
            Err(nb::Error::WouldBlock) => hand.clock.advance(1),
        }
    }
    panic!("it connects for ever")
}

fn connected(hand: &Hand, script: &Script, room: usize) -> (Stack, Socket) {
    let mut stack = stack(hand, script, room);
    let mut socket = stack.socket().unwrap();
    connect(hand, &mut stack, &mut socket).unwrap();
    (stack, socket)
}

/// What a broker may send without end that has nothing for the client; and what comes first.
fn floods() -> [(Vec<u8>, &'static [u8]); 4] {
    let more = |frame: Vec<u8>| &*frame.leak();
    [
        (Vec::new(), more(frame(true, 10, false, b"x"))),
        (Vec::new(), more(frame(true, 10, false, b""))),
        (Vec::new(), more(frame(true, 2, false, b""))),
        (
            frame(false, 2, false, b""),
            more(frame(false, 0, false, b"")),
        ),
    ]
}

/// The deadline of an async client is a timer beside its read: it has to get its turn.
#[test]
fn a_read_in_a_flood_lets_the_clients_deadline_run() {
    for room in ROOMS {
        for (first, flood) in floods() {
            for cut in [1, usize::MAX] {
                let (hand, script) = (Hand::new(), broker());
                let mut stream = stream(&hand, &script, room);
                script.line(|line| {
                    line.cut = cut;
                    line.feed(&first);
                    line.end(Tail::Flood(flood));
                });
                let mut buffer = [0; 9];
                let mut read = pin!(stream.read(&mut buffer));
                for _ in 0..TIMEOUT {
                    script.line(|line| line.calls = 0);
                    let (came, woken) = poll(read.as_mut());
                    assert!(came.is_none(), "{room} {flood:x?}: {came:?}");
                    assert!(woken, "{room} {flood:x?}: it would sleep");
                    let calls = script.line(|line| line.calls);
                    assert!(calls <= 400, "{room} {flood:x?}: {calls}");
                }
            }
        }
    }
}

#[test]
fn a_goodbye_in_a_flood_ends_with_its_timeout() {
    let message: &[u8] = frame(true, 2, false, &[7; 99]).leak();
    for room in ROOMS {
        let all = floods().into_iter().chain([
            (Vec::new(), message),
            (frame(true, 8, false, &[0x03, 0xE8]), &[0][..]),
            (frame(true, 3, false, b""), &[0][..]),
        ]);
        for (first, flood) in all {
            let (hand, script) = (Hand::new(), broker());
            let mut stream = stream(&hand, &script, room);
            script.line(|line| {
                line.feed(&first);
                line.end(Tail::Flood(flood));
            });
            let goodbye = stream.disconnect(Timeout::Millis(TIMEOUT));
            let (_, turns) = drive(&hand, goodbye);
            assert!(turns <= TIMEOUT as usize + 1, "{room} {flood:x?}: {turns}");
        }
    }
}

/// No call of the blocking face waits, whatever comes.
#[test]
fn calls_of_the_stack_return_in_a_flood() {
    for room in ROOMS {
        for (first, flood) in floods() {
            for cut in [1, usize::MAX] {
                let (hand, script) = (Hand::new(), broker());
                let (mut stack, mut socket) = connected(&hand, &script, room);
                script.line(|line| {
                    line.cut = cut;
                    line.feed(&first);
                    line.end(Tail::Flood(flood));
                });
                for _ in 0..20 {
                    script.line(|line| line.calls = 0);
                    let received = stack.receive(&mut socket, &mut [0; 9]);
                    assert!(
                        matches!(received, Err(nb::Error::WouldBlock)),
                        "{room} {flood:x?}: {received:?}"
                    );
                    let sent = stack.send(&mut socket, &PING);
                    assert_eq!(sent, Ok(2), "{room} {flood:x?}");
                    let calls = script.line(|line| line.calls);
                    assert!(calls <= 20_000, "{room} {flood:x?}: {calls}");
                }
                stack.close(socket).unwrap();
                assert!(script.line(|line| line.dropped));
            }
        }
    }
}

/// An answer to the handshake that never ends.
#[test]
fn connecting_in_a_flood_ends_with_its_timeout() {
    let interim: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    for room in ROOMS {
        for flood in [interim, &b"HTTP/1.1 101 x\r\nA: b\r\n"[..]] {
            let (hand, script) = (Hand::new(), Script::new());
            script.line(|line| line.end(Tail::Flood(flood)));
            let mut stack = stack(&hand, &script, room);
            let mut socket = stack.socket().unwrap();
            connect(&hand, &mut stack, &mut socket).unwrap_err();
            stack.close(socket).unwrap();

            let (hand, script) = (Hand::new(), Script::new());
            script.line(|line| line.end(Tail::Flood(flood)));
            let request = MqttRequest::new("broker.example");
            let wire = script.wire();
            let connect = MqttStream::connect(
                wire,
                &request,
                buffers(room),
                hand.clone(),
                Timeout::Millis(TIMEOUT),
            );
            let (connected, turns) = drive(&hand, connect);
            assert!(connected.is_err());
            assert!(turns <= TIMEOUT as usize + 1, "{turns}");
        }
    }
}

/// How the broker goes.
fn ways() -> [fn(&mut Line); 3] {
    [
        |line| line.broken = Some(Err(Reset)),
        |line| {
            line.broken = Some(Err(Reset));
            line.end(Tail::Reset);
        },
        |line| {
            line.broken = Some(Err(Reset));
            line.end(Tail::Eof);
        },
    ]
}

/// What it says before.
fn last_words() -> [Vec<u8>; 4] {
    [
        frame(true, 8, false, &[0x03, 0xE8]),
        frame(true, 3, false, b""),
        frame(true, 9, false, b"there?"),
        Vec::new(),
    ]
}

#[test]
fn a_goodbye_to_a_broker_that_is_gone_ends_at_once() {
    for room in ROOMS {
        for words in last_words() {
            for gone in ways() {
                let (hand, script) = (Hand::new(), broker());
                let mut stream = stream(&hand, &script, room);
                script.line(|line| {
                    line.feed(&words);
                    gone(line);
                });
                let (clean, turns) = drive(&hand, stream.disconnect(Timeout::Forever));
                assert!(!clean && turns <= 2, "{room} {words:x?}: {clean} {turns}");
            }
        }
    }
}

#[test]
fn calls_to_a_broker_that_is_gone_fail_at_once() {
    for room in ROOMS {
        for gone in ways() {
            let (hand, script) = (Hand::new(), broker());
            let mut both = stream(&hand, &script, room);
            script.line(gone);
            let (written, turns) = drive(&hand, both.write(&PING));
            assert!(written.is_err() && turns <= 2, "{room} {written:?} {turns}");

            let (hand, script) = (Hand::new(), broker());
            let (mut stack, mut socket) = connected(&hand, &script, room);
            script.line(gone);
            let sent = stack.send(&mut socket, &PING);
            assert!(matches!(sent, Err(nb::Error::Other(_))), "{room} {sent:?}");
            stack.close(socket).unwrap();
            assert!(script.line(|line| line.dropped));
        }
    }
}

/// A reader is told, too: by its reads, or by the Pong that cannot go out.
#[test]
fn a_reader_of_a_broker_that_is_gone_is_told() {
    let ping = frame(true, 9, false, b"there?");
    for room in ROOMS {
        for gone in ways() {
            let (hand, script) = (Hand::new(), broker());
            let mut stream = stream(&hand, &script, room);
            script.line(|line| {
                line.feed(&ping);
                gone(line);
            });
            let (read, turns) = drive(&hand, async { stream.read(&mut [0; 9]).await });
            assert!(read.is_err() && turns <= 2, "{room} {read:?} {turns}");

            let (hand, script) = (Hand::new(), broker());
            let (mut stack, mut socket) = connected(&hand, &script, room);
            script.line(|line| {
                line.feed(&ping);
                gone(line);
            });
            let told = (0..3).find_map(|_| match stack.receive(&mut socket, &mut [0; 9]) {
                Err(nb::Error::Other(error)) => Some(error),
                _ => None,
            });
            let told = told.unwrap_or_else(|| panic!("{room}"));
            let kinds = [TcpErrorKind::PipeClosed, TcpErrorKind::Other];
            assert!(kinds.contains(&told.kind()), "{told:?}");
            stack.close(socket).unwrap();
        }
    }
}
