//! What an async client asks for.

use core::fmt::Debug;
use core::net::SocketAddr;

use embedded_nal_async::{AddrType, Dns};
use ws_core::handshake::{HeaderSource, Host, Request};
use ws_core::url::{Url, UrlHost};

use crate::Config;
use crate::error::ConnectError;

/// A client's opening handshake: Zephyr's `struct websocket_request`, without its callbacks, so
/// that what holds it may be sent between threads.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketRequest<'r> {
    pub(super) host: Host<'r>,
    pub(super) url: &'r str,
    headers: Option<&'r dyn HeaderSource>,
    subprotocols: &'r [&'r str],
    origin: Option<&'r str>,
}

impl<'r> WebSocketRequest<'r> {
    /// A request to `host` (the Host header: name or address, with the port unless it is 80) for
    /// `url` (path and query: "/chat?room=1"; "" is "/").
    pub const fn new(host: &'r str, url: &'r str) -> Self {
        Self::to(Host::Text(host), url)
    }

    /// A request for what the URL names that is given beside it
    /// ([`WebSockets::connect_url`](super::WebSockets::connect_url)).
    pub const fn for_url() -> Self {
        Self::new("", "")
    }

    /// A request whose Host is made of an address or a name and a port.
    pub const fn to(host: Host<'r>, url: &'r str) -> Self {
        Self {
            host,
            url,
            headers: None,
            subprotocols: &[],
            origin: None,
        }
    }

    /// Headers to send besides those of the handshake: `&[("Name", "value")]`, a reference to a slice
    /// of such, or to a function `Fn(&mut Headers<'_>)` that adds them; it runs several times and must
    /// add the same each time ([`HeaderSource`]).
    #[must_use]
    pub const fn headers(mut self, headers: &'r dyn HeaderSource) -> Self {
        self.headers = Some(headers);
        self
    }

    /// The subprotocols to offer, at most 16, the preferred first (RFC 6455 section 1.9).
    #[must_use]
    pub const fn subprotocols(mut self, subprotocols: &'r [&'r str]) -> Self {
        self.subprotocols = subprotocols;
        self
    }

    /// The Origin header, which a browser would send.
    #[must_use]
    pub const fn origin(mut self, origin: &'r str) -> Self {
        self.origin = Some(origin);
        self
    }

    /// The same to what a URL names, if it can be connected to.
    pub(super) fn for_parsed<'u, E: Debug>(
        &self,
        url: &'u str,
        config: &Config,
    ) -> Result<(Url<'u>, WebSocketRequest<'u>), ConnectError<E>>
    where
        'r: 'u,
    {
        let url = Url::parse(url)?;
        if url.secure && !config.secure {
            return Err(ConnectError::NotSecure);
        }
        let request = WebSocketRequest {
            host: url.host_header(),
            url: url.target,
            ..*self
        };
        request.request().validate()?;
        Ok((url, request))
    }

    /// For the core. Made anew for each step: it has a place for a callback, which may not be kept
    /// over an await where the future is to be `Send`.
    pub(super) const fn request(&self) -> Request<'r> {
        let mut request = Request::new(self.host, self.url);
        request.headers = self.headers;
        request.subprotocols = self.subprotocols;
        request.origin = self.origin;
        request
    }
}

/// The address of what a URL names.
pub(super) async fn resolve<E: Debug>(
    stack: &impl Dns,
    url: &Url<'_>,
) -> Result<SocketAddr, ConnectError<E>> {
    let address = match url.host {
        UrlHost::Ip(address) => address,
        UrlHost::Name(name) => {
            let found = stack.get_host_by_name(name, AddrType::Either).await;
            found.map_err(|_| ConnectError::Resolve)?
        }
    };
    Ok(SocketAddr::new(address, url.port))
}
