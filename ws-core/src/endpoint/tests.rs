//! The endpoint as a driver uses it: every cut of the stream, every size of every buffer, a wire
//! that takes what it likes.

#[cfg(feature = "extensions")]
mod extension;

use proptest::prelude::*;
use std::collections::VecDeque;

use super::*;
use crate::FrameError;
use crate::testing::{Wire, frame, frames_of};

/// What the user of an endpoint saw.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Message(Opcode, Vec<u8>),
    Error(ProtocolError),
    Ended,
}

/// A driver in small: reads and writes through a [`Wire`], keeps what the user saw.
struct Driver<'buf> {
    endpoint: Endpoint,
    lent: Lent<'buf>,
    wire: Wire,
    partial: [Vec<u8>; 2],
    seen: Vec<Seen>,
}

/// What a wire that says at its end that it has ended tells a job.
fn read(wire: &mut Wire, buffer: &mut [u8]) -> Told {
    assert!(!buffer.is_empty());
    match wire.read(buffer) {
        None if wire.is_eof() => Told::Read(0),
        None => Told::ReadBlocked,
        Some(count) => Told::Read(count),
    }
}

impl<'buf> Driver<'buf> {
    fn new(role: Role, lent: &'buf mut [u8], wire: Wire) -> Self {
        let lent = Lent::new(lent);
        Self {
            endpoint: Endpoint::new(role, &lent, 0..0, 1 << 20),
            lent,
            wire,
            partial: Default::default(),
            seen: Vec::new(),
        }
    }

    /// Runs a job. Is it done, or does it wait for the wire?
    fn drive(&mut self, job: &mut impl Job) -> bool {
        let Self {
            endpoint,
            lent,
            wire,
            ..
        } = self;
        let mut scratch = [0; 5];
        let mut told = Told::Resumed;
        loop {
            told = match job.step(endpoint, lent, told) {
                Step::Done => return true,
                Step::Blocked => return false,
                Step::Yield => Told::Resumed,
                Step::Key => {
                    endpoint.set_key([1, 2, 3, 4]);
                    Told::Resumed
                }
                Step::Flush | Step::FlushLast => Told::Flushed,
                Step::Read | Step::ReadNow => read(wire, lent.read_buffer()),
                Step::ReadUser => read(wire, job.user_buffer()),
                Step::Write => {
                    let (read, reserve) = lent.parts();
                    let scratch = endpoint.scratch(read, &mut scratch);
                    let bytes = endpoint.outgoing(job.rest(), reserve, scratch);
                    assert!(!bytes.is_empty());
                    match wire.write(bytes) {
                        0 => Told::WriteBlocked,
                        count => Told::Written(count),
                    }
                }
            };
        }
    }

    fn piece(&mut self, user: &[u8], piece: Piece) {
        // A control frame may come between the fragments of a message.
        let control = usize::from(piece.opcode.is_control());
        let partial = &mut self.partial[control];
        partial.extend_from_slice(&user[..piece.length]);
        if piece.fin && piece.remaining == 0 {
            self.seen
                .push(Seen::Message(piece.opcode, std::mem::take(partial)));
        }
    }

    /// Receives until nothing moves any more: a wire that takes nothing now may take something when
    /// it is tried again.
    fn run(&mut self, face: Face, room: usize) {
        let mut user = vec![0; room];
        let mut tries = 0..300;
        loop {
            let mut job = Receive::new(face, &mut user);
            if !self.drive(&mut job) {
                match tries.next() {
                    Some(_) => continue,
                    None => return,
                }
            }
            tries = 0..300;
            self.drive(&mut Answer::default());
            match job.result().unwrap() {
                Ok(piece) => self.piece(&user, piece),
                Err(Ended::Protocol(error)) => self.seen.push(Seen::Error(error)),
                Err(_) => {
                    self.seen.push(Seen::Ended);
                    return;
                }
            }
        }
    }

    /// Sends what the wire takes of a payload that is a frame or a part of one.
    fn send(&mut self, part: &[u8], later: usize, opcode: Opcode) -> Result<usize, Refusal> {
        let frame = Outgoing {
            later,
            ..Outgoing::whole(opcode, true)
        };
        let mut job = Send::new(frame, part);
        self.drive(&mut job);
        job.refusal().map_or(Ok(job.taken()), Err)
    }

