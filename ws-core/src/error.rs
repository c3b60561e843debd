//! What can be wrong: with the peer's bytes, and with a call of ours.

use crate::close::CloseCode;

/// The peer broke RFC 6455. The connection is failed with [`close_code`](Self::close_code)
/// (section 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A reserved bit is set and no extension was negotiated (section 5.2).
    #[error("a reserved bit is set without an extension")]
    ReservedBits,
    /// An opcode of 3–7 or 0xB–0xF (section 5.2).
    #[error("reserved opcode {0:#x}")]
    // As wide as the close code, so that an error fits two registers.
    ReservedOpcode(u16),
    /// A server sent a masked frame (section 5.1).
    #[error("the server masked a frame")]
    MaskedByServer,
    /// A client sent a frame without a mask (section 5.1).
    #[error("the client did not mask a frame")]
    UnmaskedByClient,
    /// A control frame of more than 125 bytes (section 5.5).
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    /// A control frame without FIN (section 5.5).
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// A continuation frame while no message is in progress (section 5.4).
    #[error("a continuation frame without a message to continue")]
    UnexpectedContinuation,
    /// A new text or binary frame in the middle of a fragmented message (section 5.4).
    #[error("a new message in the middle of a fragmented one")]
    ExpectedContinuation,
    /// A length that fits a shorter form (section 5.2: the minimal number of bytes).
    #[error("a payload length is not in its shortest form")]
    LengthNotMinimal,
    /// A 64-bit length with its most significant bit set (section 5.2).
    #[error("a 64-bit payload length has its top bit set")]
    LengthTopBit,
    /// A Close payload of one byte (section 5.5.1).
    #[error("the payload of a Close frame is one byte")]
    ClosePayload,
    /// A code that may not stand in a Close frame (section 7.4).
    #[error("close code {0} may not be sent")]
    CloseCode(u16),
    /// A message longer than the limit, or than this machine can count (section 7.4.1, 1009).
    #[error("a message is longer than the limit")]
    MessageTooBig,
    /// Text, or the reason of a Close, that is not UTF-8 (section 8.1).
    #[error("text is not valid UTF-8")]
    InvalidUtf8,
    /// A text message where only binary ones are wanted
    /// ([`Endpoint::refuse_text`](crate::Endpoint::refuse_text); section 7.4.1, 1003).
    #[error("a text message where only binary ones are wanted")]
    UnwantedText,
    /// An extension cannot read the payload of a message: it is not what the other side of that
    /// extension makes (section 7.4.1, 1007).
    #[cfg(feature = "extensions")]
    #[error("an extension cannot read the payload")]
    Extension,
}

impl ProtocolError {
    /// The code that the Close frame carries which fails the connection (section 7.4.1).
    pub const fn close_code(self) -> CloseCode {
        // By how much it is above: bytes of neighbours fit a register, codes would be a table.
        let above: u8 = match self {
            Self::MessageTooBig => 7,
            Self::InvalidUtf8 => 5,
            #[cfg(feature = "extensions")]
            Self::Extension => 5,
            Self::UnwantedText => 1,
            _ => 0,
        };
        CloseCode(CloseCode::PROTOCOL_ERROR.0 + above as u16)
    }
}

/// The source of randomness failed: there is no mask key, or no key for the opening handshake
/// (RFC 6455 sections 4.1, 5.3). None is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source of randomness failed")]
pub struct RandomError;

/// A frame that may not be begun now, or not like this. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another frame is open: its rest has to go out first (section 5.4: frames never interleave).
    #[error("another frame is only partly sent")]
    FrameOpen,
    /// A continuation without a message in progress, or a new message inside one (section 5.4).
    #[error("the fragments of a message are out of order")]
    FragmentOrder,
    /// A control frame of more than 125 bytes, or without FIN (section 5.5).
    #[error("a control frame is longer than 125 bytes or fragmented")]
    Control,
    /// A Close frame was sent or is due: nothing may follow it (section 5.5.1).
    #[error("the closing handshake has begun")]
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6455_7_4_1_codes_of_errors() {
        for (error, code) in [
            (ProtocolError::MessageTooBig, CloseCode::TOO_BIG),
            (ProtocolError::InvalidUtf8, CloseCode::INVALID_DATA),
            (ProtocolError::UnwantedText, CloseCode::UNSUPPORTED),
            (ProtocolError::CloseCode(1005), CloseCode::PROTOCOL_ERROR),
            (ProtocolError::ReservedBits, CloseCode::PROTOCOL_ERROR),
        ] {
            assert_eq!(error.close_code(), code, "{error}");
        }
    }
}
