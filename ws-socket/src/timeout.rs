//! How long a call may wait.

use core::time::Duration;

use ws_core::elapsed;

/// How long a call may wait, as Zephyr's `timeout` argument: milliseconds, not at all, or for ever.
///
/// `From<i32>` takes Zephyr's own values: 0 does not wait, a negative one (`SYS_FOREVER_MS` is -1)
/// waits for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Do what can be done at once. The platform's `wait` hook runs once, with 0 ms, so that a
    /// polled stack moves.
    NoWait,
    /// Wait for so many milliseconds; at most `u32::MAX / 2` (24 days), more counts as that.
    Millis(u32),
    /// Wait until it is done.
    Forever,
}

impl From<i32> for Timeout {
    fn from(millis: i32) -> Self {
        match u32::try_from(millis) {
            Ok(0) => Self::NoWait,
            Ok(millis) => Self::Millis(millis),
            Err(_) => Self::Forever,
        }
    }
}

impl From<Duration> for Timeout {
    /// Rounded up to whole milliseconds.
    fn from(duration: Duration) -> Self {
        match u32::try_from(duration.as_nanos().div_ceil(1_000_000)) {
            Ok(0) => Self::NoWait,
            Ok(millis) => Self::Millis(millis),
            Err(_) => Self::Millis(u32::MAX),
        }
    }
}

/// How many milliseconds are left of `millis` that began at `*since`.
pub(crate) const fn left_of(since: &mut u32, millis: u32, now: u32) -> u32 {
    let millis = if millis > LONGEST { LONGEST } else { millis };
    millis.saturating_sub(elapsed(since, now))
}

/// So many milliseconds, from when somebody looks at the clock for the first time. A call that is done
/// at once does not look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    /// When the clock was read last.
    seen: Option<u32>,
    /// What was left then: [`FOREVER`], or at most [`LONGEST`].
    millis: u32,
}

/// More than any deadline has left.
pub(crate) const FOREVER: u32 = u32::MAX;
const LONGEST: u32 = u32::MAX / 2;

impl Deadline {
    pub(crate) const fn new(timeout: Timeout) -> Self {
        let millis = match timeout {
            Timeout::NoWait => 0,
            Timeout::Forever => FOREVER,
            Timeout::Millis(millis) if millis > LONGEST => LONGEST,
            Timeout::Millis(millis) => millis,
        };
        Self { seen: None, millis }
    }

    /// The same, from `now` on.
    pub(crate) const fn from(now: u32, timeout: Timeout) -> Self {
        let mut deadline = Self::new(timeout);
        deadline.seen = Some(now);
        deadline
    }

    /// Did somebody look?
    pub(crate) const fn has_begun(&self) -> bool {
        self.seen.is_some()
    }

    /// Milliseconds left, 0 once it has passed. A clock that was set back since the last look costs
    /// the time between, and no more.
    pub(crate) fn left(&mut self, now: u32) -> u32 {
        let passed = elapsed(self.seen.get_or_insert(now), now);
        self.seen = Some(now);
        if self.millis != FOREVER {
            self.millis = self.millis.saturating_sub(passed);
        }
        self.millis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zephyrs_values() {
        assert_eq!(Timeout::from(-1), Timeout::Forever);
        assert_eq!(Timeout::from(0), Timeout::NoWait);
        assert_eq!(Timeout::from(5), Timeout::Millis(5));
        assert_eq!(Timeout::from(Duration::from_micros(1)), Timeout::Millis(1));
        assert_eq!(Timeout::from(Duration::ZERO), Timeout::NoWait);
        assert_eq!(Timeout::from(Duration::MAX), Timeout::Millis(u32::MAX));
    }

    #[test]
    fn the_clock_may_wrap() {
        let mut deadline = Deadline::new(Timeout::Millis(10));
        assert!(!deadline.has_begun());
        assert_eq!(deadline.left(u32::MAX - 5), 10);
        assert!(deadline.has_begun());
        assert_eq!(deadline.left(u32::MAX), 5);
        assert_eq!(deadline.left(3), 1);
        assert_eq!(deadline.left(4), 0);
        assert_eq!(
            Deadline::new(Timeout::Millis(u32::MAX)).left(0),
            u32::MAX / 2
        );
    }

    #[test]
    fn a_clock_that_steps_back_ends_nothing_and_prolongs_nothing() {
        for back in [1, 2, 1_000, 3_600_000, u32::MAX / 2] {
            for began in [0, 7, 1 << 31, u32::MAX] {
                let mut deadline = Deadline::new(Timeout::Millis(5_000));
                assert_eq!(deadline.left(began), 5_000);
                let stepped = began.wrapping_sub(back);
                assert_eq!(deadline.left(stepped), 5_000, "{back}");
                assert_eq!(deadline.left(stepped.wrapping_add(1)), 4_999);
                let again = stepped.wrapping_sub(back);
                assert_eq!(deadline.left(again), 4_999);
                assert_eq!(deadline.left(again.wrapping_add(4_999)), 0);

                let mut since = began;
                assert_eq!(left_of(&mut since, 5_000, stepped), 5_000);
                assert_eq!(left_of(&mut since, 5_000, stepped.wrapping_add(5_000)), 0);
            }
        }
        let mut forever = Deadline::new(Timeout::Forever);
        assert_eq!((forever.left(4), forever.left(3)), (u32::MAX, u32::MAX));
    }
}
