//! What time it is.

/// What time it is, for certificates: a [`Clock`], or [`NoClockSoExpiredIsAccepted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    pub(crate) now: Option<u64>,
    pub(crate) known: bool,
}

/// A clock, in seconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Now; `None` while the clock is not set, and nobody is let in.
    pub now: Option<u64>,
    /// When the firmware was built. An earlier `now` is that of a clock that lost its time.
    pub built: u64,
}

/// There is no clock. **A certificate that has expired since the firmware was built is accepted**, with
/// it a key that was stolen from its owner years ago.
///
/// The server's certificates have to be valid together at some time after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoClockSoExpiredIsAccepted {
    /// When the firmware was built, in seconds since 1970 (UTC). What was expired then is refused.
    pub built: u64,
}

impl From<Clock> for Time {
    fn from(clock: Clock) -> Self {
        Self {
            now: clock.now.filter(|&now| now >= clock.built),
            known: true,
        }
    }
}

impl From<NoClockSoExpiredIsAccepted> for Time {
    fn from(none: NoClockSoExpiredIsAccepted) -> Self {
        Self {
            now: Some(none.built),
            known: false,
        }
    }
}
