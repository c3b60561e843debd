//! What only requests have: an empty line in front, a target that is a whole URL, and the host in it
//! and in Host (RFC 9112 sections 2.2, 3.2 and 3.2.2).

use super::fields::{
    ABSOLUTE, Context, ELSEWHERE, Exchange, FIRST, GET, HEAD, HITS, HOST, NONE, QUERY, TARGET, bit,
};
use super::head::{self, HeadError, HeadPart};
use super::write::is_host_byte;

// States that the tokenizer does not know.
/// After the CR of the empty line in front.
const EMPTY_CR: u8 = 17;
/// After the empty line, which is the only one.
const EMPTY: u8 = 18;
/// In the scheme; after its colon, and after each slash.
const SCHEME: u8 = 19;
const AUTHORITY: u8 = SCHEME + 3;
/// After a byte that is wrong.
const WRONG: u8 = 23;
/// After the digit of another major version.
const OTHER_VERSION: u8 = 24;

/// What leads from [`SCHEME`] to [`AUTHORITY`].
static FOLLOWS: [u8; 3] = *b"://";

// Where in a host a byte stands. First where it may end.
const START: u8 = 0;
/// In a name or an IPv4 address.
const NAME: u8 = 1;
const PORT: u8 = 2;
/// After an IPv6 address.
const CLOSED: u8 = 3;
/// After `%`, and after its first digit.
const PERCENT: u8 = 4;
const DIGIT: u8 = 5;
/// In an IPv6 address, before and after its first colon.
const BRACKET: u8 = 6;
const GROUPS: u8 = 7;
/// Nowhere.
const X: u8 = 8;
/// Set after white space, after which nothing may come.
const SPACE: u8 = 16;

/// From where to where bytes go, and where they lead to: four bits for each state before.
struct Class(u8, u8, u32);

/// The states in the order of their numbers, packed.
const fn to(states: [u8; 8]) -> u32 {
    let mut packed = 0;
    let mut rest: &[u8] = &states;
    while let [before @ .., last] = rest {
        packed = packed << 4 | *last as u32;
        rest = before;
    }
    packed
}

/// What is special in a host. Other bytes that may stand in one are [`OTHER`].
#[rustfmt::skip]
static CLASSES: [Class; 8] = [
    //                START    NAME     PORT  CLOSED PERCENT DIGIT BRACKET GROUPS
    Class(b'a', b'f', HEX),
    Class(b'0', b'9', to([NAME,    NAME,    PORT, X,     DIGIT,  NAME, BRACKET, GROUPS])),
    Class(b'.', b'.', to([NAME,    NAME,    X,    X,     X,      X,    X,       GROUPS])),
    Class(b':', b':', to([X,       PORT,    X,    PORT,  X,      X,    GROUPS,  GROUPS])),
    Class(b'A', b'F', HEX),
    Class(b'%', b'%', to([PERCENT, PERCENT, X,    X,     X,      X,    X,       X])),
    Class(b'[', b'[', to([BRACKET, X,       X,    X,     X,      X,    X,       X])),
    Class(b']', b']', to([X,       X,       X,    X,     X,      X,    X,       CLOSED])),
];
#[rustfmt::skip]
const HEX: u32 =      to([NAME,    NAME,    X,    X,     DIGIT,  NAME, BRACKET, GROUPS]);
const OTHER: u32 = to([NAME, NAME, X, X, X, X, X, X]);
const NOWHERE: u32 = to([X; 8]);

