//! What only requests have: an empty line in front, a target that is a whole URL, and the host in it
//! and in Host (RFC 9112 sections 2.2, 3.2 and 3.2.2).

use super::fields::{
    ABSOLUTE, Context, ELSEWHERE, Exchange, GET, HEAD, HITS, HOST, INVALID_HOST, NONE, TARGET,
};
use super::head::{self, HeadError, HeadPart};
use super::write::is_host_byte;

// States that the tokenizer does not know.
/// Behind the CR of the empty line in front.
const EMPTY_CR: u8 = 17;
/// Behind the empty line, which is the only one.
const EMPTY: u8 = 18;
const SCHEME: u8 = 19;
/// Behind the colon, and behind the first slash.
const SLASH: u8 = 20;
const SLASHES: u8 = 21;
/// In front of a host.
const START: u8 = 22;
/// In a name or an IPv4 address. From here on it may end.
const NAME: u8 = 23;
/// Behind an IPv6 address.
const CLOSED: u8 = 24;
const PORT: u8 = 25;
/// Behind white space.
const SPACE: u8 = 26;
/// In an IPv6 address, before and behind its first colon.
const BRACKET: u8 = 27;
const GROUPS: u8 = 28;
/// Behind `%`, and behind its first digit.
const PERCENT: u8 = 29;
const DIGIT: u8 = 30;
const INVALID: u8 = 31;

/// Where in a head each piece that is handed to the tokenizer ends: method and target, name, version,
/// line.
static ENDS: [u8; 16] = *b"  :\n/\n\n\n  /\n:\n\n\n";

/// Where each state of a host leads to, from [`START`] on: for white space, another host byte, hex digits
/// beyond 9, digits, `%`, `:`, `.`, `[`, `]`, and what is none of these.
#[rustfmt::skip]
static HOSTS: [[u8; 10]; 9] = {
    const X: u8 = INVALID;
    [
        [START, NAME, NAME, NAME, PERCENT, X, NAME, BRACKET, X, X], // START
        [SPACE, NAME, NAME, NAME, PERCENT, PORT, NAME, X, X, X], // NAME
        [SPACE, X, X, X, X, PORT, X, X, X, X], // CLOSED
        [SPACE, X, X, PORT, X, X, X, X, X, X], // PORT
        [SPACE, X, X, X, X, X, X, X, X, X], // SPACE
        [X, X, BRACKET, BRACKET, X, GROUPS, X, X, X, X], // BRACKET
        [X, X, GROUPS, GROUPS, X, GROUPS, GROUPS, X, CLOSED, X], // GROUPS
        [X, X, DIGIT, DIGIT, X, X, X, X, X, X], // PERCENT
        [X, X, NAME, NAME, X, X, X, X, X, X], // DIGIT
    ]
};

/// What `byte` leads to in `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2), and in
/// the scheme in front of it, which does not matter. A zone is no part of an address on the wire (RFC
/// 6874 section 4).
fn step(state: u8, byte: u8) -> u8 {
    let mut class = 0;
    if byte > b' ' {
        class = match b"%:.[]".iter().position(|special| *special == byte) {
            Some(at) => at + 4,
            None if byte.is_ascii_digit() => 3,
            None if byte.is_ascii_hexdigit() => 2,
            None if is_host_byte(byte) => 1,
            None => 9,
        };
    }
    if let Some(row) = HOSTS.get(usize::from(state.wrapping_sub(START))) {
        return row.get(class).copied().unwrap_or(INVALID);
    }
    match state {
        SCHEME if byte.is_ascii_alphabetic() => SCHEME,
        SCHEME if byte == b':' => SLASH,
        SLASH | SLASHES if byte == b'/' => state + 1,
        EMPTY_CR if byte == b'\n' => EMPTY,
        _ => INVALID,
    }
}

/// What may have a whole URL for a target.
const PAGE: u16 = 1 << GET | 1 << HEAD;

