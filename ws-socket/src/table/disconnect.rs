//! Closing: Zephyr's `websocket_disconnect`.

use embedded_nal::TcpClientStack;
use ws_core::{Close, CloseCode, RandomError, Reason};

use super::Table;
use crate::error::{DisconnectError, HandleError};
use crate::fmt::{About, debug};
use crate::session::{Closing, Entry};
use crate::slots::{SlotStore, Unavailable};
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
    /// An invalid id.
    pub fn disconnect(
        &mut self,
        ws: WebSocketId,
        timeout: impl Into<Timeout>,
    ) -> Result<Disconnected, DisconnectError> {
        let mut deadline = Deadline::new(timeout.into());
        self.finish(ws, CloseCode::NORMAL, None, &mut deadline)
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
    /// An invalid id, one whose connection another task works on at this moment, or a code that
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
        check_code(code)?;
        let mut deadline = Deadline::new(timeout.into());
        self.say_why(ws, code, reason, &mut deadline)?;
        self.finish(ws, code, None, &mut deadline)
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
        check_code(code)?;
        let mut deadline = Deadline::new(timeout.into());
        self.say_why(ws, code, reason, &mut deadline)?;
        let mut socket = None;
        let disconnected = self.finish(ws, code, Some(&mut socket), &mut deadline)?;
        Ok((disconnected, socket.ok_or(HandleError::Stale)?))
    }

    /// Frees the slot and closes TCP at once, without a Close: what is due is lost.
    ///
    /// # Errors
    /// As [`disconnect_with`](Self::disconnect_with).
    pub fn abort(&mut self, ws: WebSocketId) -> Result<(), HandleError> {
        Ok(self.drop_connection(ws)?)
    }

    /// Has the Close that follows say why.
    fn say_why(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        reason: &str,
        deadline: &mut Deadline,
    ) -> Result<(), HandleError> {
        if reason.is_empty() {
            return Ok(());
        }
        self.run(ws, deadline, &mut Reason::new(code, reason))?;
        Ok(())
    }

    /// The closing handshake, if there is a connection, then the end of the slot. The socket is
    /// closed, or `kept`.
    fn finish(
        &mut self,
        ws: WebSocketId,
        code: CloseCode,
        kept: Option<&mut Option<S::TcpSocket>>,
        deadline: &mut Deadline,
    ) -> Result<Disconnected, DisconnectError> {
        let mut job = Close::new(code, kept.is_none());
        if self.run(ws, deadline, &mut job)?.is_none() {
            return Err(HandleError::Busy.into());
        }
        if job.lacks_key() {
            return Err(RandomError.into());
        }
        // Nobody asks what the stack said at the end.
        self.context.error = None;
        let leave = |entry: &mut Entry<'buf, S::TcpSocket>| (entry.closing(), entry.vacate());
        let mut vacated = self.slots.vacate(ws, leave);
        if L::SHARED {
            while matches!(vacated, Err(Unavailable::CheckedOut))
                && self.context.wait(deadline, None)
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

/// May a Close have this code? [`CloseCode::NO_STATUS`] is one without.
pub(crate) fn check_code(code: CloseCode) -> Result<(), DisconnectError> {
    if code == CloseCode::NO_STATUS || code.is_valid_on_wire() {
        Ok(())
    } else {
        Err(DisconnectError::Code(code))
    }
}
