//! A stream and a platform that are registers, for who is measured.
#![no_std]

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, Write};
use ws_probes::{bytes, done, word};
use ws_socket::Platform;

/// The example of docs/tls.md.
#[path = "../../../../docs/example/wss.rs"]
pub mod wss;

/// TCP.
pub struct Tcp(pub u32);

impl ErrorType for Tcp {
    type Error = Infallible;
}

impl Read for Tcp {
    #[inline(never)]
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        done(buffer.as_mut_ptr() as usize);
        Ok(word())
    }
}

impl Write for Tcp {
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        done(bytes.as_ptr() as usize);
        Ok(word())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl embedded_io_async::Read for Tcp {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        Read::read(self, buffer)
    }
}

impl embedded_io_async::Write for Tcp {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Write::write(self, bytes)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Clock and randomness.
pub struct Chip;

impl<S> Platform<S> for Chip {
    fn now_ms(&mut self) -> u32 {
        word() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        bytes.fill(word() as u8);
        Ok(())
    }

    fn wait(&mut self, _: &mut S, _: u32) {}
}

/// Randomness.
pub fn random(bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
    Platform::<()>::fill_random(&mut Chip, bytes)
}

/// Milliseconds.
pub fn now() -> u32 {
    word() as u32
}

/// The time.
pub fn seconds() -> Option<u64> {
    Some(word() as u64)
}

/// Somebody's certificate.
pub fn authority<'a>() -> &'a [u8] {
    bytes()
}
