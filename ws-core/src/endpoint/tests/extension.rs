//! A test extension that proves the place for extensions: RSV1 says that each byte of the message stands
//! on the wire as often as a byte before it says, so that a frame may become more or less than it is.

use proptest::prelude::*;

use crate::endpoint::*;
use crate::error::ProtocolError;
use crate::extension::{Decode, Encode, Moved};
use crate::testing::{Wire, frame, frames_of};

const RSV1: u8 = 0x40;

/// Pairs of a count and a byte become as many bytes. A count of 0 is an error.
#[derive(Default)]
struct Repeated {
    left: usize,
    byte: u8,
    count: Option<u8>,
}

impl Decode for Repeated {
    fn decode(
        &mut self,
        frames: &[u8],
        last: bool,
        message: &mut [u8],
    ) -> Result<Moved, ProtocolError> {
        let mut moved = Moved::default();
        loop {
            while self.left > 0 && moved.given < message.len() {
                message[moved.given] = self.byte;
                moved.given += 1;
                self.left -= 1;
            }
            moved.more = self.left > 0;
            if moved.more || moved.taken == frames.len() {
                if last && moved.taken == frames.len() && self.count.is_some() {
                    return Err(ProtocolError::InvalidUtf8);
                }
                return Ok(moved);
            }
            let next = frames[moved.taken];
            moved.taken += 1;
            match self.count.take() {
                None if next == 0 => return Err(ProtocolError::ReservedBits),
                None => self.count = Some(next),
                Some(count) => (self.left, self.byte) = (count.into(), next),
            }
        }
    }
}

/// The other way: runs of up to 9 bytes become a pair. The run at the end is kept for what comes.
#[derive(Default)]
struct Repeating {
    run: Option<(u8, u8)>,
    due: Vec<u8>,
}

impl Encode for Repeating {
    fn bit(&self) -> u8 {
        RSV1
    }

    fn encode(&mut self, message: &[u8], last: bool, frames: &mut [u8]) -> Moved {
        for &byte in message {
            match &mut self.run {
                Some((count, of)) if *of == byte && *count < 9 => *count += 1,
                run => {
                    if let Some((count, of)) = run.replace((1, byte)) {
                        self.due.extend([count, of]);
                    }
                }
            }
        }
        if last && let Some((count, of)) = self.run.take() {
            self.due.extend([count, of]);
        }
        let given = self.due.len().min(frames.len());
        for (to, from) in frames.iter_mut().zip(self.due.drain(..given)) {
            *to = from;
        }
        Moved {
            taken: message.len(),
            given,
            more: !self.due.is_empty(),
        }
    }
}

