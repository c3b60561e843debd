//! What the machines of both directions share: one matcher for everything that has to be
//! recognised in a head, and the record of what was.

use super::head::{Head, HeadError, HeadPart, State};

/// What a role looks for. The places in `names` and `values` are the numbers of the fields.
pub(super) struct Role {
    /// The headers' names, in lower case.
    pub(super) names: &'static [&'static str],
    /// What a header's value must be, in lower case where case is ignored.
    pub(super) values: &'static [[&'static str; 1]],
    /// The fields that are lists: one element that matches is enough.
    pub(super) lists: u8,
    /// The fields whose case does not count.
    pub(super) folds: u8,
    /// Whether [`SECRET`] is the key to be kept, not the accept value to be compared.
    pub(super) server: bool,
}

// The fields. The first four have the same number in both roles.
pub(super) const UPGRADE: u8 = 0;
pub(super) const CONNECTION: u8 = 1;
/// The key of a request, the accept value of a response.
pub(super) const SECRET: u8 = 2;
pub(super) const PROTOCOL: u8 = 3;
/// No field: none found.
pub(super) const NONE: u8 = 0xff;
/// No field: the name of one is being read.
const NAMING: u8 = 0xfe;
/// No field: the version in the first line.
pub(super) const FIRST: u8 = 0xfd;

/// What a head is compared with.
struct Expected<'a> {
    role: &'static Role,
    subprotocols: &'a [&'a str],
}

/// The state of a handshake, but for who is who.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    /// How much of our own head is out.
    pub(super) position: usize,
    pub(super) head: Head,
    /// The candidates that still match, a bit for each.
    alive: u16,
    /// How much of them has matched.
    matched: u16,
    /// The field whose value is being read.
    pub(super) field: u8,
    /// The candidate that matched, in a list the first one that did.
    found: u8,
    /// The fields that had a value that matches, a bit for each.
    pub(super) good: u8,
    /// The fields that had one that does not.
    pub(super) bad: u8,
    /// The fields that came more than once.
    pub(super) twice: u8,
    /// The subprotocol.
    pub(super) chosen: u8,
    /// Base64: the key first, then the accept value.
    pub(super) text: [u8; 28],
}

impl Exchange {
    pub(super) const fn new(head: Head, field: u8) -> Self {
        Self {
            position: 0,
            head,
            alive: !0,
            matched: 0,
            field,
            found: NONE,
            good: 0,
            bad: 0,
            twice: 0,
            chosen: NONE,
            text: [0; 28],
        }
    }

    /// The fields that came at all.
    pub(super) const fn seen(&self) -> u8 {
        self.good | self.bad
    }

    /// The subprotocol both sides have agreed on.
    pub(super) const fn subprotocol(&self) -> Option<u8> {
        match self.chosen {
            NONE => None,
            index => Some(index),
        }
    }

    /// Begins anew behind an interim response.
    pub(super) const fn restart(&mut self) {
        self.head.restart();
        self.field = FIRST;
        self.good = 0;
        self.bad = 0;
        self.twice = 0;
        self.chosen = NONE;
    }

