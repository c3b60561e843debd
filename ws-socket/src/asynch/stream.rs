//! A WebSocket as a stream of bytes: `embedded_io_async`'s traits on it.

use embedded_io_async::{ErrorType, Read, ReadReady, Write, WriteReady};
use ws_core::{Face, Opcode, Outgoing, Send};

use super::AsyncPlatform;
use super::link::Done;
use super::websocket::WebSocket;
use crate::Timeout;
use crate::error::{ReceiveError, SendError, SocketError};

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
impl<T: Read + Write, P: AsyncPlatform> Read for WebSocket<'_, T, P> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        match self.link().recv(buffer, Timeout::Forever).await {
            Err(ReceiveError::Closed(_)) => Ok(0),
            read => Ok(read?),
        }
    }
}

/// # Cancellation
/// Dropped, a write has sent nothing of what it was given. `write` may take less than all: the frame
/// stays open for the rest, and takes whatever the next writes give.
impl<T: Read + Write, P: AsyncPlatform> Write for WebSocket<'_, T, P> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // What finishes a frame that has no payload left takes nothing of this.
        loop {
            let frame = self.next_fragment(!self.framing.until_flush);
            let mut job = Send::new(frame, buffer);
            match self.link().send(&mut job).await? {
                0 => {}
                taken => return Ok(taken),
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        while self.framing.until_flush
            && self.in_message()
            && matches!(self.entry.open_frame(), None | Some(0))
        {
            let frame = self.next_fragment(true);
            let mut job = Send::new(frame, &[]);
            self.link().send(&mut job).await?;
        }
        match self.link().answer().await {
            Done::Over(Some(fault)) => Err(SendError::from(fault).into()),
            Done::Over(None) | Done::NotConnected => Ok(()),
        }
    }
}

impl<T: Read + Write, P: AsyncPlatform> ReadReady for WebSocket<'_, T, P> {
    /// Would a read return something now? What the stream has is read as far as it takes to know.
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        Ok(self.link().is_readable(Face::Stream))
    }
}

impl<T: Read + Write + WriteReady, P: AsyncPlatform> WriteReady for WebSocket<'_, T, P> {
    /// Would a write take something now?
    fn write_ready(&mut self) -> Result<bool, Self::Error> {
        // Where nothing can be sent any more, a write says so at once.
        let sends = self
            .entry
            .endpoint()
            .is_some_and(|open| open.control_ready() || open.is_writable());
        match self.entry.socket_mut() {
            Some(stream) if sends => stream
                .write_ready()
                .map_err(|error| SendError::Stack(error).into()),
            _ => Ok(true),
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
        Outgoing {
            fin,
            at_once: true,
            ..Outgoing::stream(opcode)
        }
    }
}
