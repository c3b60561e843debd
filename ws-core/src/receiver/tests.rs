//! Every rule a receiver has to enforce, byte by byte and at once.

use proptest::prelude::*;

use super::*;
use crate::testing::frame;

const KEY: Option<[u8; 4]> = Some([0x37, 0xFA, 0x21, 0x3D]);
const LIMIT: usize = 1 << 24;

/// Frames as they came out: opcode, FIN, payload.
type Frames = Vec<(Opcode, bool, Vec<u8>)>;

/// Feeds `bytes` in pieces of `piece` bytes.
fn feed(role: Role, bytes: &[u8], piece: usize) -> (Frames, Result<usize, ProtocolError>) {
    let mut rx = Receiver::new(role);
    let (mut frames, mut payload, mut consumed) = (Frames::new(), Vec::new(), 0);
    for chunk in bytes.chunks(piece) {
        let mut chunk = chunk.to_vec();
        let mut rest = &mut chunk[..];
        while !rest.is_empty() && !rx.has_ended() {
            let decoded = match rx.decode(rest, LIMIT) {
                Ok(decoded) => decoded,
                Err(error) => return (frames, Err(error)),
            };
            payload.extend_from_slice(decoded.payload);
            if decoded.end {
                let Frame { opcode, fin } = decoded.frame.unwrap();
                frames.push((opcode, fin, std::mem::take(&mut payload)));
            }
            let n = decoded.consumed;
            consumed += n;
            rest = &mut rest[n..];
        }
    }
    (frames, Ok(consumed))
}

/// What `bytes` come to, the same at once and byte by byte.
fn decode(role: Role, bytes: &[u8]) -> Result<Frames, ProtocolError> {
    let whole = feed(role, bytes, usize::MAX);
    for piece in [1, 2, 3, 5, 7, 13] {
        assert_eq!(feed(role, bytes, piece), whole);
    }
    whole.1.map(|_| whole.0)
}

fn server(frames: &[Vec<u8>]) -> Result<Frames, ProtocolError> {
    decode(Role::Server, &frames.concat())
}

fn client(frames: &[Vec<u8>]) -> Result<Frames, ProtocolError> {
    decode(Role::Client, &frames.concat())
}

/// The examples of RFC 6455 section 5.7.
#[test]
fn rfc6455_5_7_examples() {
    let hello = || (Opcode::Text, true, b"Hello".to_vec());
    let text = [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F];
    assert_eq!(decode(Role::Client, &text), Ok(vec![hello()]));
    let masked = [
        0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ];
    assert_eq!(decode(Role::Server, &masked), Ok(vec![hello()]));
    let fragmented = [0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F];
    assert_eq!(
        decode(Role::Client, &fragmented),
        Ok(vec![
            (Opcode::Text, false, b"Hel".to_vec()),
            (Opcode::Text, true, b"lo".to_vec())
        ])
    );
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F];
    assert_eq!(
        decode(Role::Client, &ping),
        Ok(vec![(Opcode::Ping, true, b"Hello".to_vec())])
    );
    let pong = [
        0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ];
    assert_eq!(
        decode(Role::Server, &pong),
        Ok(vec![(Opcode::Pong, true, b"Hello".to_vec())])
    );
    for length in [256, 65536] {
        let payload = vec![0x5A; length];
        assert_eq!(
            client(&[frame(true, 2, None, &payload)]),
            Ok(vec![(Opcode::Binary, true, payload)])
        );
    }
}

#[test]
fn rfc6455_5_2_reserved_bits() {
    for bit in [0x10, 0x20, 0x40] {
        assert_eq!(
            client(&[vec![0x81 | bit, 0]]),
            Err(ProtocolError::ReservedBits)
        );
        assert_eq!(
            client(&[vec![0x88 | bit, 0]]),
            Err(ProtocolError::ReservedBits)
        );
    }
}

#[test]
fn rfc6455_5_2_reserved_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_eq!(
            client(&[frame(true, opcode, None, b"")]),
            Err(ProtocolError::ReservedOpcode(opcode.into()))
        );
    }
}

#[test]
fn rfc6455_5_1_who_masks() {
    assert_eq!(
        client(&[frame(true, 1, KEY, b"x")]),
        Err(ProtocolError::MaskedByServer)
    );
    assert_eq!(
        server(&[frame(true, 1, None, b"x")]),
        Err(ProtocolError::UnmaskedByClient)
    );
    assert_eq!(
        server(&[frame(true, 8, None, b"")]),
        Err(ProtocolError::UnmaskedByClient)
    );
}

