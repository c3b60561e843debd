//! Sending: Zephyr's `websocket_send_msg`, and the socket face's `send`.

use embedded_nal::{TcpClientStack, nb};
use ws_core::{Opcode, Outgoing, Send, SendInPlace};

use super::Table;
use crate::error::SendError;
use crate::session::{Driven, SendJob};
use crate::slots::{Direction, SlotStore};
use crate::timeout::Deadline;
use crate::{Platform, Timeout, WebSocketId};

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Sends one frame: a message, or a fragment of one where `fin` is false (the first with its
    /// type, the others as [`Opcode::Continuation`]; RFC 6455 section 5.4), or a control frame of
    /// at most 125 bytes. A client's frames are masked, a server's are not. Text is taken as it is: it
    /// is the caller's to have it be UTF-8.
    ///
    /// Returns how many bytes of the payload went out within `timeout`. If that is less than all,
    /// the frame is open: call again with the rest, the same opcode and `fin`, before any other
    /// frame of this connection. A frame of which nothing went out is taken back, and the call may
    /// be made again or not. No copy of the payload is made: it is masked piece by piece on its
    /// way, in what is free of the lent buffer, or in 16 bytes on the stack where that is more. So much goes to the stack in one call, header included: a server's payload, and
    /// one [masked where it stands](Self::send_msg_mut), goes as it is.
    ///
    /// # Errors
    /// See [`SendError`]. `Timeout` means that nothing of the payload went out; whether the frame
    /// is open tells [`open_frame`](Self::open_frame).
    pub fn send_msg(
        &mut self,
        ws: WebSocketId,
        payload: &[u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<S::Error>> {
        self.send_frame(ws, Outgoing::whole(opcode, fin), payload, timeout.into())
    }

    /// Sends a frame, or a part of one, where the caller may say of masking.
    pub(crate) fn send_frame(
        &mut self,
        ws: WebSocketId,
        frame: Outgoing,
        payload: &[u8],
        timeout: Timeout,
    ) -> Result<usize, SendError<S::Error>> {
        self.send_all(ws, &mut Send::new(frame, payload), timeout)
    }

    /// [`send_msg`](Self::send_msg) without a copy: a client masks the payload where it stands and
    /// hands it to the stack. Its content is unspecified afterwards, except that a frame that was
    /// taken back (`Timeout`, no [`open_frame`](Self::open_frame)) leaves it as it was. The rest of
    /// a frame that is partly sent goes out by either call.
    ///
    /// # Errors
    /// As [`send_msg`](Self::send_msg).
    pub fn send_msg_mut(
        &mut self,
        ws: WebSocketId,
        payload: &mut [u8],
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<S::Error>> {
        let frame = Outgoing::whole(opcode, fin);
        let mut job = SendInPlace::new(frame, payload);
        self.send_all(ws, &mut job, timeout.into())
    }

    /// Sends a part of a frame whose payload is not all at hand: a message passed on while it is
    /// still coming in, a file read in pieces. `rest` is how many bytes of the frame's payload have
    /// not gone out yet, `part` the first of them; the first call opens a frame of `rest` bytes,
    /// the others go on with it. Otherwise as [`send_msg`](Self::send_msg), which is this with
    /// all of the rest.
    ///
    /// # Errors
    /// As [`send_msg`](Self::send_msg); `PartTooLong` where `part` is longer than `rest`.
    pub fn send_part(
        &mut self,
        ws: WebSocketId,
        part: &[u8],
        rest: usize,
        opcode: Opcode,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<S::Error>> {
        let frame = Outgoing::part(opcode, fin, rest, part).ok_or(SendError::PartTooLong)?;
        self.send_frame(ws, frame, part, timeout.into())
    }

    /// Sends what a socket would: a message of the type in
    /// [`StreamOptions::opcode`](crate::StreamOptions). Returns how many bytes went out within
    /// `timeout`; the next call goes on with whatever comes next, also inside the frame that is
    /// open. An empty payload sends nothing.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(
        &mut self,
        ws: WebSocketId,
        payload: &[u8],
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<S::Error>> {
        let frame = Outgoing::stream(self.stream.opcode);
        if payload.is_empty() {
            return self.claimed(ws, Direction::Send, |table| Ok(table.look(ws, |_| 0)?));
        }
        self.send_frame(ws, frame, payload, timeout.into())
    }

    /// [`send`](Self::send) that does not wait.
    pub(super) fn try_send_stream(
        &mut self,
        ws: WebSocketId,
        payload: &[u8],
    ) -> nb::Result<usize, SendError<S::Error>> {
        if payload.is_empty() {
            return self.step(ws, |_, _| Ok(0));
        }
        self.try_send(ws, Outgoing::stream(self.stream.opcode), payload)
    }

    /// Sends what goes out at once; `WouldBlock` where that is nothing.
    pub(super) fn try_send(
        &mut self,
        ws: WebSocketId,
        frame: Outgoing,
        payload: &[u8],
    ) -> nb::Result<usize, SendError<S::Error>> {
        let mut job = Send::new(frame, payload);
        let driven = self.run_once(ws, &mut job).map_err(SendError::Handle)?;
        match SendError::outcome(driven, &job, self.context.error.take()) {
            Err(SendError::Timeout) => Err(nb::Error::WouldBlock),
            sent => sent.map_err(nb::Error::Other),
        }
    }

    /// Sends until all is out, at most until the deadline.
    fn send_all(
        &mut self,
        ws: WebSocketId,
        job: &mut impl SendJob,
        timeout: Timeout,
    ) -> Result<usize, SendError<S::Error>> {
        let mut deadline = Deadline::new(timeout);
        self.claimed(ws, Direction::Send, |table| {
            let driven = table.run(ws, &mut deadline, job)?;
            let error = table.context.error.take();
            SendError::outcome(driven.unwrap_or(Driven::Blocked), job, error)
        })
    }
}
