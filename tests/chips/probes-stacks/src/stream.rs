//! The least async stream and platform there can be: registers.

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use ws_probes::{done, flag, pending, word};
use ws_socket::asynch::{AsyncPlatform, Clock};

/// A stream of registers.
pub struct Stream;

async fn count() -> Result<usize, ErrorKind> {
    pending().await;
    if flag() {
        Ok(word())
    } else {
        Err(ErrorKind::Other)
    }
}

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

/// A clock, a source of randomness.
#[derive(Clone, Copy)]
pub struct Chip;

impl Clock for Chip {
    fn now_ms(&self) -> u32 {
        word() as u32
    }

    async fn sleep_ms(&self, ms: u32) {
        done(ms as usize);
        pending().await;
    }
}

impl AsyncPlatform for Chip {
    type Clock = Self;

    fn clock(&self) -> Self {
        *self
    }

    #[inline(never)]
    fn fill_random(&mut self, out: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        for byte in out {
            *byte = word() as u8;
        }
        Ok(())
    }
}