#[test]
fn rfc6455_5_2_every_length_form_at_its_edges() {
    for length in [0, 1, 125, 126, 127, 65535, 65536, 65537] {
        let payload = vec![b'a'; length];
        let expected = Ok(vec![(Opcode::Text, true, payload.clone())]);
        assert_eq!(
            feed(Role::Server, &frame(true, 1, KEY, &payload), usize::MAX).0,
            expected.clone().unwrap()
        );
        assert_eq!(client(&[frame(true, 1, None, &payload)]), expected);
    }
}

/// Nothing is left of the frame before: not its key, not its length.
#[test]
fn rfc6455_5_2_length_forms_behind_each_other() {
    for (role, key) in [(Role::Client, None), (Role::Server, KEY)] {
        let lengths = [5, 300, 0, 65536, 126, 1, 65537, 125, 65535, 65536];
        let payloads: Vec<Vec<u8>> = lengths.map(|length| vec![b'a'; length]).into();
        let frames: Vec<Vec<u8>> = payloads.iter().map(|p| frame(true, 2, key, p)).collect();
        let expected: Frames = payloads
            .into_iter()
            .map(|payload| (Opcode::Binary, true, payload))
            .collect();
        assert_eq!(decode(role, &frames.concat()), Ok(expected));
    }
}

/// Both halves of a length count where a word has 64 bits.
#[test]
#[cfg(target_pointer_width = "64")]
fn rfc6455_5_2_a_64_bit_length_counts_where_it_can() {
    for length in [
        1usize << 16,
        (1 << 32) - 1,
        1 << 32,
        (1 << 40) + 7,
        usize::MAX >> 1,
    ] {
        for (role, mask, key) in [
            (Role::Client, 0, &[][..]),
            (Role::Server, 0x80, &[1, 2, 3, 4]),
        ] {
            let header = [&[0x82, mask | 127], &length.to_be_bytes()[..], key].concat();
            for piece in 1..=header.len() {
                let mut rx = Receiver::new(role);
                for bytes in header.chunks(piece) {
                    assert_eq!(rx.take(&mut bytes.to_vec(), usize::MAX), Ok(bytes.len()));
                }
                assert_eq!(rx.remaining(), length);
                assert_eq!(rx.take(&mut [9; 3], usize::MAX), Ok(3));
                assert_eq!(rx.remaining(), length - 3);
            }
            let mut rx = Receiver::new(role);
            assert_eq!(
                rx.take(&mut header.clone(), length - 1),
                Err(ProtocolError::MessageTooBig)
            );
        }
    }
}

/// Whatever is wrong is found in the header that it stands in, however that is cut.
#[test]
fn a_wrong_header_is_found_before_its_payload() {
    for (bytes, error) in [
        (&[0xC2, 0x80][..], ProtocolError::ReservedBits),
        (&[0x87, 0x80], ProtocolError::ReservedOpcode(7)),
        (&[0x09, 0x80], ProtocolError::ControlFragmented),
        (&[0x80, 0x80], ProtocolError::UnexpectedContinuation),
        (&[0x82, 0x00], ProtocolError::UnmaskedByClient),
        (&[0x89, 0xFE], ProtocolError::ControlTooLong),
        (&[0x82, 0xFE, 0, 125], ProtocolError::LengthNotMinimal),
        (
            &[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 255, 255],
            ProtocolError::LengthNotMinimal,
        ),
        (&[0x82, 0xFF, 0x80, 0, 0, 0], ProtocolError::LengthTopBit),
        (
            &[0x82, 0xFF, 0, 0, 0, 0, 1, 0, 0, 1],
            ProtocolError::MessageTooBig,
        ),
    ] {
        for piece in 1..=bytes.len() {
            assert_eq!(feed(Role::Server, bytes, piece), (vec![], Err(error)));
        }
    }
}

#[test]
fn rfc6455_5_2_lengths_in_their_shortest_form_only() {
    for length in [0u16, 1, 125] {
        let bytes = [&[0x82, 126][..], &length.to_be_bytes(), &[0; 125]].concat();
        assert_eq!(
            decode(Role::Client, &bytes),
            Err(ProtocolError::LengthNotMinimal),
            "{length}"
        );
    }
    for length in [0u64, 125, 126, 65535] {
        let bytes = [&[0x82, 127][..], &length.to_be_bytes(), &[0; 9]].concat();
        assert_eq!(
            decode(Role::Client, &bytes),
            Err(ProtocolError::LengthNotMinimal),
            "{length}"
        );
    }
}