    /// Writes what is due.
    fn flush(&mut self) -> bool {
        self.drive(&mut Answer::default()) && !self.endpoint.control_ready()
    }

    fn written(&self) -> Vec<(bool, u8, Vec<u8>)> {
        frames_of(&self.wire.written)
    }
}

const KEY: Option<[u8; 4]> = Some([0xA1, 0xB2, 0xC3, 0xD4]);

fn conversation() -> Vec<u8> {
    [
        frame(true, 1, KEY, b"Hello"),
        frame(true, 9, KEY, b"ping in between"),
        frame(false, 2, KEY, &[7; 130]),
        frame(true, 9, KEY, b""),
        frame(false, 0, KEY, b""),
        frame(true, 10, KEY, b"unasked"),
        frame(true, 0, KEY, &[8; 3]),
        frame(true, 1, KEY, b""),
        frame(true, 8, KEY, &[3, 0xE9, b'b', b'y', b'e']),
        b"discarded".to_vec(),
    ]
    .concat()
}

fn messages() -> Vec<Seen> {
    let fragmented = [&[7; 130][..], &[8; 3]].concat();
    vec![
        Seen::Message(Opcode::Text, b"Hello".to_vec()),
        Seen::Message(Opcode::Binary, fragmented),
        Seen::Message(Opcode::Text, Vec::new()),
    ]
}

/// RFC 6455 sections 5.4, 5.5.1, 5.5.2: in two pieces, cut everywhere, through every kind of
/// buffer, the same is seen and the same is answered.
#[test]
fn rfc6455_5_4_every_cut_every_lent_buffer() {
    let bytes = conversation();
    for lent in [256, 257, 300, 600] {
        for room in [125, 126, 1000] {
            for cut in 0..=bytes.len() {
                let mut lent = vec![0; lent];
                let mut driver = Driver::new(Role::Server, &mut lent, Wire::cut_at(&bytes, &[cut]));
                driver.run(Face::Messages, room);
                let mut expected = messages();
                expected.push(Seen::Message(
                    Opcode::Close,
                    vec![3, 0xE9, b'b', b'y', b'e'],
                ));
                expected.push(Seen::Ended);
                assert_eq!(driver.seen, expected);
                assert_eq!(
                    driver.written(),
                    [
                        (true, 10, b"ping in between".to_vec()),
                        (true, 10, vec![]),
                        (true, 8, vec![3, 0xE9]),
                    ]
                );
                assert_eq!(driver.endpoint.peer_close(), Some(CloseCode::GOING_AWAY));
            }
        }
    }
}

/// The stream face: payload alone; Pings are answered.
#[test]
fn rfc6455_5_5_2_the_stream_face_answers_pings() {
    let bytes = conversation();
    for role in [Role::Server, Role::Client] {
        let bytes = if role == Role::Server {
            bytes.clone()
        } else {
            crate::testing::unmasked(&bytes)
        };
        for lent in [256, 300] {
            for room in [1, 3, 64, 1000] {
                for drip in [1, 3, usize::MAX] {
                    let mut lent = vec![0; lent];
                    let mut driver =
                        Driver::new(role, &mut lent, Wire::new(&bytes).limits(drip, drip));
                    driver.run(Face::Stream, room);
                    let payload: Vec<u8> = messages()
                        .into_iter()
                        .flat_map(|seen| match seen {
                            Seen::Message(_, payload) => payload,
                            _ => unreachable!(),
                        })
                        .collect();
                    let seen: Vec<u8> = driver
                        .seen
                        .iter()
                        .flat_map(|seen| match seen {
                            Seen::Message(opcode, payload) if !opcode.is_control() => {
                                payload.clone()
                            }
                            Seen::Ended => vec![],
                            other => panic!("{other:?}"),
                        })
                        .collect();
                    assert_eq!(seen, payload);
                    assert_eq!(
                        driver.written(),
                        [
                            (true, 10, b"ping in between".to_vec()),
                            (true, 10, vec![]),
                            (true, 8, vec![3, 0xE9]),
                        ]
                    );
                }
            }
        }
    }
}

