//! Accepting: a listening socket in, upgraded ids out.

use embedded_nal::{TcpFullStack, nb};
use ws_core::handshake::Response;

use super::Table;
use crate::error::AcceptError;
use crate::request::AcceptOptions;
use crate::session::State;
use crate::slots::SlotStore;
use crate::{Platform, Timeout, WebSocketId};

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpFullStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Accepts a WebSocket from a socket that listens: takes TCP connections while there are free
    /// slots, answers their opening handshakes (RFC 6455 section 4.2), and returns the first that
    /// is upgraded. Handshakes that are not done by then stay in their slots and go on with the
    /// next call, none waits for another; each ends after
    /// [`Config::handshake_timeout`](crate::Config). A request that is wrong is refused with the
    /// fitting status and its connection closed. Frames that came in the same segment as the
    /// request are received first.
    ///
    /// # Errors
    /// See [`AcceptError`]. `Timeout` changes nothing: call again.
    pub fn accept(
        &mut self,
        listener: &mut S::TcpSocket,
        options: &AcceptOptions<'_>,
        timeout: impl Into<Timeout>,
    ) -> Result<WebSocketId, AcceptError<S::Error>> {
        let headers = options.headers;
        Response::Upgrade {
            subprotocol: None,
            headers,
        }
        .validate()?;
        for subprotocol in options.subprotocols {
            Response::Upgrade {
                subprotocol: Some(subprotocol),
                headers: &[],
            }
            .validate()?;
        }
        let deadline = self.deadline(timeout.into());
        self.wait_for(deadline, |table| table.try_accept(listener, options))?
            .ok_or(AcceptError::Timeout)
    }

    fn try_accept(
        &mut self,
        listener: &mut S::TcpSocket,
        options: &AcceptOptions<'_>,
    ) -> nb::Result<WebSocketId, AcceptError<S::Error>> {
        while let Some(ws) = self.slots.take_free(true) {
            match self.stack.accept(listener) {
                Ok((socket, _)) => self.enter(ws, |entry, context| {
                    entry.begin_server(socket, context);
                }),
                Err(error) => {
                    // Nobody else has the id yet.
                    let _ = self.slots.vacate(ws);
                    match error {
                        nb::Error::WouldBlock => break,
                        error => return Err(error.map(AcceptError::Stack)),
                    }
                }
            }
        }
        let mut index = 0;
        while let Ok(taken) = self.slots.taken(index) {
            index += 1;
            let Some(ws) = taken else { continue };
            if self.peek(ws, |entry| matches!(entry.state, State::Server { .. })) != Ok(true) {
                continue;
            }
            let answered: nb::Result<bool, crate::HandleError> =
                self.step(ws, |entry, context| match entry.server(context, options) {
                    Ok(()) => Ok(true),
                    Err(nb::Error::WouldBlock) => Err(nb::Error::WouldBlock),
                    Err(nb::Error::Other(_)) => Ok(false),
                });
            match answered {
                Ok(true) => return Ok(ws),
                Ok(false) => {
                    let _ = self.drop_connection(ws);
                }
                Err(_) => {}
            }
        }
        Err(nb::Error::WouldBlock)
    }
}