#[test]
fn rfc6455_5_2_a_64_bit_length_never_wraps() {
    for (length, error) in [
        (1 << 63, ProtocolError::LengthTopBit),
        (u64::MAX, ProtocolError::LengthTopBit),
        ((1 << 63) - 1, ProtocolError::MessageTooBig),
        (1 << 32, ProtocolError::MessageTooBig),
        ((1 << 32) + 5, ProtocolError::MessageTooBig),
        (LIMIT as u64 + 1, ProtocolError::MessageTooBig),
    ] {
        let bytes = [&[0x82, 127][..], &length.to_be_bytes(), &[0; 9]].concat();
        assert_eq!(decode(Role::Client, &bytes), Err(error), "{length}");
    }
}

/// The limit holds for the sum of a message's fragments, and anew for each message; control frames
/// between them do not count.
#[test]
fn rfc6455_10_4_the_limit_is_on_messages() {
    let mut rx = Receiver::new(Role::Client);
    let mut take = |bytes: Vec<u8>| {
        let mut bytes = bytes;
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let n = rx.decode(rest, 10)?.consumed;
            rest = &mut rest[n..];
        }
        Ok(())
    };
    assert_eq!(take(frame(true, 2, None, &[0; 10])), Ok(()));
    assert_eq!(take(frame(false, 2, None, &[0; 6])), Ok(()));
    assert_eq!(take(frame(true, 9, None, &[0; 125])), Ok(()));
    assert_eq!(take(frame(true, 0, None, &[0; 4])), Ok(()));
    assert_eq!(take(frame(false, 2, None, &[0; 6])), Ok(()));
    assert_eq!(
        take(frame(true, 0, None, &[0; 5])),
        Err(ProtocolError::MessageTooBig)
    );
    assert_eq!(
        ProtocolError::MessageTooBig.close_code(),
        CloseCode::TOO_BIG
    );
}

#[test]
fn rfc6455_5_5_control_frames_are_short_and_whole() {
    for opcode in [8, 9, 10] {
        assert_eq!(
            client(&[frame(false, opcode, None, b"")]),
            Err(ProtocolError::ControlFragmented)
        );
        let long = frame(true, opcode, None, &[b'x'; 126]);
        assert_eq!(client(&[long]), Err(ProtocolError::ControlTooLong));
        assert_eq!(
            client(&[vec![0x80 | opcode, 127]]),
            Err(ProtocolError::ControlTooLong)
        );
    }
    assert!(client(&[frame(true, 9, None, &[0xFF; 125])]).is_ok());
}

#[test]
fn rfc6455_5_4_order_of_fragments() {
    assert_eq!(
        client(&[frame(true, 0, None, b"")]),
        Err(ProtocolError::UnexpectedContinuation)
    );
    assert_eq!(
        client(&[frame(false, 0, None, b"")]),
        Err(ProtocolError::UnexpectedContinuation)
    );
    for opcode in [1, 2] {
        assert_eq!(
            client(&[frame(false, 1, None, b""), frame(true, opcode, None, b"")]),
            Err(ProtocolError::ExpectedContinuation)
        );
    }
    assert_eq!(
        client(&[
            frame(false, 1, None, b"a"),
            frame(true, 9, None, b"p"),
            frame(true, 0, None, b"b"),
            frame(true, 0, None, b"c"),
        ]),
        Err(ProtocolError::UnexpectedContinuation)
    );
}

/// Section 8.1: text is checked across fragments and pieces, and a message may not end inside a
/// character; control frames between do not disturb it; binary is not looked at.
#[test]
fn rfc6455_8_1_utf8_across_frames() {
    let euro = "€".as_bytes();
    let whole = client(&[
        frame(false, 1, None, &euro[..1]),
        frame(true, 9, None, &[0xFF, 0xFE]),
        frame(false, 0, None, b""),
        frame(true, 0, None, &euro[1..]),
    ]);
    assert!(whole.is_ok());
    assert_eq!(
        client(&[frame(true, 1, None, &euro[..2])]),
        Err(ProtocolError::InvalidUtf8)
    );
    assert_eq!(
        client(&[frame(false, 1, None, &euro[..2]), frame(true, 0, None, b"")]),
        Err(ProtocolError::InvalidUtf8)
    );
    assert!(client(&[frame(true, 2, None, &euro[..2])]).is_ok());
    // A binary message after a text one starts clean, and the other way round.
    assert!(
        client(&[
            frame(true, 1, None, euro),
            frame(true, 2, None, &[0xFF]),
            frame(true, 1, None, euro)
        ])
        .is_ok()
    );
}

