//! The one loop behind the async calls: it moves bytes and waits, and decides nothing.
//!
//! It is generic over two things. [`Access`] is where the state of the connection is: in one task's
//! hands, or behind a lock that two halves share. [`Wire`] is the stream: all of it, or what a half
//! has of it.

use core::fmt::Debug;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::Poll;

use embassy_futures::{poll_once, yield_now};
use ws_core::{Endpoint, Job, Lent, SCRATCH, Step, Told};

use super::wait::{at_most, at_once};
use super::{AsyncPlatform, Clock};
use crate::Config;
use crate::error::SendError;

/// An open connection, without its stream and the part of the buffer that is read into.
pub(super) struct State<'s, P> {
    pub(super) endpoint: &'s mut Endpoint,
    pub(super) reserve: &'s mut [u8],
    pub(super) platform: &'s mut P,
}

/// A way to the state, never across an await.
pub(super) trait Access<'s, P> {
    fn with<Y>(&mut self, work: impl FnOnce(&mut State<'s, P>) -> Y) -> Y;
}

impl<'s, P> Access<'s, P> for State<'s, P> {
    fn with<Y>(&mut self, work: impl FnOnce(&mut Self) -> Y) -> Y {
        work(self)
    }
}

/// Why a wire does not go on.
pub(super) enum Fault<E> {
    /// Another task has it.
    Busy,
    /// The other direction has failed meanwhile.
    Writing,
    /// It takes nothing any more.
    Closed,
    /// The stream failed.
    Stack(E),
}

impl<E: Debug> From<Fault<E>> for SendError<E> {
    fn from(fault: Fault<E>) -> Self {
        match fault {
            Fault::Stack(error) => Self::Stack(error),
            Fault::Closed | Fault::Busy | Fault::Writing => Self::NotConnected,
        }
    }
}

/// What a driver has of a stream.
#[allow(async_fn_in_trait)] // `Send` where the stream is
pub(super) trait Wire {
    type Error: Debug;

    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault<Self::Error>>;

    /// At least one byte.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault<Self::Error>>;

    /// Flushes, if the configuration or `always` says so.
    async fn flush(&mut self, always: bool) -> Result<(), Fault<Self::Error>>;

    /// Waits until another task that has the wire has moved on.
    async fn others(&mut self);

    /// Does another task try to write?
    fn is_stuck(&self) -> bool {
        false
    }
}

/// What a drive works with.
pub(super) struct Drive<'d, A, W> {
    pub(super) state: A,
    /// What is read into of the borrowed buffer; or, where it is `free`, another one to write from.
    pub(super) read: &'d mut [u8],
    pub(super) free: bool,
    pub(super) wire: W,
    pub(super) config: &'d Config,
}

impl<A, W: Wire> Drive<'_, A, W> {
    /// Does what a job asks for, to its end. Returns what the stream failed with last.
    ///
    /// # Cancellation
    /// Dropped, it leaves the connection as its last read or write that was over has left it.
    pub(super) async fn run<'s, P>(&mut self, job: &mut (dyn Job + Send)) -> Option<Fault<W::Error>>
    where
        P: AsyncPlatform + 's,
        A: Access<'s, P>,
    {
        let mut failed = None;
        let mut told = Told::Resumed;
        loop {
            let watches = self.config.keepalive.is_some();
            let step = self.state.with(|state| {
                let mut lent = Lent::from_parts(self.read, state.reserve);
                let step = job.step(state.endpoint, &mut lent, told);
                if watches && matches!(told, Told::Written(_)) && state.endpoint.is_fresh() {
                    state.endpoint.note_time(state.platform.clock().now_ms());
                }
                step
            });
            let listens = job.listens();
            told = match step {
                Step::Done => return failed,
                Step::Yield => {
                    yield_now().await;
                    Told::Resumed
                }
                Step::Blocked => {
                    let others = pin!(self.wire.others());
                    patient(&mut self.state, self.config, false, listens, others).await;
                    Told::Resumed
                }
                Step::Key => self.state.with(|state| match key(state.platform) {
                    Some(key) => {
                        state.endpoint.set_key(key);
                        Told::Resumed
                    }
                    None => Told::NoKey,
                }),
                Step::Flush | Step::FlushLast => {
                    let stuck = self.wire.is_stuck();
                    let flush = pin!(self.wire.flush(step == Step::FlushLast));
                    match patient(&mut self.state, self.config, stuck, listens, flush).await {
                        None => Told::Resumed,
                        Some(Ok(())) => Told::Flushed,
                        Some(Err(Fault::Busy)) => Told::Busy,
                        Some(Err(fault)) => {
                            failed = Some(fault);
                            Told::WriteFailed
                        }
                    }
                }
                Step::Read | Step::ReadNow | Step::ReadUser => {
                    let buffer = match step {
                        Step::ReadUser => job.user_buffer(),
                        _ => &mut *self.read,
                    };
                    let stuck = self.wire.is_stuck();
                    let read = pin!(self.wire.read(buffer));
                    let read = if step == Step::ReadNow {
                        at_once(read).await.unwrap_or(Err(Fault::Busy))
                    } else {
                        match patient(&mut self.state, self.config, stuck, true, read).await {
                            Some(read) => read,
                            None => {
                                told = Told::Resumed;
                                continue;
                            }
                        }
                    };
                    match read {
                        Ok(count) => Told::Read(count),
                        Err(Fault::Busy) => Told::ReadBlocked,
                        Err(Fault::Writing) => Told::WriteFailed,
                        Err(fault) => {
                            failed = Some(fault);
                            Told::ReadFailed
                        }
                    }
                }
                Step::Write => {
                    let mut small = [0; SCRATCH];
                    let (read, small, free) = (&mut *self.read, &mut small, self.free);
                    let bytes = self.state.with(|state| {
                        let scratch = match free {
                            true => read,
                            false => state.endpoint.scratch(read, small),
                        };
                        state.endpoint.outgoing(job.rest(), state.reserve, scratch)
                    });
                    let stuck = self.wire.is_stuck();
                    let write = pin!(self.wire.write(bytes));
                    match patient(&mut self.state, self.config, stuck, listens, write).await {
                        None => Told::Resumed,
                        Some(Ok(count)) => Told::Written(count),
                        Some(Err(Fault::Busy)) => Told::Busy,
                        Some(Err(fault)) => {
                            failed = Some(fault);
                            Told::WriteFailed
                        }
                    }
                }
            };
        }
    }
}

/// Runs `work` for as long as the peer may be silent; then `None`. The clock is read only where there
/// is something to wait for.
async fn patient<'s, P: AsyncPlatform + 's, F: Future>(
    state: &mut impl Access<'s, P>,
    config: &Config,
    stuck: bool,
    listens: bool,
    mut work: Pin<&mut F>,
) -> Option<F::Output> {
    let Some(keepalive) = config.keepalive.filter(|_| listens) else {
        return Some(work.await);
    };
    if let Poll::Ready(output) = poll_once(work.as_mut()) {
        return Some(output);
    }
    let clock = state.with(|state| state.platform.clock());
    let now = clock.now_ms();
    let left = state.with(|state| state.endpoint.patience(keepalive, stuck, now));
    at_most(&clock, Some(left), work).await
}

/// A fresh mask key.
pub(super) fn key(platform: &mut impl AsyncPlatform) -> Option<[u8; 4]> {
    let mut key = [0; 4];
    platform.fill_random(&mut key).ok().map(|()| key)
}
