//! What is asked of a broker.

use ws_socket::handshake::HeaderSource;
use ws_socket::{Buffer, Config, Host, Request};

/// The subprotocol of MQTT 3.1.1 and 5.0, and that of 3.1 behind it.
const SUBPROTOCOLS: &[&str] = &["mqtt", "mqttv3.1"];

/// A connection to a broker: Zephyr's `struct websocket_request` as its MQTT client fills it in,
/// with `url` "/mqtt".
///
/// The subprotocol `mqtt` is offered, and the broker has to confirm it (MQTT 5.0 section 6:
/// `[MQTT-6.0.0-3]`, `[MQTT-6.0.0-4]`).
#[derive(Debug, Clone, Copy)]
pub struct MqttRequest<'r> {
    host: Host<'r>,
    url: &'r str,
    headers: Option<&'r dyn HeaderSource>,
    v31: bool,
    config: Config,
    pub(crate) polls: bool,
}

impl<'r> MqttRequest<'r> {
    /// A request to `host` (the Host header: name or address, with the port unless it is 80) for
    /// "/mqtt".
    pub const fn new(host: &'r str) -> Self {
        Self::to(Host::Text(host))
    }

    /// A request whose Host is made of an address, or a name and a port.
    pub const fn to(host: Host<'r>) -> Self {
        Self {
            host,
            url: "/mqtt",
            headers: None,
            v31: false,
            config: Config {
                binary_only: true,
                ..Config::DEFAULT
            },
            polls: true,
        }
    }

    /// Another path, with its query.
    #[must_use]
    pub const fn url(mut self, url: &'r str) -> Self {
        self.url = url;
        self
    }

    /// Headers to send besides those of the handshake: `&[("Authorization", "Basic eA==")]`, say, or
    /// whatever else is a [`HeaderSource`].
    #[must_use]
    pub const fn headers(mut self, headers: &'r dyn HeaderSource) -> Self {
        self.headers = Some(headers);
        self
    }

    /// Offers `mqttv3.1` behind `mqtt`, for brokers that know no other. The client has to speak
    /// MQTT 3.1 then.
    #[must_use]
    pub const fn offering_v31(mut self) -> Self {
        self.v31 = true;
        self
    }

    /// Another configuration of the WebSocket. Text stays refused, whatever it says.
    #[must_use]
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self.config.binary_only = true;
        self
    }

    /// Does not look for Pings before each packet that is written. That look is a read which is
    /// dropped if it has to wait, and a connection of embedded-tls 0.19 does not survive that in the
    /// middle of a record; `ws_socket::asynch::TlsStream` over it does, and needs no such
    /// care. Pings are then answered when the client reads.
    #[must_use]
    pub const fn reading_only_on_read(mut self) -> Self {
        self.polls = false;
        self
    }

    pub(crate) const fn websocket_config(&self) -> Config {
        self.config
    }

    pub(crate) fn subprotocols(&self) -> &'static [&'static str] {
        let offered = if self.v31 { 2 } else { 1 };
        SUBPROTOCOLS.get(..offered).unwrap_or(SUBPROTOCOLS)
    }

    /// For the socket face of a table.
    pub(crate) fn handshake(&self) -> Request<'r> {
        let mut request = Request::new(self.host, self.url);
        request.headers = self.headers;
        request.subprotocols = self.subprotocols();
        request
    }

    #[cfg(feature = "async")]
    pub(crate) fn websocket(&self) -> ws_socket::asynch::AsyncRequest<'r> {
        let request = ws_socket::asynch::AsyncRequest::to(self.host, self.url)
            .subprotocols(self.subprotocols());
        match self.headers {
            Some(headers) => request.headers(headers),
            None => request,
        }
    }
}

/// The buffers that a connection borrows.
#[derive(Debug)]
pub struct Buffers<'buf> {
    /// What is read goes there: at least 256 bytes, see [`ws_socket::WebSocketRequest::buffer`].
    pub receive: Buffer<'buf>,
    /// A packet that is written in pieces is kept there until its end, so that it goes out as one
    /// frame. One that is longer goes out as fragments of one message. Any length works, none too.
    pub gather: &'buf mut [u8],
}

impl<'buf> Buffers<'buf> {
    /// Both. A `receive` of `&mut [u8; M]` is checked where the program is compiled, a slice by
    /// [`Buffer::new`].
    pub fn new(receive: impl Into<Buffer<'buf>>, gather: &'buf mut [u8]) -> Self {
        Self {
            receive: receive.into(),
            gather,
        }
    }
}