/// Section 8.1 says "fail": at the byte that shows it, long before the frame is complete.
#[test]
fn rfc6455_8_1_fails_inside_the_frame() {
    let mut rx = Receiver::new(Role::Client);
    assert_eq!(rx.take(&mut [0x81, 100], LIMIT), Ok(2));
    assert_eq!(rx.take(&mut [b'a', 0xF4], LIMIT), Ok(2));
    assert_eq!(rx.take(&mut [0x90], LIMIT), Err(ProtocolError::InvalidUtf8));
    assert!(rx.has_ended());
}

#[test]
fn rfc6455_5_5_1_close_payloads() {
    assert_eq!(
        client(&[frame(true, 8, None, &[3])]),
        Err(ProtocolError::ClosePayload)
    );
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        let payload = u16::to_be_bytes(code);
        assert_eq!(
            client(&[frame(true, 8, None, &payload)]),
            Err(ProtocolError::CloseCode(code))
        );
    }
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 4999,
    ] {
        let payload = u16::to_be_bytes(code);
        assert!(client(&[frame(true, 8, None, &payload)]).is_ok());
    }
    assert_eq!(
        client(&[frame(true, 8, None, &[3, 0xE8, 0xFF])]),
        Err(ProtocolError::InvalidUtf8)
    );
    assert_eq!(
        client(&[frame(true, 8, None, &[3, 0xE8, 0xE2, 0x82])]),
        Err(ProtocolError::InvalidUtf8)
    );
    // Two things wrong are one, however it is cut.
    assert_eq!(
        client(&[frame(true, 8, None, &[3, 0xED, 0xFF])]),
        Err(ProtocolError::InvalidUtf8)
    );
}

/// A Close in the middle of a fragmented text has a reason of its own, and ends everything.
#[test]
fn rfc6455_5_5_1_nothing_is_taken_after_close() {
    let bytes = [
        frame(false, 1, None, &"€".as_bytes()[..1]),
        frame(true, 8, None, &[3, 0xE9, b'o', b'k']),
        frame(true, 3, None, b"whatever"),
    ]
    .concat();
    let mut rx = Receiver::new(Role::Client);
    let mut all = bytes.clone();
    let mut rest = &mut all[..];
    while !rx.has_ended() {
        let n = rx.decode(rest, LIMIT).unwrap().consumed;
        rest = &mut rest[n..];
    }
    assert_eq!(rx.close_code(), CloseCode::GOING_AWAY);
    let left = rest.len();
    let discarded = rx.decode(rest, LIMIT).unwrap();
    assert_eq!((discarded.consumed, discarded.frame), (left, None));
}

/// `want` never reaches past a frame: read by it alone, every frame ends where it ends.
#[test]
fn want_never_reads_past_a_frame() {
    for length in [0, 1, 125, 126, 65536] {
        for (role, key) in [(Role::Client, None), (Role::Server, KEY)] {
            let bytes = [frame(true, 2, key, &vec![9; length]), vec![0xEE; 20]].concat();
            let mut rx = Receiver::new(role);
            let mut at = 0;
            loop {
                let want = rx.want();
                let mut piece = bytes[at..at + want].to_vec();
                at += want;
                let in_payload = rx.in_payload();
                assert_eq!(rx.take(&mut piece, LIMIT), Ok(want));
                if in_payload {
                    assert!(rx.at_boundary());
                    break;
                }
            }
            assert_eq!(at, bytes.len() - 20);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_never_panic_and_all_cuts_agree(
        role in prop::sample::select(vec![Role::Client, Role::Server]),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let _ = decode(role, &bytes);
    }

    /// Likely beginnings, so that the above gets further than the first two bytes.
    #[test]
    fn any_likely_frames_never_panic_and_all_cuts_agree(
        frames in prop::collection::vec(
            (any::<bool>(), 0u8..12, prop::option::weighted(0.1, any::<[u8; 4]>()),
             prop::collection::vec(any::<u8>(), 0..130)),
            0..5,
        ),
    ) {
        let bytes: Vec<u8> =
            frames.iter().flat_map(|(fin, opcode, key, payload)| frame(*fin, *opcode, *key, payload)).collect();
        let _ = decode(Role::Client, &bytes);
    }
}
