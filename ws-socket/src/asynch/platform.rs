//! What async calls need of their surroundings besides a stream.

use crate::RandomError;

/// Randomness and a clock.
#[allow(async_fn_in_trait)] // a `Send` bound would shut out single-core executors
pub trait AsyncPlatform {
    /// The clock for timeouts and keepalive: a handle that is cheap to make.
    type Clock: Clock;

    /// The clock.
    fn clock(&self) -> Self::Clock;

    /// Fills `bytes` with randomness that a peer cannot predict: mask keys (RFC 6455 section 5.3)
    /// and handshake keys (section 4.1) come from it.
    ///
    /// # Errors
    /// [`RandomError`] where the source fails, whatever is in `bytes` then. A call that needs a key
    /// fails with an error of the same name (`EIO`): no key is made up, nothing is sent, the
    /// connection goes on. A Pong or Close of ours that is due stays due, and the next call tries
    /// again.
    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError>;

    /// SHA-1 over `key` and [`GUID`](crate::handshake::GUID) after it, for the accept value
    /// (section 4.2.2): 60 bytes in all. The default is software; a chip's hash unit stands in by
    /// overriding it. Without the features `crates-hash` and `compact` there is no default.
    #[cfg(any(feature = "crates-hash", feature = "compact"))]
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        ws_core::handshake::Sha1::sha1(&mut ws_core::handshake::SoftSha1, key)
    }

    /// SHA-1 over `key` and [`GUID`](crate::handshake::GUID) after it, for the accept value
    /// (section 4.2.2).
    #[cfg(not(any(feature = "crates-hash", feature = "compact")))]
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20];
}

/// A clock that can be waited for.
#[allow(async_fn_in_trait)]
pub trait Clock {
    /// Milliseconds from any origin; they may wrap from `u32::MAX` to 0. What
    /// [`Platform::now_ms`](crate::Platform::now_ms) says holds here too.
    fn now_ms(&self) -> u32;

    /// Returns when `ms` milliseconds have passed. Dropping it has no effect.
    async fn sleep_ms(&self, ms: u32);
}

impl<P: AsyncPlatform + ?Sized> AsyncPlatform for &mut P {
    type Clock = P::Clock;

    fn clock(&self) -> P::Clock {
        P::clock(self)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        P::fill_random(self, bytes)
    }

    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        P::sha1(self, key)
    }
}

/// An [`AsyncPlatform`] whose clock is embassy-time's, and whose randomness is a function's: feature
/// `embassy-time`.
#[cfg(feature = "embassy-time")]
#[derive(Debug, Clone, Copy)]
pub struct Embassy<F>(pub F);

/// The clock of embassy-time's driver: feature `embassy-time`.
#[cfg(feature = "embassy-time")]
#[derive(Debug, Clone, Copy, Default)]
pub struct EmbassyClock;

#[cfg(feature = "embassy-time")]
impl Clock for EmbassyClock {
    #[allow(clippy::cast_possible_truncation)] // it may wrap
    fn now_ms(&self) -> u32 {
        embassy_time::Instant::now().as_millis() as u32
    }

    async fn sleep_ms(&self, ms: u32) {
        embassy_time::Timer::after_millis(ms.into()).await;
    }
}

#[cfg(all(
    feature = "embassy-time",
    any(feature = "crates-hash", feature = "compact")
))]
impl<F: FnMut(&mut [u8]) -> Result<(), RandomError>> AsyncPlatform for Embassy<F> {
    type Clock = EmbassyClock;

    fn clock(&self) -> EmbassyClock {
        EmbassyClock
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        (self.0)(bytes)
    }
}
