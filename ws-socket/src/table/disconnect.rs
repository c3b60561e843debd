//! Closing: Zephyr's `websocket_disconnect`.

use embedded_nal::{TcpClientStack, nb};
use ws_core::{CloseCode, MAX_CONTROL_PAYLOAD, Opcode, RandomError, write_close};

use super::Table;
use crate::error::{DisconnectError, HandleError, ReceiveError, SendError};
use crate::fmt::{About, debug};
use crate::session::{Closing, Entry, Outgoing, Payload, Stop};
use crate::slots::{SlotStore, Unavailable};
use crate::timeout::{Deadline, Waiting};
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

impl Disconnected {
    pub(crate) fn new(closing: Closing, about: About) -> Self {
        let code = closing.code.unwrap_or(CloseCode::ABNORMAL);
        debug!("{}closed, clean {}, code {}", about, closing.clean, code.0);
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
        let deadline = self.deadline(timeout.into());
        self.finish(ws, CloseCode::NORMAL, false, None, deadline)
    }

    /// Closes a connection: sends a Close with `code` and `reason` (the first 123 bytes of it),
    /// drops what data still comes until the peer's Close, and closes TCP, the server first (RFC
    /// 6455 section 7.1.1), all at most for `timeout`. If the peer has closed already, its Close is
    /// answered with its own code. Where a frame is partly sent there can be no Close in the middle
    /// of it, and TCP is closed at once.
    ///
    /// After it the slot is free and the TCP socket closed.
    ///
    /// # Errors
    /// An id that is none, one whose connection another task works on at this moment, or a code that
    /// may not be sent (section 7.4; [`CloseCode::NO_STATUS`] sends a Close without one): then
    /// nothing has happened. `Random` where there is no mask key for the Close: the connection stays
    /// in its slot; call again, or [`abort`](Self::abort).
    pub fn disconnect_with(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        reason: &str,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        let deadline = self.deadline(timeout.into());
        let said = self.say_reason(ws, code, reason, deadline)?;
        self.finish(ws, code, said, None, deadline)
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
        let said = self.say_reason(ws, code, reason, deadline)?;
        let mut socket = None;
        let disconnected = self.finish(ws, code, said, Some(&mut socket), deadline)?;
        Ok((disconnected, socket.ok_or(HandleError::Stale)?))
    }

    /// Frees the slot and closes TCP at once, without a Close: what is due is lost.
    ///
    /// # Errors
    /// As [`disconnect_with`](Self::disconnect_with).
    pub fn abort(&mut self, ws: WebSocketId) -> Result<(), HandleError> {
        Ok(self.drop_connection(ws)?)
    }

    /// Sends a Close with a reason, where there is one; false where none was begun.
    fn say_reason(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        reason: &str,
        deadline: Deadline,
    ) -> Result<bool, DisconnectError> {
        if code != CloseCode::NO_STATUS && !code.is_valid_on_wire() {
            return Err(DisconnectError::Code(code));
        }
        if reason.is_empty() {
            return Ok(false);
        }
        let free = self.wait_for::<_, HandleError>(deadline, |table| {
            table.step(ws, |entry, _| {
                let endpoint = entry.endpoint();
                Ok(endpoint.is_some_and(|endpoint| !endpoint.frame_open()))
            })
        })?;
        if !free.ok_or(HandleError::Busy)? {
            return Ok(false);
        }
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        let payload = write_close(code, reason, &mut payload).unwrap_or_default();
        let length = payload.len();
        let mut taken = 0;
        // Where this fails there is a Close without a reason, or none: see `finish`.
        let said = self.wait_for::<_, SendError<S::Error>>(deadline, |table| {
            let rest = payload.get(taken..).unwrap_or_default();
            let frame = Outgoing::whole(Opcode::Close, true, None);
            match table.try_send(ws, frame, Payload::Keep(rest)) {
                Ok(count) => taken += count,
                Err(nb::Error::WouldBlock) => {}
                Err(error) => return Err(error),
            }
            if taken == length {
                return Ok(());
            }
            // A wire that is full and gone may say so nowhere else; and a peer may first want to be
            // read from.
            match table.try_receive_stream(ws, &mut [0; 64]) {
                Err(nb::Error::Other(ReceiveError::Stack(error))) => {
                    Err(nb::Error::Other(SendError::Stack(error)))
                }
                // Another Close is due now.
                Err(nb::Error::Other(_)) if taken == 0 => {
                    Err(nb::Error::Other(SendError::NotConnected))
                }
                _ => Err(nb::Error::WouldBlock),
            }
        });
        match said {
            Err(SendError::Random(error)) => Err(error.into()),
            // Of a Close that is partly out on a wire that has failed there is no rest to wait for.
            Err(SendError::Stack(_)) => Ok(false),
            _ => Ok(true),
        }
    }

    /// The closing handshake, if there is a connection and no frame of the user's is open (`said`:
    /// it is a Close of ours), then the end of the slot. The socket is closed, or `kept`.
    fn finish(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        said: bool,
        kept: Option<&mut Option<S::TcpSocket>>,
        deadline: Deadline,
    ) -> Result<Disconnected, DisconnectError> {
        let mut begun = false;
        let mut no_key = false;
        let until_eof = kept.is_none();
        self.repeat(ws, deadline, &mut |entry, context| {
            begun = true;
            match entry.endpoint() {
                Some(endpoint) if said || !endpoint.frame_open() => {
                    entry.begin_close(code);
                    no_key = entry.flush(context) == Some(Stop::NoKey);
                    no_key || entry.close(context, until_eof)
                }
                _ => true,
            }
        })?;
        if L::SHARED && !begun {
            return Err(HandleError::Busy.into());
        }
        if no_key {
            return Err(RandomError.into());
        }
        let leave = |entry: &mut Entry<'buf, S::TcpSocket>| (entry.closing(), entry.vacate());
        let mut vacated = self.slots.vacate(ws, leave);
        if L::SHARED {
            let mut waiting = Waiting::new(deadline);
            while matches!(vacated, Err(Unavailable::CheckedOut))
                && self.context.again(&mut waiting)
            {
                vacated = self.slots.vacate(ws, leave);
            }
        }
        let (closing, socket) = vacated.map_err(HandleError::from)?;
        match kept {
            Some(kept) => *kept = socket,
            None => self.close_socket(socket),
        }
        Ok(Disconnected::new(closing, About::id(ws)))
    }
}
