//! What the machines of both directions share: one matcher for everything that has to be
//! recognised in a head, and the record of what was.

use super::head::{Head, HeadError, HeadPart};

/// What a role looks for. The places in `names` and `values` are the numbers of the fields.
pub(super) struct Role {
    /// The headers' names, in lower case.
    pub(super) names: &'static [&'static str],
    /// What a header's value must be, in lower case where case is ignored.
    pub(super) values: &'static [[&'static str; 1]],
    /// The fields that are lists: one element that matches is enough.
    pub(super) lists: u8,
    /// The fields whose case counts.
    pub(super) exact: u8,
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
    pub(super) const fn new(head: Head, text: [u8; 28], field: u8) -> Self {
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
            text,
        }
    }

    /// A response begins; [`new`](Self::new) is in that state.
    pub(super) const fn naming() -> u8 {
        NAMING
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

    /// Takes `bytes` up to their end or that of the head, and says how many that were.
    pub(super) fn receive(
        &mut self,
        role: &Role,
        subprotocols: &[&str],
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<usize, HeadError> {
        let mut rest = bytes;
        while let Some(part) = self.head.next(&mut rest)? {
            on_part(part);
            // What comes behind a name is the first that tells that it is complete.
            if self.field == NAMING && !matches!(part, HeadPart::Name(_)) {
                self.end_element(role, subprotocols);
                self.field = self.found;
                self.found = NONE;
            }
            match part {
                HeadPart::Method(piece) | HeadPart::Name(piece) | HeadPart::Value(piece) => {
                    for &byte in piece {
                        self.byte(role, subprotocols, byte);
                    }
                }
                HeadPart::HeaderEnd => self.end_value(role, subprotocols),
                _ => {}
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// A byte of a name or a value.
    #[inline(always)]
    fn byte(&mut self, role: &Role, subprotocols: &[&str], byte: u8) {
        let bit = bit(self.field);
        if byte == b',' && role.lists & bit != 0 {
            self.end_element(role, subprotocols);
        } else if matches!(byte, b' ' | b'\t') {
            // White space in front is nothing, and behind it only the end may come.
            if self.matched > 0 {
                self.match_byte(role, subprotocols, 0);
            }
        } else {
            let fold = role.exact & bit == 0 && byte.is_ascii_uppercase();
            self.match_byte(role, subprotocols, if fold { byte | 0x20 } else { byte });
        }
    }

    /// Drops the candidates whose next byte is not this one; behind their end stand zeros.
    #[inline(never)]
    fn match_byte(&mut self, role: &Role, subprotocols: &[&str], byte: u8) {
        let at = usize::from(self.matched);
        self.matched = self.matched.wrapping_add(1);
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
                PROTOCOL => subprotocols,
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
    fn end_element(&mut self, role: &Role, subprotocols: &[&str]) {
        self.match_byte(role, subprotocols, 0);
        if self.alive != 0 && self.found == NONE {
            self.found = self.alive.trailing_zeros() as u8;
        }
        self.alive = !0;
        self.matched = 0;
    }

    /// The end of a value: notes what it was.
    #[inline(never)]
    pub(super) fn end_value(&mut self, role: &Role, subprotocols: &[&str]) {
        self.end_element(role, subprotocols);
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