/// What is read behind a blocked wire is not held up by a Pong that cannot go out, and the latest
/// Ping is the one that is answered.
#[test]
fn rfc6455_5_5_3_a_blocked_pong_does_not_stop_receiving() {
    let bytes = [
        frame(true, 9, KEY, b"first"),
        frame(true, 9, KEY, b"second"),
        frame(true, 1, KEY, b"text"),
    ]
    .concat();
    let mut lent = [0; 256];
    let mut driver = Driver::new(Role::Server, &mut lent, Wire::new(&bytes).window(0));
    driver.run(Face::Messages, 125);
    assert_eq!(driver.seen, [Seen::Message(Opcode::Text, b"text".to_vec())]);
    assert_eq!(driver.written(), []);
    driver.wire.unblock();
    assert!(driver.flush());
    assert_eq!(driver.written(), [(true, 10, b"second".to_vec())]);
}

/// A Pong half out keeps its payload: the next Ping waits for it.
#[test]
fn rfc6455_5_5_3_a_pong_half_out_is_finished_first() {
    for window in 1..7 {
        let bytes = [
            frame(true, 9, KEY, b"first"),
            frame(true, 9, KEY, b"second"),
        ]
        .concat();
        let mut lent = [0; 256];
        let mut driver = Driver::new(Role::Server, &mut lent, Wire::new(&bytes).window(window));
        driver.run(Face::Messages, 125);
        driver.wire.unblock();
        driver.run(Face::Messages, 125);
        assert_eq!(
            driver.written(),
            [
                (true, 10, b"first".to_vec()),
                (true, 10, b"second".to_vec())
            ],
            "window {window}"
        );
    }
}

/// Section 5.4: no control frame gets into the user's open frame, whatever was received.
#[test]
fn rfc6455_5_4_control_frames_wait_for_the_open_frame() {
    let mut lent = [0; 256];
    let wire = Wire::new(&[frame(true, 9, KEY, b"now"), frame(true, 8, KEY, &[3, 0xE8])].concat());
    let mut driver = Driver::new(Role::Server, &mut lent, wire);
    assert_eq!(driver.send(b"01234", 5, Opcode::Text), Ok(5));
    driver.run(Face::Messages, 125);
    assert_eq!(driver.wire.written.len(), 7);
    assert_eq!(driver.send(b"56789", 0, Opcode::Text), Ok(5));
    assert!(driver.flush());
    // The Ping was followed by a Close: nothing but the Close is owed any more.
    assert_eq!(
        driver.written(),
        [(true, 1, b"0123456789".to_vec()), (true, 8, vec![3, 0xE8])]
    );
    assert_eq!(
        driver.send(b"", 0, Opcode::Text),
        Err(Refusal::Frame(FrameError::Closed))
    );
}

/// Section 7.1.7 and 7.4.1: what came before the error is handed out, the Close has the fitting
/// code, the error is reported once.
#[test]
fn rfc6455_7_1_7_a_broken_frame_loses_nothing_before_it() {
    for (bad, code, error) in [
        (
            frame(true, 3, KEY, b""),
            1002,
            ProtocolError::ReservedOpcode(3),
        ),
        (
            frame(true, 1, KEY, b"\xFF"),
            1007,
            ProtocolError::InvalidUtf8,
        ),
        (
            frame(true, 8, KEY, &[3, 0xED]),
            1002,
            ProtocolError::CloseCode(1005),
        ),
        (
            frame(true, 1, None, b"clear"),
            1002,
            ProtocolError::UnmaskedByClient,
        ),
        (
            frame(true, 2, KEY, &[0; 2000]),
            1009,
            ProtocolError::MessageTooBig,
        ),
    ] {
        for lent in [256, 4000] {
            for drip in [1, usize::MAX] {
                let bytes = [frame(true, 1, KEY, b"good"), bad.clone(), vec![0; 50]].concat();
                let mut lent = vec![0; lent];
                let mut driver = Driver::new(
                    Role::Server,
                    &mut lent,
                    Wire::new(&bytes).limits(drip, drip),
                );
                driver.endpoint.limit = 1999;
                driver.run(Face::Messages, 125);
                assert_eq!(
                    driver.seen,
                    [
                        Seen::Message(Opcode::Text, b"good".to_vec()),
                        Seen::Error(error),
                        Seen::Ended
                    ]
                );
                assert_eq!(
                    driver.written(),
                    [(true, 8, u16::to_be_bytes(code).to_vec())]
                );
                assert!(driver.endpoint.close_sent() && driver.endpoint.peer_close().is_none());
            }
        }
    }
}

