//! What goes out, whatever the scratch and whatever the wire takes.

use proptest::prelude::*;

use super::*;
use crate::testing::frame;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// Sends the open frame's `payload` with a scratch of `scratch` bytes, over a wire that takes
/// `takes` bytes in turn.
fn send(tx: &mut Transmitter, payload: &[u8], scratch: usize, takes: &[usize]) -> Vec<u8> {
    let (mut wire, mut taken, mut turn) = (Vec::new(), 0, 0);
    let mut scratch = vec![0; scratch];
    while tx.is_open() {
        let count = tx.fill(&payload[taken..], &mut scratch);
        assert!(count > 0);
        let count = count.min(takes[turn % takes.len()]);
        turn += 1;
        wire.extend_from_slice(&scratch[..count]);
        taken += tx.sent(count);
        assert_eq!(tx.remaining(), payload.len() - taken);
    }
    assert_eq!(taken, payload.len());
    wire
}

/// The examples of RFC 6455 section 5.7.
#[test]
fn rfc6455_5_7_examples() {
    let mut tx = Transmitter::new(Role::Client);
    tx.begin(Opcode::Text, true, 5, KEY).unwrap();
    let masked = [
        0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58,
    ];
    assert_eq!(send(&mut tx, b"Hello", 100, &[100]), masked);
    let mut tx = Transmitter::new(Role::Server);
    tx.begin(Opcode::Text, false, 3, KEY).unwrap();
    assert_eq!(
        send(&mut tx, b"Hel", 100, &[100]),
        [0x01, 0x03, 0x48, 0x65, 0x6C]
    );
    tx.begin(Opcode::Continuation, true, 2, KEY).unwrap();
    assert_eq!(send(&mut tx, b"lo", 100, &[100]), [0x80, 0x02, 0x6C, 0x6F]);
    tx.begin(Opcode::Ping, true, 5, KEY).unwrap();
    assert_eq!(
        send(&mut tx, b"Hello", 100, &[100]),
        [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]
    );
}

/// Section 5.2: the shortest form of every length; partial writes of every size, every scratch.
#[test]
fn rfc6455_5_2_every_length_form_every_scratch_every_write() {
    for length in [0, 1, 2, 3, 4, 5, 31, 125, 126, 127, 300, 65535, 65536] {
        let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
        for (role, key) in [(Role::Client, Some(KEY)), (Role::Server, None)] {
            let expected = frame(true, 2, key, &payload);
            let steps: &[usize] = if length > 1000 {
                &[13, 1000, 100_000]
            } else {
                &[1, 2, 3, 5, 6, 7, 13, 64, 1000]
            };
            for &scratch in steps {
                for takes in [&[1][..], &[7], &[0, 3], &[1000]] {
                    if length > 1000 && takes[0] < 7 {
                        continue;
                    }
                    let mut tx = Transmitter::new(role);
                    tx.begin(Opcode::Binary, true, length, KEY).unwrap();
                    assert!(
                        send(&mut tx, &payload, scratch, takes) == expected,
                        "{length} {scratch}"
                    );
                }
            }
        }
    }
}

#[test]
fn rfc6455_5_4_frames_never_interleave() {
    let mut tx = Transmitter::new(Role::Server);
    tx.begin(Opcode::Binary, true, 1, KEY).unwrap();
    for opcode in [Opcode::Binary, Opcode::Ping, Opcode::Close] {
        assert_eq!(tx.begin(opcode, true, 0, KEY), Err(FrameError::FrameOpen));
    }
}

