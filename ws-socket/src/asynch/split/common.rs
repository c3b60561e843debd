//! What both halves of a WebSocket work with.

use core::cell::RefCell;
use core::future::{poll_fn, ready};
use core::task::{Context, Poll};

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::Mutex as Cell;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::mutex::{Mutex, MutexGuard};
use embassy_sync::waitqueue::WakerRegistration;
use embedded_io_async::Write;
use ws_core::{Endpoint, Lent};

use crate::Config;
use crate::asynch::keepalive::Alive;
use crate::asynch::link::key;
use crate::asynch::send::written;
use crate::asynch::{Clock, Platform};
use crate::error::{ReceiveError, SendError};
use crate::session::CONTROL_SCRATCH;

/// What both halves work with.
pub(super) struct Common<'s, M: RawMutex, W, P> {
    pub(super) state: Cell<M, RefCell<State<'s, P>>>,
    /// Who writes holds it for a whole frame.
    pub(super) wire: Mutex<M, W>,
    pub(super) config: &'s Config,
    pub(super) masks: bool,
}

pub(super) struct State<'s, P> {
    pub(super) endpoint: &'s mut Endpoint,
    pub(super) reserve: &'s mut [u8],
    pub(super) alive: &'s mut Alive,
    pub(super) platform: &'s mut P,
    /// The receiver waits for the wire and cannot go on without it.
    pub(super) blocked: bool,
    pub(super) receiver: WakerRegistration,
    pub(super) sender: WakerRegistration,
}

impl<P> State<'_, P> {
    /// Can a control frame go out, or may the stream hold one back?
    pub(super) fn is_due(&self) -> bool {
        self.endpoint.control_ready() || self.alive.unflushed
    }

    /// Is a control frame partly sent? Where all that is due has been written it is a Pong that
    /// waits for the rest of its Ping.
    pub(super) fn control_open(&self) -> bool {
        self.endpoint.connection().tx.is_open() && !self.endpoint.frame_open()
    }

    pub(super) fn eof(&mut self) {
        self.endpoint.eof();
        self.sender.wake();
    }
}

impl<'s, M: RawMutex, W: Write, P: Platform> Common<'s, M, W, P> {
    /// Works on the state; never across an await.
    pub(super) fn with<Y>(&self, work: impl FnOnce(&mut State<'s, P>) -> Y) -> Y {
        self.state.lock(|state| work(&mut state.borrow_mut()))
    }

    pub(super) fn clock(&self) -> P::Clock {
        self.with(|state| state.platform.clock())
    }

    /// Writes the control frames that are due, and has the stream let go of what it holds back.
    pub(super) async fn flush_control(&self, wire: &mut W) -> Result<(), SendError<W::Error>> {
        let written = self.write_control(wire).await;
        // Without a mask key nothing more is written, but what was has to go.
        if !matches!(written, Ok(()) | Err(SendError::Random(_))) {
            return written;
        }
        self.flush(wire).await.map_err(SendError::Stack)?;
        written
    }

    pub(super) async fn write_control(&self, wire: &mut W) -> Result<(), SendError<W::Error>> {
        loop {
            let mut scratch = [0; CONTROL_SCRATCH];
            let count = self.with(|state| {
                let lent = Lent::from_parts(&mut [], state.reserve);
                let platform = &mut *state.platform;
                let begun = state
                    .endpoint
                    .control(&lent, || key(platform), &mut scratch);
                if begun.is_err() && state.endpoint.ping_due() {
                    // It was not asked, so that it cannot fail to answer: next time.
                    state.alive.not_pinged(state.platform.clock().now_ms());
                }
                begun
            })?;
            if count == 0 {
                return Ok(());
            }
            let sent = wire.write(scratch.get(..count).unwrap_or_default()).await;
            let count = *sent.as_ref().unwrap_or(&0);
            let clock = self.clock();
            self.with(|state| {
                let pinging = state.endpoint.ping_due();
                state.endpoint.control_sent(count);
                state.alive.unflushed |= count > 0;
                if pinging && !state.endpoint.ping_due() {
                    state.alive.ping_sent(clock.now_ms());
                }
                if !state.control_open() {
                    state.sender.wake();
                }
            });
            written(sent)?;
        }
    }

    /// [`flush_control`](Self::flush_control) as far as it goes at once; `None` where it waits.
    pub(super) async fn answer_now(&self) -> Option<Result<(), SendError<W::Error>>> {
        let mut wire = self.wire.try_lock().ok()?;
        match select(self.flush_control(&mut wire), ready(())).await {
            Either::First(flushed) => Some(flushed),
            Either::Second(()) => None,
        }
    }

    /// [`flush_control`](Self::flush_control) whenever there is something, until the wire fails.
    pub(super) async fn answer(&self) -> SendError<W::Error> {
        loop {
            let due = |context: &mut Context<'_>| {
                self.with(|state| {
                    if state.is_due() {
                        return Poll::Ready(());
                    }
                    state.receiver.register(context.waker());
                    Poll::Pending
                })
            };
            poll_fn(due).await;
            let mut wire = self.wire.lock().await;
            if let Err(error) = self.flush_control(&mut wire).await {
                return error;
            }
        }
    }