/// Section 7.4.1: where text is refused, its header fails the connection; what came before counts.
#[test]
fn rfc6455_7_4_1_text_is_refused() {
    for lent in [256, 300] {
        for drip in [1, usize::MAX] {
            let good = frame(true, 2, KEY, b"good");
            let bytes = [good, frame(false, 1, KEY, b"text"), vec![0; 50]].concat();
            let mut lent = vec![0; lent];
            let wire = Wire::new(&bytes).limits(drip, drip);
            let mut driver = Driver::new(Role::Server, &mut lent, wire);
            driver.endpoint.refuse_text(true);
            driver.run(Face::Stream, 125);
            let seen = [
                Seen::Message(Opcode::Binary, b"good".to_vec()),
                Seen::Error(ProtocolError::UnwantedText),
                Seen::Ended,
            ];
            assert_eq!(driver.seen, seen);
            let close = (true, 8, u16::to_be_bytes(1003).to_vec());
            assert_eq!(driver.written(), [close]);
            assert!(driver.endpoint.peer_close().is_none());
        }
    }
}

/// Section 5.5.1: our Close is answered by the peer's, which is not echoed again; a Close without a
/// code is answered without one.
#[test]
fn rfc6455_5_5_1_one_close_each_way() {
    let mut lent = [0; 256];
    let mut driver = Driver::new(
        Role::Client,
        &mut lent,
        Wire::new(&frame(true, 8, None, b"")),
    );
    driver.run(Face::Messages, 125);
    assert_eq!(driver.written(), [(true, 8, vec![])]);
    assert_eq!(driver.endpoint.peer_close(), Some(CloseCode::NO_STATUS));

    let mut driver = Driver::new(
        Role::Client,
        &mut lent,
        Wire::new(&frame(true, 8, None, &[3, 0xE8])),
    );
    for code in [CloseCode::GOING_AWAY, CloseCode::INTERNAL_ERROR] {
        driver.endpoint.close(code);
    }
    driver.run(Face::Messages, 125);
    assert_eq!(driver.written(), [(true, 8, vec![3, 0xE9])]);
    assert_eq!(driver.endpoint.peer_close(), Some(CloseCode::NORMAL));
}

/// A Ping of ours goes out between whatever else is due, and a Ping of the peer's that is half here
/// is answered with all of its payload.
#[test]
fn rfc6455_5_5_2_a_ping_of_ours() {
    let theirs = frame(true, 9, KEY, b"half and half");
    for cut in 0..theirs.len() {
        for takes in [vec![1], vec![0, 1, 0, 3], vec![100]] {
            let mut lent = [0; 256];
            let wire = Wire::cycling(&theirs, &[cut.max(1), 100], &takes);
            let mut driver = Driver::new(Role::Server, &mut lent, wire);
            // What has come of it when ours becomes due.
            if cut > 0 {
                let mut job = Receive::new(Face::Messages, &mut []);
                let mut told = Told::Resumed;
                loop {
                    let step = job.step(&mut driver.endpoint, &mut driver.lent, told);
                    if step != Step::Read || told == Told::Read(cut) {
                        break;
                    }
                    told = read(&mut driver.wire, driver.lent.read_buffer());
                }
            }
            driver.endpoint.ping();
            for _ in 0..40 {
                driver.run(Face::Messages, 9);
                driver.flush();
            }
            let mut written = driver.written();
            written.sort();
            let pong = (true, 10, b"half and half".to_vec());
            assert_eq!(written, [(true, 9, Vec::new()), pong], "cut at {cut}");
        }
    }
    // Nothing after a Close.
    let mut lent = [0; 256];
    let mut driver = Driver::new(Role::Client, &mut lent, Wire::new(&[]));
    driver.endpoint.ping();
    driver.endpoint.close(CloseCode::NORMAL);
    driver.endpoint.ping();
    driver.run(Face::Messages, 9);
    assert_eq!(driver.written(), [(true, 8, vec![3, 0xE8])]);
}