impl Exchange {
    /// Takes bytes of a request up to their end, that of the head, or an error.
    ///
    /// What the tokenizer reads is handed to it in pieces that end where something else begins.
    pub(super) fn request(&mut self, cx: &mut Context<'_, '_>) -> Result<(), HeadError> {
        let mut rest = cx.bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            let mut next = step(self.state, byte);
            match self.state {
                head::COMPLETE => break,
                head::METHOD_START if byte == b'\r' => next = EMPTY_CR,
                head::TARGET_START
                    if byte.is_ascii_alphabetic() && self.notes[HITS] & PAGE != 0 =>
                {
                    next = SCHEME;
                }
                EMPTY => self.state = head::METHOD_START,
                // Behind `HTTP/`: another major version.
                head::VERSION
                    if self.alive != 0
                        && self.matched == 5
                        && matches!(byte, b'0' | b'2'..=b'9') =>
                {
                    return Err(HeadError::Version);
                }
                NAME..=PORT if matches!(byte, b'/' | b'?' | b' ') => {
                    self.end_authority(cx, byte);
                    next = INVALID;
                }
                _ => {}
            }
            if self.state <= head::LAST_CR && next == INVALID {
                let end = ENDS.get(usize::from(self.state)).copied().unwrap_or(b'\n');
                let other = match end {
                    b' ' => b'#',
                    b'/' => b'\n',
                    _ => end,
                };
                let ends = |byte: &u8| *byte == end || *byte == other;
                let length = rest.iter().position(ends).map_or(rest.len(), |at| at + 1);
                (cx.bytes, rest) = rest.split_at_checked(length).unwrap_or_default();
                cx.part = 0..0;
                if self.field == HOST && matches!(self.state, head::COLON | head::VALUE) {
                    self.host(cx.bytes);
                }
                match self.receive(cx) {
                    // Not a version at all.
                    Err(HeadError::Version) => return Err(HeadError::StartLine),
                    result => result?,
                }
                if self.state == head::TARGET && cx.bytes.ends_with(b"#") {
                    return Err(HeadError::StartLine);
                }
                continue;
            }
            let Some(left) = self.left.checked_sub(1) else {
                return Err(HeadError::TooLong);
            };
            self.left = left;
            if self.state >= START {
                if byte <= b' ' {
                    next = INVALID;
                }
                self.field = HOST;
                self.match_byte(cx, byte);
                (cx.on_part)(HeadPart::Authority(&[byte]));
            }
            if next == INVALID {
                return Err(HeadError::StartLine);
            }
            self.state = next;
            rest = behind;
        }
        Ok(())
    }

    /// The host of a whole URL takes the place of Host.
    fn end_authority(&mut self, cx: &mut Context<'_, '_>, byte: u8) {
        self.end_element(cx);
        self.notes[HITS] |= if self.found == NONE {
            1 << ABSOLUTE | 1 << ELSEWHERE
        } else {
            1 << ABSOLUTE
        };
        self.found = NONE;
        self.field = TARGET;
        self.state = head::TARGET_START;
        if byte != b'/' {
            // The path is never empty (RFC 9112 section 3.2.1).
            (cx.on_part)(HeadPart::Target(b"/"));
            self.match_byte(cx, b'/');
            self.state = head::TARGET;
        }
    }

    /// Bytes of the value of Host. Nothing is legal there: what a URL without a host has (RFC 9112
    /// section 3.2).
    fn host(&mut self, piece: &[u8]) {
        for &byte in piece {
            let [target, state] = self.number.to_le_bytes();
            let mut next = step(state.max(START), byte);
            if byte == b'\r' {
                if state > SPACE {
                    self.notes[HITS] |= 1 << INVALID_HOST;
                }
                next = 0;
            }
            if byte != b'\n' {
                self.number = u16::from_le_bytes([target, next]);
            }
        }
    }
}
