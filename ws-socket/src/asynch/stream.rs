//! A WebSocket as a stream of bytes: `embedded_io_async`'s traits on it.

use embassy_futures::poll_once;
use embedded_io_async::{ErrorType, Read, ReadReady, Write, WriteReady};
use ws_core::{Face, Opcode};

use super::Platform;
use super::websocket::WebSocket;
use crate::error::{ReceiveError, SendError, SocketError};
use crate::session::{Outgoing, Payload};

/// How [`Write`] on a WebSocket cuts what it is given into messages.
///
/// [`Read`] on it gives the payload of data messages, text and binary alike, without their
/// boundaries; control frames never show. It ends (`Ok(0)`) with the peer's Close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// The type of the messages: Binary or Text.
    pub opcode: Opcode,
    /// False: each `write` is a message, and `flush` flushes the stream below. True: a `write` is
    /// a fragment of one, which `flush` ends (with an empty last fragment).
    pub until_flush: bool,
}

impl Framing {
    /// Binary, a message to each write.
    pub const DEFAULT: Self = Self {
        opcode: Opcode::Binary,
        until_flush: false,
    };
}

impl Default for Framing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl<T: ErrorType, P> ErrorType for WebSocket<'_, T, P> {
    type Error = SocketError<T::Error>;
}

/// # Cancellation
/// Dropped, a read has taken nothing away, where the stream's own reads keep to that.
impl<T: Read + Write, P: Platform> Read for WebSocket<'_, T, P> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        match self.link().receive_stream(buffer).await {
            Err(ReceiveError::Closed(_)) => Ok(0),
            read => Ok(read?),
        }
    }
}

/// # Cancellation
/// Dropped, a write has sent nothing of what it was given. `write` may take less than all: the frame
/// stays open for the rest, and takes whatever the next writes give.
impl<T: Read + Write, P: Platform> Write for WebSocket<'_, T, P> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let frame = self.next_fragment(!self.framing.until_flush);
        let mut taken = 0;
        let mut link = self.link();
        link.send(frame, Payload::Keep(buffer), true, &mut taken)
            .await?;
        Ok(taken)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        if self.framing.until_flush && self.in_message() && self.open_frame().is_none() {
            let frame = self.next_fragment(true);
            let mut link = self.link();
            link.send(frame, Payload::Keep(&[]), true, &mut 0).await?;
        }
        let mut link = self.link();
        let flushed = link.flush_control().await;
        flushed.map_err(SendError::Stack)?;
        let flushed = link.flush_stream().await;
        Ok(flushed.map_err(SendError::Stack)?)
    }
}

impl<T: Read + Write, P: Platform> ReadReady for WebSocket<'_, T, P> {
    /// Would a read return something now? What the stream has is read as far as it takes to know.
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        Ok(poll_once(self.link().readable(Face::Stream)).is_ready())
    }
}

impl<T: Read + Write + WriteReady, P: Platform> WriteReady for WebSocket<'_, T, P> {
    /// Would a write take something now?
    fn write_ready(&mut self) -> Result<bool, Self::Error> {
        let writable = self.entry.endpoint().is_none_or(|open| open.is_writable());
        match self.entry.socket_mut() {
            Some(stream) if writable => stream
                .write_ready()
                .map_err(|error| SendError::Stack(error).into()),
            _ => Ok(self.entry.endpoint().is_none_or(|open| open.is_over())),
        }
    }
}

impl<T, P> WebSocket<'_, T, P> {
    fn next_fragment(&self, fin: bool) -> Outgoing {
        let in_message = self
            .entry
            .endpoint()
            .is_some_and(|open| open.connection().tx.in_message());
        let opcode = if in_message {
            Opcode::Continuation
        } else {
            self.framing.opcode
        };
        Outgoing::whole(opcode, fin, None)
    }
}
