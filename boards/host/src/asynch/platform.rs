//! What the async calls need besides streams.

use async_io::Timer;
use std::time::{Duration, Instant};
use ws_socket::asynch::{AsyncPlatform, Clock};

/// The system's clock and randomness.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    started: Instant,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl AsyncPlatform for Host {
    type Clock = Self;

    fn clock(&self) -> Self {
        *self
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        crate::os::fill_random(bytes)
    }
}

impl Clock for Host {
    #[allow(clippy::cast_possible_truncation)] // it may wrap
    fn now_ms(&self) -> u32 {
        self.started.elapsed().as_millis() as u32
    }

    async fn sleep_ms(&self, ms: u32) {
        Timer::after(Duration::from_millis(ms.into())).await;
    }
}
