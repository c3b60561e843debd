//! The half that receives.

use core::pin::pin;

use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::{Read, Write};
use ws_core::{Face, Piece, Receive};

use super::common::{Common, Reading};
use crate::Timeout;
use crate::asynch::AsyncPlatform;
#[cfg(doc)]
use crate::asynch::WebSocket;
use crate::asynch::calls::stack_error;
use crate::asynch::drive::Drive;
use crate::asynch::wait::within;
use crate::error::ReceiveError;
use crate::fmt::About;
use crate::message::Received;
use crate::session::Driven;

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
    P: AsyncPlatform,
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
        let job = Receive::new(Face::Messages, buffer);
        Ok(self.run_within(job, timeout.into()).await?.into())
    }

    /// Waits for what [`recv_msg`](Self::recv_msg) would return next, and takes nothing of it: see
    /// [`WebSocket::peek`].
    ///
    /// # Errors
    /// As `recv_msg`, which says `Protocol` once more.
    pub async fn peek(
        &mut self,
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<R::Error>> {
        let job = Receive::peek(Face::Messages);
        Ok(self.run_within(job, timeout.into()).await?.into())
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
        if buffer.is_empty() {
            return Ok(0);
        }
        let job = Receive::new(Face::Stream, buffer);
        Ok(self.run_within(job, timeout.into()).await?.length)
    }

    async fn run_within(
        &mut self,
        job: Receive<'_>,
        timeout: Timeout,
    ) -> Result<Piece, ReceiveError<R::Error>> {
        let clock = self.common.begin(timeout, false);
        let piece = within(&clock, timeout, pin!(self.run(job))).await;
        piece.unwrap_or(Err(ReceiveError::Timeout))
    }

    async fn run(&mut self, mut job: Receive<'_>) -> Result<Piece, ReceiveError<R::Error>> {
        let mut drive = Drive {
            state: self.common,
            read: self.lent,
            free: false,
            wire: Reading {
                reader: self.reader,
                common: self.common,
                failed: false,
            },
            config: self.common.config,
        };
        let fault = drive.run(&mut job).await;
        ReceiveError::outcome(About::NO_ID, Driven::Done, &job, stack_error(fault))
    }
}

impl<M: RawMutex, R, W, P> core::fmt::Debug for Receiver<'_, '_, M, R, W, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
