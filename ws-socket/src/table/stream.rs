//! A WebSocket of the table as a stream of bytes: `embedded_io`'s traits on it.

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use embedded_nal::{TcpClientStack, nb};
use ws_core::Face;

use super::Table;
use crate::error::{ReceiveError, SendError, SocketError};
use crate::slots::SlotStore;
use crate::{Platform, Timeout, WebSocketId};

/// One WebSocket of a table as an [`embedded_io`] stream: [`Table::stream`].
///
/// [`Read`] gives the payload of data messages without their boundaries, and ends (`Ok(0)`) with the
/// peer's Close; each [`Write`] is a message of
/// [`StreamOptions::opcode`](crate::StreamOptions::opcode), or goes on with the one that is partly
/// sent. Both block, at most for [`with_timeout`](Self::with_timeout): then the error is of kind
/// `TimedOut`, and nothing is lost.
pub struct Stream<'t, 'buf, S, P, L>
where
    S: TcpClientStack,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    table: &'t mut Table<'buf, S, P, L>,
    ws: WebSocketId,
    timeout: Timeout,
}

impl<'buf, S, P, L> Table<'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// A WebSocket as an [`embedded_io`] stream, for what reads and writes by those traits. It
    /// waits for ever.
    pub const fn stream(&mut self, ws: WebSocketId) -> Stream<'_, 'buf, S, P, L> {
        Stream {
            table: self,
            ws,
            timeout: Timeout::Forever,
        }
    }
}

impl<'buf, S, P, L> Stream<'_, 'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// The same, with a limit to how long a read or a write may wait.
    #[must_use]
    pub fn with_timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.timeout = timeout.into();
        self
    }
}

impl<'buf, S, P, L> core::fmt::Debug for Stream<'_, 'buf, S, P, L>
where
    S: TcpClientStack,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stream")
            .field("ws", &self.ws)
            .finish_non_exhaustive()
    }
}

impl<'buf, S, P, L> ErrorType for Stream<'_, 'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    type Error = SocketError<S::Error>;
}

impl<'buf, S, P, L> Read for Stream<'_, 'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        match self.table.recv(self.ws, buffer, self.timeout) {
            Err(ReceiveError::Closed(_)) => Ok(0),
            read => Ok(read?),
        }
    }
}

impl<'buf, S, P, L> Write for Stream<'_, 'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        Ok(self.table.send(self.ws, buffer, self.timeout)?)
    }

    /// Nothing is held back.
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl<'buf, S, P, L> ReadReady for Stream<'_, 'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// Would a read return something now? What the stack has is read as far as it takes to know.
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        let ready = self.table.step(self.ws, |entry, context| {
            Ok(entry.is_readable(context, Face::Stream))
        });
        match ready {
            Ok(ready) => Ok(ready),
            Err(nb::Error::WouldBlock) => Ok(false),
            Err(nb::Error::Other(error)) => Err(SocketError::Handle(error)),
        }
    }
}

impl<'buf, S, P, L> WriteReady for Stream<'_, 'buf, S, P, L>
where
    S: TcpClientStack,
    P: Platform<S>,
    L: SlotStore<'buf, Socket = S::TcpSocket>,
{
    /// May a write take something now? Whether the stack does shows when it is written.
    fn write_ready(&mut self) -> Result<bool, Self::Error> {
        let look = |entry: &crate::session::Entry<'buf, S::TcpSocket>| {
            let endpoint = entry.endpoint();
            endpoint.is_none_or(|endpoint| endpoint.is_writable() || endpoint.is_over())
        };
        let ready = self.table.look(self.ws, look);
        ready.map_err(|error| SendError::Handle(error).into())
    }
}
