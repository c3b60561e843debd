//! How fast a peer has to take an answer: [`Config::answer_timeout`], [`Config::answer_rate`].
//!
//! An answer that began at `since` goes on as long as one of two deadlines has not passed: `since`
//! and the timeout; `since` and a second for every `answer_rate` bytes that are out, the one that
//! has begun included. The second is never further away than the timeout: where more bytes go out
//! than that, `since` goes back instead. That takes no memory beside `since` and the count of bytes.
//!
//! Times wrap, and so does what the bytes earn: only differences are looked at.

use crate::timeout::Deadline;
use crate::{Config, Timeout};

/// How many milliseconds an answer has left of which `written` bytes are out.
pub(super) fn left(since: u32, now: u32, written: usize, config: &Config) -> u32 {
    let timeout = Timeout::Millis(config.answer_timeout);
    let left = Deadline::new(since, timeout).left(now);
    let ahead = ahead(since, now, seconds(written, config));
    left.max(u32::try_from(ahead).unwrap_or(0))
}

/// From when on an answer counts of which `after` bytes are out, `before` until now.
pub(super) fn since(since: u32, now: u32, before: usize, after: usize, config: &Config) -> u32 {
    if config.answer_rate == 0 {
        return now;
    }
    let (before, after) = (seconds(before, config), seconds(after, config));
    let earned = i64::try_from(after - before).unwrap_or(i64::MAX);
    let mut ahead = ahead(since, now, before).saturating_add(earned.saturating_mul(1000));
    if before == 0 && after > 0 {
        ahead = ahead.saturating_add(BEGUN);
    }
    let too_far = ahead - i64::from(config.answer_timeout);
    if too_far > 0 {
        return since.wrapping_sub(wrapped(too_far));
    }
    since
}

/// What so many bytes earn.
fn seconds(written: usize, config: &Config) -> usize {
    let rate = usize::try_from(config.answer_rate).unwrap_or(usize::MAX);
    written.checked_div(rate).unwrap_or(0)
}

/// The second that has begun, and its last millisecond.
const BEGUN: i64 = 1001;

/// How far what was earned is ahead of the time that has passed.
fn ahead(since: u32, now: u32, seconds: usize) -> i64 {
    let earned = match seconds {
        0 => 0,
        #[allow(clippy::cast_possible_truncation)] // it wraps
        seconds => (seconds as u32)
            .wrapping_mul(1000)
            .wrapping_add(wrapped(BEGUN)),
    };
    let passed = now.wrapping_sub(since);
    i64::from(earned.wrapping_sub(passed).cast_signed())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it wraps
const fn wrapped(millis: i64) -> u32 {
    millis as u32
}
