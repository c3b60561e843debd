//! What an async client asks for.

use core::fmt::Debug;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use core::pin::pin;

use embassy_futures::select::{Either, select};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use ws_core::handshake::{HeaderSource, Host, Request};
use ws_core::url::{Url, UrlHost};

use super::Clock;
use super::wait::within;
use crate::error::ConnectError;
use crate::table::{HEAD_START, LONG, number};
use crate::{Config, Timeout};

/// A client's opening handshake: [`WebSocketRequest`](crate::WebSocketRequest) without its buffer, which a
/// call is given beside it, and without its callbacks, so that what holds it may be sent between threads.
#[derive(Debug, Clone, Copy)]
pub struct AsyncRequest<'r> {
    pub(super) host: Host<'r>,
    pub(super) url: &'r str,
    headers: Option<&'r dyn HeaderSource>,
    subprotocols: &'r [&'r str],
    origin: Option<&'r str>,
}

impl<'r> AsyncRequest<'r> {
    /// A request to `host` (the Host header: name or address, with the port unless it is 80) for
    /// `url` (path and query: "/chat?room=1"; "" is "/").
    pub const fn new(host: &'r str, url: &'r str) -> Self {
        Self::to(Host::Text(host), url)
    }

    /// A request for what the URL names that is given beside it
    /// ([`AsyncWebSockets::connect_url`](super::AsyncWebSockets::connect_url)).
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
    ) -> Result<(Url<'u>, AsyncRequest<'u>), ConnectError<E>>
    where
        'r: 'u,
    {
        let url = Url::parse(url)?;
        if url.secure && !config.secure {
            return Err(ConnectError::NotSecure);
        }
        let request = AsyncRequest {
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

/// The TCP connection to what a URL names: to the address of either family that takes it first. See
/// [`Table::connect_url`](crate::Table::connect_url). `timeout` is the time for all.
pub(super) async fn dial<'s, S: TcpConnect + Dns>(
    stack: &'s S,
    url: &Url<'_>,
    clock: &impl Clock,
    timeout: Timeout,
) -> Result<S::Connection<'s>, ConnectError<<S as TcpConnect>::Error>> {
    let scope = match url.zone {
        None => 0,
        Some(zone) => number(zone).ok_or(ConnectError::Zone)?,
    };
    let connect = |address| {
        let remote = match address {
            IpAddr::V4(_) => SocketAddr::new(address, url.port),
            IpAddr::V6(address) => SocketAddrV6::new(address, url.port, 0, scope).into(),
        };
        stack.connect(remote)
    };
    let name = match url.host {
        UrlHost::Ip(address) => return connect(address).await.map_err(ConnectError::Stack),
        UrlHost::Name(name) => name,
    };
    let resolve = async |family| {
        let found = stack.get_host_by_name(name, family).await;
        found.map_err(|_| ConnectError::Resolve)
    };
    let (first, other) = match resolve(AddrType::Either).await {
        Ok(first) if first.is_ipv4() => (first, Some(AddrType::IPv6)),
        Ok(first) => (first, Some(AddrType::IPv4)),
        // Whatever failed may have failed for one family.
        Err(_) => match resolve(AddrType::IPv6).await {
            Ok(first) => (first, Some(AddrType::IPv4)),
            Err(_) => (resolve(AddrType::IPv4).await?, None),
        },
    };
    let Some(other) = other else {
        return connect(first).await.map_err(ConnectError::Stack);
    };
    let second = async || match resolve(other.clone()).await? {
        address if address == first => Err(ConnectError::Resolve),
        address => connect(address).await.map_err(ConnectError::Stack),
    };
    {
        let mut one = pin!(connect(first));
        match select(one.as_mut(), clock.sleep_ms(HEAD_START)).await {
            Either::First(Ok(stream)) => return Ok(stream),
            Either::First(Err(error)) => {
                return second().await.map_err(|_| ConnectError::Stack(error));
            }
            Either::Second(()) => {}
        }
        let beside = {
            let two = pin!(second());
            match select(one.as_mut(), two).await {
                Either::First(first) => Err(first),
                Either::Second(second) => Ok(second),
            }
        };
        match beside {
            Ok(Ok(stream)) | Err(Ok(stream)) => return Ok(stream),
            Err(Err(error)) => return second().await.map_err(|_| ConnectError::Stack(error)),
            // There is no other address.
            Ok(Err(ConnectError::Resolve)) => return one.await.map_err(ConnectError::Stack),
            Ok(Err(_)) => {}
        }
        // It is refused, or the stack had no socket for it: half of the time for the first.
        let half = Timeout::Millis(match timeout {
            Timeout::Millis(millis) => (millis / 2).min(LONG),
            _ => LONG,
        });
        if let Some(connected) = within(clock, half, one).await {
            return connected.map_err(ConnectError::Stack);
        }
    }
    match second().await {
        Ok(stream) => Ok(stream),
        Err(_) => connect(first).await.map_err(ConnectError::Stack),
    }
}
