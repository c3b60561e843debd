//! Sending: Zephyr's `websocket_send_msg`, and the socket face's `send`.

use embedded_nal::{TcpClientStack, nb};
use ws_core::Opcode;

use super::Table;
use crate::error::SendError;
use crate::session::{Outgoing, Payload, Sending};
use crate::slots::{Direction, SlotStore};
use crate::{Platform, Timeout, WebSocketId};

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Sends one frame: a message, or a fragment of one where `fin` is false (the first with its
    /// type, the others as [`Opcode::Continuation`]; RFC 6455 section 5.4), or a control frame of
    /// at most 125 bytes. `mask` says what the role demands anyway: true for a client, false for a
    /// server. Text is taken as it is: it is the caller's to have it be UTF-8.
    ///
    /// Returns how many bytes of the payload went out within `timeout`. If that is less than all,
    /// the frame is open: call again with the rest, the same opcode and `fin`, before any other
    /// frame of this connection. A frame of which nothing went out is taken back, and the call may
    /// be made again or not. No copy of the payload is made: it is masked piece by piece on its
    /// way, in what is free of the lent buffer, or in 16 bytes on the stack (4 KiB on a host) where
    /// that is more. So much goes to the stack in one call, header included: a server's payload, and
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
        mask: bool,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<S::Error>> {
        let frame = Outgoing::whole(opcode, fin, Some(mask));
        self.send_all(ws, frame, Payload::Keep(payload), timeout.into())
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
        mask: bool,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<S::Error>> {
        let frame = Outgoing::whole(opcode, fin, Some(mask));
        self.send_all(ws, frame, Payload::Mask(payload), timeout.into())
    }

    /// Sends a part of a frame whose payload is not all at hand: a message passed on while it is
    /// still coming in, a file read in pieces. `rest` is how many bytes of the frame's payload have
    /// not gone out yet, `part` the first of them; the first call opens a frame of `rest` bytes,
    /// the others go on with it. Otherwise as [`send_msg`](Self::send_msg), which is this with
    /// all of the rest.
    ///
    /// # Errors
    /// As [`send_msg`](Self::send_msg); `PartTooLong` where `part` is longer than `rest`.
    #[allow(clippy::too_many_arguments)] // send_msg's and one
    pub fn send_part(
        &mut self,
        ws: WebSocketId,
        part: &[u8],
        rest: usize,
        opcode: Opcode,
        mask: bool,
        fin: bool,
        timeout: impl Into<Timeout>,
    ) -> Result<usize, SendError<S::Error>> {
        let mut frame = Outgoing::part(opcode, fin, rest, part)?;
        frame.mask = Some(mask);
        self.send_all(ws, frame, Payload::Keep(part), timeout.into())
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
        if payload.is_empty() {
            let deadline = self.deadline(timeout.into());
            return self.claimed(ws, Direction::Send, |table| {
                let sent = table.wait_for(deadline, |table| table.try_send_stream(ws, &[]))?;
                sent.ok_or(SendError::Timeout)
            });
        }
        let frame = Outgoing::whole(self.stream.opcode, true, None);
        self.send_all(ws, frame, Payload::Keep(payload), timeout.into())
    }

    /// One step of [`send`](Self::send).
    pub(super) fn try_send_stream(
        &mut self,
        ws: WebSocketId,
        payload: &[u8],
    ) -> nb::Result<usize, SendError<S::Error>> {
        let frame = Outgoing::whole(self.stream.opcode, true, None);
        if payload.is_empty() {
            return self.step(ws, |_, _| Ok(0));
        }
        self.try_send(ws, frame, Payload::Keep(payload))
    }

    pub(super) fn try_send(
        &mut self,
        ws: WebSocketId,
        frame: Outgoing,
        payload: Payload<'_>,
    ) -> nb::Result<usize, SendError<S::Error>> {
        let mut sending = Sending::new(payload);
        let sent = self.step(ws, |entry, context| {
            entry.send(context, frame, &mut sending)
        });
        match (sent, sending.taken()) {
            (Err(nb::Error::WouldBlock), taken @ 1..) => Ok(taken),
            (sent, taken) => sent.map(|()| taken),
        }
    }

    /// Sends until all is out, at most until the deadline.
    fn send_all(
        &mut self,
        ws: WebSocketId,
        frame: Outgoing,
        payload: Payload<'_>,
        timeout: Timeout,
    ) -> Result<usize, SendError<S::Error>> {
        let deadline = self.deadline(timeout);
        let mut sending = Sending::new(payload);
        let mut sent = Err(SendError::Timeout);
        self.claimed(ws, Direction::Send, |table| {
            table.repeat(ws, deadline, &mut |entry, context| {
                match entry.send(context, frame, &mut sending) {
                    Ok(()) => sent = Ok(()),
                    Err(nb::Error::Other(error)) => sent = Err(error),
                    Err(nb::Error::WouldBlock) => return false,
                }
                true
            })
        })?;
        match (sent, sending.taken()) {
            (Ok(()), taken) | (Err(SendError::Timeout | SendError::Random(_)), taken @ 1..) => {
                Ok(taken)
            }
            (Err(error), _) => Err(error),
        }
    }
}
