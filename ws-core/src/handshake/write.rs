//! What both writers share: text that is regenerated from any position on, and the rules for what
//! the application may put in.

use super::request::RequestError;
use super::texts::is_owned;
use core::slice::IterMut;

/// What asks for the upgrade, up to the key.
pub(super) static ASK: &str = "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
/// What grants it.
pub(super) static UPGRADE: &str = ASK.split_at(41).0;
/// The same, to those who did not ask well.
pub(super) static UPGRADE_13: &str = ASK.split_at(68).0;

/// Takes a text from its start, drops what is out already, keeps what there is room for. What the
/// application has put in is checked on the way.
pub(super) struct Writer<'o> {
    skip: usize,
    room: IterMut<'o, u8>,
    fault: Option<RequestError>,
}

impl<'o> Writer<'o> {
    /// A writer that leaves out the first `skip` bytes.
    pub(super) fn new(skip: usize, out: &'o mut [u8]) -> Self {
        Self {
            skip,
            room: out.iter_mut(),
            fault: None,
        }
    }

    /// How much of the `len` bytes given is still free.
    pub(super) fn free(&self) -> usize {
        self.room.len()
    }

    /// What was wrong: the last thing that was.
    pub(super) const fn fault(&self) -> Option<RequestError> {
        self.fault
    }

    /// Something is wrong, unless `valid`.
    pub(super) fn check(&mut self, valid: bool, error: RequestError) {
        if !valid {
            self.fault = Some(error);
        }
    }

    #[inline(never)]
    pub(super) fn bytes(&mut self, text: &[u8]) {
        for &byte in text {
            if self.skip > 0 {
                self.skip -= 1;
            } else if let Some(place) = self.room.next() {
                *place = byte;
            }
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Text of the application's; `error` if it is not what may stand there.
    #[inline(never)]
    pub(super) fn checked(&mut self, text: &str, error: RequestError) {
        self.text(text);
        let allowed = allowed(error);
        // A fragment is no part of a target.
        let mut other = 0;
        if error == RequestError::Target {
            other = b'#';
        }
        let mut valid = !text.is_empty() || allowed & EMPTY != 0;
        for byte in text.bytes() {
            valid &= byte != other && allowed >> kind(byte) & 1 != 0;
        }
        self.check(valid, error);
    }

    /// A line break and a header of the application's.
    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.text("\r\n");
        self.check(!is_owned(name), RequestError::OwnedHeader);
        self.checked(name, RequestError::HeaderName);
        self.text(": ");
        self.checked(value, RequestError::HeaderValue);
    }

    /// The application's headers, and the end of the head.
    #[inline(never)]
    pub(super) fn headers(&mut self, headers: &[(&str, &str)]) {
        for (name, value) in headers {
            self.header(name, value);
        }
        self.text("\r\n\r\n");
    }

    /// A status line. The reason phrase is empty, the space in front of it is not (RFC 9112
    /// section 4).
    pub(super) fn status(&mut self, status: u16) {
        self.text("HTTP/1.1 ");
        self.number(status.into(), 10);
        self.text(" ");
    }

    /// Names of subprotocols, if there are any.
    pub(super) fn subprotocols(&mut self, names: &[&str]) {
        let mut before = "\r\nSec-WebSocket-Protocol: ";
        let mut rest = names;
        while let [name, others @ ..] = rest {
            self.text(before);
            self.checked(name, RequestError::Subprotocol);
            let repeated = others.iter().any(|other| other == name);
            self.check(!repeated, RequestError::RepeatedSubprotocol);
            before = ", ";
            rest = others;
        }
    }

    /// A port, unless it is the default one.
    pub(super) fn port(&mut self, port: u16) {
        if port != 80 {
            self.text(":");
            self.number(port.into(), 10);
        }
    }

    /// A number without leading zeros.
    #[allow(clippy::cast_possible_truncation)] // a digit
    pub(super) fn number(&mut self, number: usize, base: usize) {
        // Neither is ever 0, which the compiler does not see: a panic would stay in the firmware.
        let over = |unit| number.checked_div(unit).unwrap_or_default();
        let mut unit = 1;
        while over(unit) >= base {
            unit *= base;
        }
        while unit > 0 {
            let digit = over(unit).checked_rem(base).unwrap_or_default() as u8;
            let before = if digit < 10 { b'0' } else { b'a' - 10 };
            self.bytes(&[before + digit]);
            unit = unit.checked_div(base).unwrap_or_default();
        }
    }
}

// The kinds of bytes in a head. Half of each is what the tokenizer goes by; an odd one may stand in
// a host (RFC 3986 section 3.2).
const CONTROL: u8 = 0;
const LF: u8 = 2;
const CR: u8 = 4;
const SPACE: u8 = 6;
const TAB: u8 = 8;
const COLON: u8 = 11;
/// May stand in a token (RFC 9110 section 5.6.2).
const TOKEN: u8 = 12;
/// Another visible ASCII character.
const VISIBLE: u8 = 14;
const NOT_ASCII: u8 = 16;

/// The kinds of the ASCII characters, two to a byte.
static KINDS: [u8; 64] = {
    let mut kinds = [0; 64];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing)] // at compile time
    while byte < 128 {
        let kind = match byte {
            b'\n' => LF,
            b'\r' => CR,
            b' ' => SPACE,
            b'\t' => TAB,
            b':' => COLON,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => TOKEN + 1,
            b'!' | b'$'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'_' | b'~' => TOKEN + 1,
            b'#' | b'^' | b'`' | b'|' => TOKEN,
            b'(' | b')' | b',' | b';' | b'=' | b'[' | b']' => VISIBLE + 1,
            b'!'..=b'~' => VISIBLE,
            _ => CONTROL,
        };
        kinds[byte as usize / 2] |= kind << (byte % 2 * 4);
        byte += 1u8;
    }
    kinds
};

/// The kind of `byte`.
pub(super) fn kind(byte: u8) -> u8 {
    match KINDS.get(usize::from(byte / 2)) {
        Some(two) => two >> (byte % 2 * 4) & 15,
        None => NOT_ASCII,
    }
}

/// Among the kinds that are allowed, in a place that none has: no byte at all.
const EMPTY: u32 = 1 << 1;

/// The kinds of bytes that a text may have, a bit for each; `error` is what others are.
const fn allowed(error: RequestError) -> u32 {
    const HOST: u32 = 1 << COLON | 1 << (VISIBLE + 1) | 1 << (TOKEN + 1);
    const TOKENS: u32 = 1 << TOKEN | 1 << (TOKEN + 1);
    const VISIBLES: u32 = HOST | 1 << VISIBLE | TOKENS;
    match error {
        RequestError::Host => HOST,
        RequestError::Target => VISIBLES | EMPTY,
        RequestError::Origin => VISIBLES,
        RequestError::HeaderValue => VISIBLES | 1 << SPACE | 1 << TAB | 1 << NOT_ASCII | EMPTY,
        _ => TOKENS,
    }
}

/// Whether `byte` is a visible ASCII character.
pub(crate) const fn is_visible(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
}

/// Whether `byte` may stand in a host, its port and the brackets around an address.
pub(crate) fn is_host_byte(byte: u8) -> bool {
    kind(byte) & 1 != 0
}
