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
const AUTHORITY: u8 = 20;

/// The schemes a target may have, as they are walked: the `s` in front of a colon may be missing.
const SCHEMES: &[u8; 14] = b"https://wss://";
const WS: u16 = 8;

// Where in a host the last byte stood.
const START: u8 = 0;
/// In a name or an IPv4 address.
const NAME: u8 = 1;
/// Behind `%`, and behind its first digit.
const PERCENT: u8 = 2;
const DIGIT: u8 = 3;
/// In an IPv6 address: no colon yet, one, more.
const BRACKET: u8 = 4;
const COLON: u8 = 5;
const COLONS: u8 = 6;
/// Behind an IPv6 address.
const CLOSED: u8 = 7;
const PORT: u8 = 8;
/// Behind white space.
const SPACE: u8 = 9;
const INVALID: u8 = 10;

/// What `byte` leads to in `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2). A
/// zone is no part of an address on the wire (RFC 6874 section 4).
fn step(state: u8, byte: u8) -> u8 {
    match (state, byte) {
        (START, b' ' | b'\t') => START,
        (NAME | CLOSED | PORT | SPACE, b' ' | b'\t') => SPACE,
        (START, b'[') => BRACKET,
        (NAME | CLOSED, b':') => PORT,
        (START | NAME, b'%') => PERCENT,
        (START | NAME, b':' | b'[' | b']') => INVALID,
        (START | NAME, _) if is_host_byte(byte) => NAME,
        (PERCENT, _) if byte.is_ascii_hexdigit() => DIGIT,
        (DIGIT, _) if byte.is_ascii_hexdigit() => NAME,
        (BRACKET, b':') => COLON,
        (COLON | COLONS, b':') => COLONS,
        (COLONS, b']') => CLOSED,
        (BRACKET..=COLONS, _) if byte.is_ascii_hexdigit() || byte == b'.' => state,
        (PORT, b'0'..=b'9') => PORT,
        _ => INVALID,
    }
}

/// Whether a host that ends in this state is one.
const fn is_whole(state: u8) -> bool {
    matches!(state, NAME | CLOSED | PORT | SPACE)
}

