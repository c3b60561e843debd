//! This machine as a platform.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use ws_socket::Platform;

/// Lets the suite have its turn: shorter than a millisecond, or the cases with thousands of
/// messages are spent asleep.
pub(crate) fn idle() {
    std::thread::sleep(Duration::from_micros(20));
}

/// A clock, randomness, short waits.
pub(crate) struct Host {
    origin: Instant,
    random: Random,
}

/// Good enough where the server is one's own. A client needs the system's generator.
pub(crate) struct Random {
    state: RandomState,
    drawn: u64,
}

impl Random {
    pub(crate) fn new() -> Self {
        Self {
            state: RandomState::new(),
            drawn: 0,
        }
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            self.drawn += 1;
            let drawn = self.state.hash_one(self.drawn).to_ne_bytes();
            part.copy_from_slice(&drawn[..part.len()]);
        }
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            random: Random::new(),
        }
    }
}

impl<S> Platform<S> for Host {
    fn now_ms(&mut self) -> u32 {
        self.origin.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        self.random.fill(bytes);
        Ok(())
    }

    fn wait(&mut self, _: &mut S, at_most_ms: u32) {
        if at_most_ms > 0 {
            idle();
        }
    }
}
