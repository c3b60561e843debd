//! Close codes and the payload of a Close frame (RFC 6455 sections 5.5.1 and 7.4).

use crate::error::ProtocolError;
use crate::receiver::Receiver;

/// The longest payload of a control frame in bytes (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// The longest reason of a Close frame in bytes: a control payload less the two of the code.
pub const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// A status code of the closing handshake (RFC 6455 section 7.4.1 and the IANA registry).
///
/// Any `u16` is representable; [`is_valid_on_wire`](Self::is_valid_on_wire) tells which may stand
/// in a Close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: an endpoint goes away (a server shuts down, a page is left).
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of data that cannot be accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the Close frame had no code. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a Close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data inconsistent with the message's type (text that is not UTF-8).
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a policy was violated.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the client expected an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);

    /// May this code stand in a Close frame (RFC 6455 sections 7.4.1 and 7.4.2)?
    ///
    /// 1000–1003, 1007–1014 (defined or registered), 3000–3999 (registered) and 4000–4999
    /// (private use); not 1004–1006, 1015, nor what no specification has defined yet.
    pub const fn is_valid_on_wire(self) -> bool {
        is_valid(self.0 as usize)
    }
}

/// [`CloseCode::is_valid_on_wire`]; of a word, which takes fewer instructions.
pub(crate) const fn is_valid(code: usize) -> bool {
    // A bit for each of the codes from 1000 to 1014.
    const DEFINED: u32 = 0x7F8F;
    match code.wrapping_sub(1000) {
        above @ 0..15 => DEFINED >> above & 1 != 0,
        above => matches!(above, 2000..4000),
    }
}

impl core::fmt::Display for CloseCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// The parts of a Close frame's payload: the code and the reason.
///
/// An empty payload gives [`CloseCode::NO_STATUS`] and an empty reason (section 7.1.5).
///
/// # Errors
/// One byte, a code that may not be on the wire, a reason that is not UTF-8.
pub fn parse_close(payload: &[u8]) -> Result<(CloseCode, &str), ProtocolError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return match payload.len() {
            0 => Ok((CloseCode::NO_STATUS, "")),
            _ => Err(ProtocolError::ClosePayload),
        };
    };
    let code = CloseCode(u16::from_be_bytes(*code));
    if !code.is_valid_on_wire() {
        return Err(ProtocolError::CloseCode(code.0));
    }
    match core::str::from_utf8(reason) {
        Ok(reason) => Ok((code, reason)),
        Err(_) => Err(ProtocolError::InvalidUtf8),
    }
}

/// [`parse_close`] for what is about to be sent: the check alone.
///
/// # Errors
/// As [`parse_close`], but that of the reason where both the code and the reason are bad.
pub fn check_close(payload: &[u8]) -> Result<(), ProtocolError> {
    Receiver::check_close(payload)
}

/// Writes a Close payload into `out` and returns the part that holds it.
///
/// [`CloseCode::NO_STATUS`] gives an empty payload. A reason longer than [`MAX_CLOSE_REASON`] is
/// cut before the character that no longer fits.
///
/// # Errors
/// [`ProtocolError::CloseCode`] where the code may not be on the wire.
pub fn write_close<'a>(
    code: CloseCode,
    reason: &str,
    out: &'a mut [u8; MAX_CONTROL_PAYLOAD],
) -> Result<&'a [u8], ProtocolError> {
    if code == CloseCode::NO_STATUS {
        return Ok(&[]);
    }
    if !code.is_valid_on_wire() {
        return Err(ProtocolError::CloseCode(code.0));
    }
    let mut length = reason.len().min(MAX_CLOSE_REASON);
    while !reason.is_char_boundary(length) {
        length -= 1;
    }
    let bytes = code
        .0
        .to_be_bytes()
        .into_iter()
        .chain(reason.bytes().take(length));
    for (slot, byte) in out.iter_mut().zip(bytes) {
        *slot = byte;
    }
    Ok(out.get(..2 + length).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rfc6455_7_4_the_check_alone_agrees(
            code in prop_oneof![any::<u16>(), 990u16..1020, 2990u16..5010],
            reason in prop_oneof![any::<String>().prop_map(String::into_bytes), any::<Vec<u8>>()],
            length in 0usize..5,
        ) {
            let payload = [&code.to_be_bytes()[..], &reason].concat();
            for payload in [&payload[..], &payload[..length.min(payload.len())]] {
                let parsed = parse_close(payload).map(|_| ());
                let reason = payload.get(2..).unwrap_or_default();
                if core::str::from_utf8(reason).is_ok() {
                    prop_assert_eq!(check_close(payload), parsed);
                } else {
                    prop_assert_eq!(check_close(payload), Err(ProtocolError::InvalidUtf8));
                    prop_assert!(parsed.is_err());
                }
            }
        }
    }

    #[test]
    fn rfc6455_7_4_which_codes_may_be_on_the_wire() {
        for code in 0..=u16::MAX {
            let valid = matches!(code, 1000..=1003 | 1007..=1014) || (3000..5000).contains(&code);
            assert_eq!(CloseCode(code).is_valid_on_wire(), valid, "{code}");
        }
    }

    #[test]
    fn rfc6455_5_5_1_payload_round_trip() {
        let mut out = [0; MAX_CONTROL_PAYLOAD];
        let payload = write_close(CloseCode::GOING_AWAY, "später", &mut out).unwrap();
        assert_eq!(parse_close(payload), Ok((CloseCode::GOING_AWAY, "später")));
        let payload = write_close(CloseCode::NO_STATUS, "ignored", &mut out).unwrap();
        assert_eq!(parse_close(payload), Ok((CloseCode::NO_STATUS, "")));
    }

    #[test]
    fn rfc6455_5_5_a_long_reason_is_cut_at_a_character() {
        let mut out = [0; MAX_CONTROL_PAYLOAD];
        let reason = "x".repeat(MAX_CLOSE_REASON - 1) + "é";
        let payload = write_close(CloseCode::NORMAL, &reason, &mut out).unwrap();
        assert_eq!(payload.len(), MAX_CONTROL_PAYLOAD - 1);
        assert_eq!(
            parse_close(payload).unwrap().1,
            &reason[..MAX_CLOSE_REASON - 1]
        );
        let reason = "x".repeat(500);
        assert_eq!(
            write_close(CloseCode::NORMAL, &reason, &mut out)
                .unwrap()
                .len(),
            125
        );
    }

    #[test]
    fn rfc6455_7_4_bad_payloads_have_their_own_errors() {
        assert_eq!(parse_close(&[3]), Err(ProtocolError::ClosePayload));
        assert_eq!(parse_close(&[3, 0xED]), Err(ProtocolError::CloseCode(1005)));
        assert_eq!(
            parse_close(&[3, 0xE8, 0xFF]),
            Err(ProtocolError::InvalidUtf8)
        );
        assert_eq!(
            check_close(&[3, 0xED, 0xFF]),
            Err(ProtocolError::InvalidUtf8)
        );
        let mut out = [0; MAX_CONTROL_PAYLOAD];
        assert_eq!(
            write_close(CloseCode::ABNORMAL, "", &mut out),
            Err(ProtocolError::CloseCode(1006))
        );
    }
}
