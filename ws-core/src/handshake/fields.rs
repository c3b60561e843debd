//! What the machines of both directions share: one matcher for everything that has to be
//! recognised in a head, and the record of what was.

use super::accept::{Sha1, base64};
use super::head::{self, HeadError, HeadPart};
use super::texts::{VALUE, group, mark, walk};
use core::ops::Range;

// The fields. First those whose texts are in `TEXT`, and of these first those in which case does
// not count.
/// The name of a header.
pub(super) const NAMING: u8 = 0;
pub(super) const UPGRADE: u8 = 1;
pub(super) const CONNECTION: u8 = 2;
pub(super) const LENGTH: u8 = 3;
pub(super) const VERSION: u8 = 4;
pub(super) const METHOD: u8 = 5;
/// The version in the first line.
pub(super) const FIRST: u8 = 6;
pub(super) const ENCODING: u8 = 7;
pub(super) const EXTENSIONS: u8 = 8;
/// Of the target what is behind its `?`.
pub(super) const QUERY: u8 = 9;
pub(super) const ACCEPT: u8 = 10;
pub(super) const KEY: u8 = 11;
/// From here on with the lists of the rules; from [`HOST`] on case does not count.
pub(super) const PROTOCOL: u8 = 12;
pub(super) const TARGET: u8 = 13;
pub(super) const HOST: u8 = 14;
pub(super) const ORIGIN: u8 = 15;
/// No candidate. As a field: a header that is not looked for.
pub(super) const NONE: u8 = 16;

// What stands in values.
pub(super) const WEBSOCKET: u8 = 0;
pub(super) const TO_UPGRADE: u8 = 1;
pub(super) const CLOSE: u8 = 2;
pub(super) const THIRTEEN: u8 = 3;
pub(super) const GET: u8 = 5;
pub(super) const HEAD: u8 = 6;
pub(super) const OPTIONS: u8 = 7;
// What else is noted beside them.
/// The version is HTTP/1.0.
pub(super) const OLD: u8 = 8;
/// The target is a whole URL.
pub(super) const ABSOLUTE: u8 = 9;
/// Its host is none of the rules'.
pub(super) const ELSEWHERE: u8 = HOST;
/// The value of Host is none.
pub(super) const INVALID_HOST: u8 = 10;

// The words of the notes.
/// The fields that came at all, a bit for each.
pub(super) const SEEN: usize = 0;
/// The fields that had a value that does not match.
pub(super) const BAD: usize = 1;
/// The fields that came more than once.
pub(super) const TWICE: usize = 2;
/// The values in `texts` that came, a bit for each, and what is noted beside them.
pub(super) const HITS: usize = 3;

/// A bit of the notes that is looked at for a verdict.
#[derive(Clone, Copy)]
pub(super) struct Check(u8);

impl Check {
    /// It must not be there.
    #[allow(clippy::cast_possible_truncation)] // at most 3
    pub(super) const fn not(word: usize, bit: u8) -> Self {
        Self((word as u8) << 4 | bit)
    }

    /// It must be there.
    pub(super) const fn some(word: usize, bit: u8) -> Self {
        Self(Self::not(word, bit).0 | 0x80)
    }
}

/// What a head is compared with, and who sees its parts.
pub(super) struct Context<'a, 'p> {
    /// What the fields from [`PROTOCOL`] on are compared with.
    pub(super) rules: &'a [&'a [&'a str]],
    /// The fields whose bytes are not only matched.
    pub(super) special: u32,
    /// [`ACCEPT`], to be compared with the text, or [`KEY`], to be kept there.
    pub(super) secret: u8,
    pub(super) on_part: &'a mut (dyn FnMut(HeadPart<'_>) + 'p),
    /// What the direction has of its own.
    pub(super) own: Own,
    pub(super) bytes: &'a [u8],
    /// Where in them the part that is being read begins, and where it ends but for white space.
    pub(super) part: Range<usize>,
}

/// What a byte means to one direction, besides what it means to both. It is given a step: an error or
/// one that has not been decided, and gives the one to take, perhaps in another state; or that of a byte of
/// a special field, and gives [`head::DONE`] if there is nothing more to do with it.
type Own = fn(&mut Exchange, &mut Context<'_, '_>, u8, u8) -> u8;

