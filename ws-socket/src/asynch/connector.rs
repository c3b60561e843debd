//! WebSockets in place of TCP connections, for what connects by [`TcpConnect`].

use core::cell::Cell;
use core::net::{IpAddr, SocketAddr};
use core::ops::{Deref, DerefMut};
use core::pin::pin;

use embassy_futures::poll_once;
use embedded_io_async::{ErrorType, Read, ReadReady, Write, WriteReady};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use ws_core::handshake::{Host, HostAddr};
use ws_core::{Close, CloseCode};

use super::wait::within;
use super::{AsyncPlatform, AsyncRequest, Framing, WebSocket};
use crate::error::{ConnectError, SocketError};
use crate::{Buffer, Config, Timeout};

/// Makes WebSockets where TCP connections are asked for: a [`TcpConnect`] over another. What
/// connects by that trait, an MQTT client say, speaks WebSocket by being given this in place of
/// its stack.
///
/// Each connection borrows one of `N` buffers and gives it back when it is dropped; when all are in
/// use, `connect` fails with [`ConnectError::NoBuffer`].
pub struct Connector<'r, 'buf, S, P, const N: usize> {
    stack: S,
    platform: P,
    request: Option<AsyncRequest<'r>>,
    config: Config,
    framing: Framing,
    buffers: [Place<'buf>; N],
}

impl<S, P, const N: usize> core::fmt::Debug for Connector<'_, '_, S, P, N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// A buffer while no connection has it.
type Place<'buf> = Cell<Option<Buffer<'buf>>>;

impl<'r, 'buf, S, P, const N: usize> Connector<'r, 'buf, S, P, N> {
    /// Connections over `stack` that ask the address for `/`, with [`Config::DEFAULT`]. Each gets a
    /// clone of `platform`.
    pub fn new<B: Into<Buffer<'buf>>>(stack: S, platform: P, buffers: [B; N]) -> Self {
        Self {
            stack,
            platform,
            request: None,
            config: Config::DEFAULT,
            framing: Framing::DEFAULT,
            buffers: buffers.map(|buffer| Cell::new(Some(buffer.into()))),
        }
    }

    /// What the opening handshake asks for.
    #[must_use]
    pub const fn with_request(mut self, request: AsyncRequest<'r>) -> Self {
        self.request = Some(request);
        self
    }

    /// Another configuration: [`Config::handshake_timeout`] is how long connecting may take, TCP
    /// included.
    #[must_use]
    pub const fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// How writes become messages.
    #[must_use]
    pub const fn with_framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// The stack below.
    pub const fn stack(&self) -> &S {
        &self.stack
    }
}

impl<'buf, S: TcpConnect, P: AsyncPlatform + Clone, const N: usize> TcpConnect
    for Connector<'_, 'buf, S, P, N>
{
    type Error = SocketError<S::Error>;

    type Connection<'a>
        = Connection<'a, 'buf, S::Connection<'a>, P>
    where
        Self: 'a;

    /// TCP, then the opening handshake. Dropped, it drops the connection.
    async fn connect<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Result<Self::Connection<'a>, Self::Error> {
        let host = HostAddr::new(remote);
        let address = AsyncRequest::to(Host::Addr(&host), "/");
        let request = self.request.unwrap_or(address);
        let validated = request.request().validate();
        validated.map_err(ConnectError::from)?;
        let buffer = self.buffers.iter().find_map(Cell::take);
        let buffer = buffer.ok_or(ConnectError::NoBuffer)?;
        let mut connection = Connection {
            ws: WebSocket::new(buffer, self.platform.clone(), self.config),
            lender: &self.buffers,
        };
        connection.ws.framing = self.framing;
        let clock = self.platform.clock();
        let connected = async {
            let stream = self.stack.connect(remote).await;
            let mut link = connection.ws.link();
            link.begin_client(stream.map_err(ConnectError::Stack)?)?;
            link.client(&request, |_| {}).await
        };
        let timeout = Timeout::Millis(self.config.handshake_timeout);
        let connected = within(&clock, timeout, pin!(connected)).await;
        connected.ok_or(ConnectError::Timeout)??;
        Ok(connection)
    }
}

/// Names are resolved by the stack below.
impl<S: Dns, P, const N: usize> Dns for Connector<'_, '_, S, P, N> {
    type Error = S::Error;

    async fn get_host_by_name(
        &self,
        host: &str,
        addr_type: AddrType,
    ) -> Result<IpAddr, Self::Error> {
        self.stack.get_host_by_name(host, addr_type).await
    }

    async fn get_host_by_address(
        &self,
        addr: IpAddr,
        result: &mut [u8],
    ) -> Result<usize, Self::Error> {
        self.stack.get_host_by_address(addr, result).await
    }
}

/// A connection of a [`Connector`]: a [`WebSocket`] with a buffer that goes back.
///
/// Dropped, it sends a Close (1000) if that goes out at once, and drops the TCP connection. To wait
/// for the peer's there is [`WebSocket::disconnect`].
pub struct Connection<'a, 'buf, T: Read + Write, P: AsyncPlatform> {
    ws: WebSocket<'buf, T, P>,
    lender: &'a [Place<'buf>],
}

impl<T: Read + Write, P: AsyncPlatform> core::fmt::Debug for Connection<'_, '_, T, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl<T: Read + Write, P: AsyncPlatform> Drop for Connection<'_, '_, T, P> {
    fn drop(&mut self) {
        let mut goodbye = Close::new(CloseCode::NORMAL, false);
        let _ = poll_once(self.ws.link().drive(&mut goodbye));
        let lent = core::mem::take(&mut self.ws.entry.lent);
        let Ok(buffer) = Buffer::new(lent) else {
            return;
        };
        for place in self.lender {
            match place.take() {
                None => return place.set(Some(buffer)),
                other => place.set(other),
            }
        }
    }
}

impl<'buf, T: Read + Write, P: AsyncPlatform> Deref for Connection<'_, 'buf, T, P> {
    type Target = WebSocket<'buf, T, P>;

    fn deref(&self) -> &Self::Target {
        &self.ws
    }
}

impl<T: Read + Write, P: AsyncPlatform> DerefMut for Connection<'_, '_, T, P> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.ws
    }
}

impl<T: Read + Write, P: AsyncPlatform> ErrorType for Connection<'_, '_, T, P> {
    type Error = SocketError<T::Error>;
}

impl<T: Read + Write, P: AsyncPlatform> Read for Connection<'_, '_, T, P> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        self.ws.read(buffer).await
    }
}

impl<T: Read + Write, P: AsyncPlatform> Write for Connection<'_, '_, T, P> {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, Self::Error> {
        self.ws.write(buffer).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.ws.flush().await
    }
}

impl<T: Read + Write, P: AsyncPlatform> ReadReady for Connection<'_, '_, T, P> {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        self.ws.read_ready()
    }
}

impl<T: Read + Write + WriteReady, P: AsyncPlatform> WriteReady for Connection<'_, '_, T, P> {
    fn write_ready(&mut self) -> Result<bool, Self::Error> {
        self.ws.write_ready()
    }
}
