//! A source of randomness that may fail, for a library whose may not.

use rand_core::{CryptoRng, Error, RngCore};
use ws_socket::RandomError;

/// What a ClientHello takes: its random and its key.
const POOL: usize = 64;

/// Randomness. What opening takes was there before it began, but for keys that are none: 1 of 2^32.
pub(crate) struct Random<R> {
    source: R,
    pool: [u8; POOL],
    used: usize,
    pub(crate) failed: bool,
}

impl<R: FnMut(&mut [u8]) -> Result<(), RandomError>> Random<R> {
    pub(crate) fn new(mut source: R) -> Result<Self, RandomError> {
        let mut pool = [0; POOL];
        source(&mut pool)?;
        Ok(Self {
            source,
            pool,
            used: 0,
            failed: false,
        })
    }
}

impl<R: FnMut(&mut [u8]) -> Result<(), RandomError>> RngCore for Random<R> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        if let Some(pool) = self.pool.get(self.used..self.used + bytes.len()) {
            for (to, from) in bytes.iter_mut().zip(pool) {
                *to = *from;
            }
            self.used += bytes.len();
        } else if (self.source)(bytes).is_err() {
            bytes.fill(1); // a key, so that nobody asks for ever
            self.failed = true;
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl<R: FnMut(&mut [u8]) -> Result<(), RandomError>> CryptoRng for Random<R> {}