impl Exchange {
    /// Takes bytes of a request up to their end, that of the head, or an error.
    ///
    /// What the tokenizer reads is handed to it in pieces that end where something else begins.
    pub(super) fn request(&mut self, cx: &mut Context<'_, '_>) -> Result<(), HeadError> {
        let mut rest = cx.bytes;
        while let Some(&byte) = rest.first() {
            let is_page = self.noted(HITS, GET) || self.noted(HITS, HEAD);
            let state = self.state;
            let length = match state {
                head::COMPLETE => break,
                head::METHOD_START if byte == b'\r' => self.own(EMPTY_CR)?,
                EMPTY_CR if byte == b'\n' => self.own(EMPTY)?,
                EMPTY_CR => {
                    self.own(EMPTY_CR)?;
                    return Err(HeadError::BareCr);
                }
                head::TARGET_START if is_page && byte.is_ascii_alphabetic() => {
                    self.state = SCHEME;
                    continue;
                }
                SCHEME => self.scheme(byte)?,
                AUTHORITY => self.authority(cx, rest)?,
                _ => {
                    if state == EMPTY {
                        self.state = head::METHOD_START;
                    }
                    self.piece(cx, rest)?
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    /// A byte that the tokenizer does not see.
    fn own(&mut self, state: u8) -> Result<usize, HeadError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(HeadError::TooLong);
        };
        self.left = left;
        self.state = state;
        Ok(1)
    }

    /// Bytes up to the end of the method, the target, a name, or a line.
    fn piece(&mut self, cx: &mut Context<'_, '_>, rest: &[u8]) -> Result<usize, HeadError> {
        let end = match self.state {
            head::METHOD | head::METHOD_START | head::TARGET | head::TARGET_START => b' ',
            head::NAME | head::LINE_START => b':',
            _ => b'\n',
        };
        let ends = |byte: &u8| *byte == end || end == b' ' && *byte == b'#';
        let at = rest.iter().position(ends);
        let piece = rest.get(..=at.unwrap_or(rest.len() - 1)).unwrap_or(rest);
        if self.field == HOST && matches!(self.state, head::COLON | head::VALUE) {
            self.host(piece);
        }
        self.tokenize(cx, piece)?;
        if self.state == head::TARGET && piece.ends_with(b"#") {
            return Err(HeadError::StartLine);
        }
        Ok(piece.len())
    }

    fn tokenize(&mut self, cx: &mut Context<'_, '_>, piece: &[u8]) -> Result<(), HeadError> {
        self.receive(&mut Context {
            rules: cx.rules,
            lists: cx.lists,
            secret: cx.secret,
            on_part: &mut *cx.on_part,
            bytes: piece,
            part: 0..0,
        })
    }

    /// Bytes of the value of Host. Nothing is legal there, where the URL has no host (RFC 9112
    /// section 3.2).
    fn host(&mut self, piece: &[u8]) {
        for byte in piece {
            let [target, state] = self.number.to_le_bytes();
            let next = match byte {
                b'\r' => {
                    if state != START && !is_whole(state) {
                        self.notes[HITS] |= 1 << INVALID_HOST;
                    }
                    START
                }
                b'\n' => state,
                _ => step(state, *byte),
            };
            self.number = u16::from_le_bytes([target, next]);
        }
    }

    /// A byte of the scheme and the two slashes.
    fn scheme(&mut self, byte: u8) -> Result<usize, HeadError> {
        let byte = byte.to_ascii_lowercase();
        let mut at = self.matched;
        if at == 0 && byte == b'w' {
            at = WS;
        }
        if byte == b':' && SCHEMES.get(usize::from(at)) == Some(&b's') {
            at += 1;
        }
        let expected = SCHEMES.get(usize::from(at));
        let mut state = SCHEME;
        self.matched = at + 1;
        if self.matched == WS || self.matched == 14 {
            self.matched = 0;
            self.field = HOST;
            state = AUTHORITY;
        }
        let length = self.own(state)?;
        match expected == Some(&byte) {
            true => Ok(length),
            false => Err(HeadError::StartLine),
        }
    }

    /// Bytes of the authority, which takes the place of Host. One with a user in it is refused (RFC
    /// 9110 section 4.2.4).
    fn authority(&mut self, cx: &mut Context<'_, '_>, rest: &[u8]) -> Result<usize, HeadError> {
        let mut length = 0;
        for &byte in rest {
            let [_, state] = self.number.to_le_bytes();
            if matches!(byte, b'/' | b'?' | b' ') {
                if !is_whole(state) {
                    self.own(AUTHORITY)?;
                    return Err(HeadError::StartLine);
                }
                self.end_authority(cx, rest.get(..length).unwrap_or_default());
                if byte != b'/' {
                    // The path is never empty (RFC 9112 section 3.2.1).
                    self.left += 1;
                    self.tokenize(cx, b"/")?;
                }
                return Ok(length);
            }
            self.own(AUTHORITY)?;
            let state = match byte {
                b'\t' => INVALID,
                _ => step(state, byte),
            };
            if state == INVALID {
                return Err(HeadError::StartLine);
            }
            self.number = u16::from_le_bytes([0, state]);
            self.match_byte(cx, byte);
            length += 1;
        }
        (cx.on_part)(HeadPart::Authority(rest));
        Ok(length)
    }

    fn end_authority(&mut self, cx: &mut Context<'_, '_>, piece: &[u8]) {
        (cx.on_part)(HeadPart::Authority(piece));
        self.end_element(cx);
        let listed = self.found != NONE;
        self.found = NONE;
        self.notes[HITS] |= 1 << ABSOLUTE | u16::from(!listed) << ELSEWHERE;
        self.number = 0;
        self.field = TARGET;
        self.state = head::TARGET_START;
    }
}
