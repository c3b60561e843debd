//! Compressed conversations of two `ws-core` endpoints: negotiation, frames, and what is refused.
#![cfg(feature = "ws-core")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use proptest::prelude::*;
use ws_core::handshake::{
    ClientHandshake, ExtensionPart, ExtensionReader, Extensions, GUID, HeadPart, Host, Request,
    Response, Rules, ServerHandshake, Sha1,
};
use ws_core::{
    Ended, Endpoint, Face, Job, Lent, Opcode, Outgoing, ProtocolError, Receive, Role, Send,
    SendEncoded, Step, Told,
};
use ws_deflate::{
    Agreed, Deflate, Deflater, Inflate, Inflater, MAX_OFFER, MemoryError, Offer, OfferReader, RSV1,
    ResponseReader, ServerRules, Side,
};

/// Reads and writes as much at a time as it is told.
struct Wire {
    incoming: Vec<u8>,
    at: usize,
    cuts: Vec<usize>,
    turn: usize,
    written: Vec<u8>,
}

impl Wire {
    fn new(incoming: &[u8], cuts: &[usize]) -> Self {
        Self {
            incoming: incoming.to_vec(),
            at: 0,
            cuts: cuts.to_vec(),
            turn: 0,
            written: Vec::new(),
        }
    }

    /// 0 is: not now.
    fn next_cut(&mut self) -> usize {
        self.turn += 1;
        self.cuts[self.turn % self.cuts.len()]
    }

    fn read(&mut self, buffer: &mut [u8]) -> Told {
        let left = &self.incoming[self.at..];
        if left.is_empty() {
            return Told::Read(0);
        }
        let count = left.len().min(buffer.len());
        let count = count.min(self.next_cut());
        if count == 0 {
            return Told::ReadBlocked;
        }
        let left = &self.incoming[self.at..];
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Told::Read(count)
    }

    fn write(&mut self, bytes: &[u8]) -> Told {
        assert!(!bytes.is_empty());
        match bytes.len().min(self.next_cut()) {
            0 => Told::WriteBlocked,
            count => {
                self.written.extend_from_slice(&bytes[..count]);
                Told::Written(count)
            }
        }
    }
}

/// Is the job done, or was there a wait that its caller did not want?
fn drive(job: &mut dyn Job, endpoint: &mut Endpoint, lent: &mut Lent<'_>, wire: &mut Wire) -> bool {
    let mut scratch = [0; 16];
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
            Step::Read | Step::ReadNow => wire.read(lent.read_buffer()),
            Step::ReadUser => wire.read(job.user_buffer()),
            Step::Write => {
                let (read, reserve) = lent.parts();
                let scratch = endpoint.scratch(read, &mut scratch);
                wire.write(endpoint.outgoing(job.rest(), reserve, scratch))
            }
        };
    }
}

/// What is sent.
#[derive(Debug, Clone)]
enum Sent {
    /// Compressed, in parts.
    Compressed(Opcode, Vec<Vec<u8>>),
    /// As it is.
    Plain(Opcode, Vec<u8>),
    Ping(Vec<u8>),
}

impl Sent {
    fn message(&self) -> Option<(Opcode, Vec<u8>)> {
        match self {
            Self::Compressed(opcode, parts) => Some((*opcode, parts.concat())),
            Self::Plain(opcode, payload) => Some((*opcode, payload.clone())),
            Self::Ping(_) => None,
        }
    }
}

fn send_frame(opcode: Opcode, bytes: &[u8], e: &mut Endpoint, lent: &mut Lent<'_>, w: &mut Wire) {
    let mut job = Send::new(Outgoing::whole(opcode, true), bytes);
    while !drive(&mut job, e, lent, w) {}
    assert_eq!((job.refusal(), job.taken()), (None, bytes.len()));
}

