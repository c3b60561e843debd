//! A WebSocket in halves: both on one script, and drops of futures inside of tasks that go on.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::RawMutex;
use ws_socket::asynch::{Halves, WebSocket};
use ws_socket::{Buffer, Config, Role};

use crate::frames::plain;
use crate::hand::Hand;
use crate::wire::{Line, Script, Wire};

/// A WebSocket on a script.
pub type Open<'b> = WebSocket<'b, Wire, Hand>;

/// An open WebSocket.
pub fn open<'b>(
    script: &Script,
    role: Role,
    lent: impl Into<Buffer<'b>>,
    hand: &Hand,
    config: Config,
) -> Open<'b> {
    WebSocket::from_upgraded(script.wire(), role, lent, 0, hand.clone(), config)
}

/// Both ends of the split stream follow the script.
pub fn halves<'s, M: RawMutex>(
    ws: &'s mut Open<'_>,
    script: &Script,
) -> Halves<'s, M, Wire, Wire, Hand> {
    ws.halves(|_| (script.wire(), script.wire())).unwrap()
}

/// What went out: whole frames.
pub fn sent(script: &Script) -> Vec<(bool, u8, Vec<u8>)> {
    plain(&script.line(Line::sent))
}

/// Drops futures inside of tasks that go on: at one poll of all, or at each so many.
pub struct Drops {
    left: Cell<usize>,
    every: usize,
    /// How many were dropped.
    pub dropped: Cell<usize>,
}

impl Drops {
    /// Drops the future that is polled for the `left`th time, then each `every` polls.
    pub fn new(left: usize, every: usize) -> Self {
        Self {
            left: left.into(),
            every,
            dropped: 0.into(),
        }
    }

    /// Runs a future: `None` where it was dropped.
    pub async fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        let output = {
            let mut future = pin!(future);
            poll_fn(|context| match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending => {
                    self.left.set(self.left.get() - 1);
                    if self.left.get() > 0 {
                        return Poll::Pending;
                    }
                    self.left.set(self.every);
                    self.dropped.set(self.dropped.get() + 1);
                    Poll::Ready(None)
                }
            })
            .await
        };
        if output.is_none() {
            yield_now().await;
        }
        output
    }

    /// Runs it again and again, until it was not dropped.
    pub async fn insist<R>(&self, mut call: impl AsyncFnMut() -> R) -> R {
        loop {
            if let Some(output) = self.run(call()).await {
                return output;
            }
        }
    }
}

/// With a drop at the first poll, the second, and so on until it is through without; then at each
/// poll, and each third. Says how many runs that were.
pub fn everywhere(mut work: impl FnMut(&Drops)) -> usize {
    for nth in 1.. {
        let drops = Drops::new(nth, usize::MAX);
        work(&drops);
        if drops.dropped.get() == 0 {
            for every in [1, 3] {
                work(&Drops::new(every, every));
            }
            return nth + 2;
        }
    }
    unreachable!()
}
