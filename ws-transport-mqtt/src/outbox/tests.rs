use proptest::prelude::*;

use super::*;

/// A wire that makes frames of what an outbox says, and takes only so much at a time.
struct Wire {
    frames: Vec<(bool, Vec<u8>)>,
    open: Option<(usize, bool, Vec<u8>)>,
    takes: Vec<usize>,
    turn: usize,
}

impl Wire {
    fn new(takes: &[usize]) -> Self {
        Self {
            frames: Vec::new(),
            open: None,
            takes: takes.to_vec(),
            turn: 0,
        }
    }

    fn open(&self) -> Option<usize> {
        self.open.as_ref().map(|(rest, _, _)| *rest)
    }

    /// Takes some of a part, perhaps nothing.
    fn take(&mut self, part: &Part<'_>) -> usize {
        let limit = self.takes[self.turn % self.takes.len()];
        self.turn += 1;
        let count = part.bytes.len().min(limit);
        if count == 0 {
            return 0;
        }
        let (rest, fin, payload) = self
            .open
            .get_or_insert_with(|| (part.rest, part.fin, Vec::new()));
        assert_eq!((*rest, *fin), (part.rest, part.fin), "goes on as it began");
        payload.extend_from_slice(&part.bytes[..count]);
        *rest -= count;
        if *rest == 0 {
            let (_, fin, payload) = self.open.take().unwrap();
            self.frames.push((fin, payload));
        }
        count
    }

    fn messages(&self) -> Vec<Vec<u8>> {
        let mut messages = vec![Vec::new()];
        for (fin, payload) in &self.frames {
            messages.last_mut().unwrap().extend_from_slice(payload);
            if *fin {
                messages.push(Vec::new());
            }
        }
        assert_eq!(messages.pop(), Some(Vec::new()), "an unfinished message");
        messages
    }
}

/// One write, as a client's `write_all` repeats it: what was not taken is given again. Each time
/// the wire takes nothing is a write that was dropped or would block.
fn write_all(outbox: &mut Outbox<'_>, wire: &mut Wire, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let taken = match outbox.step(bytes, wire.open()) {
            Step::Kept(count) => count,
            Step::Send(part) => {
                let count = wire.take(&part);
                outbox.sent(bytes, count)
            }
            Step::Nothing => panic!("nothing to do with {bytes:?}"),
        };
        bytes = &bytes[taken..];
    }
}

fn flush(outbox: &mut Outbox<'_>, wire: &mut Wire) {
    while let Step::Send(part) = outbox.flush(wire.open()) {
        let count = wire.take(&part);
        assert_eq!(outbox.sent(&[], count), 0);
    }
}

fn packet(length: usize) -> Vec<u8> {
    let mut packet = vec![0x30];
    let mut left = length;
    loop {
        let more = if left > 127 { 0x80 } else { 0 };
        packet.push(u8::try_from(left & 0x7F).unwrap() | more);
        left >>= 7;
        if left == 0 {
            break;
        }
    }
    packet.extend((0..length).map(|i| (i % 251) as u8));
    packet
}

#[test]
fn field_by_field_is_one_frame_to_a_packet() {
    let mut buffer = [0; 16];
    let mut outbox = Outbox::new(&mut buffer);
    let mut wire = Wire::new(&[usize::MAX]);
    for field in [&[0x30][..], &[7], &[0, 2], b"ab", b"xyz", &[0xC0], &[0]] {
        write_all(&mut outbox, &mut wire, field);
    }
    let publish = b"\x30\x07\x00\x02abxyz".to_vec();
    assert_eq!(wire.frames, [(true, publish), (true, vec![0xC0, 0])]);
    assert_eq!(wire.turn, 2, "one write each");
}

#[test]
fn two_packets_in_one_write_are_two_frames() {
    let mut outbox = Outbox::new(&mut []);
    let mut wire = Wire::new(&[usize::MAX]);
    write_all(&mut outbox, &mut wire, &[0xC0, 0, 0x30, 1, 9]);
    assert_eq!(
        wire.frames,
        [(true, vec![0xC0, 0]), (true, vec![0x30, 1, 9])]
    );
}

#[test]
fn a_long_packet_goes_out_as_fragments_of_one_message() {
    let mut buffer = [0; 8];
    let mut outbox = Outbox::new(&mut buffer);
    let mut wire = Wire::new(&[usize::MAX]);
    for piece in packet(20).chunks(5) {
        write_all(&mut outbox, &mut wire, piece);
    }
    let lengths: Vec<_> = wire
        .frames
        .iter()
        .map(|(fin, bytes)| (*fin, bytes.len()))
        .collect();
    assert_eq!(lengths, [(false, 10), (false, 10), (true, 2)]);
    assert_eq!(wire.messages(), [packet(20)]);
}