    /// Takes `bytes` up to their end or that of the head, and says how many that were.
    #[inline(never)]
    pub(super) fn receive(
        &mut self,
        role: &'static Role,
        subprotocols: &[&str],
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<usize, HeadError> {
        let expected = &Expected { role, subprotocols };
        let mut rest = bytes;
        // Where the part that `rest` is in begins.
        let mut run = bytes;
        while !self.head.is_complete()
            && let Some((&byte, behind)) = rest.split_first()
        {
            let before = self.head.state();
            let state = self.head.step(byte)?;
            if state <= State::StatusVersion {
                if state != State::Target {
                    self.byte(expected, byte, state);
                }
                rest = behind;
                continue;
            }
            let piece = run.get(..run.len() - rest.len()).unwrap_or_default();
            hand_out(before, piece.trim_ascii_end(), on_part);
            rest = behind;
            run = behind;
            match before {
                State::Name => {
                    self.end_element(expected);
                    self.field = self.found;
                    self.found = NONE;
                }
                State::Method => {
                    self.end_value(expected);
                    self.field = FIRST;
                }
                State::Version | State::StatusVersion => {
                    self.end_element(expected);
                    if self.found == NONE {
                        return Err(HeadError::Version);
                    }
                    self.found = NONE;
                    self.field = NAMING;
                }
                State::Value | State::Colon if state == State::Cr => {
                    self.end_value(expected);
                    on_part(HeadPart::HeaderEnd);
                }
                State::Status if state != State::Status => {
                    on_part(HeadPart::Status(self.head.status()));
                }
                _ => {}
            }
        }
        let piece = run.get(..run.len() - rest.len()).unwrap_or_default();
        hand_out(self.head.state(), piece, on_part);
        Ok(bytes.len() - rest.len())
    }

    /// A byte of a name or a value.
    #[inline(always)]
    fn byte(&mut self, expected: &Expected<'_>, byte: u8, state: State) {
        let bit = bit(self.field);
        if byte == b',' && expected.role.lists & bit != 0 {
            self.end_element(expected);
        } else if matches!(byte, b' ' | b'\t') {
            // White space in front is nothing, and behind it only the end may come.
            if self.matched > 0 {
                self.match_byte(expected, 0);
            }
        } else {
            let fold = state == State::Name || expected.role.folds & bit != 0;
            self.match_byte(
                expected,
                if fold {
                    byte.to_ascii_lowercase()
                } else {
                    byte
                },
            );
        }
    }

    /// Drops the candidates whose next byte is not this one; behind their end stand zeros.
    #[inline(never)]
    fn match_byte(&mut self, expected: &Expected<'_>, byte: u8) {
        let at = usize::from(self.matched);
        self.matched = self.matched.wrapping_add(1);
        let role = expected.role;
        let mut alive = 0;
        if self.field == SECRET {
            let fits = match self.text.get_mut(at) {
                Some(place) if role.server && at < 24 => {
                    *place = byte;
                    is_key_byte(at, byte)
                }
                Some(place) if !role.server => *place == byte,
                _ => byte == 0,
            };
            alive = u16::from(fits);
        } else {
            let candidates = match self.field {
                NAMING => role.names,
                PROTOCOL => expected.subprotocols,
                FIRST => &["HTTP/1.1"],
                field => role
                    .values
                    .get(usize::from(field))
                    .map_or(&[][..], |value| value),
            };
            let mut bit = 1u16;
            for candidate in candidates {
                if candidate.as_bytes().get(at).copied().unwrap_or(0) == byte {
                    alive |= bit;
                }
                bit <<= 1;
            }
        }
        self.alive &= alive;
    }

    /// The end of a name, a value, or an element of a list.
    #[inline(never)]
    #[allow(clippy::cast_possible_truncation)] // at most 16
    fn end_element(&mut self, expected: &Expected<'_>) {
        self.match_byte(expected, 0);
        if self.alive != 0 && self.found == NONE {
            self.found = self.alive.trailing_zeros() as u8;
        }
        self.alive = !0;
        self.matched = 0;
    }

    /// The end of a value: notes what it was.
    #[inline(never)]
    fn end_value(&mut self, expected: &Expected<'_>) {
        self.end_element(expected);
        let bit = bit(self.field);
        self.twice |= self.seen() & bit;
        if self.found == NONE {
            self.bad |= bit;
        } else {
            self.good |= bit;
            if self.field == PROTOCOL && self.chosen == NONE {
                self.chosen = self.found;
            }
        }
        self.found = NONE;
        self.field = NAMING;
    }
}

/// The bit of a field, none if it is none.
pub(super) const fn bit(field: u8) -> u8 {
    if field < 8 { 1 << field } else { 0 }
}

/// Whether `byte` may stand at `at` in the base64 of 16 bytes.
const fn is_key_byte(at: usize, byte: u8) -> bool {
    if at < 22 {
        matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/')
    } else {
        byte == b'='
    }
}

/// Hands out a piece of the part that `state` is in, if it is one that is handed out.
#[inline(never)]
fn hand_out(state: State, piece: &[u8], on_part: &mut dyn FnMut(HeadPart<'_>)) {
    if !piece.is_empty() {
        on_part(match state {
            State::Method => HeadPart::Method(piece),
            State::Target => HeadPart::Target(piece),
            State::Name => HeadPart::Name(piece),
            State::Value => HeadPart::Value(piece),
            _ => return,
        });
    }
}
