//! The reserved bits of frames, where an extension has agreed on a meaning of theirs (RFC 6455
//! section 5.2).

use super::{FIRST, OPCODE, RSV, Receiver, low_byte};
use crate::error::ProtocolError;
use crate::opcode::Opcode;

/// Which of the bits may be set, and which are, in the first frame of the message in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reserved {
    agreed: u8,
    set: u8,
}

impl Reserved {
    pub(super) const NONE: Self = Self { agreed: 0, set: 0 };

    /// Takes the agreed bits out of the first byte of a frame, where they may stand: in the first frame
    /// of a message. What is left of them is an error, as without an extension.
    pub(super) fn take(&mut self, byte: u32) -> u32 {
        if !matches!(byte & OPCODE, 1 | 2) {
            return byte;
        }
        let agreed = byte & RSV & u32::from(self.agreed);
        self.set = low_byte(agreed);
        byte & !agreed
    }
}

impl Receiver {
    /// From here on the first frame of a message may have these reserved bits set: 0x40 is RSV1.
    pub(crate) const fn agree(&mut self, bits: u8) {
        self.reserved.agreed = bits;
    }

    /// The agreed bits that are set in the first frame of the message in progress.
    pub const fn reserved(&self) -> u8 {
        self.reserved.set
    }

    /// Is the frame in hand one of a message whose payload stands for another, by an extension?
    pub(crate) const fn is_extended(&self) -> bool {
        self.reserved.set != 0 && !self.opcode.is_control()
    }

    /// All of the frame in hand has become payload of its message.
    pub(crate) const fn end_frame(&mut self) {
        self.at = FIRST;
    }

    /// Payload that an extension has made of frames, the last of the message where `last`: it has to
    /// be within the limit, and text.
    pub(crate) fn judge(&mut self, payload: &[u8], last: bool) -> Result<(), ProtocolError> {
        let left = self.budget.checked_sub(payload.len());
        self.budget = left.ok_or(ProtocolError::MessageTooBig)?;
        if self.opcode == Opcode::Text {
            // The budget is that of text only where it is a code.
            let valid = self.text.push(payload, &mut 0);
            if !valid || last && !self.text.is_complete() {
                return Err(ProtocolError::InvalidUtf8);
            }
        }
        Ok(())
    }
}
