//! The calls as `async fn`.
mod calls;
mod close;
mod connector;
#[cfg(feature = "edge-nal")]
mod edge;
mod functions;
mod keepalive;
mod link;
mod platform;
mod poll;
mod receive;
mod request;
mod send;
mod stream;
mod table;
mod upgrade;
mod wait;
mod websocket;

pub use connector::{Connection, Connector};
#[cfg(feature = "edge-nal")]
pub use edge::{EdgeStack, close_tcp};
pub use functions::{
    websocket_accept, websocket_connect, websocket_connect_to, websocket_connect_url,
    websocket_disconnect, websocket_poll, websocket_recv_msg, websocket_register,
    websocket_send_msg, websocket_unregister,
};
pub use platform::{Clock, Platform};
#[cfg(feature = "embassy-time")]
pub use platform::{Embassy, EmbassyClock};
pub use request::WebSocketRequest;
pub use stream::Framing;
pub use table::WebSockets;
pub use websocket::WebSocket;
