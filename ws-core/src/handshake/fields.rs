//! What the machines of both directions share: one matcher for everything that has to be
//! recognised in a head, and the record of what was.

use super::head::{Head, HeadError, HeadPart, State};
use super::server::Rules;

/// What a role looks for. The places in `names` and `values` are the numbers of the fields.
pub(super) struct Role {
    /// The headers' names, in lower case.
    pub(super) names: &'static [&'static str],
    /// What a header's value may be, in lower case where case does not count.
    pub(super) values: &'static [[&'static str; 2]],
    /// The fields that are lists: one element that matches is enough.
    pub(super) lists: u8,
    /// Whether [`SECRET`] is the key to be kept, not the accept value to be compared.
    pub(super) server: bool,
}

// The fields, one more than their place in the tables. Case counts in the values of all but the
// first three.
/// No field: the name of one is being read.
const NAMING: u8 = 0;
pub(super) const UPGRADE: u8 = 1;
pub(super) const CONNECTION: u8 = 2;
/// The key of a request, the accept value of a response.
pub(super) const SECRET: u8 = 3;
pub(super) const PROTOCOL: u8 = 4;
pub(super) const HOST: u8 = 6;
/// Always the first to come. What comes under this number a second time is Transfer-Encoding.
pub(super) const METHOD: u8 = 8;
/// Has no bit, but notes.
pub(super) const ORIGIN: u8 = 9;
/// No candidate. One more is the field of a header that is not looked for.
pub(super) const NONE: u8 = 16;
/// No fields: what stands in the first line, and of the target what is behind its `?`.
const TARGET: u8 = NONE + 2;
pub(super) const FIRST: u8 = NONE + 3;
const QUERY: u8 = NONE + 4;

/// `close` in Connection.
pub(super) const CLOSE: u8 = 0x01;
/// The method is HEAD.
pub(super) const HEAD: u8 = 0x02;
/// An Origin that is on the list came, or one that is not.
pub(super) const ORIGIN_LISTED: u8 = 0x04;
pub(super) const ORIGIN_OTHER: u8 = 0x08;

