//! Flags, as Zephyr's `message_type`, and what a receive returns.

use ws_core::{Opcode, Piece};

/// What kind of message a piece belongs to: Zephyr's `WEBSOCKET_FLAG_*`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(pub u32);

impl Flags {
    /// The frame is the last of its message (FIN). The message is complete with the piece whose
    /// `remaining` is 0.
    pub const FINAL: Self = Self(0x01);
    /// Text; in continuation frames too.
    pub const TEXT: Self = Self(0x02);
    /// Binary; in continuation frames too.
    pub const BINARY: Self = Self(0x04);
    /// The peer's Close: two bytes of code and the reason, or nothing
    /// ([`parse_close`](crate::parse_close) takes it apart).
    pub const CLOSE: Self = Self(0x08);
    /// A Ping.
    pub const PING: Self = Self(0x10);
    /// A Pong.
    pub const PONG: Self = Self(0x20);

    /// Are all of `other`'s flags set?
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl core::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl core::fmt::Debug for Flags {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names = [
            (Self::FINAL, "FINAL"),
            (Self::TEXT, "TEXT"),
            (Self::BINARY, "BINARY"),
            (Self::CLOSE, "CLOSE"),
            (Self::PING, "PING"),
            (Self::PONG, "PONG"),
        ];
        let mut list = f.debug_list();
        for (flag, name) in names {
            if self.contains(flag) {
                list.entry(&format_args!("{name}"));
            }
        }
        list.finish()
    }
}

/// What [`websocket_recv_msg`](crate::websocket_recv_msg) received: a piece of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes put into the buffer. 0 is no error: an empty message, or an empty frame.
    pub length: usize,
    /// What it is, and whether its frame is the last of its message.
    pub flags: Flags,
    /// Bytes of the frame that are still to come.
    pub remaining: usize,
}

impl Received {
    /// Is the message complete with this piece?
    pub const fn is_complete(&self) -> bool {
        self.flags.contains(Flags::FINAL) && self.remaining == 0
    }

    /// Text or Binary (of the message, in continuation frames too), Close, Ping or Pong.
    pub const fn opcode(&self) -> Opcode {
        if self.flags.contains(Flags::TEXT) {
            Opcode::Text
        } else if self.flags.contains(Flags::BINARY) {
            Opcode::Binary
        } else if self.flags.contains(Flags::CLOSE) {
            Opcode::Close
        } else if self.flags.contains(Flags::PING) {
            Opcode::Ping
        } else {
            Opcode::Pong
        }
    }
}

impl From<Piece> for Received {
    fn from(piece: Piece) -> Self {
        // Each flag is the bit of its opcode; those of control frames stand five lower.
        let bit = match piece.opcode as u32 {
            data @ ..8 => data,
            control => control - 5,
        };
        let fin = Flags(piece.fin.into());
        Self {
            length: piece.length,
            flags: Flags(1 << bit & !1) | fin,
            remaining: piece.remaining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_zephyrs() {
        let all = [
            Flags::FINAL,
            Flags::TEXT,
            Flags::BINARY,
            Flags::CLOSE,
            Flags::PING,
            Flags::PONG,
        ];
        assert_eq!(all.map(|flag| flag.0), [1, 2, 4, 8, 0x10, 0x20]);
    }

    #[test]
    fn a_piece_keeps_its_opcode() {
        for opcode in [
            Opcode::Text,
            Opcode::Binary,
            Opcode::Close,
            Opcode::Ping,
            Opcode::Pong,
        ] {
            let received = Received::from(Piece {
                length: 1,
                opcode,
                fin: true,
                remaining: 0,
            });
            assert_eq!(received.opcode(), opcode);
            assert!(received.is_complete());
        }
    }
}
