//! What both halves of a WebSocket work with.

use core::cell::RefCell;
use core::future::{pending, poll_fn, ready};
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::Mutex as Cell;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::mutex::{Mutex, MutexGuard};
use embassy_sync::waitqueue::WakerRegistration;
use embedded_io_async::Write;
use ws_core::{Answer, Job};

use crate::asynch::AsyncPlatform;
use crate::asynch::drive::{Access, Drive, Fault, State, Wire};
use crate::asynch::link::written;
use crate::{Config, Timeout};

/// What both halves work with.
pub(super) struct Common<'s, M: RawMutex, W, P> {
    pub(super) shared: Cell<M, RefCell<Shared<'s, P>>>,
    /// Who writes holds it.
    pub(super) wire: Mutex<M, W>,
    pub(super) config: &'s Config,
}

pub(super) struct Shared<'s, P> {
    pub(super) state: State<'s, P>,
    /// The receiver waits for the wire and cannot go on without it.
    pub(super) blocked: bool,
    /// Whoever writes what is due while the receiver reads.
    pub(super) answerer: WakerRegistration,
}

impl<P> Shared<'_, P> {
    /// Can a control frame go out, or may the stream hold one back?
    pub(super) fn is_due(&self) -> bool {
        self.state.endpoint.control_ready() || self.state.endpoint.is_unflushed()
    }
}

impl<'s, M: RawMutex, W, P> Access<'s, P> for &Common<'s, M, W, P> {
    fn with<Y>(&mut self, work: impl FnOnce(&mut State<'s, P>) -> Y) -> Y {
        self.look(|shared| work(&mut shared.state))
    }
}

impl<'s, M: RawMutex, W, P> Common<'s, M, W, P> {
    /// Works on what is shared; never across an await.
    pub(super) fn look<Y>(&self, work: impl FnOnce(&mut Shared<'s, P>) -> Y) -> Y {
        self.shared.lock(|shared| work(&mut shared.borrow_mut()))
    }
}

impl<'s, M: RawMutex, W: Write, P: AsyncPlatform> Common<'s, M, W, P> {
    /// A call begins. One that does not wait has its turn, with `all` until it is done.
    pub(super) fn begin(&self, timeout: Timeout, all: bool) -> P::Clock {
        self.look(|shared| {
            if timeout == Timeout::NoWait {
                shared.state.endpoint.begin_turn(all);
            }
            shared.state.platform.clock()
        })
    }

    /// Does what a job that only writes asks for, to its end.
    pub(super) async fn drive(
        &self,
        wire: &mut W,
        job: &mut (dyn Job + Send),
        scratch: &mut [u8],
    ) -> Option<Fault<W::Error>> {
        let mut drive = Drive {
            state: self,
            read: scratch,
            free: true,
            wire: Writing {
                wire,
                flush: self.config.flush,
            },
            config: self.config,
        };
        drive.run(job).await
    }

    /// Writes what is due whenever there is something, until the wire fails. Where there is no mask
    /// key, nothing more is tried: the next read does.
    pub(super) async fn answer(&self) -> Fault<W::Error> {
        loop {
            let due = |context: &mut Context<'_>| {
                self.look(|shared| {
                    if shared.is_due() {
                        return Poll::Ready(());
                    }
                    shared.answerer.register(context.waker());
                    Poll::Pending
                })
            };
            poll_fn(due).await;
            let mut wire = self.wire.lock().await;
            let (answer, fault) = self.answer_on(&mut wire).await;
            if let Some(fault) = fault {
                return fault;
            }
            drop(wire);
            if answer.lacks_key() {
                pending::<()>().await;
            }
        }
    }

    /// Writes what is due.
    async fn answer_on(&self, wire: &mut W) -> (Answer, Option<Fault<W::Error>>) {
        let mut scratch = [0; CONTROL_SCRATCH];
        let mut answer = Answer::default();
        let fault = self.drive(wire, &mut answer, &mut scratch).await;
        (answer, fault)
    }

