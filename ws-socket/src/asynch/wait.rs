//! Waiting: for a step, or for the time to be up.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;

use embassy_futures::{poll_once, yield_now};

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

/// Counts reads and writes in a row that did not wait: now and then others get their turn, and
/// deadlines are looked at. (Of an open connection the jobs of the core do that.)
pub(super) struct Turns(u8);

impl Turns {
    pub(super) const NEW: Self = Self(0);

    pub(super) async fn take(&mut self) {
        self.0 = (self.0 + 1) % 64;
        if self.0 == 0 {
            yield_now().await;
        }
    }
}

/// Runs `work` as far as it goes without waiting; a stream that waits for nothing but its next poll
/// has a few.
pub(super) async fn at_once<F: Future>(mut work: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        for _ in 0..8 {
            if let Poll::Ready(output) = work.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
        }
        Poll::Ready(None)
    })
    .await
}

/// Runs `work`, at most for `timeout`: then `None`, and it is to be dropped where it stands. Without a
/// wait it is polled once.
///
/// The clock is looked at whenever `work` waits: where it is woken all the time, an executor may not
/// come to its timers. What can go on without waiting has to wait now and then, for the same reason.
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
            let mut deadline = Deadline::from(clock.now_ms(), timeout);
            let left = deadline.left(clock.now_ms());
            let (mut work, mut sleep) = (work, pin!(clock.sleep_ms(left)));
            poll_fn(|context| {
                if let Poll::Ready(output) = work.as_mut().poll(context) {
                    return Poll::Ready(Some(output));
                }
                let slept = sleep.as_mut().poll(context).is_ready();
                if slept || deadline.left(clock.now_ms()) == 0 {
                    return Poll::Ready(None);
                }
                Poll::Pending
            })
            .await
        }
    }
}