/// The state of a handshake, but for who is who.
#[derive(Debug, Clone)]
#[repr(C)] // Code is shorter where the small ones come first.
pub(super) struct Exchange {
    pub(super) state: u8,
    /// The field that is being read.
    pub(super) field: u8,
    /// The candidate that matched, in a list the first one that did.
    pub(super) found: u8,
    /// The subprotocol.
    pub(super) chosen: u8,
    /// Where in `texts` it stands; from [`ACCEPT`] on the candidates that still match, a bit for
    /// each.
    pub(super) alive: u16,
    /// How many bytes have been compared.
    pub(super) matched: u16,
    /// [`SEEN`], [`BAD`], [`TWICE`], [`HITS`].
    pub(super) notes: [u16; 4],
    /// How many bytes may still come.
    pub(super) left: u16,
    /// The status of a response, once its first line is complete; of a request which target it is
    /// for, and in the upper byte where in a host the last byte stood.
    pub(super) number: u16,
    /// Base64: the key first, then the accept value.
    pub(super) text: [u8; 28],
    /// How much of our own head is out.
    pub(super) position: usize,
}

impl Exchange {
    /// The first line begins with `state` and the field; at most `left` bytes may come.
    pub(super) const fn new(state: u8, field: u8, left: u16, text: [u8; 28]) -> Self {
        Self {
            state,
            field,
            found: NONE,
            chosen: NONE,
            alive: 0,
            matched: 0,
            notes: [0; 4],
            left,
            number: 0,
            text,
            position: 0,
        }
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
        self.state = head::REPLY;
        self.field = FIRST;
        self.number = 0;
        self.notes = [0; 4];
        self.chosen = NONE;
    }

    /// Puts the accept value in the place of the key.
    pub(super) fn accept(&mut self, hash: &mut impl Sha1) {
        if let Some(key) = self.text.first_chunk() {
            let digest = hash.sha1(key);
            base64(&digest, &mut self.text);
        }
    }

    /// Whether something is noted.
    pub(super) fn noted(&self, word: usize, bit: u8) -> bool {
        let word = self.notes.get(word & 3).copied().unwrap_or_default();
        word >> (bit & 15) & 1 != 0
    }

    /// The first check that fails.
    pub(super) fn verdict(&self, checks: &[Check]) -> usize {
        let fails =
            |check: &Check| self.noted(usize::from(check.0 >> 4), check.0) == (check.0 < 0x80);
        checks.iter().position(fails).unwrap_or(checks.len())
    }

    /// How many bytes can't reach past the blank line: 1 to 4, 0 once it was there.
    pub(super) const fn want(&self) -> usize {
        match self.state {
            head::COMPLETE => 0,
            head::LAST_CR => 1,
            head::LINE_START => 2,
            head::CR | head::FIRST_CR => 3,
            _ => 4,
        }
    }

    /// Takes bytes up to their end, that of the head, or an error.
    pub(super) fn receive(&mut self, cx: &mut Context<'_, '_>) -> Result<(), HeadError> {
        let mut at = 0;
        while let Some(&byte) = cx.bytes.get(at) {
            let Some(left) = self.left.checked_sub(1) else {
                return Err(HeadError::TooLong);
            };
            let mut step = head::read(self.state, byte);
            if step >= head::step(head::ERROR, 0) {
                step = (cx.own)(self, cx, byte, step);
                if step == head::AGAIN {
                    continue;
                }
            }
            self.left = left;
            at += 1;
            let before = self.state;
            self.state = step & 31;
            match step >> 5 {
                head::PART => {
                    if byte > b' ' {
                        cx.part.end = at;
                    }
                    self.byte(cx, byte);
                    continue;
                }
                head::DIGIT => {
                    let digit = u16::from(byte.wrapping_sub(b'0'));
                    if digit > 9 || self.number > 99 || self.number | digit == 0 {
                        return Err(HeadError::StartLine);
                    }
                    self.number = self.number * 10 + digit;
                }
                head::END_STATUS => {
                    if self.number < 100 {
                        return Err(HeadError::StartLine);
                    }
                    (cx.on_part)(HeadPart::Status(self.number));
                }
                head::END => {
                    Self::emit(cx, before);
                    let found = self.end_value(cx);
                    self.field = match before {
                        head::NAME => found,
                        head::METHOD => TARGET,
                        head::TARGET => FIRST,
                        head::VERSION | head::REPLY if found == NONE => {
                            return Err(HeadError::Version);
                        }
                        _ => NAMING,
                    };
                }
                head::END_HEADER => (cx.on_part)(HeadPart::HeaderEnd),
                head::ERROR => return Err(head::error_of(self.state)),
                _ => {}
            }
            cx.part.start = at;
            if step == head::COMPLETE {
                if self.number == 101 || self.number / 100 != 1 {
                    return Ok(());
                }
                // RFC 9110 section 15.2: an interim response, another one follows.
                self.restart();
            }
        }
        cx.part.end = cx.bytes.len();
        Self::emit(cx, self.state);
        Ok(())
    }

