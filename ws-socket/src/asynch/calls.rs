//! The calls on one connection: what the connection of one task and the table have in common.

use core::fmt::Debug;
use core::pin::pin;

use embassy_futures::poll_once;
use embedded_io_async::{Read, Write};
use ws_core::{Close, CloseCode, Face, Opcode, Outgoing, Piece, RandomError, Reason, Receive};

use super::drive::Fault;
use super::link::{Done, Link};
use super::wait::within;
use super::{AsyncPlatform, Clock};
use crate::Timeout;
use crate::error::{DisconnectError, ReceiveError, SendError};
use crate::message::Received;
use crate::session::{Driven, SendJob};
use crate::table::{Disconnected, check_code};

/// What a fault was, if it was the stream's.
pub(super) fn stack_error<E>(fault: Option<Fault<E>>) -> Option<E> {
    match fault {
        Some(Fault::Stack(error)) => Some(error),
        _ => None,
    }
}

/// What a send came to that was driven to its end.
pub(super) fn sent<E: Debug>(
    job: &dyn SendJob,
    fault: Option<Fault<E>>,
) -> Result<usize, SendError<E>> {
    let (driven, error) = match fault {
        None => (Driven::Done, None),
        Some(Fault::Stack(error)) => (Driven::Done, Some(error)),
        Some(_) => (Driven::NotConnected, None),
    };
    SendError::outcome(driven, job, error)
}

impl<T: Read + Write, P: AsyncPlatform> Link<'_, '_, T, P> {
    /// A call begins. One that does not wait has its turn, with `all` until it is done.
    fn begin(&mut self, timeout: Timeout, all: bool) -> P::Clock {
        if let (Timeout::NoWait, Some(endpoint)) = (timeout, self.entry.endpoint_mut()) {
            endpoint.begin_turn(all);
        }
        self.platform.clock()
    }

    /// Does a receive, to its end. Nothing waits after the point where a piece is taken: a drop would
    /// lose it. What became due with it goes out with the next call.
    async fn run(&mut self, mut job: Receive<'_>) -> Result<Piece, ReceiveError<T::Error>> {
        let Done::Over(fault) = self.drive(&mut job).await else {
            return Err(ReceiveError::NotConnected);
        };
        let about = self.entry.about;
        ReceiveError::outcome(about, Driven::Done, &job, stack_error(fault))
    }

    async fn run_within(
        &mut self,
        job: Receive<'_>,
        timeout: Timeout,
    ) -> Result<Piece, ReceiveError<T::Error>> {
        let clock = self.begin(timeout, false);
        let piece = within(&clock, timeout, pin!(self.run(job))).await;
        piece.unwrap_or(Err(ReceiveError::Timeout))
    }

    pub(super) async fn recv_msg(
        &mut self,
        buffer: &mut [u8],
        timeout: Timeout,
    ) -> Result<Received, ReceiveError<T::Error>> {
        if buffer.is_empty() {
            return Err(ReceiveError::EmptyBuffer);
        }
        let job = Receive::new(Face::Messages, buffer);
        Ok(self.run_within(job, timeout).await?.into())
    }

    pub(super) async fn peek(
        &mut self,
        timeout: Timeout,
    ) -> Result<Received, ReceiveError<T::Error>> {
        let job = Receive::peek(Face::Messages);
        Ok(self.run_within(job, timeout).await?.into())
    }

    /// Payload of data messages, without their boundaries.
    pub(super) async fn recv(
        &mut self,
        buffer: &mut [u8],
        timeout: Timeout,
    ) -> Result<usize, ReceiveError<T::Error>> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let job = Receive::new(Face::Stream, buffer);
        Ok(self.run_within(job, timeout).await?.length)
    }

    /// Waits until a receive would have a result.
    pub(super) async fn readable(&mut self, face: Face) {
        let _ = self.drive(&mut Receive::look(face)).await;
    }

    /// Would a receive have a result now?
    pub(super) fn is_readable(&mut self, face: Face) -> bool {
        self.begin(Timeout::NoWait, false);
        poll_once(self.readable(face)).is_ready()
    }

    /// Goes on with a send to its end.
    pub(super) async fn send(
        &mut self,
        job: &mut (dyn SendJob + Send),
    ) -> Result<usize, SendError<T::Error>> {
        let mut attempt = Attempt {
            job,
            link: self,
            over: false,
        };
        let done = attempt.link.drive(&mut *attempt.job).await;
        attempt.over = true;
        match done {
            Done::NotConnected => Err(SendError::NotConnected),
            Done::Over(fault) => sent(&*attempt.job, fault),
        }
    }

    /// [`send`](Self::send), at most for `timeout`.
    pub(super) async fn send_all(
        &mut self,
        job: &mut (dyn SendJob + Send),
        timeout: Timeout,
    ) -> Result<usize, SendError<T::Error>> {
        let clock = self.begin(timeout, true);
        let sent = within(&clock, timeout, pin!(self.send(job))).await;
        self.begin(timeout, false);
        sent.unwrap_or_else(|| {
            // All of an empty frame may be out.
            let endpoint = self.entry.endpoint_mut();
            let said = endpoint.is_some_and(|endpoint| job.say(endpoint));
            match job.taken() {
                0 if !said => Err(SendError::Timeout),
                taken => Ok(taken),
            }
        })
    }

    pub(super) async fn send_stream(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        timeout: Timeout,
    ) -> Result<usize, SendError<T::Error>> {
        if payload.is_empty() {
            return Ok(0);
        }
        let mut job = ws_core::Send::new(Outgoing::stream(opcode), payload);
        self.send_all(&mut job, timeout).await
    }

    pub(super) async fn disconnect(
        &mut self,
        code: CloseCode,
        reason: &str,
        until_eof: bool,
        timeout: Timeout,
    ) -> Result<Disconnected, DisconnectError> {
        check_code(code)?;
        let clock = self.begin(timeout, false);
        let mut job = Close::new(code, until_eof);
        let close = async {
            if !reason.is_empty() {
                self.drive(&mut Reason::new(code, reason)).await;
            }
            self.drive(&mut job).await
        };
        let _ = within(&clock, timeout, pin!(close)).await;
        if job.lacks_key() {
            return Err(RandomError.into());
        }
        Ok(Disconnected::new(self.entry.closing(), self.entry.about))
    }
}

/// A send under way. Dropped before a byte of its frame is out, it takes the frame back.
struct Attempt<'j, 'l, 'a, 'buf, T: Read + Write, P: AsyncPlatform> {
    job: &'j mut (dyn SendJob + Send),
    link: &'l mut Link<'a, 'buf, T, P>,
    over: bool,
}

impl<T: Read + Write, P: AsyncPlatform> Drop for Attempt<'_, '_, '_, '_, T, P> {
    fn drop(&mut self) {
        let now = self.link.platform.clock().now_ms();
        if let Some(open) = self.link.entry.open() {
            self.job.end(open.endpoint);
            if !self.over {
                *open.full_at = Some(now);
            }
        }
    }
}
