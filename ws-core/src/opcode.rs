//! Frame opcodes (RFC 6455 section 5.2).

/// What a frame carries (RFC 6455 section 5.2).
///
/// The discriminant is the opcode as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of the message in progress (section 5.4).
    Continuation = 0x0,
    /// A text message, or its first fragment; the payload of the whole message is UTF-8.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The closing handshake (section 5.5.1).
    Close = 0x8,
    /// "Are you there?" (section 5.5.2).
    Ping = 0x9,
    /// The answer to a Ping, or an unsolicited heartbeat (section 5.5.3).
    Pong = 0xA,
}

impl Opcode {
    /// The opcode of a wire value, `None` for the reserved ones (3–7 and 0xB–0xF).
    pub const fn from_wire(value: u8) -> Option<Self> {
        Some(match value {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// True for Close, Ping and Pong: at most 125 payload bytes, never fragmented (section 5.5).
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// Which end of the connection this is: it decides who masks (RFC 6455 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
// The discriminant is the bit that both machines keep of it.
pub enum Role {
    /// Masks every frame it sends; refuses masked frames.
    Client = 1,
    /// Masks nothing; refuses frames that are not masked.
    Server = 0,
}