/// The bytes on the wire of messages. A send goes on after each wait of the wire.
fn wire_of(role: Role, sent: &[Sent], own: Side, memory: usize, cuts: &[usize]) -> Vec<u8> {
    let mut lent = [0; 256];
    let lent = &mut Lent::new(&mut lent);
    let mut endpoint = Endpoint::new(role, lent, 0..0, 1000);
    let mut wire = Wire::new(&[], cuts);
    let (mut window, mut hash) = (vec![0; 1 << own.window_bits], [0; 64]);
    let mut encoder = Deflater::new(&mut window, &mut hash, own).unwrap();
    let mut memory = vec![0; memory];
    for sent in sent {
        match sent {
            Sent::Compressed(opcode, parts) => {
                for (i, part) in parts.iter().enumerate() {
                    let fin = i + 1 == parts.len();
                    let mut taken = 0;
                    loop {
                        let rest = &part[taken..];
                        let mut job =
                            SendEncoded::new(*opcode, fin, rest, &mut encoder, &mut memory);
                        while !drive(&mut job, &mut endpoint, lent, &mut wire) {}
                        assert_eq!(job.refusal(), None);
                        taken += job.taken();
                        if job.is_done() {
                            break;
                        }
                    }
                    assert_eq!(taken, part.len());
                    if !fin {
                        send_frame(Opcode::Ping, b"between", &mut endpoint, lent, &mut wire);
                    }
                }
            }
            Sent::Plain(opcode, payload) => {
                send_frame(*opcode, payload, &mut endpoint, lent, &mut wire);
            }
            Sent::Ping(payload) => {
                send_frame(Opcode::Ping, payload, &mut endpoint, lent, &mut wire);
            }
        }
    }
    wire.written
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    messages: Vec<(Opcode, Vec<u8>)>,
    /// The longest that a message became.
    most: usize,
    error: Option<ProtocolError>,
}

/// What a user with a buffer of `room` bytes gets of them. Each wait ends the call.
fn seen(role: Role, bytes: &[u8], peer: Side, room: usize, limit: usize, cuts: &[usize]) -> Seen {
    let mut lent = [0; 256];
    let lent = &mut Lent::new(&mut lent);
    let mut endpoint = Endpoint::new(role, lent, 0..0, limit);
    endpoint.agree(RSV1);
    let mut wire = Wire::new(bytes, cuts);
    let mut window = vec![0; 1 << peer.window_bits];
    let mut decoder = Inflater::new(&mut window, peer).unwrap();
    let mut seen = Seen::default();
    let mut message = Vec::new();
    loop {
        let mut out = vec![0; room];
        let mut job = Receive::new(Face::Messages, &mut out).decoding(&mut decoder);
        if !drive(&mut job, &mut endpoint, lent, &mut wire) {
            continue;
        }
        match job.result().unwrap() {
            Ok(piece) => {
                message.extend_from_slice(&out[..piece.length]);
                seen.most = seen.most.max(message.len());
                if piece.fin && piece.remaining == 0 {
                    let whole = std::mem::take(&mut message);
                    seen.messages.push((piece.opcode, whole));
                }
            }
            Err(Ended::Protocol(error)) => seen.error = Some(error),
            Err(_) => return seen,
        }
    }
}

const fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// A message as a server sends it: frames of compressed payload.
fn frames(opcode: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, payload) in payloads.iter().enumerate() {
        let first = if i == 0 { RSV1 | opcode } else { 0 };
        let fin = if i + 1 == payloads.len() { 0x80 } else { 0 };
        bytes.push(first | fin);
        match payload.len() {
            length @ 0..126 => bytes.push(length as u8),
            length => {
                bytes.push(126);
                bytes.extend((length as u16).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
    }
    bytes
}

const LARGE: Side = Side {
    takeover: true,
    window_bits: 15,
};

fn compressed(text: &[u8]) -> Vec<u8> {
    let (mut window, mut hash) = (vec![0; 32768], [0; 1024]);
    let mut codec = Deflate::new(&mut window, &mut hash).unwrap();
    common::deflate(&mut codec, text, usize::MAX, 64)
}

/// RFC 7692 section 7.2.3: the messages that stand there.
#[test]
fn rfc7692_7_2_3_examples() {
    let hello = (Opcode::Text, b"Hello".to_vec());
    let whole: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let again: &[u8] = &[0xF2, 0x00, 0x11, 0x00, 0x00];
    let stored: &[u8] = &[0, 5, 0, 0xFA, 0xFF, b'H', b'e', b'l', b'l', b'o', 0];
    let last_block: &[u8] = &[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    let two_blocks: &[u8] = &[
        0xF2, 0x48, 0x05, 0, 0, 0, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0,
    ];
    let mut bytes = frames(1, &[whole]);
    bytes.extend(frames(1, &[&whole[..3], &[], &whole[3..]]));
    for payload in [again, stored, last_block, two_blocks] {
        bytes.extend(frames(1, &[payload]));
    }
    // Section 7.2.3.6: an empty message, in its two forms.
    bytes.extend(frames(1, &[&[0]]));
    bytes.extend(frames(2, &[&[2, 0]]));
    for cut in 1..=bytes.len() {
        for room in [1, 2, 5, 100] {
            let seen = seen(Role::Client, &bytes, LARGE, room, 100, &[cut, 0, 3]);
            let mut expected = vec![hello.clone(); 6];
            expected.push((Opcode::Text, vec![]));
            expected.push((Opcode::Binary, vec![]));
            assert_eq!(
                (seen.messages, seen.error),
                (expected, None),
                "cut {cut}, room {room}"
            );
        }
    }
}

/// Section 7.4.1 of RFC 6455: what does not inflate, ends inside a block, or goes back too far is 1007, and
/// what came before it stays.
#[test]
fn rfc6455_7_4_1_data_that_does_not_inflate() {
    let hello: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
    let before = frames(1, &[hello]);
    let long = compressed(&[b'a'; 400]);
    for wrong in [
        // A block type that is reserved; lengths that do not match; ends inside a block.
        frames(2, &[&[7]]),
        frames(2, &[&[0, 5, 0, 0xFA, 0xFE]]),
        frames(2, &[&hello[..4]]),
        frames(2, &[&long[..long.len() - 2]]),
        frames(2, &[&hello[..4], &[]]),
    ] {
        for cut in 1..=12 {
            for room in [1, 3, 1000] {
                let bytes = [before.clone(), wrong.clone()].concat();
                let seen = seen(Role::Client, &bytes, LARGE, room, 1000, &[cut, 100]);
                assert_eq!(seen.messages, [(Opcode::Text, b"Hello".to_vec())]);
                assert_eq!(seen.error, Some(ProtocolError::Extension), "{wrong:x?}");
                assert_eq!(seen.error.unwrap().close_code().0, 1007);
            }
        }
    }
    // Without takeover nothing before the message is there to refer to.
    let alone = Side {
        takeover: false,
        window_bits: 15,
    };
    let again = [before, frames(1, &[&[0xF2, 0x00, 0x11, 0x00, 0x00]])].concat();
    let (kept, lost) = (
        seen(Role::Client, &again, LARGE, 9, 99, &[100]),
        seen(Role::Client, &again, alone, 9, 99, &[100]),
    );
    assert_eq!((kept.messages.len(), kept.error), (2, None));
    assert_eq!(
        (lost.messages.len(), lost.error),
        (1, Some(ProtocolError::Extension))
    );
}

/// RFC 6455 section 8.1: it is the inflated text that has to be UTF-8.
#[test]
fn rfc6455_8_1_inflated_text() {
    let bytes = frames(1, &[&compressed(b"ab\xFFcd")]);
    let text = seen(Role::Client, &bytes, LARGE, 9, 99, &[100]);
    assert_eq!(text.error, Some(ProtocolError::InvalidUtf8));
    let bytes = frames(2, &[&compressed(b"ab\xFFcd")]);
    let binary = seen(Role::Client, &bytes, LARGE, 9, 99, &[100]);
    assert_eq!((binary.messages.len(), binary.error), (1, None));
}

/// RFC 6455 section 10.4: what becomes 1,000 times as long is refused with 1009 at the limit, not later.
#[test]
fn rfc6455_10_4_a_bomb_ends_at_the_limit() {
    let mut encoder = flate2::Compress::new(flate2::Compression::best(), false);
    let mut payload = Vec::with_capacity(5000);
    let zeros = vec![0; 1_000_000];
    let flush = flate2::FlushCompress::Sync;
    encoder.compress_vec(&zeros, &mut payload, flush).unwrap();
    payload.truncate(payload.len() - 4);
    assert!(payload.len() < 1_001, "{}", payload.len());
    let bytes = frames(2, &[&payload]);
    for room in [1, 64, 4096] {
        let limit = 10_000;
        let bomb = seen(Role::Client, &bytes, LARGE, room, limit, &[100, 7]);
        assert_eq!(bomb.error, Some(ProtocolError::MessageTooBig));
        assert_eq!(bomb.error.unwrap().close_code().0, 1009);
        assert!(bomb.most <= limit, "{}", bomb.most);
    }
    let whole = seen(Role::Client, &bytes, LARGE, 4096, 1_000_000, &[100, 7]);
    assert_eq!(whole.messages, [(Opcode::Binary, zeros)]);
}

/// What is lent must hold what the peer may refer to.
#[test]
fn a_window_shorter_than_agreed_is_refused() {
    for bits in 8..=15 {
        let side = Side {
            takeover: true,
            window_bits: bits,
        };
        assert!(Inflater::new(&mut vec![0; 1 << bits], side).is_ok());
        assert!(Inflater::new(&mut vec![0; 32768], side).is_ok());
        let short = Inflater::new(&mut vec![0; (1 << bits) / 2], side).map(|_| ());
        assert_eq!(short, Err(MemoryError::Window));
        assert!(Deflater::new(&mut [0; 256], &mut [0; 16], side).is_ok());
    }
    let odd = Inflater::new(
        &mut vec![0; 700],
        Side {
            takeover: true,
            window_bits: 9,
        },
    )
    .map(|_| ());
    assert_eq!(odd, Err(MemoryError::Window));
    assert!(Inflate::new(&mut [0; 256]).is_ok());
}

struct Hash;

impl Sha1 for Hash {
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        use sha1::Digest;
        sha1::Sha1::new()
            .chain_update(key)
            .chain_update(GUID)
            .finalize()
            .into()
    }
}

/// Both handshakes, with pieces of `cut` bytes: what the client and the server agree on.
fn negotiate(offer: Offer, rules: ServerRules, cut: usize) -> (Option<Agreed>, Option<Agreed>) {
    let mut buffer = [0; MAX_OFFER];
    let value = Extensions::new(offer.write(&mut buffer).unwrap()).unwrap();
    let mut request = Request::new(Host::Text("a"), "/");
    request.headers = Some(&value);
    let mut client = ClientHandshake::new(b"the sample nonce", 4096);
    let mut server = ServerHandshake::new(4096);
    let (mut parts, mut offers) = (ExtensionReader::new(), OfferReader::new(rules));
    let mut piece = vec![0; cut];
    let mut asked = None;
    while asked.is_none() {
        let n = client.fill(&request, &mut piece);
        client.sent(n);
        let on_part = &mut |part: HeadPart<'_>| match parts.part(part) {
            Some(ExtensionPart::Value(piece)) => offers.value(piece),
            Some(ExtensionPart::HeaderEnd) => offers.header_end(),
            Some(ExtensionPart::Start) | None => {}
        };
        let received = server.receive(&Rules::NONE, &mut Hash, &piece[..n], on_part);
        asked = received.unwrap().1;
    }
    let agreed = offers.agreed();
    let response = Response::Upgrade {
        subprotocol: None,
        headers: &[],
    };
    let mut buffer = [0; MAX_OFFER];
    let answer = agreed.and_then(|agreed| agreed.write(&mut buffer).and_then(Extensions::new));
    let (mut parts, mut answers) = (ExtensionReader::new(), ResponseReader::new(offer));
    let mut upgraded = None;
    while upgraded.is_none() {
        let n = match answer {
            Some(answer) => server.fill_extended(&response, answer, &mut piece),
            None => server.fill(&response, &mut piece),
        };
        server.sent(n);
        let on_part = &mut |part: HeadPart<'_>| match parts.part(part) {
            Some(ExtensionPart::Start) => answers = ResponseReader::new(offer),
            Some(ExtensionPart::Value(piece)) => answers.value(piece),
            Some(ExtensionPart::HeaderEnd) => answers.header_end(),
            None => {}
        };
        let received = client.receive(&request, &mut Hash, &piece[..n], on_part);
        upgraded = received.unwrap().1;
    }
    (answers.agreed().unwrap(), agreed)
}

