//! What goes out, judged by an independent reading of it (RFC 6455 section 5).

use ws_tests::frames::{Found, frame, frames};

/// `bytes` are frames as a client or server may send them, up to one that is cut off at the end;
/// nothing follows a Close. `payload` says which bytes may stand in data frames.
pub(crate) fn assert_frames(client: bool, bytes: &[u8], payload: impl Fn(u8) -> bool) {
    let (found, cut) = frames(bytes);
    let mut in_message = false;
    let mut closed = false;
    for found in &found {
        assert!(!closed, "something follows the Close");
        assert_eq!(found.key.is_some(), client, "the mask");
        match found.opcode {
            0 => assert!(in_message, "a continuation of nothing"),
            1 | 2 => assert!(!in_message, "a message inside a message"),
            8..=10 => {
                assert!(found.fin && found.payload.len() <= 125, "a control frame");
                closed = found.opcode == 8;
                assert!(
                    !closed || is_close(found),
                    "the payload of a Close: {found:x?}"
                );
                continue;
            }
            opcode => panic!("bits or an opcode that are reserved: {opcode:#x}"),
        }
        in_message = !found.fin;
        assert!(
            found.payload.iter().all(|byte| payload(*byte)),
            "broken into: {found:?}"
        );
    }
    assert!(shortest(bytes), "a length not in its shortest form");
    assert!(!closed || cut.is_empty(), "something follows the Close");
    if let [first, rest @ ..] = cut {
        assert!(
            matches!(first & 0x7F, 0..=2 | 8..=10),
            "a cut frame's opcode"
        );
        let data = (first & 0x7F) <= 2;
        assert!(
            !data || in_message == (first & 0x0F == 0),
            "a cut frame's place"
        );
        assert!(
            rest.first()
                .is_none_or(|second| (second & 0x80 != 0) == client)
        );
    }
}

/// Are the lengths of all whole frames in their shortest form?
pub(crate) fn shortest(bytes: &[u8]) -> bool {
    let (found, cut) = frames(bytes);
    shortest_length(&found) + cut.len() == bytes.len()
}

/// How long the frames are with their lengths in the shortest form.
pub(crate) fn shortest_length(found: &[Found]) -> usize {
    let again = |found: &Found| {
        let masked = found.key.is_some();
        frame(found.fin, found.opcode, masked, &found.payload).len()
    };
    found.iter().map(again).sum()
}

fn is_close(found: &Found) -> bool {
    match found.payload.split_first_chunk() {
        None => found.payload.is_empty(),
        Some((code, reason)) => {
            let code = u16::from_be_bytes(*code);
            let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            valid && std::str::from_utf8(reason).is_ok()
        }
    }
}
