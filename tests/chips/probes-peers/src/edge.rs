//! What is below edge-http. Of it the headers alone are measured, since its connections take 10 kB more.

use edge_http::{RequestHeaders, ResponseHeaders};
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use ws_probes::{done, flag, pending, word};

/// Headers that a request or a response can have.
const HEADERS: usize = 16;

/// A request.
pub type Request = RequestHeaders<'static, HEADERS>;

/// A response.
pub type Response = ResponseHeaders<'static, HEADERS>;

/// A stream of registers.
pub struct Stream;

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
