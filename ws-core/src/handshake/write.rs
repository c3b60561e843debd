//! What both writers share: text that is regenerated from any position on, and the rules for what
//! the application may put in.

use core::slice::IterMut;

/// What asks for the upgrade and what grants it.
pub(super) const UPGRADE: &str = "\r\nUpgrade: websocket\r\nConnection: Upgrade";
/// The only version of the protocol there is (RFC 6455 section 4.1, item 9).
pub(super) const VERSION: &str = "\r\nSec-WebSocket-Version: 13";
pub(super) const PROTOCOL: &str = "Sec-WebSocket-Protocol";

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

    /// A number without leading zeros; `powers` are those of its base, down to 1.
    #[inline(never)]
    pub(super) fn number(&mut self, mut number: u16, powers: &[u16]) {
        let mut shown = false;
        for &power in powers {
            let mut digit = b'0';
            while number >= power {
                number -= power;
                digit += 1;
            }
            shown |= digit > b'0' || power == 1;
            if digit > b'9' {
                digit += b'a' - b'0' - 10;
            }
            if shown {
                self.bytes(&[digit]);
            }
        }
    }
}

pub(super) const DECIMAL: &[u16] = &[10000, 1000, 100, 10, 1];
pub(super) const HEX: &[u16] = &[4096, 256, 16, 1];

/// Whether `byte` may stand in a token (RFC 9110 section 5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    // A bit for each character.
    #[allow(clippy::indexing_slicing)] // at compile time
    const SET: [u32; 4] = {
        let mut set = [0; 4];
        let mut byte = 0;
        while byte < 128u8 {
            let special = b"!#$%&'*+-.^_`|~";
            let mut found = byte.is_ascii_alphanumeric();
            let mut at = 0;
            while at < special.len() {
                found |= special[at] == byte;
                at += 1;
            }
            if found {
                set[(byte / 32) as usize] |= 1 << (byte % 32);
            }
            byte += 1;
        }
        set
    };
    let [a, b, c, d] = SET;
    let word = match byte / 32 {
        0 => a,
        1 => b,
        2 => c,
        3 => d,
        _ => 0,
    };
    word >> (byte % 32) & 1 != 0
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
