//! Frames and handshakes written by hand, over plain sockets.

use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A request that becomes a WebSocket.
pub(super) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// No answer of an HTTP server or client here has a longer head.
const HEAD: usize = 16 * 1024;

pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;
/// The bit of a message's last frame.
pub(super) const FIN: u8 = 0x80;

/// The mask key of every frame that is masked.
const MASK: [u8; 4] = [1, 2, 3, 250];

/// A frame, masked where a client sends it.
pub(super) fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut frame = header(first, payload.len(), masked);
    if masked {
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    } else {
        frame.extend_from_slice(payload);
    }
    frame
}

/// A frame's header, and the mask key after it.
pub(super) fn header(first: u8, length: usize, masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut header = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length < 126 => header.push(bit | length),
        (_, Ok(length)) => {
            header.push(bit | 126);
            header.extend(length.to_be_bytes());
        }
        _ => {
            header.push(bit | 127);
            header.extend(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    if masked {
        header.extend(MASK);
    }
    header
}

/// A header that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// FIN and the opcode.
    pub(super) first: u8,
    pub(super) length: usize,
    pub(super) mask: Option<[u8; 4]>,
    /// How long the header is.
    pub(super) size: usize,
}

/// The header at the front of `bytes`, where all of it is there.
pub(super) fn parse(bytes: &[u8]) -> Option<Header> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, mut size) = match second & 0x7f {
        126 => {
            let long = bytes.get(2..4)?.try_into().ok()?;
            (usize::from(u16::from_be_bytes(long)), 4)
        }
        127 => {
            let long = bytes.get(2..10)?.try_into().ok()?;
            let length = usize::try_from(u64::from_be_bytes(long));
            (length.unwrap_or(usize::MAX), 10)
        }
        short => (usize::from(short), 2),
    };
    let mut mask = None;
    if second & 0x80 != 0 {
        mask = Some(bytes.get(size..size + 4)?.try_into().ok()?);
        size += 4;
    }
    Some(Header {
        first,
        length,
        mask,
        size,
    })
}

/// A connection to a server here, whose calls end.
pub(super) fn dial(port: u16, within: Duration) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    Ok(stream)
}

/// A WebSocket to a server here.
pub(super) fn open(port: u16, within: Duration) -> io::Result<TcpStream> {
    let mut stream = dial(port, within)?;
    stream.write_all(REQUEST)?;
    let status = status(&mut stream, within)?;
    if status == 101 {
        Ok(stream)
    } else {
        Err(io::Error::other(format!("answered with {status}")))
    }
}

/// The status of the answer, of which the whole head is read.
pub(super) fn status(stream: &mut TcpStream, within: Duration) -> io::Result<u16> {
    let head = head(stream, within)?;
    let status = head.get(9..12).and_then(|it| std::str::from_utf8(it).ok());
    let status = status.and_then(|it| it.parse().ok());
    status.ok_or_else(|| io::Error::other("no HTTP came back"))
}

/// Reads to the blank line, and no further.
fn head(stream: &mut TcpStream, within: Duration) -> io::Result<Vec<u8>> {
    let until = Instant::now() + within;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if Instant::now() > until || head.len() > HEAD {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}

/// Takes a client's request and makes a WebSocket of it.
pub(super) fn accept(stream: &mut TcpStream, within: Duration) -> io::Result<()> {
    let head = request(stream, within)?;
    let head = String::from_utf8_lossy(&head);
    let value = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted)
                .then(|| value.trim().to_owned())
        })
    };
    let key = value("sec-websocket-key").ok_or_else(|| io::Error::other("no key"))?;
    let hash = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = Base64::encode_string(&hash);
    let subprotocol = value("sec-websocket-protocol").map_or_else(String::new, |it| {
        let first = it.split(',').next().unwrap_or_default().trim().to_owned();
        format!("Sec-WebSocket-Protocol: {first}\r\n")
    });
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{subprotocol}\r\n"
    );
    stream.write_all(answer.as_bytes())
}

/// Takes a client's request.
pub(super) fn request(stream: &mut TcpStream, within: Duration) -> io::Result<Vec<u8>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    head(stream, within)
}

/// Sends a text and waits until it is back.
pub(super) fn echo(stream: &mut TcpStream) -> io::Result<()> {
    const TEXT_SENT: &[u8] = b"is anybody there?";
    stream.write_all(&frame(FIN | TEXT, TEXT_SENT, true))?;
    let expected = frame(FIN | TEXT, TEXT_SENT, false);
    let mut found = vec![0; expected.len()];
    stream.read_exact(&mut found)?;
    if found == expected {
        Ok(())
    } else {
        Err(io::Error::other("something else came back"))
    }
}

/// Ends the connection by a reset.
pub(super) fn reset(stream: TcpStream) {
    #[cfg(unix)]
    // Where it fails the connection ends by a FIN; the attack is then milder.
    let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    drop(stream);
}

/// Has the calling thread run after all others: what attacks must not take the processor from what
/// measures.
pub(super) fn stand_back() {
    #[cfg(unix)]
    // Where it fails the measurement is harsher.
    let _ = rustix::process::nice(15);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back() {
        for length in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            for masked in [false, true] {
                let bytes = header(FIN | BINARY, length, masked);
                let expected = Header {
                    first: FIN | BINARY,
                    length,
                    mask: masked.then_some(MASK),
                    size: bytes.len(),
                };
                assert_eq!(parse(&bytes), Some(expected));
                let cut = bytes.get(..bytes.len() - 1).unwrap();
                assert_eq!(parse(cut), None);
            }
        }
    }

    #[test]
    fn a_masked_frame_is_masked() {
        let bytes = frame(FIN | TEXT, b"ab", true);
        assert_eq!(bytes, [0x81, 0x82, 1, 2, 3, 250, b'a' ^ 1, b'b' ^ 2]);
        assert_eq!(frame(FIN | TEXT, b"ab", false), [0x81, 2, b'a', b'b']);
    }
}
