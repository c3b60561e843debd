//! What all of them are counted on: the same frames, texts and handshakes.

/// The lengths of payloads, and their names in the output.
pub const LENGTHS: [(usize, &str); 5] = [
    (0, "0"),
    (5, "5"),
    (125, "125"),
    (1024, "1024"),
    (65536, "65536"),
];

/// The longest payload.
pub const LONGEST: usize = 65536;

/// The longest header.
pub const HEADER: usize = 14;

/// The mask key of every frame.
pub const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// The longest message to accept.
pub const LIMIT: usize = 1 << 20;

/// Begins at a word, so that copying takes the same time wherever it is put.
#[repr(align(4))]
pub struct Words<T>(pub T);

/// What every payload is the front of: bytes without a pattern, in flash.
pub static PAYLOAD: &[u8; LONGEST] = &WORDS.0;

static WORDS: Words<[u8; LONGEST]> = {
    let mut bytes = [0; LONGEST];
    let (mut at, mut state) = (0, 1u32);
    while at < LONGEST {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes[at] = (state >> 24) as u8;
        at += 1;
    }
    Words(bytes)
};

/// Texts of this length are checked.
pub const TEXT: usize = 1020;

/// Text in ASCII.
pub static ASCII: [u8; TEXT] = repeated(b"The quick brown fox jumps over the lazy dog. ");

/// Text in characters of three bytes.
pub static THREE: [u8; TEXT] = repeated("日本語の文章。".as_bytes());

const fn repeated(text: &[u8]) -> [u8; TEXT] {
    let mut bytes = [0; TEXT];
    let mut at = 0;
    // Whole texts only, then spaces: no character is cut.
    while at + text.len() <= TEXT {
        let mut from = 0;
        while from < text.len() {
            bytes[at] = text[from];
            (at, from) = (at + 1, from + 1);
        }
    }
    while at < TEXT {
        bytes[at] = b' ';
        at += 1;
    }
    bytes
}

/// Writes a masked frame into `out` and returns its length.
pub fn masked(opcode: u8, payload: &[u8], out: &mut [u8]) -> usize {
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        for byte in bytes {
            out[at] = *byte;
            at += 1;
        }
    };
    put(&[0x80 | opcode]);
    match payload.len() {
        length @ 0..=125 => put(&[0x80 | length as u8]),
        length @ 126..=0xFFFF => {
            put(&[0x80 | 126]);
            put(&(length as u16).to_be_bytes());
        }
        length => {
            put(&[0x80 | 127]);
            put(&(length as u64).to_be_bytes());
        }
    }
    put(&KEY);
    for (index, byte) in payload.iter().enumerate() {
        put(&[byte ^ KEY[index % 4]]);
    }
    at
}

/// Is `frame` the masked frame of `payload`, whatever its mask key?
pub fn is_masked(frame: &[u8], opcode: u8, payload: &[u8]) -> bool {
    let extended = match payload.len() {
        0..=125 => 0,
        126..=0xFFFF => 2,
        _ => 8,
    };
    if frame.len() != 6 + extended + payload.len() || frame[0] != 0x80 | opcode {
        return false;
    }
    let (key, body) = frame[2 + extended..].split_at(4);
    let masked = body.iter().zip(key.iter().cycle());
    masked
        .map(|(byte, key)| byte ^ key)
        .eq(payload.iter().copied())
}

/// The nonce of the example in RFC 6455 section 1.3.
pub const NONCE: &[u8; 16] = b"the sample nonce";

/// The host and the target that clients ask for.
pub const HOST: &str = "server.example.com";
/// See [`HOST`].
pub const TARGET: &str = "/chat";

/// A server's answer to [`NONCE`], as one behind a proxy gives it.
pub static RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Fri, 20 Nov 2026 12:00:00 GMT\r\n\
    Connection: upgrade\r\n\
    Upgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    X-Request-Id: 0f9c2b7e5d1a4e63\r\n\
    \r\n";

/// What stands in [`RESPONSE`] for [`NONCE`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A browser's request.
pub static REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: http://server.example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    \r\n";
