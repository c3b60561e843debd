//! The calls on one connection: what the connection of one task and the table have in common.

use core::pin::pin;

use embedded_io_async::{Read, Write};
use ws_core::{CloseCode, Face, Opcode};

use super::Platform;
use super::link::Link;
use super::wait::{MAX_READS, within};
use crate::Timeout;
use crate::error::{DisconnectError, ReceiveError, SendError};
use crate::message::Received;
use crate::session::{Outgoing, Payload};
use crate::table::Disconnected;

impl<T: Read + Write, P: Platform> Link<'_, '_, T, P> {
    pub(super) async fn recv_msg(
        &mut self,
        buffer: &mut [u8],
        timeout: Timeout,
    ) -> Result<Received, ReceiveError<T::Error>> {
        if buffer.is_empty() {
            return Err(ReceiveError::EmptyBuffer);
        }
        let clock = self.begin(timeout, MAX_READS);
        let piece = within(&clock, timeout, pin!(self.receive(Face::Messages, buffer))).await;
        Ok(piece.ok_or(ReceiveError::Timeout)??.into())
    }

    pub(super) async fn peek(
        &mut self,
        timeout: Timeout,
    ) -> Result<Received, ReceiveError<T::Error>> {
        let clock = self.begin(timeout, MAX_READS);
        let found = within(&clock, timeout, pin!(self.find(Face::Messages, 0))).await;
        found.ok_or(ReceiveError::Timeout)??;
        let endpoint = self.entry.endpoint().ok_or(ReceiveError::NotConnected)?;
        let piece = endpoint.peek()?;
        Ok(piece.ok_or(ReceiveError::NotConnected)?.into())
    }

    /// A call begins that has so many turns if it does not wait. Its clock.
    fn begin(&mut self, timeout: Timeout, turns: u32) -> P::Clock {
        if timeout == Timeout::NoWait {
            self.alive.restart(turns);
        }
        self.platform.clock()
    }

    pub(super) async fn recv(
        &mut self,
        buffer: &mut [u8],
        timeout: Timeout,
    ) -> Result<usize, ReceiveError<T::Error>> {
        let clock = self.begin(timeout, MAX_READS);
        let received = within(&clock, timeout, pin!(self.receive_stream(buffer))).await;
        received.ok_or(ReceiveError::Timeout)?
    }

    /// Payload of data messages, without their boundaries.
    pub(super) async fn receive_stream(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<usize, ReceiveError<T::Error>> {
        while !buffer.is_empty() {
            let piece = self.receive(Face::Stream, buffer).await?;
            if piece.length > 0 {
                return Ok(piece.length);
            }
        }
        Ok(0)
    }

    pub(super) async fn send_frame(
        &mut self,
        frame: Outgoing,
        payload: Payload<'_>,
        timeout: Timeout,
    ) -> Result<usize, SendError<T::Error>> {
        let clock = self.begin(timeout, u32::MAX);
        let mut taken = 0;
        let sent = within(
            &clock,
            timeout,
            pin!(self.send(frame, payload, false, &mut taken)),
        )
        .await;
        self.begin(timeout, MAX_READS);
        match sent {
            Some(sent) => sent.map(|()| taken),
            None => self.timed_out(taken),
        }
    }

    /// The time of a send is up, and so much of its payload is out.
    const fn timed_out(&mut self, taken: usize) -> Result<usize, SendError<T::Error>> {
        // All of an empty frame may be.
        match self.alive.unsaid.take() {
            None if taken == 0 => Err(SendError::Timeout),
            _ => Ok(taken),
        }
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
        let clock = self.begin(timeout, u32::MAX);
        let mut taken = 0;
        let all = self.send_all(opcode, payload, &mut taken);
        let sent = within(&clock, timeout, pin!(all)).await;
        self.begin(timeout, MAX_READS);
        match sent {
            Some(Err(SendError::Random(_))) if taken > 0 => Ok(taken),
            Some(sent) => sent.map(|()| taken),
            None => self.timed_out(taken),
        }
    }

    /// More than one frame goes out only where one is open that is shorter than the payload.
    async fn send_all(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        taken: &mut usize,
    ) -> Result<(), SendError<T::Error>> {
        while let Some(rest @ [_, ..]) = payload.get(*taken..) {
            let frame = Outgoing::whole(opcode, true, None);
            self.send(frame, Payload::Keep(rest), false, taken).await?;
        }
        Ok(())
    }

    pub(super) async fn disconnect(
        &mut self,
        code: CloseCode,
        reason: &str,
        until_eof: bool,
        timeout: Timeout,
    ) -> Result<Disconnected, DisconnectError> {
        if code != CloseCode::NO_STATUS && !code.is_valid_on_wire() {
            return Err(DisconnectError::Code(code));
        }
        let clock = self.begin(timeout, MAX_READS);
        let closed = within(&clock, timeout, pin!(self.close(code, reason, until_eof))).await;
        closed.unwrap_or(Ok(()))?;
        Ok(Disconnected::new(self.entry.closing(), self.entry.about))
    }
}