/// The head of a packet is kept, its long body comes in one write: that is one frame.
#[test]
fn a_body_at_hand_needs_no_buffer() {
    let mut buffer = [0; 8];
    let mut outbox = Outbox::new(&mut buffer);
    let mut wire = Wire::new(&[usize::MAX]);
    let long = packet(1_000);
    write_all(&mut outbox, &mut wire, &long[..5]);
    write_all(&mut outbox, &mut wire, &long[5..]);
    assert_eq!(wire.frames, [(true, long)]);
}

#[test]
fn a_flush_in_a_packet_sends_what_is_kept() {
    let mut buffer = [0; 8];
    let mut outbox = Outbox::new(&mut buffer);
    let mut wire = Wire::new(&[2]);
    let bytes = packet(4);
    write_all(&mut outbox, &mut wire, &bytes[..3]);
    assert!(wire.frames.is_empty() && !outbox.is_idle());
    flush(&mut outbox, &mut wire);
    assert_eq!(wire.frames, [(false, bytes[..3].to_vec())]);
    write_all(&mut outbox, &mut wire, &bytes[3..]);
    assert_eq!(wire.messages(), [bytes]);
    assert!(outbox.is_idle());
    flush(&mut outbox, &mut wire);
    assert_eq!(wire.frames.len(), 2, "nothing is kept, nothing is flushed");
}

/// Dropped when what was kept is out and nothing of what was given: the same bytes come again.
#[test]
fn a_dropped_write_has_taken_nothing() {
    let mut buffer = [0; 4];
    let mut outbox = Outbox::new(&mut buffer);
    let mut wire = Wire::new(&[3, 0, 1, 0, 1]);
    write_all(&mut outbox, &mut wire, &[0x30, 3, b'a']);
    let Step::Send(part) = outbox.step(b"bc", None) else {
        panic!("the packet is complete");
    };
    assert_eq!(
        part.bytes,
        [0x30, 3, b'a', b'b'],
        "in one write as far as there is room"
    );
    let count = wire.take(&part);
    assert_eq!(outbox.sent(b"bc", count), 0);
    write_all(&mut outbox, &mut wire, b"bc");
    assert_eq!(wire.frames, [(true, vec![0x30, 3, b'a', b'b', b'c'])]);
}

/// Bytes that are no MQTT still go out, in order.
#[test]
fn without_an_end_all_goes_out() {
    let mut outbox = Outbox::new(&mut []);
    let mut wire = Wire::new(&[usize::MAX]);
    let bytes = [0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2];
    write_all(&mut outbox, &mut wire, &bytes);
    assert_eq!(wire.frames, [(false, bytes.to_vec())]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Any packets, any write cuts, any buffer, any wire: the messages are the packets, each in one
    /// frame where it fits the buffer.
    #[test]
    fn any_packets_any_cuts_any_buffer(
        lengths in prop::collection::vec(prop_oneof![0usize..5, 0usize..300, 16_380usize..16_390], 1..8),
        cuts in prop::collection::vec(1usize..400, 1..8),
        takes in prop::collection::vec(0usize..200, 1..8),
        buffer in 0usize..350,
        flushes in prop::collection::vec(any::<bool>(), 1..5),
    ) {
        prop_assume!(takes.iter().any(|&take| take > 0));
        let packets: Vec<_> = lengths.iter().map(|&length| packet(length)).collect();
        let bytes = packets.concat();
        let mut buffer = vec![0; buffer];
        let room = buffer.len();
        let mut outbox = Outbox::new(&mut buffer);
        let mut wire = Wire::new(&takes);
        let (mut rest, mut turn) = (&bytes[..], 0);
        let mut flushed = false;
        while !rest.is_empty() {
            let count = cuts[turn % cuts.len()].min(rest.len());
            write_all(&mut outbox, &mut wire, &rest[..count]);
            rest = &rest[count..];
            if flushes[turn % flushes.len()] && flushes.len() > 2 {
                flush(&mut outbox, &mut wire);
                flushed = true;
            }
            turn += 1;
        }
        prop_assert!(outbox.is_idle());
        prop_assert_eq!(wire.open(), None);
        prop_assert_eq!(&wire.messages(), &packets);
        if !flushed {
            let mut frames = wire.frames.iter();
            for packet in &packets {
                if packet.len() <= room {
                    // It is alone in its frame, which the messages above show to be its own.
                    let (fin, payload) = frames.next().unwrap();
                    prop_assert!(*fin && payload == packet);
                } else {
                    while !frames.next().unwrap().0 {}
                }
            }
        }
    }
}