#[test]
fn rfc6455_5_4_order_of_fragments() {
    let mut tx = Transmitter::new(Role::Client);
    assert_eq!(
        tx.begin(Opcode::Continuation, true, 0, KEY),
        Err(FrameError::FragmentOrder)
    );
    tx.begin(Opcode::Text, false, 0, KEY).unwrap();
    send(&mut tx, b"", 100, &[100]);
    assert!(tx.in_message());
    for opcode in [Opcode::Text, Opcode::Binary] {
        assert_eq!(
            tx.begin(opcode, true, 0, KEY),
            Err(FrameError::FragmentOrder)
        );
    }
    // Control frames may come between (section 5.5).
    tx.begin(Opcode::Ping, true, 0, KEY).unwrap();
    send(&mut tx, b"", 100, &[100]);
    tx.begin(Opcode::Continuation, true, 0, KEY).unwrap();
    send(&mut tx, b"", 100, &[100]);
    assert!(!tx.in_message());
}

#[test]
fn rfc6455_5_5_control_frames_are_short_and_whole() {
    let mut tx = Transmitter::new(Role::Client);
    for opcode in [Opcode::Close, Opcode::Ping, Opcode::Pong] {
        assert_eq!(tx.begin(opcode, true, 126, KEY), Err(FrameError::Control));
        assert_eq!(tx.begin(opcode, false, 0, KEY), Err(FrameError::Control));
    }
    assert_eq!(tx.begin(Opcode::Ping, true, 125, KEY), Ok(()));
}

#[test]
fn rfc6455_5_5_1_nothing_follows_a_close() {
    let mut tx = Transmitter::new(Role::Client);
    tx.begin(Opcode::Close, true, 0, KEY).unwrap();
    assert!(!tx.is_closed());
    send(&mut tx, b"", 3, &[1]);
    assert!(tx.is_closed());
    for opcode in [Opcode::Text, Opcode::Pong, Opcode::Close] {
        assert_eq!(tx.begin(opcode, true, 0, KEY), Err(FrameError::Closed));
    }
}

/// Nothing on the wire: taken back as if it had never begun, the message state too.
#[test]
fn a_frame_is_rolled_back_until_its_first_byte_is_out() {
    let mut tx = Transmitter::new(Role::Client);
    assert!(!tx.rollback());
    tx.begin(Opcode::Text, false, 3, KEY).unwrap();
    tx.sent(0);
    assert!(tx.rollback());
    assert!(!tx.is_open() && !tx.in_message() && !tx.is_closed());
    assert_eq!((tx.remaining(), tx.header_due(), tx.opcode()), (0, 0, None));
    assert!(!tx.rollback());
    tx.begin(Opcode::Binary, true, 3, KEY).unwrap();
    tx.sent(1);
    assert!(!tx.rollback());
    assert!(tx.is_open());
}

/// Whatever a frame would have changed is as before: a message in progress or none, and open.
#[test]
fn a_rollback_restores_the_message_and_reopens_the_connection() {
    let mut tx = Transmitter::new(Role::Server);
    for in_message in [false, true] {
        let (first, next) = if in_message {
            (Opcode::Continuation, Opcode::Continuation)
        } else {
            (Opcode::Text, Opcode::Binary)
        };
        for (opcode, fin) in [
            (first, true),
            (first, false),
            (Opcode::Ping, true),
            (Opcode::Close, true),
        ] {
            tx.begin(opcode, fin, 2, KEY).unwrap();
            assert_eq!(tx.in_message(), in_message);
            assert!(tx.rollback());
            assert_eq!((tx.in_message(), tx.is_closed()), (in_message, false));
        }
        tx.begin(next, false, 2, KEY).unwrap();
        assert_eq!(tx.in_message(), in_message);
        send(&mut tx, b"ab", 100, &[1]);
        assert!(tx.in_message());
    }
}

