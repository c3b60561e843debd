//! Waiting: for a step, or for the time to be up.

use core::future::Future;
use core::pin::Pin;
use core::task::Poll;

use embassy_futures::poll_once;
use embassy_futures::select::{Either, select};

use super::Clock;
use crate::Timeout;
use crate::timeout::Deadline;

/// Runs `work`, at most for so many milliseconds. Where none are left it has one chance, whatever
/// a sleep of no time does: embassy-time's waits.
pub(super) fn at_most<F: Future>(
    clock: &impl Clock,
    left: Option<u32>,
    work: Pin<&mut F>,
) -> impl Future<Output = Option<F::Output>> {
    let timeout = match left {
        None => Timeout::Forever,
        Some(0) => Timeout::NoWait,
        Some(left) => Timeout::Millis(left),
    };
    within(clock, timeout, work)
}

/// Runs `work`, at most for `timeout`: then `None`, and it is to be dropped where it stands. Without a
/// wait it is polled once.
///
/// It is pinned by the caller: moved in here it would be in the caller's future twice, and each
/// level of calls would double what is below.
pub(super) async fn within<F: Future>(
    clock: &impl Clock,
    timeout: Timeout,
    work: Pin<&mut F>,
) -> Option<F::Output> {
    match timeout {
        Timeout::Forever => Some(work.await),
        Timeout::NoWait => match poll_once(work) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        },
        Timeout::Millis(_) => {
            let left = Deadline::new(0, timeout).left(0);
            match select(work, clock.sleep_ms(left)).await {
                Either::First(output) => Some(output),
                Either::Second(()) => None,
            }
        }
    }
}
