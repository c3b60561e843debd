//! One error type an operation, each with its Zephyr errno.

use core::fmt::Debug;

use embedded_io::ErrorKind;
use embedded_nal::{TcpError, TcpErrorKind};
use ws_core::handshake::{ClientError, HeadError, RequestError, ResponseError};
use ws_core::url::UrlError;
use ws_core::{CloseCode, FrameError, ProtocolError, RandomError};

use crate::request::Refused;

/// The error numbers that Zephyr's calls return (negated there), with Zephyr's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Errno {
    /// No free context, or no such WebSocket.
    Enoent = 2,
    /// The connection broke, or the source of randomness failed.
    Eio = 5,
    /// A stale id.
    Ebadf = 9,
    /// Nothing to receive in time.
    Eagain = 11,
    /// Another task is busy with it.
    Ebusy = 16,
    /// The socket is a WebSocket already.
    Eexist = 17,
    /// A bad argument.
    Einval = 22,
    /// A list with too many entries.
    Enospc = 28,
    /// The answer to the handshake is not what RFC 6455 demands.
    Eproto = 71,
    /// The handshake is refused, or ended early.
    Econnaborted = 113,
    /// Not done in time.
    Etimedout = 116,
    /// Already unregistered.
    Ealready = 120,
    /// The answer to the handshake is too long.
    Emsgsize = 122,
    /// Not connected, or not any more.
    Enotconn = 128,
}

/// Each error's number, for callers that want no more than Zephyr's.
macro_rules! into_errno {
    ($($error:ident $(<$stack:ident>)?),*) => {
        $(impl$(<$stack: Debug>)? From<$error$(<$stack>)?> for Errno {
            fn from(error: $error$(<$stack>)?) -> Self {
                error.errno()
            }
        })*
    };
}

into_errno!(
    ConnectError<E>,
    SendError<E>,
    ReceiveError<E>,
    RegisterError,
    DisconnectError,
    AcceptError<E>
);

/// An id that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// The connection it stood for is gone.
    #[error("the id is stale: its connection is gone")]
    Stale,
    /// This table never gave it out.
    #[error("no such id in this table")]
    Unknown,
    /// Another task is in the same direction of the same connection.
    #[error("another task is busy with this direction of the connection")]
    Busy,
}

impl HandleError {
    const fn errno(self, stale: Errno, unknown: Errno) -> Errno {
        match self {
            Self::Stale => stale,
            Self::Unknown => unknown,
            Self::Busy => Errno::Ebusy,
        }
    }
}

/// Why there is no connection. The TCP socket is closed and the slot is free, unless said
/// otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError<E: Debug> {
    /// An argument that cannot be sent as it is: `EINVAL`, too many subprotocols `ENOSPC`.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// Not a WebSocket URL: `EINVAL`.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// `wss` over a stack that does not encrypt (see [`Config::secure`](crate::Config)): `EINVAL`.
    #[error("wss needs a stack that does TLS")]
    NotSecure,
    /// The socket is in the table already, and stays there: `EEXIST`.
    #[error("the socket is a WebSocket already")]
    AlreadyWrapped,
    /// All slots of the table are taken: `ENOENT`.
    #[error("no free slot in the table")]
    NoFreeSlot,
    /// The id of the socket face is invalid: `EBADF`.
    #[error("{0}")]
    Handle(#[from] HandleError),
    /// The server's answer is not an upgrade: `EPROTO` where it breaks RFC 6455, `EMSGSIZE` where
    /// it is too long, `ECONNABORTED` where it is a refusal or ended early.
    #[error("{0}")]
    Handshake(#[from] ClientError),
    /// The zone in the URL's IPv6 address is none of this stack's interfaces, or the stack cannot be
    /// asked for them by name: `EINVAL`.
    #[error("the zone in the address is no interface of the stack")]
    Zone,
    /// The program's [`on_connect`](crate::WebSocketRequest::on_connect) refused: `ECONNABORTED`.
    #[error("{0}")]
    ByProgram(Refused),
    /// The name could not be resolved: `ENOENT`.
    #[error("the name of the server could not be resolved")]
    Resolve,
    /// Neither the request nor the slot has a buffer to borrow: `EINVAL`.
    #[error("no buffer to borrow: none in the request, none in the slot")]
    NoBuffer,
    /// Not done in time: `ETIMEDOUT`.
    #[error("not connected in time")]
    Timeout,
    /// The source of randomness failed ([`Platform::fill_random`](crate::Platform::fill_random)):
    /// there is no key for the handshake: `EIO`.
    #[error("{0}")]
    Random(#[from] RandomError),
    /// The TCP stack failed: `ECONNABORTED`.
    #[error("TCP: {0:?}")]
    Stack(E),
}

impl<E: Debug> ConnectError<E> {
    /// What Zephyr's `websocket_connect` returns for this, negated.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Request(RequestError::TooManySubprotocols) => Errno::Enospc,
            Self::Request(_) | Self::Url(_) | Self::NotSecure | Self::Zone | Self::NoBuffer => {
                Errno::Einval
            }
            Self::AlreadyWrapped => Errno::Eexist,
            Self::NoFreeSlot | Self::Resolve => Errno::Enoent,
            Self::Handle(error) => error.errno(Errno::Ebadf, Errno::Ebadf),
            Self::Handshake(ClientError::Head(HeadError::TooLong)) => Errno::Emsgsize,
            Self::Handshake(ClientError::Refused { .. } | ClientError::Eof)
            | Self::ByProgram(_)
            | Self::Stack(_) => Errno::Econnaborted,
            Self::Handshake(_) => Errno::Eproto,
            Self::Random(_) => Errno::Eio,
            Self::Timeout => Errno::Etimedout,
        }
    }
}