    /// Hands out a piece of a part.
    #[inline(never)]
    fn emit(cx: &mut Context<'_, '_>, state: u8) {
        let piece = cx.bytes.get(cx.part.clone()).unwrap_or_default();
        (cx.on_part)(match state {
            head::METHOD => HeadPart::Method(piece),
            head::TARGET => HeadPart::Target(piece),
            head::NAME => HeadPart::Name(piece),
            head::VALUE => HeadPart::Value(piece),
            _ => return,
        });
    }

    /// A byte of a name, a value, or the like.
    #[inline(always)]
    fn byte(&mut self, cx: &mut Context<'_, '_>, byte: u8) {
        let field = self.field;
        if cx.special >> field & 1 != 0
            // No letter is special but in a host.
            && (byte <= b'?' || field == HOST)
            && (cx.own)(self, cx, byte, 0) == head::DONE
        {
            return;
        }
        // After white space only the end may come.
        let byte = if byte <= b' ' { 0 } else { byte };
        // In front it is nothing, and where no candidate is left none comes back.
        let matters = if self.matched == 0 {
            u16::from(byte)
        } else {
            self.alive
        };
        if matters != 0 {
            self.match_byte(cx, byte);
        }
    }

    /// A byte of a list, of which one element that matches is enough; else nothing.
    pub(super) fn element(&mut self, cx: &mut Context<'_, '_>, byte: u8, step: u8) -> u8 {
        if byte != b',' || step != 0 {
            return step;
        }
        self.end_element(cx);
        head::DONE
    }

    /// Drops the candidates whose next byte is not this one; behind their end stand zeros.
    #[inline(never)]
    pub(super) fn match_byte(&mut self, cx: &Context<'_, '_>, byte: u8) {
        let field = self.field;
        let at = usize::from(self.matched);
        self.matched = self.matched.wrapping_add(1);
        if at == 0 {
            self.alive = group(field);
        }
        // Of these three each field has one.
        if field == cx.secret {
            let mut expected = 0;
            if let Some(place) = self.text.get_mut(at) {
                if field == KEY {
                    // What it is worth is seen at the end.
                    *place = byte;
                }
                expected = *place;
            }
            if expected != byte {
                self.alive = 0;
            }
        } else if let Some(list) = cx.rules.get(usize::from(field.wrapping_sub(PROTOCOL))) {
            let mut fold = 0;
            if field >= HOST && byte.is_ascii_alphabetic() {
                fold = 0x20;
            }
            let mut alive = 0;
            let mut bit = 1u16;
            for candidate in *list {
                let expected = candidate.as_bytes().get(at).copied().unwrap_or(0);
                if (expected ^ byte) & !fold == 0 {
                    alive |= bit;
                }
                bit <<= 1;
            }
            self.alive &= alive;
        } else {
            let mut byte = byte;
            if field <= CONNECTION && byte != 0 {
                // This maps no other character to one that is expected.
                byte |= 0x20;
            }
            if field == FIRST && at == 7 {
                // Any minor version does (RFC 9110 section 2.5).
                if byte == b'0' {
                    self.notes[HITS] |= 1 << OLD;
                }
                if byte.is_ascii_digit() {
                    return;
                }
                byte = 1;
            }
            self.alive = walk(self.alive, byte);
        }
    }

    /// The end of a name, a value, or an element of a list.
    #[inline(never)]
    #[allow(clippy::cast_possible_truncation)] // at most 16
    pub(super) fn end_element(&mut self, cx: &Context<'_, '_>) {
        self.match_byte(cx, 0);
        self.matched = 0;
        let found = if self.field < ACCEPT {
            mark(self.alive)
        } else {
            self.alive.trailing_zeros() as u8
        };
        if found >= VALUE {
            self.notes[HITS] |= 1 << (found & 7);
        }
        if self.found == NONE {
            self.found = found;
        }
    }

    /// The end of a value or the like: notes what it was, and says which.
    #[inline(never)]
    pub(super) fn end_value(&mut self, cx: &Context<'_, '_>) -> u8 {
        self.end_element(cx);
        let field = self.field;
        let found = self.found;
        let bit = bit(field);
        self.notes[TWICE] |= self.notes[SEEN] & bit;
        self.notes[SEEN] |= bit;
        if found == NONE {
            self.notes[BAD] |= bit;
        }
        if field == PROTOCOL && self.chosen == NONE {
            self.chosen = found;
        }
        if field == TARGET {
            self.number = found.into();
        }
        self.found = NONE;
        found
    }
}

/// The bit of a field, none if it is not looked for.
#[allow(clippy::cast_possible_truncation)] // on purpose
pub(super) const fn bit(field: u8) -> u16 {
    (1u32 << field) as u16
}
