//! The accept value (RFC 6455 sections 1.3 and 4.2.2).

pub(super) use super::base64::base64;

/// What RFC 6455 section 1.3 appends to the key before hashing: for a hash unit.
pub const GUID: [u8; 36] = *b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// SHA-1, as far as the handshake needs it. A chip's hash unit can stand in for
/// `SoftSha1`, which is there with the feature `crates-hash` or `compact`.
pub trait Sha1 {
    /// The SHA-1 digest (FIPS 180-4) of `key`, the 24 characters of a Sec-WebSocket-Key, with [`GUID`]
    /// after it: 60 bytes.
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20];
}

/// SHA-1 in software: the `sha1` crate's compression function (feature `crates-hash`) or this crate's
/// own, a sixth of the flash (feature `compact`, which wins if both are on).
#[cfg(any(feature = "crates-hash", feature = "compact"))]
#[derive(Debug, Clone, Copy, Default)]
pub struct SoftSha1;

#[cfg(any(feature = "crates-hash", feature = "compact"))]
impl Sha1 for SoftSha1 {
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        super::sha1::sha1(key)
    }
}

/// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2, item 5.4).
///
/// `key` is the header's value as it stands, without white space around it: 24 characters, or the
/// request is to be refused with 400. It is hashed as it is, not decoded. Public for web servers that do the rest of the upgrade themselves.
pub fn accept_value(key: &[u8; 24], hash: &mut impl Sha1) -> [u8; 28] {
    let mut value = [0; 28];
    base64(&hash.sha1(key), &mut value);
    value
}

/// The value of Sec-WebSocket-Key: the base64 of a nonce (RFC 6455 section 4.1, item 7).
///
/// The nonce must be chosen at random for each connection.
pub fn encode_key(nonce: &[u8; 16]) -> [u8; 24] {
    let mut key = [0; 24];
    base64(nonce, &mut key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::tests::testing::CrateSha1;

    /// RFC 6455 section 1.3: the example.
    #[test]
    fn rfc6455_1_3_example() {
        let key = encode_key(b"the sample nonce");
        assert_eq!(&key, b"dGhlIHNhbXBsZSBub25jZQ==");
        let accept = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(&accept_value(&key, &mut CrateSha1), accept);
        #[cfg(any(feature = "crates-hash", feature = "compact"))]
        assert_eq!(&accept_value(&key, &mut SoftSha1), accept);
    }
}
