//! What both writers share: text that is regenerated from any position on, and the rules for what
//! the application may put in.

use core::slice::IterMut;

/// What asks for the upgrade and what grants it.
pub(super) const UPGRADE: &str = "\r\nUpgrade: websocket\r\nConnection: Upgrade";
pub(super) const PROTOCOL: &str = "\r\nSec-WebSocket-Protocol: ";

/// Takes a text from its start, drops what is out already, keeps what there is room for.
pub(super) struct Writer<'o> {
    skip: usize,
    room: IterMut<'o, u8>,
}

impl<'o> Writer<'o> {
    /// A writer that leaves out the first `skip` bytes.
    pub(super) fn new(skip: usize, out: &'o mut [u8]) -> Self {
        Self {
            skip,
            room: out.iter_mut(),
        }
    }

    /// How much of the `len` bytes given is still free.
    pub(super) fn free(&self) -> usize {
        self.room.len()
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

    /// A line break and a header.
    #[inline(never)]
    pub(super) fn header(&mut self, name: &str, value: &[u8]) {
        self.text("\r\n");
        self.text(name);
        self.text(": ");
        self.bytes(value);
    }

    /// A character, if it is not NUL, and a number without leading zeros. `powers` are those of
    /// the number's base.
    #[inline(never)]
    pub(super) fn number(&mut self, before: u8, number: u16, powers: &[u32; 5]) {
        let mut number = u32::from(number);
        if before != 0 {
            self.bytes(&[before]);
        }
        let mut shown = false;
        for &power in powers {
            let mut digit = b'0';
            while number >= power {
                number -= power;
                digit += 1;
                shown = true;
            }
            if digit > b'9' {
                digit += b'a' - b'9' - 1;
            }
            if shown || power == 1 {
                self.bytes(&[digit]);
            }
        }
    }
}

/// The decimal digits of a number, at the end of `digits`.
pub(super) fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789".get(number % 10).copied().unwrap_or(b'0');
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

pub(super) const DECIMAL: &[u32; 5] = &[10000, 1000, 100, 10, 1];
pub(super) const HEX: &[u32; 5] = &[65536, 4096, 256, 16, 1];

/// What a byte can be in a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Control,
    Lf,
    Cr,
    Space,
    Tab,
    Colon,
    /// May stand in a token (RFC 9110 section 5.6.2).
    Token,
    /// Another visible ASCII character.
    Visible,
    /// Not ASCII.
    Other,
}

/// The classes of the ASCII characters, two to a byte.
static CLASSES: [u8; 64] = {
    let mut classes = [0; 64];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing)] // at compile time
    while byte < 128 {
        let class = match byte {
            b'\n' => Class::Lf,
            b'\r' => Class::Cr,
            b' ' => Class::Space,
            b'\t' => Class::Tab,
            b':' => Class::Colon,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Class::Token,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~' => {
                Class::Token
            }
            b'!'..=b'~' => Class::Visible,
            _ => Class::Control,
        };
        classes[byte as usize / 2] |= (class as u8) << (byte % 2 * 4);
        byte += 1u8;
    }
    classes
};

/// The number of the [`Class`] of `byte`.
pub(super) fn class(byte: u8) -> u8 {
    match CLASSES.get(usize::from(byte / 2)) {
        Some(two) => two >> (byte % 2 * 4) & 15,
        None => Class::Other as u8,
    }
}

fn is_token(byte: u8) -> bool {
    class(byte) == Class::Token as u8
}

/// Whether `byte` is a visible ASCII character.
pub(crate) const fn is_visible(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
}

/// Whether `byte` may stand in a host's name (RFC 3986 section 3.2.2).
pub(crate) const fn is_host_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'$'..=b'.' | b';' | b'=' | b'_' | b'~')
}

pub(super) fn is_token_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token)
}

/// Whether `text` may be a header's value: no control characters but HTAB (RFC 9110 section 5.5).
pub(super) fn is_value(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 128..))
}

/// The headers that only the handshake itself may write.
fn is_owned(name: &str) -> bool {
    const OWNED: [&str; 5] = [
        "host",
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
    ];
    const PREFIX: &[u8] = b"sec-websocket-";
    OWNED.iter().any(|owned| owned.eq_ignore_ascii_case(name))
        || name
            .as_bytes()
            .get(..PREFIX.len())
            .is_some_and(|p| p.eq_ignore_ascii_case(PREFIX))
}

/// What is wrong with a header the application gave.
pub(super) enum HeaderFault {
    Name,
    Value,
    Owned,
}

pub(super) fn check_header(name: &str, value: &str) -> Result<(), HeaderFault> {
    if !is_token_text(name) {
        Err(HeaderFault::Name)
    } else if !is_value(value) {
        Err(HeaderFault::Value)
    } else if is_owned(name) {
        Err(HeaderFault::Owned)
    } else {
        Ok(())
    }
}
