//! Frames and handshakes made and read by hand, by none of the code under test.

/// The mask key of the frames made here.
pub const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame as it stands on the wire, masked or not.
pub fn frame(fin: bool, opcode: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | if fin { 0x80 } else { 0 }];
    let mask = if masked { 0x80 } else { 0 };
    match payload.len() {
        n @ 0..=125 => bytes.push(mask | n as u8),
        n @ 126..=65535 => {
            bytes.push(mask | 126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => {
            bytes.push(mask | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend(KEY);
        bytes.extend(
            payload
                .iter()
                .zip(KEY.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// One frame as it was found on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// FIN.
    pub fin: bool,
    /// The opcode.
    pub opcode: u8,
    /// The mask key, where there is one.
    pub key: Option<[u8; 4]>,
    /// The payload, without mask.
    pub payload: Vec<u8>,
}

/// The whole frames at the front of `bytes`, and what is left behind them.
pub fn frames(mut bytes: &[u8]) -> (Vec<Found>, &[u8]) {
    let mut found = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match second & 0x7F {
            126 if rest.len() >= 2 => (u16::from_be_bytes([rest[0], rest[1]]) as usize, &rest[2..]),
            127 if rest.len() >= 8 => (
                u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize,
                &rest[8..],
            ),
            126 | 127 => break,
            n => (n as usize, rest),
        };
        let key_length = if second & 0x80 != 0 { 4 } else { 0 };
        if rest.len().saturating_sub(key_length) < length || rest.len() < key_length {
            break;
        }
        let (key, rest) = rest.split_at(key_length);
        let (payload, rest) = rest.split_at(length);
        let key: Option<[u8; 4]> = key.try_into().ok();
        let mask = key.unwrap_or_default();
        let payload = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(b, k)| b ^ k)
            .collect();
        found.push(Found {
            fin: first & 0x80 != 0,
            opcode: first & 0x7F,
            key,
            payload,
        });
        bytes = rest;
    }
    (found, bytes)
}

/// Frames without their keys: FIN, opcode, payload. Nothing may be left over.
pub fn plain(bytes: &[u8]) -> Vec<(bool, u8, Vec<u8>)> {
    let (found, rest) = frames(bytes);
    assert!(rest.is_empty(), "half a frame: {rest:x?}");
    found
        .into_iter()
        .map(|found| (found.fin, found.opcode, found.payload))
        .collect()
}

/// The head at the front of `bytes` and what stands behind it.
pub fn head(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    Some((std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end..]))
}

/// A header's value in a head.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The 101 to a request, with more header lines (each with its CRLF).
pub fn switching(request: &str, more: &str) -> String {
    let key = header(request, "Sec-WebSocket-Key").unwrap();
    let key = key.as_bytes().try_into().unwrap();
    let accept = ws_core::handshake::accept_value(key, &mut ws_core::handshake::SoftSha1);
    let accept = std::str::from_utf8(&accept).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// A client's request with a fixed key, and more header lines (each with its CRLF).
pub fn request(more: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// The accept value to [`request`]'s key (RFC 6455 section 1.3).
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