impl Exchange {
    /// What a byte of a request means that the tokenizer makes nothing of, or that is not only matched.
    pub(super) fn request(&mut self, cx: &mut Context<'_, '_>, byte: u8, step: u8) -> u8 {
        if step == 0 {
            return self.special(cx, byte);
        }
        // In a scheme, which does not matter.
        let is_letter = (byte | 0x20).is_ascii_lowercase();
        let state = self.state;
        if FOLLOWS.get(usize::from(state.wrapping_sub(SCHEME))) == Some(&byte) {
            return state + 1;
        }
        match state {
            head::METHOD_START if byte == b'\r' => EMPTY_CR,
            EMPTY_CR if byte == b'\n' => EMPTY,
            EMPTY if byte != b'\r' => {
                self.state = head::METHOD_START;
                head::AGAIN
            }
            head::TARGET_START if is_letter && self.notes[HITS] & (bit(GET) | bit(HEAD)) != 0 => {
                SCHEME
            }
            head::TARGET_START if step == head::ODD_TARGET => {
                self.state = head::TARGET;
                head::AGAIN
            }
            SCHEME if is_letter => SCHEME,
            AUTHORITY => self.authority(cx, byte),
            OTHER_VERSION => head::error(HeadError::Version),
            ..=head::COMPLETE => step,
            _ => head::X,
        }
    }

    /// A byte of the host of a whole URL, which takes the place of Host, or the one after it.
    #[inline(always)]
    fn authority(&mut self, cx: &mut Context<'_, '_>, byte: u8) -> u8 {
        let ends = matches!(byte, b'/' | b'?' | b' ');
        self.field = HOST;
        if ends {
            if self.number >> 8 == START.into() || !self.is_host() {
                return head::X;
            }
            self.end_element(cx);
            self.notes[HITS] |= bit(ABSOLUTE);
            if self.found == NONE {
                self.notes[HITS] |= bit(ELSEWHERE);
            }
            self.found = NONE;
            self.field = TARGET;
            self.state = head::TARGET;
            if byte == b'/' {
                return head::AGAIN;
            }
        } else {
            self.host(byte);
        }
        // The path is never empty (RFC 9112 section 3.2.1).
        let (piece, next) = if ends {
            (b'/', head::AGAIN)
        } else {
            (byte, AUTHORITY)
        };
        self.match_byte(cx, piece);
        let piece = &[piece];
        (cx.on_part)(if ends {
            HeadPart::Target(piece)
        } else {
            HeadPart::Authority(piece)
        });
        next
    }

    /// A byte of a field that is not only matched.
    fn special(&mut self, cx: &mut Context<'_, '_>, byte: u8) -> u8 {
        match self.field {
            HOST => self.host(byte),
            FIRST => {
                let is_major = self.alive != 0 && self.matched == 5;
                if is_major && matches!(byte, b'0' | b'2'..=b'9') {
                    self.state = OTHER_VERSION;
                }
            }
            TARGET | QUERY => {
                // There is no fragment (RFC 9112 section 3.2).
                if byte == b'#' {
                    self.state = WRONG;
                }
                if byte == b'?' && self.field == TARGET {
                    self.end_value(cx);
                    self.field = QUERY;
                    return head::DONE;
                }
            }
            _ => return self.element(cx, byte, 0),
        }
        0
    }

    /// A byte of `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2). A zone is no
    /// part of an address on the wire (RFC 6874 section 4).
    #[inline(never)]
    #[allow(clippy::cast_possible_truncation)] // four bits
    fn host(&mut self, byte: u8) {
        let [target, mut state] = self.number.to_le_bytes();
        if state == NAME && (byte | 0x20).is_ascii_lowercase() {
            // What names are made of mostly.
            return;
        }
        if byte <= b' ' {
            state |= SPACE;
        } else {
            let is_in = |class: &&Class| class.0 <= byte && byte <= class.1;
            let leads = match CLASSES.iter().find(is_in) {
                Some(class) => class.2,
                None if is_host_byte(byte) => OTHER,
                None => NOWHERE,
            };
            // What is invalid stays so.
            state = if state < X {
                (leads >> (state * 4)) as u8 & 15
            } else {
                X
            };
        }
        self.number = u16::from_le_bytes([target, state]);
    }

    /// May the host end here? None at all is legal in Host: what a URL without one has (RFC 9112
    /// section 3.2).
    pub(super) const fn is_host(&self) -> bool {
        self.number >> 8 & 15 <= CLOSED as u16
    }
}
