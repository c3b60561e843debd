//! Receiving: Zephyr's `websocket_recv_msg`, and the socket face's `recv`.

use embedded_nal::{TcpClientStack, nb};
use ws_core::{Ended, Face, Receive};

use super::Table;
use crate::error::ReceiveError;
use crate::fmt::About;
use crate::message::Received;
use crate::session::Driven;
use crate::slots::{Direction, SlotStore};
use crate::timeout::Deadline;
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
    /// Pings are answered on the way ([`Config::answer_pings`](crate::Config)) and not handed out,
    /// unless they are [asked for](crate::Config::report_pings). The peer's Close comes as [`Flags::CLOSE`](crate::Flags::CLOSE) and is answered on the way;
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
        let job = Receive::new(Face::Messages, buffer).answering();
        self.receive(ws, job, timeout.into())
    }

    /// [`recv_msg`](Self::recv_msg) that waits for the end of the frame, as Zephyr's does: for less only
    /// where the buffer is full, where the time is up (what came until then has `remaining` set, and
    /// the next call goes on), or where the connection ends in the middle of the frame, which the next
    /// call says (`Lost` where the stack failed).
    ///
    /// # Errors
    /// As `recv_msg`.
    pub fn recv_frame(
        &mut self,
        ws: WebSocketId,
        buffer: &mut [u8],
        timeout: impl Into<Timeout>,
    ) -> Result<Received, ReceiveError<S::Error>> {
        if buffer.is_empty() {
            return Err(ReceiveError::EmptyBuffer);
        }
        let mut deadline = Deadline::new(timeout.into());
        let mut frame: Option<Received> = None;
        self.claimed(ws, Direction::Receive, |table| {
            loop {
                let begun = frame.map_or(0, |frame| frame.length);
                let free = buffer.get_mut(begun..).unwrap_or_default();
                let job = Receive::new(Face::Messages, free).answering();
                match (table.receive_until(ws, job, &mut deadline), frame) {
                    (Ok(piece), _) => {
                        let length = begun + piece.length;
                        let all = Received { length, ..piece };
                        if piece.remaining == 0 || length == buffer.len() {
                            return Ok(all);
                        }
                        frame = Some(all);
                    }
                    (Err(error), Some(frame)) => {
                        table.say_next(ws, &error);
                        return Ok(frame);
                    }
                    (Err(error), None) => return Err(error),
                }
            }
        })
    }

    /// Has the next receive say what ended this one, which has something to hand out.
    fn say_next(&mut self, ws: WebSocketId, error: &ReceiveError<S::Error>) {
        let ended = match error {
            ReceiveError::Protocol(error) => Ended::Protocol(*error),
            ReceiveError::NoPong => Ended::Gone,
            _ => return,
        };
        // Another task's attempt on the stack is waited for. An id that went meanwhile says so itself.
        let _ = self.repeat(ws, &mut Deadline::new(Timeout::Forever), &mut |entry, _| {
            if let Some(endpoint) = entry.endpoint_mut() {
                endpoint.unsay(ended);
            }
            true
        });
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
        self.receive(ws, Receive::peek(Face::Messages), timeout.into())
    }

    /// Receives what a socket would: payload of data messages, text and binary alike, without their
    /// boundaries. Control frames never show; Pings are answered. At
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
        if buffer.is_empty() {
            self.look(ws, |_| ())?;
            return Ok(0);
        }
        let job = Receive::new(Face::Stream, buffer).answering();
        let received = self.receive(ws, job, timeout.into())?;
        Ok(received.length)
    }

    fn receive(
        &mut self,
        ws: WebSocketId,
        job: Receive<'_>,
        timeout: Timeout,
    ) -> Result<Received, ReceiveError<S::Error>> {
        let mut deadline = Deadline::new(timeout);
        self.claimed(ws, Direction::Receive, |table| {
            table.receive_until(ws, job, &mut deadline)
        })
    }

    fn receive_until(
        &mut self,
        ws: WebSocketId,
        mut job: Receive<'_>,
        deadline: &mut Deadline,
    ) -> Result<Received, ReceiveError<S::Error>> {
        let driven = self.run(ws, deadline, &mut job)?;
        self.received(ws, driven.unwrap_or(Driven::Blocked), &job)
    }

    fn received(
        &mut self,
        ws: WebSocketId,
        driven: Driven,
        job: &Receive<'_>,
    ) -> Result<Received, ReceiveError<S::Error>> {
        let error = self.context.error.take();
        Ok(ReceiveError::outcome(About::id(ws), driven, job, error)?.into())
    }

    /// [`recv`](Self::recv) that does not wait.
    pub(super) fn try_receive_stream(
        &mut self,
        ws: WebSocketId,
        buffer: &mut [u8],
    ) -> nb::Result<usize, ReceiveError<S::Error>> {
        if buffer.is_empty() {
            return self.step(ws, |_, _| Ok(0));
        }
        let mut job = Receive::new(Face::Stream, buffer).answering();
        let driven = self.run_once(ws, &mut job).map_err(ReceiveError::Handle)?;
        match self.received(ws, driven, &job) {
            Ok(received) => Ok(received.length),
            Err(ReceiveError::Timeout) => Err(nb::Error::WouldBlock),
            Err(error) => Err(nb::Error::Other(error)),
        }
    }
}
