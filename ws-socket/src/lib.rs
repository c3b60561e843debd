//! WebSocket ids over embedded-nal.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod config;
mod error;
mod fmt;
mod functions;
mod handler;
mod id;
mod message;
mod platform;
mod request;
mod session;
#[cfg(feature = "critical-section")]
mod shared;
mod slots;
pub mod stack;
mod table;
mod timeout;

pub use ws_core::handshake::{self, HeadPart, Host, Request};
pub use ws_core::{
    CloseCode, FrameError, Opcode, ProtocolError, Role, parse_close, url, write_close,
};

pub use config::{Config, ZeroRead};
pub use error::{
    AcceptError, ConnectError, DisconnectError, Errno, HandleError, ReceiveError, RegisterError,
    SendError, SocketError,
};
pub use functions::{
    close, recv, send, websocket_accept, websocket_connect, websocket_connect_url,
    websocket_disconnect, websocket_poll, websocket_poll_accept, websocket_recv_msg,
    websocket_register, websocket_send_msg, websocket_unregister,
};
pub use handler::{AcceptOptions, Handler};
pub use id::WebSocketId;
pub use message::{Flags, Received};
pub use platform::Platform;
pub use request::WebSocketRequest;
#[cfg(feature = "critical-section")]
pub use shared::SharedWebSockets;
pub use table::{
    Accepting, Disconnected, Events, PollItem, Polled, Progress, Recipient, SlowPolicy,
    StreamOptions, Table, WebSockets,
};
pub use timeout::Timeout;
