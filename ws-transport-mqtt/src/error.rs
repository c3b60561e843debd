//! What can go wrong.

use core::fmt::Debug;

use embedded_nal::{TcpError, TcpErrorKind};
use ws_socket::{ConnectError, SendError, SocketError};

/// Why a connection to a broker was not made, or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MqttError<E: Debug> {
    /// The server made a WebSocket of it and did not confirm the subprotocol: it may not speak MQTT
    /// (`[MQTT-6.0.0-4]`).
    #[error("the server did not confirm the subprotocol `mqtt`: is this path a broker's?")]
    Subprotocol,
    /// The WebSocket, or the stream below. A text message of the broker's is
    /// [`ReceiveError::Protocol`](ws_socket::ReceiveError) with
    /// [`UnwantedText`](ws_socket::ProtocolError::UnwantedText).
    #[error("{0}")]
    Socket(SocketError<E>),
}

impl<E: Debug> From<SocketError<E>> for MqttError<E> {
    fn from(error: SocketError<E>) -> Self {
        Self::Socket(error)
    }
}

impl<E: Debug> From<ConnectError<E>> for MqttError<E> {
    fn from(error: ConnectError<E>) -> Self {
        Self::Socket(error.into())
    }
}

impl<E: Debug> From<SendError<E>> for MqttError<E> {
    fn from(error: SendError<E>) -> Self {
        Self::Socket(error.into())
    }
}

impl<E: Debug> TcpError for MqttError<E> {
    /// `PipeClosed` where the connection is closed or was lost.
    fn kind(&self) -> TcpErrorKind {
        match self {
            Self::Subprotocol => TcpErrorKind::Other,
            Self::Socket(error) => TcpError::kind(error),
        }
    }
}

#[cfg(feature = "async")]
impl<E: Debug> embedded_io_async::Error for MqttError<E> {
    /// `Unsupported` where the subprotocol was not confirmed, else as [`SocketError`]'s.
    fn kind(&self) -> embedded_io_async::ErrorKind {
        match self {
            Self::Subprotocol => embedded_io_async::ErrorKind::Unsupported,
            Self::Socket(error) => embedded_io_async::Error::kind(error),
        }
    }
}
