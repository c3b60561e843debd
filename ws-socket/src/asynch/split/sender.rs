//! The half that sends.

use core::pin::pin;

use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_io_async::Write;
use ws_core::{CloseCode, MAX_CONTROL_PAYLOAD, Opcode, write_close};

use super::common::{Common, State};
use crate::Timeout;
#[cfg(doc)]
use crate::asynch::WebSocket;
use crate::asynch::link::key;
use crate::asynch::send::written;
use crate::asynch::wait::{MAX_READS, within};
use crate::asynch::{Clock, Platform};
#[cfg(doc)]
use crate::error::ReceiveError;
use crate::error::SendError;
use crate::session::{Outgoing, Payload, SEND_SCRATCH, Sending};

/// The half that sends.
pub struct Sender<'h, 's, M: RawMutex, W, P> {
    pub(super) common: &'h Common<'s, M, W, P>,
}

impl<M: RawMutex, W: Write, P: Platform> Sender<'_, '_, M, W, P> {
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
        let frame = Outgoing::whole(opcode, fin, None).on_messages(self.common.masks);
        let payload = Payload::Keep(payload);
        self.send_frame(frame, payload, timeout.into()).await
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
        let frame = Outgoing::whole(opcode, fin, None).on_messages(self.common.masks);
        let payload = Payload::Mask(payload);
        self.send_frame(frame, payload, timeout.into()).await
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
        let frame = Outgoing::part(opcode, fin, rest, part)?.on_messages(self.common.masks);
        let payload = Payload::Keep(part);
        self.send_frame(frame, payload, timeout.into()).await
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
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        let payload = write_close(code, reason, &mut payload).map_err(SendError::Close)?;
        let frame = Outgoing::whole(Opcode::Close, true, None);
        let begun = self.common.with(|state| {
            let tx = &state.endpoint.connection().tx;
            let open = state.endpoint.frame_open() && tx.opcode() == Some(Opcode::Close);
            let unsaid = state.alive.unsaid == Some((Opcode::Close, true));
            open.then(|| tx.remaining()).or(unsaid.then_some(0))
        });
        let taken = payload.len().checked_sub(begun.unwrap_or(payload.len()));
        let rest = payload.get(taken.unwrap_or(0)..).unwrap_or_default();
        let sent = self.send_frame(frame, Payload::Keep(rest), timeout.into());
        if sent.await? < rest.len() {
            return Err(SendError::Timeout);
        }
        Ok(())
    }

    /// Bytes of the frame that is partly sent and that the next send has to go on with; `None`
    /// where none is.
    pub fn open_frame(&self) -> Option<usize> {
        self.common.with(|state| {
            let unsaid = state.alive.unsaid.map(|_| 0);
            let open = state.endpoint.frame_open();
            open.then(|| state.endpoint.connection().tx.remaining())
                .or(unsaid)
        })
    }

    /// Is a message of ours partly sent as fragments?
    pub fn in_message(&self) -> bool {
        let look = |state: &mut State<'_, P>| state.endpoint.connection().tx.in_message();
        self.common.with(look)
    }

    async fn send_frame(
        &mut self,
        frame: Outgoing,
        payload: Payload<'_>,
        timeout: Timeout,
    ) -> Result<usize, SendError<W::Error>> {
        let clock = self.common.clock();
        let turns = |turns| {
            if timeout == Timeout::NoWait {
                self.common.with(|state| state.alive.restart(turns));
            }
        };
        turns(u32::MAX);
        let mut progress = Progress::default();
        let sent = within(
            &clock,
            timeout,
            pin!(self.send(frame, payload, &mut progress)),
        )
        .await;
        turns(MAX_READS);
        match sent {
            Some(sent) => sent.map(|()| progress.taken),
            // All of an empty frame may be out.
            None if progress.out => {
                self.common.with(|state| state.alive.unsaid = None);
                Ok(progress.taken)
            }
            None if progress.taken == 0 => Err(SendError::Timeout),
            None => Ok(progress.taken),
        }
    }

    async fn send(
        &mut self,
        frame: Outgoing,
        payload: Payload<'_>,
        progress: &mut Progress,
    ) -> Result<(), SendError<W::Error>> {
        let common = self.common;
        common.with(|state| frame.check(state.endpoint))?;
        // Behind the wire's end, whatever that is.
        let _leaving = Leaving { common };
        let mut wire = common.boundary().await?;
        // What a call before has sent without saying so only has to be flushed.
        let unsaid = common.with(|state| state.alive.unsaid.take());
        if !(payload.is_empty() && unsaid == Some((frame.opcode, frame.fin))) {
            let taken = &mut progress.taken;
            self.send_bytes(&mut wire, frame, payload, taken).await?;
        }
        progress.out = common.with(|state| {
            let out = !state.endpoint.frame_open();
            state.alive.unsaid = out.then_some((frame.opcode, frame.fin));
            out
        });
        // And what the other half has had to wait with.
        let flushed = common.flush_control(&mut wire).await;
        common.with(|state| state.alive.unsaid = None);
        flushed
    }

    async fn send_bytes(
        &mut self,
        wire: &mut W,
        frame: Outgoing,
        payload: Payload<'_>,
        taken: &mut usize,
    ) -> Result<(), SendError<W::Error>> {
        let common = self.common;
        let sending = common.with(|state| {
            let platform = &mut *state.platform;
            Sending::begin(state.endpoint, frame, payload, || key(platform))
        })?;
        let mut attempt = Attempt { common, sending };
        let mut scratch = [0; SEND_SCRATCH];
        loop {
            let Attempt { sending, .. } = &mut attempt;
            let bytes = common.with(|state| sending.bytes(state.endpoint, &mut scratch));
            if bytes.is_empty() {
                break;
            }
            if common.with(|state| state.alive.turn()) {
                yield_now().await;
            }
            let count = written(wire.write(bytes).await)?;
            let clock = common.clock();
            common.with(|state| {
                state.alive.unflushed = true;
                sending.sent(state.endpoint, count);
                // Whoever takes a frame while the Ping behind it has to wait is there.
                if state.endpoint.ping_due() {
                    state.alive.ping_sent(clock.now_ms());
                }
            });
            *taken = sending.taken();
        }
        Ok(())
    }
}

/// How far a send has come.
#[derive(Default)]
struct Progress {
    /// So much of the payload is out.
    taken: usize,
    /// All of the frame is.
    out: bool,
}

/// A send that ends, also by a drop: what it leaves due is the receiver's to write.
struct Leaving<'h, 's, M: RawMutex, W: Write, P: Platform> {
    common: &'h Common<'s, M, W, P>,
}

impl<M: RawMutex, W: Write, P: Platform> Drop for Leaving<'_, '_, M, W, P> {
    fn drop(&mut self) {
        self.common.with(|state| {
            if state.is_due() {
                state.receiver.wake();
            }
        });
    }
}

/// A frame that is being sent; dropped before a byte of it is out, it is taken back.
struct Attempt<'h, 's, 'p, M: RawMutex, W: Write, P: Platform> {
    common: &'h Common<'s, M, W, P>,
    sending: Sending<'p>,
}

impl<M: RawMutex, W: Write, P: Platform> Drop for Attempt<'_, '_, '_, M, W, P> {
    fn drop(&mut self) {
        let Self { common, sending } = self;
        let _ = common.with(|state| sending.end(state.endpoint));
    }
}

impl<M: RawMutex, W, P> core::fmt::Debug for Sender<'_, '_, M, W, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
