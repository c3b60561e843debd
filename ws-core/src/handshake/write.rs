//! What both writers share: text that is regenerated from any position on, and the rules for what
//! the application may put in.

use super::request::RequestError;
use super::texts::is_owned;
use core::num::NonZero;
use core::slice::IterMut;

/// The text that stands between what is put in. Each [`Place`] is found in it at compile time.
static TEXT: &str = "GET / HTTP/1.1\r\nHost: \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \r\nOrigin: \r\nSec-WebSocket-Protocol: , \r\n\r\n";

/// The status line of an upgrade.
pub(super) static SWITCHING: &str = "HTTP/1.1 101 Switching Protocols";
/// What grants the upgrade.
pub(super) static UPGRADE: &str = TEXT.split_at(22).1.split_at(41).0;
/// The same, to those who did not ask well.
pub(super) static UPGRADE_13: &str = TEXT.split_at(22).1.split_at(68).0;

/// Where something is put in: behind a piece of [`TEXT`].
#[derive(Clone, Copy)]
pub(super) struct Place {
    start: u8,
    len: u8,
    /// The kinds of bytes that may stand there, and in the bits below what others are.
    rule: u16,
}

pub(super) const GET: Place = Place::behind("GET ", TARGETS);
pub(super) const GET_ROOT: Place = Place::behind("GET /", TARGETS);
pub(super) const HOST: Place = Place::behind(" HTTP/1.1\r\nHost: ", HOSTS);
/// Goes on where the host is in pieces.
pub(super) const IN_HOST_TOO: Place = Place::behind("", HOSTS);
pub(super) const KEY: Place = Place::behind(TEXT.split_at(22).1.split_at(89).0, OURS);
pub(super) const ORIGIN: Place = Place::behind("\r\nOrigin: ", ORIGINS);
pub(super) const PROTOCOL: Place = Place::behind("\r\nSec-WebSocket-Protocol: ", PROTOCOLS);
const ANOTHER: Place = Place::behind(", ", PROTOCOLS);
const NAME: Place = Place::behind("\r\n", NAMES);
const VALUE: Place = Place::behind(": ", VALUES);
pub(super) const END: Place = Place::behind("\r\n\r\n", OURS);

impl Place {
    /// Behind `before`, which is somewhere in [`TEXT`].
    #[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // at compile time
    const fn behind(before: &str, rule: u16) -> Self {
        let (text, before) = (TEXT.as_bytes(), before.as_bytes());
        let (mut start, mut same) = (0, 0);
        while same < before.len() {
            if text[start + same] == before[same] {
                same += 1;
            } else {
                (start, same) = (start + 1, 0);
            }
        }
        Self {
            start: start as u8,
            len: same as u8,
            rule,
        }
    }
}

/// Takes a text from its start, drops what is out already, keeps what there is room for. What the
/// application has put in is checked on the way.
pub(super) struct Writer<'o> {
    skip: usize,
    room: IterMut<'o, u8>,
    /// A [`RequestError`], or more.
    fault: u16,
    /// Extensions are among what was written.
    #[cfg(feature = "extensions")]
    pub(super) offers: bool,
}

impl<'o> Writer<'o> {
    /// A writer that leaves out the first `skip` bytes.
    pub(super) fn new(skip: usize, out: &'o mut [u8]) -> Self {
        Self {
            skip,
            room: out.iter_mut(),
            fault: ERROR,
            #[cfg(feature = "extensions")]
            offers: false,
        }
    }

    /// How much of the `len` bytes given is still free.
    pub(super) fn free(&self) -> usize {
        self.room.len()
    }

    /// What was wrong: the last thing that was.
    #[inline(always)]
    pub(super) const fn fault(&self) -> Option<RequestError> {
        Some(match self.fault {
            0 => RequestError::Host,
            1 => RequestError::Target,
            2 => RequestError::Origin,
            3 => RequestError::Subprotocol,
            4 => RequestError::RepeatedSubprotocol,
            5 => RequestError::TooManySubprotocols,
            6 => RequestError::HeaderName,
            7 => RequestError::HeaderValue,
            8 => RequestError::OwnedHeader,
            _ => return None,
        })
    }

    /// Something is wrong, unless `valid`.
    pub(super) fn check(&mut self, valid: bool, error: RequestError) {
        if !valid {
            self.fault = error as u16;
        }
    }