/// With an empty buffer the type and the length of a frame are told and nothing is taken.
#[test]
fn an_empty_buffer_peeks() {
    let mut lent = [0; 256];
    let wire = Wire::new(&frame(false, 2, KEY, b"abc")).limits(1, 1);
    let mut driver = Driver::new(Role::Server, &mut lent, wire);
    let peeked = Piece {
        length: 0,
        opcode: Opcode::Binary,
        fin: false,
        remaining: 3,
    };
    for _ in 0..2 {
        let mut job = Receive::new(Face::Messages, &mut []);
        assert!(driver.drive(&mut job));
        assert_eq!(job.result(), Some(Ok(peeked)));
    }
}

/// What came behind the handshake in the same segment is the first frame.
#[test]
fn rfc6455_4_2_2_buffered_frames_come_first() {
    let bytes = frame(true, 1, None, b"first");
    let mut lent = [0; 256];
    lent[50..50 + bytes.len()].copy_from_slice(&bytes);
    let lent = Lent::new(&mut lent);
    let mut driver = Driver {
        endpoint: Endpoint::new(Role::Client, &lent, 50..50 + bytes.len(), 100),
        lent,
        wire: Wire::new(&[]),
        partial: Default::default(),
        seen: Vec::new(),
    };
    assert!(driver.drive(&mut Receive::look(Face::Messages)));
    driver.run(Face::Messages, 10);
    assert_eq!(
        driver.seen[0],
        Seen::Message(Opcode::Text, b"first".to_vec())
    );
}

/// A message of the peer: its type, its fragments, and the control frames between them.
type Sent = (bool, Vec<(Vec<u8>, Option<(bool, Vec<u8>)>)>);

fn sent() -> impl Strategy<Value = Sent> {
    let control = prop::option::of((any::<bool>(), prop::collection::vec(any::<u8>(), 0..=125)));
    let payload = prop::collection::vec(0u8..0x80, 0..300);
    (
        any::<bool>(),
        prop::collection::vec((payload, control), 1..4),
    )
}

proptest! {
    #[test]
    fn any_messages_any_cuts_any_buffers(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        messages in prop::collection::vec(sent(), 0..6),
        cuts in prop::collection::vec(1usize..200, 1..8),
        takes in prop::collection::vec(0usize..40, 1..8),
        lent in 256usize..500,
        room in 125usize..400,
        key: [u8; 4],
    ) {
        let key = (role == Role::Server).then_some(key);
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        let mut pings = 0;
        for (text, fragments) in &messages {
            let mut payload = Vec::new();
            for (i, (fragment, control)) in fragments.iter().enumerate() {
                let opcode = match i { 0 if *text => 1, 0 => 2, _ => 0 };
                bytes.extend(frame(i + 1 == fragments.len(), opcode, key, fragment));
                payload.extend_from_slice(fragment);
                if i + 1 == fragments.len() {
                    let opcode = if *text { Opcode::Text } else { Opcode::Binary };
                    expected.push(Seen::Message(opcode, std::mem::take(&mut payload)));
                }
                if let Some((ping, control)) = control {
                    bytes.extend(frame(true, if *ping { 9 } else { 10 }, key, control));
                    pings += usize::from(*ping);
                }
            }
        }
        let mut lent = vec![0; lent];
        let mut driver = Driver::new(role, &mut lent, Wire::cycling(&bytes, &cuts, &takes));
        driver.run(Face::Messages, room);
        prop_assert_eq!(driver.seen, expected);
        // Every answer is a whole Pong; with a wire that always takes something, one to each Ping.
        driver.wire.unblock();
        let pongs = frames_of(&driver.wire.written);
        prop_assert!(pongs.iter().all(|(fin, opcode, _)| *fin && *opcode == 10));
        if !takes.contains(&0) {
            prop_assert_eq!(pongs.len(), pings);
        }
    }

    #[test]
    fn any_bytes_never_panic(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        stream: bool,
        bytes: VecDeque<u8>,
        cuts in prop::collection::vec(1usize..20, 1..4),
        takes in prop::collection::vec(0usize..9, 1..4),
        lent in 256usize..400,
    ) {
        let bytes: Vec<u8> = bytes.into();
        let mut lent = vec![0; lent];
        let mut driver = Driver::new(role, &mut lent, Wire::cycling(&bytes, &cuts, &takes).eof());
        driver.run(if stream { Face::Stream } else { Face::Messages }, 200);
        prop_assert_eq!(driver.seen.last(), Some(&Seen::Ended));
    }
}