    /// Waits for the wire between two frames.
    pub(super) async fn boundary(&self) -> MutexGuard<'_, M, W> {
        // So that a receiver that was woken for the wire comes first, in whatever order tasks run.
        for _ in 0..2 {
            if self.look(|shared| shared.blocked) {
                yield_now().await;
            }
        }
        self.wire.lock().await
    }
}

/// A Pong with 125 bytes goes out in one write on a host, in a few on a microcontroller.
pub(super) const CONTROL_SCRATCH: usize = if size_of::<usize>() > 4 { 160 } else { 64 };

/// The wire in the hands of who writes.
struct Writing<'w, W> {
    wire: &'w mut W,
    flush: bool,
}

impl<W: Write> Wire for Writing<'_, W> {
    type Error = W::Error;

    async fn read(&mut self, _: &mut [u8]) -> Result<usize, Fault<W::Error>> {
        pending().await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault<W::Error>> {
        written(self.wire.write(bytes).await)
    }

    async fn flush(&mut self, always: bool) -> Result<(), Fault<W::Error>> {
        if self.flush || always {
            self.wire.flush().await.map_err(Fault::Stack)?;
        }
        Ok(())
    }

    async fn others(&mut self) {
        yield_now().await;
    }
}

/// The wire as the receiver has it: it reads, and writes where the other half does not.
pub(super) struct Reading<'r, 's, M: RawMutex, R, W, P> {
    pub(super) reader: &'r mut R,
    pub(super) common: &'r Common<'s, M, W, P>,
    /// The wire takes nothing any more.
    pub(super) failed: bool,
}

impl<M, R, W, P> Wire for Reading<'_, '_, M, R, W, P>
where
    M: RawMutex,
    R: embedded_io_async::Read,
    W: Write<Error = R::Error>,
    P: AsyncPlatform,
{
    type Error = R::Error;

    /// Reads; and writes what becomes due meanwhile.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault<R::Error>> {
        let read = self.reader.read(buffer);
        if self.failed {
            return read.await.map_err(Fault::Stack);
        }
        match select(self.common.answer(), read).await {
            Either::First(_) => {
                self.failed = true;
                Err(Fault::Writing)
            }
            Either::Second(read) => read.map_err(Fault::Stack),
        }
    }

    /// Writes what goes out at once: the rest while it reads.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault<R::Error>> {
        let Ok(mut wire) = self.common.wire.try_lock() else {
            return Err(Fault::Busy);
        };
        match select(pin!(wire.write(bytes)), ready(())).await {
            Either::First(sent) => written(sent),
            Either::Second(()) => Err(Fault::Busy),
        }
    }

    async fn flush(&mut self, always: bool) -> Result<(), Fault<R::Error>> {
        if !self.common.config.flush && !always {
            return Ok(());
        }
        let Ok(mut wire) = self.common.wire.try_lock() else {
            return Err(Fault::Busy);
        };
        match select(pin!(wire.flush()), ready(())).await {
            Either::First(flushed) => flushed.map_err(Fault::Stack),
            Either::Second(()) => Err(Fault::Busy),
        }
    }

    /// Waits for the wire, and then for what is due to be out.
    async fn others(&mut self) {
        let blocked = Blocked::new(self.common);
        let mut wire = self.common.wire.lock().await;
        drop(blocked);
        self.failed |= self.common.answer_on(&mut wire).await.1.is_some();
    }

    fn is_stuck(&self) -> bool {
        self.common.wire.try_lock().is_err()
    }
}

/// While it exists the receiver waits for the wire.
struct Blocked<'h, 's, M: RawMutex, W, P>(&'h Common<'s, M, W, P>);

impl<'h, 's, M: RawMutex, W, P> Blocked<'h, 's, M, W, P> {
    fn new(common: &'h Common<'s, M, W, P>) -> Self {
        common.look(|shared| shared.blocked = true);
        Self(common)
    }
}

impl<M: RawMutex, W, P> Drop for Blocked<'_, '_, M, W, P> {
    fn drop(&mut self) {
        self.0.look(|shared| shared.blocked = false);
    }
}
