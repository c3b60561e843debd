//! edge-ws, which has frame headers and the mask, and edge-http for the handshakes: its headers
//! alone, since its connections take 10 kB more. They check next to nothing.

use edge_http::ws::{MAX_BASE64_KEY_LEN, MAX_BASE64_KEY_RESPONSE_LEN};
use edge_http::{RequestHeaders, ResponseHeaders};
use edge_ws::{Error, FrameHeader, FrameType};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use ws_probes::{array, bytes, done, flag, keep, pending, text, word};

/// Headers that a request or a response can have.
const HEADERS: usize = 16;

ws_probes::entries! {
    /// Takes a header apart.
    fn deserialize(bytes: &[u8]) -> Result<(FrameHeader, usize), Error<()>> {
        FrameHeader::deserialize(bytes)
    }
    /// Unmasks or masks payload.
    fn mask(header: &FrameHeader, payload: &mut [u8], offset: usize) -> () {
        header.mask(payload, offset)
    }
    /// Puts a header together.
    fn serialize(header: &FrameHeader, out: &mut [u8]) -> Result<usize, Error<()>> {
        header.serialize(out)
    }
}

/// The least driver there can be.
pub fn frames() {
    match deserialize(bytes()) {
        Ok((header, at)) => {
            mask(&header, bytes(), at);
            keep(header);
        }
        Err(error) => keep(error),
    }
    let header = FrameHeader {
        frame_type: if flag() {
            FrameType::Text(flag())
        } else {
            FrameType::Binary(flag())
        },
        payload_len: word() as u64,
        mask_key: flag().then(|| word() as u32),
    };
    keep(serialize(&header, bytes()));
    mask(&header, bytes(), word());
}

/// A client's handshake.
pub async fn client() -> Option<()> {
    let (nonce, mut key) = (array(), [0; MAX_BASE64_KEY_LEN]);
    let mut request: RequestHeaders<'_, HEADERS> = RequestHeaders::new();
    request.path = text();
    let (host, origin) = (Some(text()), flag().then(text));
    let headers = &mut request.headers;
    headers.set_ws_upgrade_request_headers(host, origin, None, nonce, &mut key);
    keep(request.send(true, Stream).await.ok()?);
    let mut response: ResponseHeaders<'_, HEADERS> = ResponseHeaders::new();
    keep(response.receive(bytes(), Stream, true).await.ok()?);
    let mut accept = [0; MAX_BASE64_KEY_RESPONSE_LEN];
    let accepted = response.is_ws_upgrade_accepted(nonce, &mut accept);
    accepted.then_some(())
}

/// A server's handshake.
pub async fn server() -> Option<()> {
    let mut request: RequestHeaders<'_, HEADERS> = RequestHeaders::new();
    keep(request.receive(bytes(), Stream, true).await.ok()?);
    let (connection, _) = request.resolve::<ErrorKind>().ok()?;
    let mut accept = [0; MAX_BASE64_KEY_RESPONSE_LEN];
    let mut response: ResponseHeaders<'_, HEADERS> = ResponseHeaders::new();
    if request.is_ws_upgrade_request() {
        response.code = 101;
        let (asked, headers) = (request.headers.iter(), &mut response.headers);
        let answer = headers.set_ws_upgrade_response_headers(asked, None, &mut accept);
        answer.ok()?;
    } else {
        response.code = 426;
    }
    keep(response.send(connection, true, Stream).await.ok()?);
    Some(())
}

/// A stream of registers.
struct Stream;

impl ErrorType for Stream {
    type Error = ErrorKind;
}

impl Read for Stream {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        done(buffer.as_mut_ptr() as usize + buffer.len());
        count().await
    }
}

impl Write for Stream {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, ErrorKind> {
        done(buffer.as_ptr() as usize + buffer.len());
        count().await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

async fn count() -> Result<usize, ErrorKind> {
    pending().await;
    if flag() {
        Ok(word())
    } else {
        Err(ErrorKind::Other)
    }
}
