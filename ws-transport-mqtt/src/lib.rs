//! MQTT over a WebSocket: an embedded MQTT client runs over it unchanged. No heap.
//!
//! | the client wants | it gets | clients |
//! | --- | --- | --- |
//! | `embedded_io_async` `Read + Write`, `ReadReady` | `MqttStream` | rust-mqtt 0.6, minimq 0.13 |
//! | `embedded_nal_async::TcpConnect` | `MqttConnector` | mqttrust 1.0 |
//! | `embedded_nal::TcpClientStack` | [`MqttStack`] | minimq 0.10 |
//! | mountain-mqtt's `Connection` | `MqttStream`, feature `mountain-mqtt` | mountain-mqtt 0.2 |
//!
//! All do what MQTT asks of a WebSocket (MQTT 5.0 and 3.1.1 section 6):
//!
//! - The subprotocol `mqtt` is offered and the broker has to confirm it; else
//!   [`MqttError::Subprotocol`]. The path is "/mqtt" unless [`MqttRequest::url`] says otherwise.
//! - Packets go out in binary messages, each in one of its own. What a client writes field by field
//!   is gathered in [`Buffers::gather`] until the end of the packet; one that is longer goes out as
//!   fragments; with an empty one each write is a fragment.
//! - What the broker sends may be cut anywhere. A text message is an error, and closes the
//!   connection with 1003.
//! - Control frames never show. Pings are answered while a client waits in a read, and whenever it
//!   reads, asks whether it could, or begins to write a packet.
//!
//! TLS (`wss`) is the stream's to do, below: `ws_socket::asynch::TlsStream` over embedded-tls, or see
//! [`MqttRequest::reading_only_on_read`].
//!
//! # Features
//!
//! - `async` (default): `MqttStream` and `MqttConnector`.
//! - `mountain-mqtt`: its `Connection` for `MqttStream`.
//! - `crates-hash` (default), `compact`: ws-socket's, for the accept value.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

#[cfg(feature = "async")]
mod connector;
mod error;
#[cfg(feature = "async")]
mod io;
#[cfg(feature = "mountain-mqtt")]
mod mountain;
mod outbox;
mod packets;
mod request;
mod stack;
#[cfg(feature = "async")]
mod stream;

#[cfg(feature = "async")]
pub use connector::{MqttConnection, MqttConnector};
pub use error::MqttError;
pub use request::{Buffers, MqttRequest};
pub use stack::MqttStack;
#[cfg(feature = "async")]
pub use stream::MqttStream;