    #[inline(never)]
    pub(super) fn bytes(&mut self, text: &[u8]) {
        match text.split_at_checked(self.skip) {
            Some((_, rest)) => {
                self.skip = 0;
                for byte in rest {
                    let Some(place) = self.room.next() else {
                        break;
                    };
                    *place = *byte;
                }
            }
            None => self.skip -= text.len(),
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// The text in front of a place, and what is put there.
    #[inline(never)]
    pub(super) fn put(&mut self, place: Place, text: &[u8]) {
        let start = usize::from(place.start);
        let before = TEXT.as_bytes().get(start..start + usize::from(place.len));
        self.bytes(before.unwrap_or_default());
        self.bytes(text);
        let allowed = place.rule & !ERROR;
        let mut valid = !text.is_empty() || allowed & EMPTY != 0;
        for byte in text {
            valid &= allowed >> kind(*byte) & 1 != 0;
        }
        if !valid {
            self.fault = place.rule & ERROR;
        }
    }

    /// A header of the application's.
    #[inline(always)]
    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.check(!is_owned(name), RequestError::OwnedHeader);
        self.put(NAME, name.as_bytes());
        self.put(VALUE, value.as_bytes());
    }

    /// A status line but for the reason phrase, which is empty, and the space in front of it, which
    /// is not (RFC 9112 section 4).
    #[inline(always)]
    pub(super) fn status(&mut self, status: u16) {
        self.text(SWITCHING.split_at(9).0);
        self.number(status.into(), DECIMAL);
    }

    /// Names of subprotocols, if there are any.
    #[inline(always)]
    pub(super) fn subprotocols(&mut self, names: &[&str]) {
        let mut place = PROTOCOL;
        let mut rest = names.iter();
        while let Some(name) = rest.next() {
            self.put(place, name.as_bytes());
            for other in rest.clone() {
                self.check(other != name, RequestError::RepeatedSubprotocol);
            }
            place = ANOTHER;
        }
    }

    /// A port, unless it is the default one.
    pub(super) fn port(&mut self, port: u16) {
        if port != 80 {
            self.text(":");
            self.number(port.into(), DECIMAL);
        }
    }

    /// A number without leading zeros.
    #[allow(clippy::cast_possible_truncation)] // a digit
    pub(super) fn number(&mut self, number: usize, base: Base) {
        let mut unit = base.highest;
        loop {
            if number >= unit.get() || unit.get() == 1 {
                let digit = (number / unit % base.base) as u8;
                let before = if digit < 10 { b'0' } else { b'a' - 10 };
                self.bytes(&[before + digit]);
            }
            match NonZero::new(unit.get() / base.base) {
                Some(less) => unit = less,
                None => break,
            }
        }
    }
}

/// What numbers are written in.
#[derive(Clone, Copy)]
pub(super) struct Base {
    base: NonZero<usize>,
    /// Its highest power that there is.
    highest: NonZero<usize>,
}

pub(super) const DECIMAL: Base = Base {
    base: NonZero::new(10).unwrap(),
    highest: NonZero::new(10usize.pow(usize::MAX.ilog10())).unwrap(),
};
pub(super) const HEXADECIMAL: Base = Base {
    base: NonZero::new(16).unwrap(),
    highest: NonZero::new(1 << (usize::BITS - 4)).unwrap(),
};

// The kinds of bytes in a head. Half of each is what the tokenizer goes by; an odd one may stand in
// a host (RFC 3986 section 3.2).
const CONTROL: u8 = 0;
const CR: u8 = 2;
const SPACE: u8 = 4;
const TAB: u8 = 6;
const COLON: u8 = 9;
/// May stand in a token (RFC 9110 section 5.6.2).
const TOKEN: u8 = 10;
/// Another visible ASCII character.
const VISIBLE: u8 = 12;
const NOT_ASCII: u8 = 14;

/// The kinds of the ASCII characters, two to a byte.
static KINDS: [u8; 64] = {
    let mut kinds = [0; 64];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing)] // at compile time
    while byte < 128 {
        let kind = match byte {
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
#[inline(never)]
pub(super) fn kind(byte: u8) -> u8 {
    match KINDS.get(usize::from(byte / 2)) {
        Some(two) => two >> (byte % 2 * 4) & 15,
        None => NOT_ASCII,
    }
}

// What may stand somewhere: a bit for each kind, and the error where another one does.
const HOSTS: u16 = IN_HOST | RequestError::Host as u16;
const TARGETS: u16 = IN_ORIGIN | EMPTY | RequestError::Target as u16;
const ORIGINS: u16 = IN_ORIGIN | RequestError::Origin as u16;
const PROTOCOLS: u16 = IN_TOKEN | RequestError::Subprotocol as u16;
const NAMES: u16 = IN_TOKEN | RequestError::HeaderName as u16;
const VALUES: u16 = OURS & !ERROR | RequestError::HeaderValue as u16;
/// What is ours is never wrong.
const OURS: u16 = IN_ORIGIN | 1 << SPACE | 1 << TAB | 1 << NOT_ASCII | EMPTY | ERROR;

const IN_TOKEN: u16 = 1 << TOKEN | 1 << (TOKEN + 1);
const IN_HOST: u16 = 1 << COLON | 1 << (VISIBLE + 1) | 1 << (TOKEN + 1);
const IN_ORIGIN: u16 = IN_HOST | 1 << VISIBLE | IN_TOKEN;
/// No byte at all. No kind has its bit.
const EMPTY: u16 = 1 << 5;
/// Where the error is: in the bits of the kinds that are allowed nowhere.
const ERROR: u16 = 0xF;

/// Whether `byte` is a visible ASCII character.
pub(crate) const fn is_visible(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
}

/// Whether `byte` may stand in a host, its port and the brackets around an address.
pub(crate) fn is_host_byte(byte: u8) -> bool {
    kind(byte) & 1 != 0
}
