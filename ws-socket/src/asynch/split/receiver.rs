//! The half that receives.

use core::pin::pin;

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::{Read, Write};
use ws_core::{Endpoint, Face, Lent, Next, Opcode, Piece, RandomError, ReadInto, SCRATCH};

use super::common::{Common, State};
use crate::Timeout;
#[cfg(doc)]
use crate::asynch::WebSocket;
use crate::asynch::wait::{MAX_READS, at_most, at_once, within};
use crate::asynch::{Clock, Platform};
use crate::error::{ReceiveError, SendError};
use crate::fmt::About;
use crate::message::Received;

/// The half that receives. Pings are answered, and the peer's Close, while it waits, and by the
/// other half between its frames.
pub struct Receiver<'h, 's, M: RawMutex, R, W, P> {
    pub(super) reader: &'h mut R,
    pub(super) lent: &'h mut [u8],
    pub(super) common: &'h Common<'s, M, W, P>,
}

impl<M: RawMutex, R, W, P> Receiver<'_, '_, M, R, W, P>
where
    R: Read,
    W: Write<Error = R::Error>,
    P: Platform,
{
    /// Receives a piece of a message: see [`WebSocket::recv_msg`], also for what a drop means.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn recv_msg(
        &mut self,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<R::Error>> {
        if buffer.is_empty() {
            return Err(ReceiveError::EmptyBuffer);
        }
        self.receive_msg(buffer, timeout.into()).await
    }

    /// Waits for what [`recv_msg`](Self::recv_msg) would return next, and takes nothing of it: see
    /// [`WebSocket::peek`].
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn peek(
        &mut self,
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<R::Error>> {
        self.receive_msg(&mut [], timeout.into()).await
    }

    /// Into no buffer it is a look.
    async fn receive_msg(
        &mut self,
        buffer: &mut [u8],
        timeout: Timeout,
    ) -> Result<Received, ReceiveError<R::Error>> {
        let clock = self.begin(timeout);
        let piece = self.receive(Face::Messages, buffer);
        let piece = within(&clock, timeout, pin!(piece)).await;
        Ok(piece.ok_or(ReceiveError::Timeout)??.into())
    }

    /// A call begins. Its clock.
    fn begin(&mut self, timeout: Timeout) -> P::Clock {
        self.common.with(|state| {
            if timeout == Timeout::NoWait {
                state.alive.restart(MAX_READS);
            }
            state.platform.clock()
        })
    }

    /// Receives what a socket would: see [`WebSocket::recv`].
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn recv(
        &mut self,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<usize, ReceiveError<R::Error>> {
        let timeout = timeout.into();
        let clock = self.begin(timeout);
        let received = async {
            while !buffer.is_empty() {
                let piece = self.receive(Face::Stream, buffer).await?;
                if piece.length > 0 {
                    return Ok(piece.length);
                }
            }
            Ok(0)
        };
        let received = within(&clock, timeout, pin!(received)).await;
        received.ok_or(ReceiveError::Timeout)?
    }

    async fn receive(
        &mut self,
        face: Face,
        out: &mut [u8],
    ) -> Result<Piece, ReceiveError<R::Error>> {
        let Self {
            reader,
            lent,
            common,
        } = self;
        let mut scratch = [0; SCRATCH];
        // The wire does not take a control frame just now; or it has failed, and what can still be
        // received comes first.
        let (mut busy, mut failed) = (false, false);
        // There is no mask key: the next read is no reason to give up.
        let mut no_key = false;
        // A frame was left open by whoever sent it.
        let mut left_open = false;
        let clock = common.clock();
        loop {
            if common.with(|state| state.alive.turn()) {
                yield_now().await;
            }
            let left = common.with(|state| state.alive.left(common.config, clock.now_ms()));
            let next = common.with(|state| {
                let has_reserve = !state.reserve.is_empty();
                let mut lent = Lent::from_parts(lent, state.reserve);
                let endpoint = &mut *state.endpoint;
                match endpoint.advance(&mut lent, face, out.len(), busy || failed || no_key) {
                    Next::Ready => {
                        let piece = if out.is_empty() {
                            endpoint.peek()
                        } else {
                            endpoint.take(&mut lent, out)
                        };
                        Step::Done(match piece {
                            Ok(Some(piece)) => Ok(piece),
                            Ok(None) => Err(ReceiveError::NotConnected),
                            Err(error) => Err(ReceiveError::broken(About::NO_ID, error)),
                        })
                    }
                    // The Close first.
                    Next::Ended if busy && endpoint.control_ready() && !endpoint.is_eof() => {
                        Step::Blocked
                    }
                    Next::Ended => Step::Done(Err(ReceiveError::ended(endpoint))),
                    Next::Write => Step::Write,
                    Next::Blocked => Step::Blocked,
                    Next::Read => {
                        let room = direct(endpoint, has_reserve, out.len());
                        Step::Read(endpoint.read_into(&lent, room), room)
                    }
                }
            });
            let (into, room) = match next {
                Step::Done(result) => return result,
                Step::Write => {
                    match common.answer_now().await {
                        Some(Err(SendError::Random(_))) => no_key = true,
                        Some(flushed) => failed = flushed.is_err(),
                        None => busy = true,
                    }
                    continue;
                }
                Step::Blocked if no_key => return Err(RandomError.into()),
                Step::Blocked if failed => return Err(ReceiveError::Lost),
                Step::Blocked if left_open => return Err(ReceiveError::FrameOpen),
                Step::Blocked => {
                    let unblocked = at_most(&clock, left, pin!(common.unblock())).await;
                    match unblocked {
                        Some(Ok(open)) => (busy, left_open) = (false, open),
                        Some(Err(SendError::Random(_))) => no_key = true,
                        Some(Err(_)) => failed = true,
                        None => common.late()?,
                    }
                    continue;
                }
                Step::Read(into, room) => (into, room),
            };
            let user = out.get_mut(..room).unwrap_or_default();
            let either = {
                let read = pin!(reader.read(into.buffer(lent, user, &mut scratch)));
                if failed {
                    at_once(read).await.map(Either::Second)
                } else if no_key {
                    at_most(&clock, left, read).await.map(Either::Second)
                } else {
                    at_most(&clock, left, pin!(select(common.answer(), read))).await
                }
            };
            let read = match either {
                Some(Either::First(SendError::Random(_))) => {
                    no_key = true;
                    continue;
                }
                Some(Either::First(_)) => {
                    failed = true;
                    continue;
                }
                Some(Either::Second(read)) => read,
                // Nothing comes any more on a wire that has failed.
                None if failed => {
                    common.with(State::eof);
                    continue;
                }
                None => {
                    no_key = false;
                    common.late()?;
                    continue;
                }
            };
            (busy, left_open, no_key) = (false, false, false);
            let piece = common.with(|state| match read {
                Ok(count) => {
                    state.alive.heard(clock.now_ms());
                    if count == 0 {
                        state.eof();
                        return Ok(None);
                    }
                    let mut lent = Lent::from_parts(lent, state.reserve);
                    let endpoint = &mut *state.endpoint;
                    let piece = endpoint.received(&mut lent, user, &mut scratch, count);
                    piece.map_err(|error| ReceiveError::broken(About::NO_ID, error))
                }
                Err(error) => {
                    state.eof();
                    Err(ReceiveError::Stack(error))
                }
            });
            if let Some(piece) = piece? {
                return Ok(piece);
            }
        }
    }
}

/// How much of the user's buffer may be read into directly. None where a Ping is kept, too: while it
/// is read the other half may begin the Pong to the one before.
fn direct(endpoint: &Endpoint, reserve: bool, room: usize) -> usize {
    let frame = endpoint.connection().rx.frame();
    let ping = frame.is_some_and(|frame| frame.opcode == Opcode::Ping);
    if ping && reserve { 0 } else { room }
}

/// What a receive does next.
enum Step<E: core::fmt::Debug> {
    Done(Result<Piece, ReceiveError<E>>),
    Write,
    Blocked,
    /// Into what, and how much of the user's buffer may be.
    Read(ReadInto, usize),
}

impl<M: RawMutex, R, W, P> core::fmt::Debug for Receiver<'_, '_, M, R, W, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