/// A driver in small. Is the job done, or does it wait?
fn drive(job: &mut dyn Job, endpoint: &mut Endpoint, lent: &mut Lent<'_>, wire: &mut Wire) -> bool {
    let mut scratch = [0; 7];
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

fn read(wire: &mut Wire, buffer: &mut [u8]) -> Told {
    match wire.read(buffer) {
        None if wire.is_eof() => Told::Read(0),
        None => Told::ReadBlocked,
        Some(count) => Told::Read(count),
    }
}

/// What a user with a buffer of `room` bytes sees of wire bytes: messages, and how it ended.
fn seen(role: Role, bytes: &[u8], cuts: &[usize], room: usize, limit: usize) -> Seen {
    let mut lent = [0; 256];
    let lent = &mut Lent::new(&mut lent);
    let mut endpoint = Endpoint::new(role, lent, 0..0, limit);
    endpoint.agree(RSV1);
    endpoint.report_control(true, true);
    let mut wire = Wire::cycling(bytes, cuts, &[usize::MAX]).eof();
    let mut decoder = Repeated::default();
    let mut seen = Seen::default();
    let mut message = Vec::new();
    loop {
        let mut out = vec![0; room];
        let mut job = Receive::new(Face::Messages, &mut out).decoding(&mut decoder);
        if !drive(&mut job, &mut endpoint, lent, &mut wire) {
            continue;
        }
        let result = job.result().unwrap();
        match result {
            Ok(piece) if piece.opcode.is_control() => seen.controls += 1,
            Ok(piece) => {
                message.extend_from_slice(&out[..piece.length]);
                seen.most = seen.most.max(message.len());
                if piece.fin && piece.remaining == 0 {
                    seen.messages
                        .push((piece.opcode, std::mem::take(&mut message)));
                }
            }
            Err(Ended::Protocol(error)) => seen.error = Some(error),
            Err(_) => return seen,
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    messages: Vec<(Opcode, Vec<u8>)>,
    /// The longest that a message became.
    most: usize,
    controls: usize,
    error: Option<ProtocolError>,
}

/// A frame with RSV1.
fn extended(fin: bool, opcode: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(fin, opcode, key, payload);
    bytes[0] |= RSV1;
    bytes
}

const KEY: Option<[u8; 4]> = Some([9, 8, 7, 6]);

/// Section 5.2: the bit counts in the first frame of a message, and nowhere else; a message without it
/// is what it is, and control frames between are not touched.
#[test]
fn rfc6455_5_2_the_bit_counts_in_the_first_frame() {
    let mut bytes = extended(false, 1, KEY, b"\x03a\x02");
    bytes.extend(frame(true, 9, KEY, b"\x03x"));
    bytes.extend(frame(true, 0, KEY, b"b\x01c"));
    bytes.extend(frame(true, 2, KEY, b"\x03a"));
    for cut in 1..=bytes.len() {
        for room in [1, 2, 3, 100] {
            let seen = seen(Role::Server, &bytes, &[cut, 1, 1000], room, 100);
            let texts = [
                (Opcode::Text, b"aaabbc".to_vec()),
                (Opcode::Binary, b"\x03a".to_vec()),
            ];
            assert_eq!(seen.messages, texts, "cut {cut}, room {room}");
            assert_eq!((seen.controls > 0, seen.error), (true, None));
        }
    }
    for wrong in [
        extended(true, 9, KEY, b""),
        [frame(false, 1, KEY, b""), extended(true, 0, KEY, b"")].concat(),
    ] {
        let seen = seen(Role::Server, &wrong, &[1000], 9, 100);
        assert_eq!(seen.error, Some(ProtocolError::ReservedBits));
    }
}

/// Text and the limit are judged by what the extension makes of the frames, and at the byte where they
/// are wrong.
#[test]
fn rfc6455_8_1_and_10_4_judged_after_the_extension() {
    // Two pairs become "é": valid text that no frame has as it is.
    let text = extended(true, 1, KEY, b"\x01\xC3\x01\xA9");
    let valid = seen(Role::Server, &text, &[3], 1, 100);
    assert_eq!(valid.messages, [(Opcode::Text, "é".into())]);
    let text = extended(true, 1, KEY, b"\x01\xC3");
    assert_eq!(
        seen(Role::Server, &text, &[3], 9, 100).error,
        Some(ProtocolError::InvalidUtf8)
    );

    // A frame of 8 bytes for 1,020 of the message.
    let bomb = extended(true, 2, KEY, b"\xFFa\xFFb\xFFc\xFFd");
    let within = seen(Role::Server, &bomb, &[100], 16, 1020);
    assert_eq!((within.messages.len(), within.error), (1, None));
    let beyond = seen(Role::Server, &bomb, &[100], 16, 1019);
    assert_eq!(beyond.error, Some(ProtocolError::MessageTooBig));
    assert!(beyond.most <= 1019);
}

/// What the extension does not accept fails the connection as any other fault does; without a decoder
/// the bit is what it is without an extension.
#[test]
fn rfc6455_7_1_7_what_the_extension_refuses() {
    let bytes = extended(true, 2, KEY, b"\x00a");
    let refused = seen(Role::Server, &bytes, &[1], 9, 100);
    assert_eq!(refused.error, Some(ProtocolError::ReservedBits));
}

/// A close drops an extended message wherever it stands.
#[test]
fn rfc6455_7_1_a_close_in_the_middle() {
    let mut bytes = extended(false, 1, None, b"\x09a\x09b");
    bytes.extend(frame(true, 0, None, b"\x09c"));
    bytes.extend(frame(true, 8, None, &[3, 0xE8]));
    for cut in 1..bytes.len() {
        let mut lent = [0; 256];
        let lent = &mut Lent::new(&mut lent);
        let mut endpoint = Endpoint::new(Role::Client, lent, 0..0, 1000);
        endpoint.agree(RSV1);
        let mut wire = Wire::cycling(&bytes, &[cut, 1000], &[usize::MAX]).eof();
        let (mut decoder, mut out) = (Repeated::default(), [0; 4]);
        let mut job = Receive::new(Face::Messages, &mut out).decoding(&mut decoder);
        drive(&mut job, &mut endpoint, lent, &mut wire);
        while !drive(
            &mut Close::new(CloseCode::NORMAL, false),
            &mut endpoint,
            lent,
            &mut wire,
        ) {}
        assert_eq!(endpoint.peer_close(), Some(CloseCode::NORMAL), "cut {cut}");
    }
}

/// Sends messages through the extension over a wire that takes what it likes, in parts.
///
/// With `drops` a send that has to wait is dropped, and another goes on with the rest.
fn sent(
    role: Role,
    messages: &[(bool, Vec<Vec<u8>>)],
    memory: usize,
    takes: &[usize],
    drops: bool,
) -> Vec<u8> {
    let mut lent = [0; 256];
    let lent = &mut Lent::new(&mut lent);
    let mut endpoint = Endpoint::new(role, lent, 0..0, 1000);
    let mut wire = Wire::cycling(&[], &[1], takes);
    let (mut encoder, mut memory) = (Repeating::default(), vec![0; memory]);
    for (text, parts) in messages {
        let opcode = if *text { Opcode::Text } else { Opcode::Binary };
        for (i, part) in parts.iter().enumerate() {
            let fin = i + 1 == parts.len();
            let mut taken = 0;
            loop {
                let rest = &part[taken..];
                let mut job = SendEncoded::new(opcode, fin, rest, &mut encoder, &mut memory);
                let mut done = drive(&mut job, &mut endpoint, lent, &mut wire);
                while !done && !drops {
                    done = drive(&mut job, &mut endpoint, lent, &mut wire);
                }
                assert_eq!(job.refusal(), None);
                taken += job.taken();
                if done {
                    break;
                }
            }
            assert_eq!(taken, part.len());
        }
    }
    wire.unblock();
    wire.written
}

proptest! {
    /// What one end sends through an extension the other receives, whatever is cut where.
    #[test]
    fn any_conversation_through_an_extension(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        messages in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(prop::collection::vec(b'a'..b'd', 0..40), 1..4)),
            1..5,
        ),
        memory in 1usize..30,
        takes in prop::collection::vec(0usize..20, 1..6),
        cuts in prop::collection::vec(1usize..90, 1..6),
        room in 1usize..60,
        drops: bool,
    ) {
        prop_assume!(takes.iter().any(|&takes| takes > 0));
        let bytes = sent(role, &messages, memory, &takes, drops);
        let other = match role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        let seen = seen(other, &bytes, &cuts, room, 1000);
        let expected: Vec<_> = messages
            .iter()
            .map(|(text, parts)| {
                (if *text { Opcode::Text } else { Opcode::Binary }, parts.concat())
            })
            .collect();
        prop_assert_eq!(seen.error, None);
        prop_assert_eq!(seen.messages, expected);
        // The bit is in the first frame of each message alone.
        let frames = frames_of(&bytes);
        prop_assert!(frames.len() >= messages.len());
    }
}

/// Without memory nothing can be encoded. The send says so, and does not try for ever.
#[test]
fn a_send_without_memory_is_refused() {
    let mut lent = [0; 256];
    let lent = &mut Lent::new(&mut lent);
    let mut endpoint = Endpoint::new(Role::Server, lent, 0..0, 1000);
    let mut wire = Wire::cycling(&[], &[1], &[100]);
    let mut encoder = Repeating::default();
    for payload in [&b"aab"[..], b""] {
        let mut job = SendEncoded::new(Opcode::Text, true, payload, &mut encoder, &mut []);
        assert!(drive(&mut job, &mut endpoint, lent, &mut wire));
        assert_eq!(job.refusal(), Some(EncodedRefusal::Memory));
    }
    assert!(wire.written.is_empty());

    // With memory the next send goes on with what the encoder has.
    let mut memory = [0; 8];
    let mut job = SendEncoded::new(Opcode::Text, true, b"", &mut encoder, &mut memory);
    assert!(drive(&mut job, &mut endpoint, lent, &mut wire));
    assert_eq!(job.refusal(), None);
    assert_eq!(frames_of(&wire.written).len(), 1);
    assert_eq!(&wire.written[2..], b"\x02a\x01b");
}