/// Masked in place, the bytes on the wire are the same, and a roll-back restores the payload.
#[test]
fn rfc6455_5_3_masked_in_place() {
    let payload: Vec<u8> = (0..200).collect();
    let expected = frame(true, 2, Some(KEY), &payload);
    let mut tx = Transmitter::new(Role::Client);
    let mut lent = payload.clone();
    tx.begin(Opcode::Binary, true, lent.len(), KEY).unwrap();
    tx.mask_in_place(&mut lent);
    assert_ne!(lent, payload);
    tx.mask_in_place(&mut lent);
    assert_eq!(lent, payload);
    assert!(tx.rollback());

    tx.begin(Opcode::Binary, true, lent.len(), KEY).unwrap();
    tx.mask_in_place(&mut lent);
    let mut scratch = [0; 10];
    let mut wire = Vec::new();
    let mut taken = 0;
    while !tx.is_plain() {
        let n = tx.fill(&lent[taken..], &mut scratch);
        wire.extend_from_slice(&scratch[..n]);
        taken += tx.sent(n);
    }
    wire.extend_from_slice(&lent[taken..]);
    assert_eq!(tx.sent(lent.len() - taken), lent.len() - taken);
    assert!(!tx.is_open());
    assert_eq!(wire, expected);
    // The next frame is masked by `fill` again.
    tx.begin(Opcode::Binary, true, payload.len(), KEY).unwrap();
    assert_eq!(send(&mut tx, &payload, 64, &[64]), expected);
}

/// A short frame too, from any scratch, and nothing of it is left for the frames behind.
#[test]
fn rfc6455_5_3_masked_in_place_and_the_next_frame_not() {
    let payload = [7; 100];
    let expected = |opcode, payload: &[u8]| frame(true, opcode, Some(KEY), payload);
    for scratch in 1..=20 {
        let mut tx = Transmitter::new(Role::Client);
        let mut lent = payload;
        tx.begin(Opcode::Binary, true, lent.len(), KEY).unwrap();
        tx.mask_in_place(&mut lent);
        assert_eq!(send(&mut tx, &lent, scratch, &[3]), expected(2, &payload));
        for _ in 0..2 {
            tx.begin(Opcode::Ping, true, 2, KEY).unwrap();
            assert!(tx.rollback());
        }
        tx.begin(Opcode::Ping, true, 2, KEY).unwrap();
        assert!(!tx.is_plain());
        assert_eq!(send(&mut tx, b"ab", scratch, &[3]), expected(9, b"ab"));
        tx.begin(Opcode::Text, true, 3, KEY).unwrap();
        assert!(tx.rollback());
        tx.begin(Opcode::Text, true, 3, KEY).unwrap();
        assert_eq!(send(&mut tx, b"abc", scratch, &[3]), expected(1, b"abc"));
    }
}

/// A length that takes more than 32 bits, where there can be one.
#[test]
#[cfg(target_pointer_width = "64")]
fn rfc6455_5_2_a_64_bit_length() {
    for length in [(1usize << 32) - 1, 1 << 32, (1 << 40) + 7] {
        let mut tx = Transmitter::new(Role::Client);
        tx.begin(Opcode::Binary, true, length, KEY).unwrap();
        let header = [&[0x82, 0xFF], &length.to_be_bytes()[..], &KEY].concat();
        let mut written = Vec::new();
        while tx.header_due() > 0 {
            let mut scratch = [0; 3];
            let count = tx.fill(b"", &mut scratch);
            written.extend_from_slice(&scratch[..count]);
            assert_eq!(tx.sent(count), 0);
        }
        assert_eq!(written, header);
        assert_eq!(tx.remaining(), length);
    }
}

proptest! {
    #[test]
    fn any_payload_any_scratch_any_wire(
        payload in prop::collection::vec(any::<u8>(), 0..2000),
        key: [u8; 4],
        scratch in 1usize..300,
        takes in prop::collection::vec(0usize..300, 1..5).prop_filter("moves", |t| t.iter().any(|t| *t > 0)),
    ) {
        let mut tx = Transmitter::new(Role::Client);
        tx.begin(Opcode::Binary, true, payload.len(), key).unwrap();
        prop_assert_eq!(send(&mut tx, &payload, scratch, &takes), frame(true, 2, Some(key), &payload));
    }
}