/// Why nothing, or nothing more, was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError<E: Debug> {
    /// A frame that may not be sent now, or not like this: `EINVAL`.
    #[error("{0}")]
    Frame(FrameError),
    /// `mask` contradicts the role: clients mask, servers do not (RFC 6455 section 5.1): `EINVAL`.
    #[error("clients mask, servers do not")]
    Mask,
    /// A Close with a payload that is none (section 5.5.1): `EINVAL`.
    #[error("{0}")]
    Close(ProtocolError),
    /// A part that is longer than the rest of its frame: `EINVAL`.
    #[error("a part is longer than the rest of its frame")]
    PartTooLong,
    /// `EBADF`, `ENOENT` where the table never gave the id out, `EBUSY`.
    #[error("{0}")]
    Handle(#[from] HandleError),
    /// Not a byte of the payload went out in time. A frame whose header is partly out is open;
    /// the next call goes on with it: `ETIMEDOUT`.
    #[error("nothing was sent in time")]
    Timeout,
    /// The source of randomness failed ([`Platform::fill_random`](crate::Platform::fill_random)):
    /// there is no mask key, nothing was sent, and the connection goes on: `EIO`.
    #[error("{0}")]
    Random(#[from] RandomError),
    /// The opening handshake is not done, or the closing one has begun: `ENOTCONN`.
    #[error("not connected")]
    NotConnected,
    /// The TCP stack failed; the connection is gone: `ENOTCONN`.
    #[error("TCP: {0:?}")]
    Stack(E),
}

impl<E: Debug> SendError<E> {
    /// What Zephyr's `websocket_send_msg` returns for this, negated.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Frame(_) | Self::Mask | Self::Close(_) | Self::PartTooLong => Errno::Einval,
            Self::Handle(error) => error.errno(Errno::Ebadf, Errno::Enoent),
            Self::Random(_) => Errno::Eio,
            Self::Timeout => Errno::Etimedout,
            Self::NotConnected | Self::Stack(_) => Errno::Enotconn,
        }
    }
}

impl<E: Debug> From<FrameError> for SendError<E> {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Closed => Self::NotConnected,
            error => Self::Frame(error),
        }
    }
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError<E: Debug> {
    /// `EBADF`, `EBUSY`.
    #[error("{0}")]
    Handle(#[from] HandleError),
    /// A buffer without room: `EINVAL`.
    #[error("the buffer is empty")]
    EmptyBuffer,
    /// Nothing came in time; nothing is lost: `EAGAIN`.
    #[error("nothing was received in time")]
    Timeout,
    /// The opening handshake is not done: `ENOTCONN`.
    #[error("not connected")]
    NotConnected,
    /// The peer has closed, with this code ([`CloseCode::NO_STATUS`] for none): `ENOTCONN`.
    #[error("the peer closed with code {0}")]
    Closed(CloseCode),
    /// The TCP stream ended without a Close frame: code 1006 (RFC 6455 section 7.1.5): `ENOTCONN`.
    #[error("the connection was lost")]
    Lost,
    /// The peer broke the protocol. Said once; a Close with the fitting code is on its way, all
    /// that came before has been handed out: `EIO`.
    #[error("the peer broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    /// The peer is silent and does not answer our Ping in time
    /// ([`Config::keepalive`](crate::Config)): `EIO`.
    #[error("the peer does not answer")]
    NoPong,
    /// The TCP stack failed; the connection is gone: `EIO`.
    #[error("TCP: {0:?}")]
    Stack(E),
}

impl<E: Debug> ReceiveError<E> {
    /// What Zephyr's `websocket_recv_msg` returns for this, negated.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Handle(error) => error.errno(Errno::Ebadf, Errno::Ebadf),
            Self::EmptyBuffer => Errno::Einval,
            Self::Timeout => Errno::Eagain,
            Self::NotConnected | Self::Closed(_) | Self::Lost => Errno::Enotconn,
            Self::Protocol(_) | Self::NoPong | Self::Stack(_) => Errno::Eio,
        }
    }
}