    /// Waits for the wire, and then for what is due to be out. Is a frame of the user's open, which
    /// they have left so?
    pub(super) async fn unblock(&self) -> Result<bool, SendError<W::Error>> {
        let blocked = Blocked::new(self);
        let mut wire = self.wire.lock().await;
        drop(blocked);
        self.flush_control(&mut wire).await?;
        Ok(self.with(|state| state.endpoint.frame_open()))
    }

    /// Waits for the wire between two frames. What was due is out then.
    pub(super) async fn boundary(&self) -> Result<MutexGuard<'_, M, W>, SendError<W::Error>> {
        // So that a receiver that was woken for the wire comes first, in whatever order tasks run.
        for _ in 0..2 {
            if self.with(|state| state.blocked) {
                yield_now().await;
            }
        }
        loop {
            let mut wire = self.wire.lock().await;
            self.write_control(&mut wire).await?;
            if !self.with(|state| state.control_open()) {
                return Ok(wire);
            }
            drop(wire);
            let relayed = |context: &mut Context<'_>| {
                self.with(|state| {
                    if !state.control_open() {
                        return Poll::Ready(Ok(()));
                    }
                    if state.endpoint.is_eof() {
                        return Poll::Ready(Err(SendError::NotConnected));
                    }
                    state.sender.register(context.waker());
                    Poll::Pending
                })
            };
            poll_fn(relayed).await?;
        }
    }

    /// The peer was not heard for as long as it may be silent.
    pub(super) fn late<E: core::fmt::Debug>(&self) -> Result<(), ReceiveError<E>> {
        let now = self.clock().now_ms();
        // A frame that does not move on is no excuse while somebody tries.
        let stuck = self.wire.try_lock().is_err();
        self.with(|state| match state.alive.left(self.config, now) {
            Some(0) if stuck && state.endpoint.ping_due() => Err(ReceiveError::NoPong),
            Some(0) => {
                let late = state.alive.is_late(state.endpoint, now);
                late.map_err(|_| ReceiveError::NoPong)
            }
            // The other half has sent the Ping meanwhile.
            _ => Ok(()),
        })
    }

    pub(super) async fn flush(&self, wire: &mut W) -> Result<(), W::Error> {
        if !self.with(|state| state.alive.unflushed) {
            return Ok(());
        }
        let flushed = if self.config.flush {
            wire.flush().await
        } else {
            Ok(())
        };
        self.with(|state| state.alive.unflushed = false);
        flushed
    }
}

/// While it exists the receiver waits for the wire.
struct Blocked<'h, 's, M: RawMutex, W: Write, P: Platform>(&'h Common<'s, M, W, P>);

impl<'h, 's, M: RawMutex, W: Write, P: Platform> Blocked<'h, 's, M, W, P> {
    fn new(common: &'h Common<'s, M, W, P>) -> Self {
        common.with(|state| state.blocked = true);
        Self(common)
    }
}

impl<M: RawMutex, W: Write, P: Platform> Drop for Blocked<'_, '_, M, W, P> {
    fn drop(&mut self) {
        self.0.with(|state| state.blocked = false);
    }
}
