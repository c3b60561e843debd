//! Connecting by the table of blocking calls.

use super::dial::{Dial, Opened};
use crate::echo::OnTable;
use crate::os::{OsPlatform, OsSocket, OsStack, WebSockets};
use crate::wire::Wake;
use embedded_nal::TcpClientStack;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use ws_socket::stack::{StdError, StdStack};
use ws_socket::{Config, ConnectError, HeadPart, Request, WebSocketRequest};

/// A table for one connection.
pub(super) struct Blocking<'buf> {
    table: WebSockets<'buf, 1>,
    buffer: &'buf mut [u8],
}

impl<'buf> Blocking<'buf> {
    /// With the buffer to lend; and what ends its waits.
    ///
    /// # Errors
    /// What the system says where it has no way to wait for sockets left.
    pub(super) fn new(config: Config, buffer: &'buf mut [u8]) -> io::Result<(Self, Wake)> {
        let stack = OsStack::new(StdStack::new())?;
        let wake = stack.waker();
        let table = WebSockets::new(stack, OsPlatform::new()).with_config(config);
        Ok((Self { table, buffer }, wake))
    }
}

impl<'buf> Dial for Blocking<'buf> {
    type Socket = OsSocket;
    type Error = StdError;
    type Wire<'d>
        = OnTable<'d, 'buf, OsStack, OsPlatform, 1>
    where
        Self: 'd;

    fn dial(&mut self, to: SocketAddr, deadline: Instant) -> Result<Option<OsSocket>, StdError> {
        let stack = self.table.stack();
        let mut socket = stack.socket()?;
        let error = loop {
            match stack.connect(&mut socket, to) {
                Ok(()) => return Ok(Some(socket)),
                Err(nb::Error::Other(error)) => break Some(error),
                Err(nb::Error::WouldBlock) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                break None;
            }
            stack.wait(Some(left));
        };
        stack.close(socket)?;
        error.map_or(Ok(None), Err)
    }

    fn upgrade(
        &mut self,
        socket: OsSocket,
        request: Request<'_>,
        on_response: &mut dyn FnMut(HeadPart<'_>),
        within: Duration,
    ) -> Result<Opened<Self::Wire<'_>>, ConnectError<StdError>> {
        let mut on_response = |part: HeadPart<'_>| on_response(part);
        let request = WebSocketRequest::from_handshake(request)
            .buffer(std::mem::take(&mut self.buffer))
            .on_response(&mut on_response);
        let ws = self.table.connect(socket, request, within)?;
        let subprotocol = self.table.subprotocol(ws)?;
        let wire = OnTable {
            table: &mut self.table,
            ws,
            mask: true,
        };
        Ok((wire, subprotocol))
    }
}
