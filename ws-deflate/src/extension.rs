//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1), a byte at a time.

use crate::copy;

/// The parameters of permessage-deflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Params {
    pub(crate) server_no_takeover: bool,
    pub(crate) client_no_takeover: bool,
    pub(crate) server_bits: Option<u8>,
    /// 0: without a value.
    pub(crate) client_bits: Option<u8>,
}

/// An element of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Deflate(Params),
    /// permessage-deflate with a parameter that it cannot have.
    Parameter,
    /// Another extension.
    Other,
    /// Not an extension. The rest of the header is passed over.
    Malformed,
}

const NAMES: [&str; 5] = [
    "permessage-deflate",
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a name.
    Start,
    /// In a name.
    Name,
    /// After a name and white space.
    Named,
    /// After `=`.
    Equals,
    /// In a value without quotes.
    Token,
    /// In quotes.
    Quoted,
    /// After a backslash in quotes.
    Escaped,
    /// After a value.
    Valued,
    /// What is malformed, up to the end of the header.
    Lost,
}

#[derive(Debug, Clone)]
pub(crate) struct Reader {
    state: State,
    /// The name is that of the extension.
    first: bool,
    /// The extension is permessage-deflate.
    ours: bool,
    /// One of its parameters is wrong.
    wrong: bool,
    /// There was no element yet.
    empty: bool,
    /// The names of [`NAMES`] that still match, a bit for each.
    alive: u8,
    at: u8,
    /// The value's digits; `None` if it is none that can be.
    value: Option<u8>,
    digits: u8,
    params: Params,
}