/// Why a socket was not taken into the table, or not out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// `buffered` is longer than what the lent buffer can hold beside its reserve: `EINVAL`.
    #[error("more bytes buffered than the buffer can hold")]
    Buffered,
    /// Neither the call nor the slot has a buffer to borrow: `EINVAL`.
    #[error("no buffer to borrow: none in the call, none in the slot")]
    NoBuffer,
    /// The socket is in the table already, and stays there: `EEXIST`.
    #[error("the socket is a WebSocket already")]
    AlreadyWrapped,
    /// All slots of the table are taken: `ENOENT`.
    #[error("no free slot in the table")]
    NoFreeSlot,
    /// Unregistered before: `EALREADY`; never registered: `ENOENT`; `EBUSY`.
    #[error("{0}")]
    Handle(#[from] HandleError),
}

impl RegisterError {
    /// What Zephyr's `websocket_register` and `websocket_unregister` return for this, negated.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Buffered | Self::NoBuffer => Errno::Einval,
            Self::AlreadyWrapped => Errno::Eexist,
            Self::NoFreeSlot => Errno::Enoent,
            Self::Handle(error) => error.errno(Errno::Ealready, Errno::Enoent),
        }
    }
}

/// Why a connection was not closed in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectError {
    /// A code that may not be sent (RFC 6455 section 7.4): `EINVAL`.
    #[error("close code {0} may not be sent")]
    Code(CloseCode),
    /// The source of randomness failed: there is no mask key for the Close. The connection and its
    /// slot are as before, the Close stays due; call again, or abort: `EIO`.
    #[error("{0}")]
    Random(#[from] RandomError),
    /// `EBADF`, `EBUSY`.
    #[error("{0}")]
    Handle(#[from] HandleError),
}

impl DisconnectError {
    /// What Zephyr's `websocket_disconnect` returns for this, negated.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Code(_) => Errno::Einval,
            Self::Random(_) => Errno::Eio,
            Self::Handle(error) => error.errno(Errno::Ebadf, Errno::Ebadf),
        }
    }
}

/// Why no connection was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError<E: Debug> {
    /// A header or subprotocol that cannot be sent as it is: `EINVAL`. A list with more than 16
    /// entries: `ENOSPC`.
    #[error("{0}")]
    Response(#[from] ResponseError),
    /// Nobody was upgraded in time; half-done handshakes go on with the next call: `EAGAIN`.
    #[error("nobody connected in time")]
    Timeout,
    /// The slots have no buffers to borrow: `EINVAL`.
    #[error("no buffer to borrow in the slots")]
    NoBuffer,
    /// The listening socket failed: `EIO`.
    #[error("TCP: {0:?}")]
    Stack(E),
}

impl<E: Debug> AcceptError<E> {
    /// The error number for this.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Response(ResponseError::TooManyRules) => Errno::Enospc,
            Self::Response(_) | Self::NoBuffer => Errno::Einval,
            Self::Timeout => Errno::Eagain,
            Self::Stack(_) => Errno::Eio,
        }
    }
}

/// What the socket face reports, as an `embedded_nal` or `embedded_io` error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SocketError<E: Debug> {
    /// `connect`, or `socket` without a free slot.
    #[error("{0}")]
    Connect(ConnectError<E>),
    /// `send`.
    #[error("{0}")]
    Send(SendError<E>),
    /// `receive`.
    #[error("{0}")]
    Receive(ReceiveError<E>),
    /// `close` with an invalid id.
    #[error("{0}")]
    Handle(HandleError),
}

/// By hand, since `#[from]` makes a source of it, which may not borrow.
macro_rules! into_socket_error {
    ($($kind:ident $error:ty),*) => {
        $(impl<E: Debug> From<$error> for SocketError<E> {
            fn from(error: $error) -> Self {
                Self::$kind(error)
            }
        })*
    };
}

into_socket_error!(
    Connect ConnectError<E>,
    Send SendError<E>,
    Receive ReceiveError<E>,
    Handle HandleError
);

impl<E: Debug> TcpError for SocketError<E> {
    /// `PipeClosed` where the connection is closed or was lost, in the direction asked for.
    fn kind(&self) -> TcpErrorKind {
        match self {
            Self::Send(SendError::NotConnected | SendError::Stack(_))
            | Self::Receive(
                ReceiveError::Closed(_) | ReceiveError::Lost | ReceiveError::NotConnected,
            ) => TcpErrorKind::PipeClosed,
            _ => TcpErrorKind::Other,
        }
    }
}

impl<E: Debug> embedded_io::Error for SocketError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Send(SendError::NotConnected)
            | Self::Receive(ReceiveError::Closed(_) | ReceiveError::NotConnected) => {
                ErrorKind::NotConnected
            }
            Self::Receive(ReceiveError::Lost) => ErrorKind::ConnectionAborted,
            Self::Receive(ReceiveError::EmptyBuffer) => ErrorKind::InvalidInput,
            Self::Receive(ReceiveError::Protocol(_)) => ErrorKind::InvalidData,
            Self::Receive(ReceiveError::Timeout | ReceiveError::NoPong)
            | Self::Send(SendError::Timeout) => ErrorKind::TimedOut,
            _ => ErrorKind::Other,
        }
    }
}
