//! The calls as `async fn`: for embassy, edge-net and other executors, without heap.
//!
//! | | |
//! | --- | --- |
//! | [`WebSocket`] | one connection on one stream, in its task's hands |
//! | [`Halves`] | the same in two tasks, one receives while the other sends, where the stream splits |
//! | [`AsyncWebSockets`] | a table of them with ids, in one task; Zephyr's calls are functions of this module too |
//! | [`Connector`] | makes WebSockets where TCP connections are asked for: an `embedded_nal_async::TcpConnect` |
//!
//! A stream is anything that is [`embedded_io_async::Read`] and `Write`: a TCP connection of any
//! `embedded_nal_async` stack, a socket that was accepted, TLS. The protocol is that of the blocking
//! calls, and so are the rules, the timeouts and the errors: the crate's documentation holds here.
//!
//! # Example
//!
//! ```
//! use ws_socket::asynch::{AsyncPlatform, AsyncRequest, WebSocket};
//! use ws_socket::{Config, Opcode, Timeout};
//! use embedded_nal_async::{Dns, TcpConnect};
//!
//! async fn hello<S, P>(stack: &S, platform: P) -> Result<(), Box<dyn core::error::Error>>
//! where
//!     S: TcpConnect<Error: 'static> + Dns,
//!     P: AsyncPlatform,
//! {
//!     let mut buffer = [0; 512];
//!     let url = "ws://example.com/chat";
//!     let request = AsyncRequest::for_url().subprotocols(&["chat"]);
//!     let config = Config { flush: false, ..Config::DEFAULT }; // plain TCP
//!     let mut ws =
//!         WebSocket::connect_url(stack, url, &request, &mut buffer, platform, config, 5_000).await?;
//!
//!     ws.send_msg(b"hello", Opcode::Text, true, 1_000).await?;
//!     let mut message = [0; 64];
//!     let received = ws.recv_msg(&mut message, Timeout::Forever).await?;
//!     assert!(received.is_complete());
//!
//!     ws.disconnect(1_000).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Cancellation
//!
//! A future may be dropped at any await, by a timeout of its own or by a `select`: state changes
//! only after a completed read or write of the stream. A dropped receive has taken nothing away; a
//! dropped send leaves its frame open, to be gone on with, or takes it back if no byte of it went
//! out; a dropped connect or accept drops the stream and frees slot and buffer; a dropped disconnect
//! goes on when it is called again. Each function says what holds for it.
//!
//! That is as true as the stream's own reads and writes are *side-effect-free on cancel*, in the
//! words of [`embedded_io_async`]. TCP sockets of embassy-net, edge-nal-std and async-io are. A
//! connection of embedded-tls 0.19 is not, and a [`TlsStream`] makes one of it that is. Over a TLS stream
//! without that let calls run to their end (`Timeout::Forever`, no keepalive, no `select`), and do not
//! split it: [`Halves`] drop a write of their own when a read is done.
//!
//! # Flushing
//!
//! With [`Config::flush`](crate::Config::flush) the stream is flushed behind each message, which TLS
//! needs. For plain TCP switch it off: embassy-net's flush waits for the peer's acknowledgement.
//!
//! # While a call waits
//!
//! A call that receives answers Pings first, and does not read while a control frame cannot go out:
//! a stream that is one object cannot be read and written at once. [`Halves`] can, and go on
//! receiving then.
//!
//! # `Send`
//!
//! Nothing here asks for it, and a future is `Send` where stream and platform are. Those of a
//! [`Connector`] are not.

mod calls;
mod connector;
mod drive;
#[cfg(feature = "edge-nal")]
mod edge;
mod functions;
mod link;
mod platform;
mod poll;
mod request;
mod split;
mod stream;
mod table;
mod tls;
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
pub use platform::{AsyncPlatform, Clock};
#[cfg(feature = "embassy-time")]
pub use platform::{Embassy, EmbassyClock};
pub use request::AsyncRequest;
pub use split::{Halves, Receiver, Sender};
pub use stream::Framing;
pub use table::AsyncWebSockets;
pub use tls::{TlsBelow, TlsStream, TlsStreamError};
pub use websocket::WebSocket;
