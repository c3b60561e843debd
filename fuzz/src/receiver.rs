//! The receive machine: the same events whatever the cuts, none that should not be.

use ws_core::{Frame, Opcode, ProtocolError, Receiver, Role};
use ws_tests::frames::frames;

use crate::input::{Cuts, Input};
use crate::oracle::shortest_length;
use crate::wire;

/// What a receiver said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// The frames that ended.
    whole: Vec<(Frame, Vec<u8>)>,
    /// What came of the one that did not.
    begun: Option<(Frame, Vec<u8>)>,
    error: Option<ProtocolError>,
    closed: bool,
}

impl Said {
    fn piece(&mut self, frame: Frame, payload: &[u8], end: bool) {
        if self.begun.is_none() && payload.is_empty() && !end {
            return;
        }
        let begun = self.begun.get_or_insert((frame, Vec::new()));
        assert_eq!(begun.0, frame, "one frame turned into another");
        begun.1.extend_from_slice(payload);
        if end {
            self.whole.extend(self.begun.take());
        }
    }
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let role = input.pick(&[Role::Client, Role::Server]);
    let limit = match input.byte() {
        0..=63 => usize::MAX,
        byte => usize::from(byte - 64) * 8,
    };
    let cuts = input.cuts();
    let bytes = wire::wire(&mut input, role == Role::Server);

    let once = decoded(role, limit, &bytes, &[bytes.len()]);
    let cut = decoded(role, limit, &bytes, &cuts.ends(bytes.len()));
    let wanted = wanted(role, limit, &bytes, &cuts);
    for other in [&cut, &wanted] {
        assert_eq!(once.whole, other.whole);
        assert_eq!((once.error, once.closed), (other.error, other.closed));
        match (&once.begun, &other.begun) {
            // An error hands nothing out, also not what stands before it in the same piece.
            (None, Some(_)) => assert!(once.error.is_some()),
            (Some(one), Some(two)) if once.error.is_some() => {
                assert!(two.0 == one.0 && two.1.starts_with(&one.1));
            }
            (one, two) => assert_eq!(one, two),
        }
    }
    check(role, limit, &bytes, &wanted);
}

/// By [`Receiver::decode`], with cuts at `ends`.
fn decoded(role: Role, limit: usize, bytes: &[u8], ends: &[usize]) -> Said {
    let mut receiver = Receiver::new(role);
    let mut said = Said::default();
    let mut bytes = bytes.to_vec();
    let mut from = 0;
    for &to in ends {
        let mut rest = &mut bytes[from..to];
        from = to;
        loop {
            let over = receiver.has_ended();
            let given = rest.len();
            let decoded = match receiver.decode(rest, limit) {
                Ok(decoded) => decoded,
                Err(error) => {
                    assert_eq!(said.error.replace(error), None, "an error was said twice");
                    assert!(receiver.has_ended());
                    break;
                }
            };
            let consumed = decoded.consumed;
            assert!(consumed <= given && decoded.payload.len() <= consumed);
            if over {
                assert_eq!((consumed, decoded.payload.len()), (given, 0));
                assert_eq!(
                    (decoded.frame, decoded.end),
                    (None, false),
                    "behind the end"
                );
                break;
            }
            match decoded.frame {
                Some(frame) => said.piece(frame, decoded.payload, decoded.end),
                None => assert_eq!(consumed, given),
            }
            rest = &mut rest[consumed..];
            // An empty payload at the end of the bytes is taken by the next call.
            if rest.is_empty() && (!receiver.in_payload() || receiver.want() > 0) {
                break;
            }
        }
    }
    said.closed = receiver.has_ended() && said.error.is_none();
    said
}

/// By reads of at most [`Receiver::want`] bytes: none of them is too many.
fn wanted(role: Role, limit: usize, bytes: &[u8], cuts: &Cuts) -> Said {
    let mut receiver = Receiver::new(role);
    let mut said = Said::default();
    let mut rest = bytes;
    let ends = cuts.ends(bytes.len());
    let lengths = ends
        .iter()
        .scan(0, |last, end| Some(end - std::mem::replace(last, *end)));
    let mut lengths: Vec<usize> = lengths.filter(|length| *length > 0).collect();
    lengths.push(usize::MAX);
    let mut lengths = lengths.iter().cycle();
    while !receiver.has_ended() {
        let want = receiver.want();
        assert!(want > 0 || receiver.in_payload());
        let most = lengths.next().copied().unwrap_or(usize::MAX);
        let (read, behind) = rest.split_at(want.min(rest.len()).min(most));
        if read.is_empty() && want > 0 {
            break;
        }
        rest = behind;
        let mut read = read.to_vec();
        let frame = receiver.frame();
        match receiver.take(&mut read, limit) {
            Ok(count) => {
                assert_eq!(count, read.len(), "it wanted too much");
                if let Some(frame) = frame {
                    said.piece(frame, &read, !receiver.in_payload());
                }
            }
            Err(error) => said.error = Some(error),
        }
    }
    said.closed = receiver.has_ended() && said.error.is_none();
    said
}

/// By an independent reading of the same bytes.
fn check(role: Role, limit: usize, bytes: &[u8], said: &Said) {
    let (found, _) = frames(bytes);
    assert!(said.whole.len() <= found.len());
    if said.error.is_none() && !said.closed {
        assert_eq!(said.whole.len(), found.len());
    }
    let taken = &found[..said.whole.len()];
    let (again, rest) = frames(&bytes[..shortest_length(taken)]);
    assert!(
        again == taken && rest.is_empty(),
        "a length not in its shortest form"
    );
    let mut message: Option<(Opcode, Vec<u8>)> = None;
    for (at, ((frame, payload), found)) in said.whole.iter().zip(&found).enumerate() {
        assert_eq!((frame.fin, payload), (found.fin, &found.payload));
        assert_eq!(found.key.is_some(), role == Role::Server);
        let continued = message.as_ref().map(|(opcode, _)| *opcode);
        let opcode = match found.opcode {
            0 => continued.expect("a message to continue"),
            opcode => Opcode::from_wire(opcode).expect("an opcode"),
        };
        assert_eq!(frame.opcode, opcode);
        if opcode.is_control() {
            assert!(frame.fin && payload.len() <= 125);
            let last = at + 1 == said.whole.len();
            assert!(opcode != Opcode::Close || last && said.closed && said.error.is_none());
            continue;
        }
        assert_eq!(continued.is_some(), found.opcode == 0);
        let (_, so_far) = message.get_or_insert((opcode, Vec::new()));
        so_far.extend_from_slice(payload);
        assert!(so_far.len() <= limit);
        if opcode == Opcode::Text {
            assert_text(so_far, frame.fin);
        }
        if frame.fin {
            message = None;
        }
    }
    if let Some((frame, payload)) = &said.begun
        && frame.opcode == Opcode::Text
    {
        let mut so_far = message.map(|(_, so_far)| so_far).unwrap_or_default();
        so_far.extend_from_slice(payload);
        assert_text(&so_far, false);
    }
}

/// UTF-8, as far as it goes.
fn assert_text(bytes: &[u8], whole: bool) {
    if let Err(error) = std::str::from_utf8(bytes) {
        assert!(error.error_len().is_none() && !whole, "text that is none");
    }
}