impl Reader {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Start,
            first: true,
            ours: false,
            wrong: false,
            empty: true,
            alive: 0,
            at: 0,
            value: None,
            digits: 0,
            params: Params {
                server_no_takeover: false,
                client_no_takeover: false,
                server_bits: None,
                client_bits: None,
            },
        }
    }

    /// A byte of a value, or its end. An element that is complete comes out.
    pub(crate) fn byte(&mut self, byte: Option<u8>) -> Option<Kind> {
        let result = self.step(byte);
        if byte.is_none() {
            *self = Self::new();
        }
        result
    }

    fn step(&mut self, byte: Option<u8>) -> Option<Kind> {
        let space = matches!(byte, Some(b' ' | b'\t'));
        let token = byte.filter(|byte| is_token(*byte));
        match (self.state, byte) {
            (State::Lost, _) => return None,
            (State::Start | State::Named | State::Equals | State::Valued, _) if space => {}
            // An empty element of a list is none (RFC 9110 section 5.6.1).
            (State::Start, None | Some(b',')) if self.first => {
                // A header without any element is not a list, though.
                if byte.is_none() && self.empty {
                    return self.lost();
                }
            }
            (State::Start, _) => {
                let Some(byte) = token else {
                    return self.lost();
                };
                self.alive = if self.first { 1 } else { 0b1_1110 };
                self.at = 0;
                self.empty = false;
                self.state = State::Name;
                self.name(byte);
            }
            (State::Name, Some(byte)) if token.is_some() => self.name(byte),
            (State::Name, _) if space => self.state = State::Named,
            (State::Name | State::Named, Some(b'=')) if !self.first => {
                self.value = Some(0);
                self.digits = 0;
                self.state = State::Equals;
            }
            (State::Equals, Some(b'"')) => self.state = State::Quoted,
            (State::Quoted, Some(b'\\')) => self.state = State::Escaped,
            (State::Quoted, Some(b'"')) if self.digits > 0 => self.state = State::Valued,
            (State::Equals | State::Token, Some(byte)) if token.is_some() => {
                self.state = State::Token;
                self.digit(byte);
            }
            // What is quoted has to be a token too.
            (State::Quoted | State::Escaped, Some(byte)) if token.is_some() => {
                self.state = State::Quoted;
                self.digit(byte);
            }
            (State::Token, _) if space => self.state = State::Valued,
            (State::Name | State::Named | State::Token | State::Valued, _) => {
                let valued = matches!(self.state, State::Token | State::Valued);
                match byte {
                    None | Some(b',' | b';') => {}
                    _ => return self.lost(),
                }
                self.parameter(valued);
                self.state = State::Start;
                self.first = false;
                if byte != Some(b';') {
                    return Some(self.element());
                }
            }
            _ => return self.lost(),
        }
        None
    }

    fn lost(&mut self) -> Option<Kind> {
        self.state = State::Lost;
        Some(Kind::Malformed)
    }

    fn name(&mut self, byte: u8) {
        let mut bit = 1;
        for name in NAMES {
            // Behind its end nothing matches.
            let expected = name.as_bytes().get(usize::from(self.at));
            if expected != Some(&byte) {
                self.alive &= !bit;
            }
            bit <<= 1;
        }
        self.at = self.at.saturating_add(1);
    }

    /// RFC 7692 section 7.1.2.1: 8 to 15, without leading zeros.
    fn digit(&mut self, byte: u8) {
        self.value = match (self.value, byte) {
            (Some(value), b'0'..=b'9') if value <= 1 && (self.digits == 0 || value > 0) => {
                Some(value * 10 + (byte - b'0'))
            }
            _ => None,
        };
        self.digits = 1;
    }

    /// A name, perhaps with a value, is complete.
    fn parameter(&mut self, valued: bool) {
        let mut found = NAMES.len();
        for (index, name) in NAMES.iter().enumerate() {
            if self.alive >> index & 1 != 0 && name.len() == usize::from(self.at) {
                found = index;
            }
        }
        if self.first {
            self.ours = found == 0;
            return;
        }
        let bits = self.value.filter(|value| (8..=15).contains(value));
        let params = &mut self.params;
        let right = match (found, valued) {
            (1, false) => !core::mem::replace(&mut params.server_no_takeover, true),
            (2, false) => !core::mem::replace(&mut params.client_no_takeover, true),
            (3, true) => bits.is_some() && params.server_bits.replace(bits.unwrap_or(8)).is_none(),
            (4, true) => bits.is_some() && params.client_bits.replace(bits.unwrap_or(8)).is_none(),
            (4, false) => params.client_bits.replace(0).is_none(),
            _ => false,
        };
        self.wrong |= !right;
    }

    fn element(&mut self) -> Kind {
        let kind = match (self.ours, self.wrong) {
            (false, _) => Kind::Other,
            (true, true) => Kind::Parameter,
            (true, false) => Kind::Deflate(self.params),
        };
        *self = Self {
            empty: false,
            ..Self::new()
        };
        kind
    }
}

/// RFC 9110 section 5.6.2.
const fn is_token(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

impl Params {
    /// As a list of one extension.
    pub(crate) fn write(self, out: &mut [u8]) -> Option<&str> {
        let mut at = 0;
        let mut put = |text: &str| {
            let place = out.get_mut(at..at + text.len())?;
            copy(place, text.as_bytes());
            at += text.len();
            Some(())
        };
        let [extension, server, client, server_bits, client_bits] = NAMES;
        put(extension)?;
        for (there, name, bits) in [
            (self.server_no_takeover, server, 0),
            (self.client_no_takeover, client, 0),
            (
                self.server_bits.is_some(),
                server_bits,
                self.server_bits.unwrap_or(0),
            ),
            (
                self.client_bits.is_some(),
                client_bits,
                self.client_bits.unwrap_or(0),
            ),
        ] {
            if !there {
                continue;
            }
            put("; ")?;
            put(name)?;
            const VALUES: [&str; 8] = ["=8", "=9", "=10", "=11", "=12", "=13", "=14", "=15"];
            if let Some(value) = bits.checked_sub(8) {
                put(VALUES.get(usize::from(value))?)?;
            }
        }
        core::str::from_utf8(out.get(..at)?).ok()
    }
}
