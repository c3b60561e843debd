//! A WebSocket as a stream of bytes: `embedded_io_async`'s traits on it.

use core::task::Poll;

use embassy_futures::poll_once;
use embedded_io_async::{ErrorType, Read, ReadReady, Write, WriteReady};
use ws_core::{Face, Opcode};

use super::Platform;
use super::wait::MAX_READS;
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
        let mut taken = 0;
        // What finishes a frame that has no payload left takes nothing of this.
        while taken == 0 {
            let frame = self.next_fragment(!self.framing.until_flush);
            let mut link = self.link();
            link.send(frame, Payload::Keep(buffer), true, &mut taken)
                .await?;
        }
        Ok(taken)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        while self.framing.until_flush
            && self.in_message()
            && matches!(self.entry.open_frame(), None | Some(0))
        {
            let frame = self.next_fragment(true);
            let mut link = self.link();
            link.send(frame, Payload::Keep(&[]), true, &mut 0).await?;
        }
        let mut link = self.link();
        link.flush_control().await?;
        let flushed = link.flush_stream().await;
        Ok(flushed.map_err(SendError::Stack)?)
    }
}

impl<T: Read + Write, P: Platform> ReadReady for WebSocket<'_, T, P> {
    /// Would a read return something now? What the stream has is read as far as it takes to know.
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        for _ in 0..MAX_READS {
            self.alive.restart(MAX_READS);
            if poll_once(self.link().readable(Face::Stream)).is_pending() {
                return Ok(false);
            }
            // An empty frame is nothing to a read.
            let empty = self.entry.endpoint().is_some_and(|open| {
                let rx = &open.connection().rx;
                !open.has_failed() && rx.frame().is_some() && rx.remaining() == 0
            });
            let taken = empty && {
                let taken = poll_once(self.link().receive(Face::Stream, &mut []));
                matches!(taken, Poll::Ready(Ok(_)))
            };
            if !taken {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<T: Read + Write + WriteReady, P: Platform> WriteReady for WebSocket<'_, T, P> {
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
        Outgoing::whole(opcode, fin, None)
    }
}
