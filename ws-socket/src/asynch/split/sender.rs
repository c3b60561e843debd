//! The half that sends.

use core::pin::pin;

use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::Write;
use ws_core::{CloseCode, Opcode, Outgoing, ProtocolError, RandomError, SendClose, SendInPlace};

use super::common::{CONTROL_SCRATCH, Common, Shared};
use crate::Timeout;
use crate::asynch::AsyncPlatform;
#[cfg(doc)]
use crate::asynch::WebSocket;
use crate::asynch::calls::sent;
use crate::asynch::wait::within;
#[cfg(doc)]
use crate::error::ReceiveError;
use crate::error::SendError;
use crate::session::{SEND_SCRATCH, SendJob};

/// The half that sends.
pub struct Sender<'h, 's, M: RawMutex, W, P> {
    pub(super) common: &'h Common<'s, M, W, P>,
}

impl<M: RawMutex, W: Write, P: AsyncPlatform> Sender<'_, '_, M, W, P> {
    /// Sends one frame: see [`WebSocket::send_msg`], also for what a drop means. Where a Pong is half
    /// out it waits for the rest of the Ping, which the other half has to receive.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send_msg(
        &mut self,
        payload: &[u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<W::Error>> {
        let frame = Outgoing::whole(opcode, fin);
        let mut job = ws_core::Send::new(frame, payload);
        self.send_all(&mut job, timeout.into()).await
    }

    /// [`send_msg`](Self::send_msg) without a copy: see [`WebSocket::send_msg_mut`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send_msg_mut(
        &mut self,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<W::Error>> {
        let frame = Outgoing::whole(opcode, fin);
        let mut job = SendInPlace::new(frame, payload);
        self.send_all(&mut job, timeout.into()).await
    }

    /// Sends a part of a frame whose payload is not all at hand: see [`WebSocket::send_part`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send_part(
        &mut self,
        part: &[u8],
        rest: usize,
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<W::Error>> {
        let frame = Outgoing::part(opcode, fin, rest, part).ok_or(SendError::PartTooLong)?;
        let mut job = ws_core::Send::new(frame, part);
        self.send_all(&mut job, timeout.into()).await
    }

    /// Begins the closing handshake: sends a Close with `code` and `reason` (the first 123 bytes of
    /// it). The other half then receives until [`ReceiveError::Closed`], and after that
    /// [`WebSocket::disconnect`] has no more to wait for than TCP.
    ///
    /// # Errors
    /// [`SendError::NotConnected`] where a Close has been sent already, [`SendError::Close`] for a
    /// code that may not be sent, [`SendError::Timeout`] where not all of it went out in time.
    ///
    /// # Cancellation
    /// Dropped, or out of time, it goes on when called again, with the same `code` and `reason`.
    pub async fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<(), SendError<W::Error>> {
        if code != CloseCode::NO_STATUS && !code.is_valid_on_wire() {
            let error = ProtocolError::CloseCode(code.0);
            return Err(SendError::Close(error));
        }
        let timeout = timeout.into();
        let clock = self.common.begin(timeout, true);
        let closed = within(&clock, timeout, pin!(self.send_close(code, reason))).await;
        self.common.begin(timeout, false);
        closed.unwrap_or(Err(SendError::Timeout))
    }

    async fn send_close(
        &mut self,
        code: CloseCode,
        reason: &str,
    ) -> Result<(), SendError<W::Error>> {
        let common = self.common;
        let _leaving = Leaving { common };
        let mut wire = common.boundary().await;
        let mut scratch = [0; CONTROL_SCRATCH];
        let mut job = SendClose::new(code, reason);
        let fault = common.drive(&mut wire, &mut job, &mut scratch).await;
        match (job.refusal(), fault) {
            (Some(refusal), _) => Err(refusal.into()),
            (None, Some(fault)) => Err(fault.into()),
            (None, None) if job.lacks_key() => Err(RandomError.into()),
            (None, None) => Ok(()),
        }
    }

    /// Bytes of the frame that is partly sent and that the next send has to go on with; `None`
    /// where none is.
    pub fn open_frame(&self) -> Option<usize> {
        let look = |shared: &mut Shared<'_, P>| shared.state.endpoint.open_frame();
        self.common.look(look)
    }

    /// Is a message of ours partly sent as fragments?
    pub fn in_message(&self) -> bool {
        let look = |shared: &mut Shared<'_, P>| shared.state.endpoint.connection().tx.in_message();
        self.common.look(look)
    }

    async fn send_all(
        &mut self,
        job: &mut (dyn SendJob + Send),
        timeout: Timeout,
    ) -> Result<usize, SendError<W::Error>> {
        let clock = self.common.begin(timeout, true);
        let sent = within(&clock, timeout, pin!(self.send(job))).await;
        self.common.begin(timeout, false);
        sent.unwrap_or_else(|| {
            // All of an empty frame may be out.
            let said = self.common.look(|shared| job.say(shared.state.endpoint));
            match job.taken() {
                0 if !said => Err(SendError::Timeout),
                taken => Ok(taken),
            }
        })
    }

    async fn send(&mut self, job: &mut (dyn SendJob + Send)) -> Result<usize, SendError<W::Error>> {
        let common = self.common;
        // After the wire's end, whatever that is.
        let _leaving = Leaving { common };
        let mut wire = common.boundary().await;
        let mut scratch = [0; SEND_SCRATCH];
        let attempt = Attempt { job, common };
        let fault = common
            .drive(&mut wire, &mut *attempt.job, &mut scratch)
            .await;
        sent(&*attempt.job, fault)
    }
}

/// A send that ends, also by a drop: what it leaves due is the receiver's to write.
struct Leaving<'h, 's, M: RawMutex, W, P> {
    common: &'h Common<'s, M, W, P>,
}

impl<M: RawMutex, W, P> Drop for Leaving<'_, '_, M, W, P> {
    fn drop(&mut self) {
        self.common.look(|shared| {
            if shared.is_due() {
                shared.answerer.wake();
            }
        });
    }
}

/// A frame that is being sent; dropped before a byte of it is out, it is taken back.
struct Attempt<'j, 'h, 's, M: RawMutex, W, P> {
    job: &'j mut (dyn SendJob + Send),
    common: &'h Common<'s, M, W, P>,
}

impl<M: RawMutex, W, P> Drop for Attempt<'_, '_, '_, M, W, P> {
    fn drop(&mut self) {
        self.common
            .look(|shared| self.job.end(shared.state.endpoint));
    }
}

impl<M: RawMutex, W, P> core::fmt::Debug for Sender<'_, '_, M, W, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
