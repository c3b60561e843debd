//! Closing: Zephyr's `websocket_disconnect`.

use embedded_nal::{TcpClientStack, nb};
use ws_core::{CloseCode, MAX_CONTROL_PAYLOAD, Opcode, write_close};

use super::Table;
use crate::error::{DisconnectError, HandleError, SendError};
use crate::fmt::debug;
use crate::session::{Closing, Entry, Outgoing, Payload};
use crate::slots::SlotStore;
use crate::timeout::Deadline;
use crate::{Platform, Timeout, WebSocketId};

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnected {
    /// The closing handshake was completed: both Close frames went their way (RFC 6455
    /// section 7.1.4).
    pub clean: bool,
    /// The peer's code: [`CloseCode::NO_STATUS`] where its Close had none,
    /// [`CloseCode::ABNORMAL`] where none came (section 7.1.5).
    pub code: CloseCode,
}

impl From<Closing> for Disconnected {
    fn from(closing: Closing) -> Self {
        let code = closing.code.unwrap_or(CloseCode::ABNORMAL);
        debug!("closed, clean {}, code {}", closing.clean, code.0);
        Self {
            clean: closing.clean,
            code,
        }
    }
}

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Closes a connection with 1000: see [`disconnect_with`](Self::disconnect_with).
    ///
    /// # Errors
    /// An id that is none.
    pub fn disconnect(
        &mut self,
        ws: WebSocketId,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        self.disconnect_with(ws, CloseCode::NORMAL, "", timeout)
    }

    /// Closes a connection: sends a Close with `code` and `reason` (the first 123 bytes of it),
    /// drops what data still comes until the peer's Close, and closes TCP, the server first (RFC
    /// 6455 section 7.1.1), all at most for `timeout`. If the peer has closed already, its Close is
    /// answered with its own code. Where a frame is partly sent there can be no Close in the middle
    /// of it, and TCP is closed at once.
    ///
    /// Whatever happens, the slot is free and the TCP socket closed afterwards.
    ///
    /// # Errors
    /// An id that is none, one whose connection another task works on at this moment, or a code that
    /// may not be sent (section 7.4; [`CloseCode::NO_STATUS`] sends a Close without one): then
    /// nothing has happened.
    pub fn disconnect_with(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        let deadline = self.deadline(timeout.into());
        let closing = self.closing_handshake(ws, code, reason, true, deadline)?;
        self.wait_for::<_, HandleError>(deadline, |table| Ok(table.drop_connection(ws)?))?
            .ok_or(HandleError::Busy)?;
        Ok(closing.into())
    }

    /// [`disconnect_with`](Self::disconnect_with), but the TCP socket is the caller's afterwards,
    /// open, as Zephyr leaves it.
    ///
    /// # Errors
    /// As [`disconnect_with`](Self::disconnect_with).
    pub fn disconnect_keeping_socket(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<(Disconnected, S::TcpSocket), DisconnectError> {
        let deadline = self.deadline(timeout.into());
        let closing = self.closing_handshake(ws, code, reason, false, deadline)?;
        let socket = self
            .wait_for::<_, HandleError>(deadline, |table| Ok(table.slots.vacate(ws)?))?
            .ok_or(HandleError::Busy)?
            .ok_or(HandleError::Stale)?;
        Ok((closing.into(), socket))
    }

    /// Frees the slot and closes TCP at once, without a Close: what is due is lost.
    ///
    /// # Errors
    /// As [`disconnect_with`](Self::disconnect_with).
    pub fn abort(&mut self, ws: WebSocketId) -> Result<(), HandleError> {
        Ok(self.drop_connection(ws)?)
    }

    fn closing_handshake(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        reason: &str,
        until_eof: bool,
        deadline: Deadline,
    ) -> Result<Closing, DisconnectError> {
        if code != CloseCode::NO_STATUS && !code.is_valid_on_wire() {
            return Err(DisconnectError::Code(code));
        }
        let open = self.looked_at(ws, deadline, |entry| {
            entry
                .endpoint()
                .map(|endpoint| (endpoint.frame_open(), endpoint.connection().tx.masks()))
        })?;
        let Some((frame_open, masks)) = open else {
            return Ok(Closing {
                clean: false,
                code: None,
            });
        };
        if !reason.is_empty() && !frame_open {
            let mut payload = [0; MAX_CONTROL_PAYLOAD];
            let payload = write_close(code, reason, &mut payload).unwrap_or_default();
            let length = payload.len();
            let mut taken = 0;
            // Where this fails there is a Close without a reason, or none: see below.
            let _ = self.wait_for::<_, SendError<S::Error>>(deadline, |table| {
                let rest = payload.get(taken..).unwrap_or_default();
                let frame = Outgoing::whole(Opcode::Close, true, Some(masks));
                taken += table.try_send(ws, frame, Payload::Keep(rest))?;
                if taken < length {
                    Err(nb::Error::WouldBlock)
                } else {
                    Ok(())
                }
            });
        }
        if !frame_open {
            self.wait_for(deadline, |table| {
                table.step(ws, |entry, context| {
                    entry.begin_close(code);
                    entry.close(context, until_eof)
                })
            })?;
        }
        Ok(self.looked_at(ws, deadline, |entry| entry.closing())?)
    }

    /// What there is to see of a slot, as soon as it is not checked out.
    fn looked_at<R>(
        &mut self,
        ws: WebSocketId,
        deadline: Deadline,
        mut look: impl FnMut(&Entry<'buf, S::TcpSocket>) -> R,
    ) -> Result<R, HandleError> {
        self.wait_for::<_, HandleError>(deadline, |table| {
            table.step(ws, |entry, _| Ok(look(entry)))
        })?
        .ok_or(HandleError::Busy)
    }
}