/// What a head is compared with, and who sees its parts.
struct Context<'a, 'p> {
    role: &'static Role,
    rules: &'a Rules<'a>,
    on_part: &'a mut (dyn FnMut(HeadPart<'_>) + 'p),
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
    field: u8,
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
    /// The target without its query.
    pub(super) target: u8,
    /// What else a request says: [`CLOSE`], [`HEAD`], [`ORIGIN_LISTED`], [`ORIGIN_OTHER`].
    pub(super) notes: u8,
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
            target: NONE,
            notes: 0,
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

    /// Takes `bytes` up to their end or that of the head, and moves them on.
    pub(super) fn receive(
        &mut self,
        role: &'static Role,
        rules: &Rules<'_>,
        bytes: &mut &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>),
    ) -> Result<(), HeadError> {
        let cx = &mut Context {
            role,
            rules,
            on_part,
        };
        // Where the part that `bytes` is in begins.
        let mut run = *bytes;
        while !self.head.is_complete()
            && let Some((&byte, behind)) = bytes.split_first()
        {
            let before = self.head.state();
            let state = self.head.step(byte);
            if let Some(error) = state.error() {
                return Err(error);
            }
            if state <= State::StatusVersion {
                self.byte(cx, byte);
                *bytes = behind;
                continue;
            }
            let mut piece = piece(run, bytes);
            // All up to the space that gets here is white space.
            while let [shorter @ .., ..=b' '] = piece {
                piece = shorter;
            }
            cx.hand_out(before, piece);
            *bytes = behind;
            run = behind;
            match before {
                State::Name => {
                    self.end_element(cx);
                    self.field = self.found + 1;
                    self.found = NONE;
                }
                State::Method => {
                    self.end_value(cx);
                    self.field = TARGET;
                }
                State::Target => {
                    self.end_target(cx);
                    self.field = FIRST;
                }
                State::Version | State::StatusVersion => {
                    self.end_element(cx);
                    if self.found == NONE {
                        return Err(HeadError::Version);
                    }
                    self.found = NONE;
                    self.field = NAMING;
                }
                State::Value | State::Colon if state == State::Cr => {
                    self.end_value(cx);
                    (cx.on_part)(HeadPart::HeaderEnd);
                }
                State::Status if state != State::Status => {
                    (cx.on_part)(HeadPart::Status(self.head.status()));
                }
                _ => {}
            }
        }
        cx.hand_out(self.head.state(), piece(run, bytes));
        Ok(())
    }

    /// A byte of a name, a value, or the like.
    #[inline(always)]
    fn byte(&mut self, cx: &Context<'_, '_>, byte: u8) {
        if byte == b',' && cx.role.lists & bit(self.field) != 0 {
            self.end_element(cx);
        } else if byte == b'?' && self.field == TARGET {
            self.end_target(cx);
        } else if matches!(byte, b' ' | b'\t') {
            // White space in front is nothing, and behind it only the end may come.
            if self.matched > 0 {
                self.match_byte(cx, 0);
            }
        } else {
            // This maps no other character to one that is expected.
            let fold = if self.field <= CONNECTION { 0x20 } else { 0 };
            self.match_byte(cx, byte | fold);
        }
    }

    /// Drops the candidates whose next byte is not this one; behind their end stand zeros.
    #[inline(never)]
    fn match_byte(&mut self, cx: &Context<'_, '_>, byte: u8) {
        let at = usize::from(self.matched);
        self.matched = self.matched.wrapping_add(1);
        let mut alive = 0;
        let candidates = match self.field {
            NAMING => cx.role.names,
            PROTOCOL => cx.rules.subprotocols,
            TARGET => cx.rules.targets,
            HOST => cx.rules.hosts,
            ORIGIN => cx.rules.origins,
            FIRST => &["HTTP/1.1"],
            SECRET => {
                alive = match self.text.get_mut(at) {
                    // What it is worth is seen at the end.
                    Some(place) if cx.role.server => {
                        *place = byte;
                        1
                    }
                    Some(place) => u16::from(*place == byte),
                    None => u16::from(byte == 0),
                };
                &[]
            }
            field => cx
                .role
                .values
                .get(usize::from(field) - 1)
                .map_or(&[][..], |value| value),
        };
        let any_case = matches!(self.field, HOST | ORIGIN);
        let mut bit = 1u16;
        for candidate in candidates {
            let expected = candidate.as_bytes().get(at).copied().unwrap_or(0);
            if expected == byte || any_case && expected.eq_ignore_ascii_case(&byte) {
                alive |= bit;
            }
            bit <<= 1;
        }
        self.alive &= alive;
    }

    /// The end of a name, a value, or an element of a list.
    #[inline(never)]
    #[allow(clippy::cast_possible_truncation)] // at most 16
    fn end_element(&mut self, cx: &Context<'_, '_>) {
        self.match_byte(cx, 0);
        let mut found = self.alive.trailing_zeros() as u8;
        match (self.field, found) {
            (CONNECTION, 1) => {
                self.notes |= CLOSE;
                found = NONE;
            }
            (METHOD, 1) => self.notes |= HEAD,
            _ => {}
        }
        if self.found == NONE {
            self.found = found;
        }
        self.alive = !0;
        self.matched = 0;
    }

    /// The end of the target, or of what of it is looked at.
    fn end_target(&mut self, cx: &Context<'_, '_>) {
        let field = self.field;
        self.end_element(cx);
        if field == TARGET {
            self.target = self.found;
        }
        self.found = NONE;
        self.field = QUERY;
    }

    /// The end of a value: notes what it was.
    #[inline(never)]
    fn end_value(&mut self, cx: &Context<'_, '_>) {
        self.end_element(cx);
        if self.field == ORIGIN {
            self.notes |= if self.found == NONE {
                ORIGIN_OTHER
            } else {
                ORIGIN_LISTED
            };
        }
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

impl Context<'_, '_> {
    /// Hands out a piece of the part that `state` is in, if it is one that is handed out.
    fn hand_out(&mut self, state: State, piece: &[u8]) {
        if !piece.is_empty() {
            (self.on_part)(match state {
                State::Method => HeadPart::Method(piece),
                State::Target => HeadPart::Target(piece),
                State::Name => HeadPart::Name(piece),
                State::Value => HeadPart::Value(piece),
                _ => return,
            });
        }
    }
}

/// What of `run` is in front of `rest`, its end.
fn piece<'a>(run: &'a [u8], rest: &[u8]) -> &'a [u8] {
    run.get(..run.len().wrapping_sub(rest.len()))
        .unwrap_or_default()
}

/// The bit of a field, none if it has no place in the tables.
#[allow(clippy::cast_possible_truncation)] // on purpose
pub(super) const fn bit(field: u8) -> u8 {
    (1u32 << field >> 1) as u8
}