fn sides() -> impl Strategy<Value = Side> {
    (any::<bool>(), 8u8..=15).prop_map(|(takeover, window_bits)| Side {
        takeover,
        window_bits,
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(b'a'..b'd', 0..300),
        prop::collection::vec(0u8..0x80, 0..700),
    ]
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let opcode = || prop::sample::select(vec![Opcode::Text, Opcode::Binary]);
    prop_oneof![
        4 => (opcode(), prop::collection::vec(payload(), 1..4))
            .prop_map(|(opcode, parts)| Sent::Compressed(opcode, parts)),
        1 => (opcode(), payload()).prop_map(|(opcode, payload)| Sent::Plain(opcode, payload)),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Sent::Ping),
    ]
}

proptest! {
    /// What is negotiated is what both sides use: whatever is offered, whatever the server's memory,
    /// whatever is sent, whatever is cut where, the messages come out as they went in.
    #[test]
    fn any_compressed_conversation(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        no_takeover in any::<(bool, bool)>(),
        bits in (prop::option::of(8u8..=15), prop::option::of(8u8..=15)),
        rules in (sides(), sides()),
        sent in prop::collection::vec(any_sent(), 1..6),
        memory in 1usize..200,
        writes in prop::collection::vec(0usize..90, 1..6),
        reads in prop::collection::vec(0usize..90, 1..6),
        room in 1usize..300,
        cut in 1usize..200,
    ) {
        prop_assume!(writes.iter().any(|&n| n > 0) && reads.iter().any(|&n| n > 0));
        let offer = Offer {
            server_no_context_takeover: no_takeover.0,
            client_no_context_takeover: no_takeover.1,
            server_max_window_bits: bits.0,
            client_max_window_bits: bits.1,
        };
        let rules = ServerRules { client: rules.0, server: rules.1 };
        let (client, server) = negotiate(offer, rules, cut);
        prop_assert_eq!(
            client.map(|agreed| (agreed.client, agreed.server)),
            server.map(|agreed| (agreed.client, agreed.server))
        );
        let Some(agreed) = client else {
            return Ok(());
        };
        let side = match role {
            Role::Client => agreed.client,
            Role::Server => agreed.server,
        };
        let bytes = wire_of(role, &sent, side, memory, &writes);
        let seen = seen(other(role), &bytes, side, room, 5000, &reads);
        let expected: Vec<_> = sent.iter().filter_map(Sent::message).collect();
        let lengths = |all: &[(Opcode, Vec<u8>)]| -> Vec<_> { all.iter().map(|(o, m)| (*o, m.len())).collect() };
        prop_assert_eq!((seen.error, lengths(&seen.messages)), (None, lengths(&expected)));
        prop_assert_eq!(seen.messages, expected);
    }
}
