//! Sockets that were upgraded by somebody else: Zephyr's `websocket_register` and
//! `websocket_unregister`.

use embedded_nal::TcpClientStack;
use ws_core::{Lent, Role};

use super::Table;
use crate::error::{HandleError, RegisterError};
use crate::session::{Entry, State};
use crate::slots::SlotStore;
use crate::{Buffer, Platform, WebSocketId};

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Takes a socket into the table whose opening handshake is done: by a web server of the
    /// application's own, say, with
    /// [`accept_value`](ws_core::handshake::accept_value). `role` is what this end is. `buffer` is
    /// lent as with [`WebSocketRequest::buffer`](crate::WebSocketRequest::buffer); its first
    /// `buffered` bytes are what was read from the socket behind the handshake.
    ///
    /// # Errors
    /// See [`RegisterError`]; the socket comes back with it.
    pub fn register(
        &mut self,
        socket: S::TcpSocket,
        role: Role,
        buffer: Option<Buffer<'buf>>,
        buffered: usize,
    ) -> Result<WebSocketId, (RegisterError, S::TcpSocket)> {
        if self.has(&socket) {
            return Err((RegisterError::AlreadyWrapped, socket));
        }
        let Some(ws) = self.slots.take_free(buffer.is_none()) else {
            return Err((RegisterError::NoFreeSlot, socket));
        };
        let mut socket = Some(socket);
        let mut error = RegisterError::NoBuffer;
        self.enter(ws, |entry, context| {
            entry.lend(buffer);
            let capacity = Lent::read_capacity(entry.lent.len());
            if entry.has_buffer() && buffered > capacity {
                error = RegisterError::Buffered;
            } else if entry.has_buffer()
                && let Some(socket) = socket.take()
            {
                entry.begin(socket, State::Failed);
                entry.opened(role, &context.config, 0..buffered, None);
            }
        });
        if let Some(socket) = socket {
            let _ = self.slots.vacate(ws, |_| {});
            return Err((error, socket));
        }
        Ok(ws)
    }

    /// Takes a WebSocket out of the table and gives its TCP socket back, as it is: no Close is
    /// sent. What was read and not received is lost.
    ///
    /// # Errors
    /// `EALREADY` for an id that is stale, `ENOENT` for one the table never gave out.
    pub fn unregister(&mut self, ws: WebSocketId) -> Result<S::TcpSocket, RegisterError> {
        let vacated = self.slots.vacate(ws, Entry::vacate);
        let socket = vacated.map_err(HandleError::from)?;
        Ok(socket.ok_or(HandleError::Stale)?)
    }

    /// Is the socket in the table already, as far as that can be told?
    pub(super) fn has(&mut self, socket: &S::TcpSocket) -> bool {
        self.is_taken
            .is_some_and(|is_taken| is_taken(&mut self.slots, socket))
    }
}
