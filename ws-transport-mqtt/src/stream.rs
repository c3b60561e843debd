//! An MQTT client's stream, over one WebSocket.

use core::net::SocketAddr;

use embedded_io_async::{ErrorType, Read, ReadReady, Write, WriteReady};
use embedded_nal_async::TcpConnect;
use ws_socket::asynch::{AsyncPlatform, WebSocket};
use ws_socket::{CloseCode, Timeout};

use crate::outbox::Outbox;
use crate::{Buffers, MqttError, MqttRequest, io};

/// A stream to a broker, for an MQTT client that reads and writes by `embedded_io_async`.
///
/// Dropped, it drops the stream below without a Close: [`disconnect`](Self::disconnect) before.
#[derive(Debug)]
pub struct MqttStream<'buf, T, P> {
    ws: WebSocket<'buf, T, P>,
    out: Outbox<'buf>,
    polls: bool,
}

impl<'buf, T: Read + Write, P: AsyncPlatform> MqttStream<'buf, T, P> {
    /// The opening handshake on a connected stream (TCP, or TLS over it for `wss`), at most for
    /// `timeout`.
    ///
    /// # Errors
    /// [`MqttError::Subprotocol`] where the server is no broker, or a
    /// [`ConnectError`](ws_socket::ConnectError).
    ///
    /// # Cancellation
    /// Dropped, it drops the stream.
    pub async fn connect(
        stream: T,
        request: &MqttRequest<'_>,
        buffers: Buffers<'buf>,
        platform: P,
        timeout: impl Into<Timeout>,
    ) -> Result<Self, MqttError<T::Error>> {
        let config = request.websocket_config();
        let handshake = request.websocket();
        let receive = buffers.receive;
        let ws = WebSocket::connect(stream, &handshake, receive, platform, config, timeout);
        Self::over(ws.await?, buffers.gather, request.polls).await
    }

    /// [`connect`](Self::connect), with a TCP connection to `remote` made first.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_to<'s, S>(
        stack: &'s S,
        remote: SocketAddr,
        request: &MqttRequest<'_>,
        buffers: Buffers<'buf>,
        platform: P,
        timeout: impl Into<Timeout>,
    ) -> Result<Self, MqttError<T::Error>>
    where
        S: TcpConnect<Error = T::Error, Connection<'s> = T>,
    {
        let config = request.websocket_config();
        let handshake = request.websocket();
        let receive = buffers.receive;
        let ws = WebSocket::connect_to(
            stack, remote, &handshake, receive, platform, config, timeout,
        );
        Self::over(ws.await?, buffers.gather, request.polls).await
    }

    async fn over(
        mut ws: WebSocket<'buf, T, P>,
        gather: &'buf mut [u8],
        polls: bool,
    ) -> Result<Self, MqttError<T::Error>> {
        io::agreed(&mut ws).await?;
        Ok(Self {
            ws,
            out: Outbox::new(gather),
            polls,
        })
    }

    /// Closes the WebSocket with 1000 and waits for the broker's Close, at most for `timeout`. True
    /// where that came. The MQTT client says its DISCONNECT before.
    pub async fn disconnect(&mut self, timeout: impl Into<Timeout>) -> bool {
        let end = self.ws.disconnect(timeout).await;
        end.is_ok_and(|end| end.clean)
    }

    /// The code of the broker's Close, once it has been received.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.ws.close_code()
    }

    /// The WebSocket, to look at.
    pub const fn websocket(&mut self) -> &mut WebSocket<'buf, T, P> {
        &mut self.ws
    }
}

/// `embedded_io_async` on what has a WebSocket `ws`, an outbox `out` and a flag `polls`.
macro_rules! stream_of {
    ($stream:ident <$($lifetime:lifetime),*>) => {
        impl<T: Read + Write, P: AsyncPlatform> ErrorType for $stream<$($lifetime,)* T, P> {
            type Error = MqttError<T::Error>;
        }

        /// Bytes of MQTT, however the broker framed them. Pings are answered while it waits. The end
        /// (`Ok(0)`) is the broker's Close; a connection that was lost is an error.
        ///
        /// # Cancellation
        /// Dropped, a read has taken nothing away, where the reads of the stream below keep to that.
        impl<T: Read + Write, P: AsyncPlatform> Read for $stream<$($lifetime,)* T, P> {
            async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
                io::read(&mut self.ws, buffer).await
            }
        }

        /// A packet goes out with its last byte, without a flush, as one binary frame where it fits
        /// the lent buffer or its end comes in one write with what does not fit. A stream below that
        /// buffers (TLS) lets go of it at the next flush or read.
        ///
        /// # Cancellation
        /// Dropped, a write has taken nothing of what it was given, where the writes of the stream
        /// below keep to that: the client writes the same bytes again. `write` may take less than
        /// all.
        impl<T: Read + Write, P: AsyncPlatform> Write for $stream<$($lifetime,)* T, P> {
            async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
                io::write(&mut self.ws, &mut self.out, self.polls, buffer).await
            }

            /// Sends what is kept of a packet that is not complete as a fragment, and flushes the
            /// stream below. Dropped, it goes on when called again.
            async fn flush(&mut self) -> Result<(), Self::Error> {
                io::flush(&mut self.ws, &mut self.out).await
            }
        }

        impl<T: Read + Write, P: AsyncPlatform> ReadReady for $stream<$($lifetime,)* T, P> {
            /// Would a read return at once? Pings that have come are answered.
            fn read_ready(&mut self) -> Result<bool, Self::Error> {
                Ok(self.ws.read_ready()?)
            }
        }

        impl<T: Read + Write + WriteReady, P: AsyncPlatform> WriteReady for $stream<$($lifetime,)* T, P> {
            /// Would a write take something at once?
            fn write_ready(&mut self) -> Result<bool, Self::Error> {
                Ok(self.ws.write_ready()?)
            }
        }
    };
}
pub(crate) use stream_of;

stream_of!(MqttStream<'_>);
