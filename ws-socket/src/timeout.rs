//! How long a call may wait.

use core::time::Duration;

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

/// Milliseconds from `*since` to `now` on a clock that may wrap. A clock that reads less than
/// `*since` was set back: no time has passed, and time counts from there on. (A difference in the
/// upper half is one below zero.)
pub(crate) const fn elapsed(since: &mut u32, now: u32) -> u32 {
    let passed = now.wrapping_sub(*since);
    if passed > LONGEST {
        *since = now;
        return 0;
    }
    passed
}

/// How many milliseconds are left of `millis` that began at `*since`.
pub(crate) const fn left_of(since: &mut u32, millis: u32, now: u32) -> u32 {
    let millis = if millis > LONGEST { LONGEST } else { millis };
    millis.saturating_sub(elapsed(since, now))
}

/// The end of a wait, by a wrapping millisecond clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    /// When the clock was read last.
    seen: u32,
    /// What was left then: [`FOREVER`], or at most [`LONGEST`].
    millis: u32,
}

const FOREVER: u32 = u32::MAX;
const LONGEST: u32 = u32::MAX / 2;

impl Deadline {
    pub(crate) const fn new(now: u32, timeout: Timeout) -> Self {
        let millis = match timeout {
            Timeout::NoWait => 0,
            Timeout::Forever => FOREVER,
            Timeout::Millis(millis) if millis > LONGEST => LONGEST,
            Timeout::Millis(millis) => millis,
        };
        Self { seen: now, millis }
    }

    /// Milliseconds left, 0 once it has passed. A clock that was set back since the last look costs
    /// the time between, and no more.
    pub(crate) const fn left(&mut self, now: u32) -> u32 {
        let passed = elapsed(&mut self.seen, now);
        if self.millis != FOREVER {
            self.seen = now;
            self.millis = self.millis.saturating_sub(passed);
        }
        self.millis
    }
}

/// A call that repeats a step until a deadline.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) deadline: Deadline,
    pub(crate) wait: Wait,
    /// For how many milliseconds the wait behind the step that comes next may last: a step that
    /// has something to do before the deadline lowers it.
    pub(crate) at_most: u32,
}

/// What was before the step that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing.
    First,
    /// A step, and time is left for a wait.
    Next,
    /// A step, and no time was left when it began: one more, behind the last wait.
    Last,
    /// That one.
    Over,
}

impl Waiting {
    pub(crate) const fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            wait: Wait::First,
            at_most: 0,
        }
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
        let mut deadline = Deadline::new(u32::MAX - 5, Timeout::Millis(10));
        assert_eq!(deadline.left(u32::MAX - 5), 10);
        assert_eq!(deadline.left(u32::MAX), 5);
        assert_eq!(deadline.left(3), 1);
        assert_eq!(deadline.left(4), 0);
        assert_eq!(
            Deadline::new(0, Timeout::Millis(u32::MAX)).left(0),
            u32::MAX / 2
        );
    }

    #[test]
    fn a_clock_that_steps_back_ends_nothing_and_prolongs_nothing() {
        for back in [1, 2, 1_000, 3_600_000, u32::MAX / 2] {
            for began in [0, 7, 1 << 31, u32::MAX] {
                let mut deadline = Deadline::new(began, Timeout::Millis(5_000));
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
        let mut forever = Deadline::new(5, Timeout::Forever);
        assert_eq!((forever.left(4), forever.left(3)), (u32::MAX, u32::MAX));
    }
}
