//! Receiving: Zephyr's `websocket_recv_msg`, and the socket face's `recv`.

use embedded_nal::{TcpClientStack, nb};
use ws_core::Face;

use super::Table;
use crate::error::ReceiveError;
use crate::message::Received;
use crate::slots::{Direction, SlotStore};
use crate::{Platform, Timeout, WebSocketId};

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Receives a piece of a message: up to `buffer.len()` bytes of one frame, as soon as there is
    /// anything. The message is complete with the piece for which
    /// [`Received::is_complete`]; nothing is lost by a buffer that is smaller than the message.
    ///
    /// A length of 0 is no error: an empty message, or an empty last fragment. An empty `buffer` is
    /// one ([`peek`](Self::peek) needs none).
    ///
    /// Pings are answered on the way and not handed out, unless the lent buffer is shorter than 126
    /// bytes: then they come here, and the Pong with the same payload is the caller's to send.
    /// The peer's Close comes as [`Flags::CLOSE`](crate::Flags::CLOSE) and is answered on the way;
    /// what is called after that gets [`ReceiveError::Closed`].
    ///
    /// # Errors
    /// See [`ReceiveError`]. `Timeout`, `EmptyBuffer` and `Busy` take nothing away: call again. After all
    /// others nothing more comes, and [`disconnect`](Self::disconnect) is what is left to do.
    pub fn recv_msg(
        &mut self,
        ws: WebSocketId,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<S::Error>> {
        if buffer.is_empty() {
            return Err(ReceiveError::EmptyBuffer);
        }
        self.receive(ws, Face::Messages, buffer, timeout.into())
    }

    /// Waits for what [`recv_msg`](Self::recv_msg) would return next, at most for `timeout`, and
    /// takes nothing of it: `flags` say its type, `remaining` how many bytes of its frame are still
    /// to come, `length` is 0. Pings are answered on the way.
    ///
    /// # Errors
    /// As `recv_msg`, which says `Protocol` once more.
    pub fn peek(
        &mut self,
        ws: WebSocketId,
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<S::Error>> {
        let deadline = self.deadline(timeout.into());
        let mut found = Err(ReceiveError::Timeout);
        self.claimed(ws, Direction::Receive, |table| {
            table.repeat(ws, deadline, &mut |entry, context| {
                match entry.peek(context) {
                    Some(result) => found = result,
                    None => return false,
                }
                true
            })
        })?;
        found
    }

    /// Receives what a socket would: payload of data messages, text and binary alike, without their
    /// boundaries. Control frames never show; Pings are answered with any lent buffer, none too. At
    /// least one byte, or 0 for an empty `buffer`.
    ///
    /// # Errors
    /// See [`ReceiveError`]; the end of the stream is `Closed` or `Lost`.
    pub fn recv(
        &mut self,
        ws: WebSocketId,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<usize, ReceiveError<S::Error>> {
        let received = self.receive(ws, Face::Stream, buffer, timeout.into())?;
        Ok(received.length)
    }

    fn receive(
        &mut self,
        ws: WebSocketId,
        face: Face,
        buffer: &mut [u8],
        timeout: Timeout,
    ) -> Result<Received, ReceiveError<S::Error>> {
        let deadline = self.deadline(timeout);
        let mut received = Err(ReceiveError::Timeout);
        self.claimed(ws, Direction::Receive, |table| {
            table.repeat(ws, deadline, &mut |entry, context| {
                match entry.receive_on(context, face, buffer) {
                    Some(result) => received = result,
                    None => return false,
                }
                true
            })
        })?;
        received
    }

    /// One step of [`recv`](Self::recv).
    pub(super) fn try_receive_stream(
        &mut self,
        ws: WebSocketId,
        buffer: &mut [u8],
    ) -> nb::Result<usize, ReceiveError<S::Error>> {
        self.step(ws, |entry, context| {
            match entry.receive_on(context, Face::Stream, buffer) {
                Some(Ok(received)) => Ok(received.length),
                Some(Err(error)) => Err(nb::Error::Other(error)),
                None => Err(nb::Error::WouldBlock),
            }
        })
    }
}
