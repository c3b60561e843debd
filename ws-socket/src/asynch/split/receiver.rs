//! The half that receives.

use core::future::pending;
use core::pin::pin;

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::{Read, Write};
use ws_core::{Endpoint, Face, Lent, Next, Opcode, Piece, RandomError, ReadInto, SCRATCH};

use super::common::Common;
use crate::Timeout;
#[cfg(doc)]
use crate::asynch::WebSocket;
use crate::asynch::receive::MAX_READS;
use crate::asynch::wait::{at_most, within};
use crate::asynch::{Clock, Platform};
use crate::error::{ReceiveError, SendError};
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
        let clock = self.common.clock();
        let piece = self.receive(Face::Messages, buffer);
        let piece = within(&clock, timeout.into(), pin!(piece)).await;
        Ok(piece.ok_or(ReceiveError::Timeout)??.into())
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
        let clock = self.common.clock();
        let received = async {
            let mut empty = 0;
            while !buffer.is_empty() {
                let piece = self.receive(Face::Stream, buffer).await?;
                if piece.length > 0 {
                    return Ok(piece.length);
                }
                empty += 1;
                if empty % MAX_READS == 0 {
                    yield_now().await;
                }
            }
            Ok(0)
        };
        let received = within(&clock, timeout.into(), pin!(received)).await;
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
        // The wire does not take a control frame just now; or it has failed, which shows in the
        // next read.
        let (mut busy, mut failed) = (false, false);
        // There is no mask key: the next read is no reason to give up.
        let mut no_key = false;
        // A frame was left open by whoever sent it.
        let mut left_open = false;
        let clock = common.clock();
        let mut rounds = 0;
        loop {
            rounds += 1;
            if rounds % MAX_READS == 0 {
                yield_now().await;
            }
            let left = common.with(|state| state.alive.left(common.config, clock.now_ms()));
            let next = common.with(|state| {
                let has_reserve = !state.reserve.is_empty();
                let mut lent = Lent::from_parts(lent, state.reserve);
                let endpoint = &mut *state.endpoint;
                match endpoint.advance(&mut lent, face, out.len(), busy || failed || no_key) {
                    Next::Ready => match endpoint.take(&mut lent, out) {
                        Ok(Some(piece)) => Step::Done(Ok(piece)),
                        Ok(None) => Step::Done(Err(ReceiveError::NotConnected)),
                        Err(error) => Step::Done(Err(error.into())),
                    },
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
            let read = reader.read(into.buffer(lent, user, &mut scratch));
            let answer = async {
                if failed || no_key {
                    pending().await
                } else {
                    common.answer().await
                }
            };
            let either = at_most(&clock, left, pin!(select(answer, read))).await;
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
                    Ok(endpoint.received(&mut lent, user, &mut scratch, count)?)
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
