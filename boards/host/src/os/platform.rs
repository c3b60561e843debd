//! What the table needs besides sockets.

use super::{Blocks, OsStack};
use std::time::{Duration, Instant};
use ws_socket::Platform;

/// Randomness of the system's.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        // Predictable masks and keys would be worse than none.
        crate::output::say(&format!("the system has no randomness: {error}"));
        crate::output::finish(crate::exit::Exit::Failed, true);
        std::process::abort();
    }
}

/// The system's clock and randomness; waiting is the stack's ([`OsStack::wait`]).
pub(crate) struct OsPlatform {
    started: Instant,
}

impl OsPlatform {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Platform<OsStack> for OsPlatform {
    #[allow(clippy::cast_possible_truncation)] // the table's clock may wrap
    fn now_ms(&mut self) -> u32 {
        self.started.elapsed().as_millis() as u32
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        fill_random(bytes);
    }

    fn wait(&mut self, stack: &mut OsStack, at_most_ms: u32) {
        // The system makes progress by itself: there is nothing to do but to wait.
        if at_most_ms == 0 || !stack.is_blocked() {
            return;
        }
        let limit = Duration::from_millis(at_most_ms.into());
        stack.wait((at_most_ms != u32::MAX).then_some(limit));
    }
}
