//! Connections to brokers in place of TCP connections.

use core::cell::Cell;
use core::fmt::{Debug, Formatter};
use core::net::{IpAddr, SocketAddr};

use embedded_io_async::{ErrorType, Read, ReadReady, Write, WriteReady};
use embedded_nal_async::{AddrType, Dns, TcpConnect};
use ws_socket::CloseCode;
use ws_socket::asynch::{AsyncPlatform, Connection, Connector};

use crate::outbox::Outbox;
use crate::stream::stream_of;
use crate::{Buffers, MqttError, MqttRequest, io};

/// Connects to a broker by WebSocket where a TCP connection is asked for: an
/// [`embedded_nal_async::TcpConnect`] over another, for an MQTT client that connects by itself.
///
/// Each connection borrows one of `N` pairs of buffers and gives it back when it is dropped; when
/// all are in use, `connect` fails with [`ConnectError::NoBuffer`](ws_socket::ConnectError).
pub struct MqttConnector<'r, 'buf, S, P, const N: usize> {
    inner: Connector<'r, 'buf, S, P, N>,
    gather: [Lent<'buf>; N],
    polls: bool,
}

/// A buffer while no connection has it.
type Lent<'buf> = Cell<Option<&'buf mut [u8]>>;

impl<S, P, const N: usize> Debug for MqttConnector<'_, '_, S, P, N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MqttConnector").finish_non_exhaustive()
    }
}

impl<'r, 'buf, S, P, const N: usize> MqttConnector<'r, 'buf, S, P, N> {
    /// Connections over `stack` that ask for `request`. Each gets a clone of `platform`.
    /// [`Config::handshake_timeout`](ws_socket::Config) is how long connecting may take.
    pub fn new(
        stack: S,
        platform: P,
        request: MqttRequest<'r>,
        buffers: [Buffers<'buf>; N],
    ) -> Self {
        let gather = [const { Cell::new(None) }; N];
        let mut places = gather.iter();
        let receive = buffers.map(|from| {
            if let Some(place) = places.next() {
                place.set(Some(from.gather));
            }
            from.receive
        });
        Self {
            inner: Connector::new(stack, platform, receive)
                .with_request(request.websocket())
                .with_config(request.websocket_config()),
            gather,
            polls: request.polls,
        }
    }

    /// The stack below.
    pub const fn stack(&self) -> &S {
        self.inner.stack()
    }
}

impl<'buf, S: TcpConnect, P: AsyncPlatform + Clone, const N: usize> TcpConnect
    for MqttConnector<'_, 'buf, S, P, N>
{
    type Error = MqttError<S::Error>;

    type Connection<'a>
        = MqttConnection<'a, 'buf, S::Connection<'a>, P>
    where
        Self: 'a;

    /// TCP, then the opening handshake. Dropped, it drops the connection.
    async fn connect<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Result<Self::Connection<'a>, Self::Error> {
        let mut ws = self.inner.connect(remote).await?;
        io::agreed(&mut ws).await?;
        let gather = self.gather.iter().find_map(Cell::take);
        Ok(MqttConnection {
            ws,
            out: Outbox::new(gather.unwrap_or_default()),
            polls: self.polls,
            lender: &self.gather,
        })
    }
}

/// Names are resolved by the stack below.
impl<S: Dns, P, const N: usize> Dns for MqttConnector<'_, '_, S, P, N> {
    type Error = S::Error;

    async fn get_host_by_name(
        &self,
        host: &str,
        addr_type: AddrType,
    ) -> Result<IpAddr, Self::Error> {
        self.inner.get_host_by_name(host, addr_type).await
    }

    async fn get_host_by_address(
        &self,
        addr: IpAddr,
        result: &mut [u8],
    ) -> Result<usize, Self::Error> {
        self.inner.get_host_by_address(addr, result).await
    }
}

/// A connection of an [`MqttConnector`].
///
/// Dropped, it sends a Close (1000) if that goes out at once, and drops the TCP connection.
pub struct MqttConnection<'a, 'buf, T: Read + Write, P: AsyncPlatform> {
    ws: Connection<'a, 'buf, T, P>,
    out: Outbox<'buf>,
    polls: bool,
    lender: &'a [Lent<'buf>],
}

impl<T: Read + Write, P: AsyncPlatform> MqttConnection<'_, '_, T, P> {
    /// The code of the broker's Close, once it has been received.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.ws.close_code()
    }
}

impl<T: Read + Write, P: AsyncPlatform> Debug for MqttConnection<'_, '_, T, P> {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MqttConnection").finish_non_exhaustive()
    }
}

impl<T: Read + Write, P: AsyncPlatform> Drop for MqttConnection<'_, '_, T, P> {
    fn drop(&mut self) {
        let lent = self.out.take_buffer();
        for place in self.lender.iter().filter(|_| !lent.is_empty()) {
            match place.take() {
                None => return place.set(Some(lent)),
                other => place.set(other),
            }
        }
    }
}

stream_of!(MqttConnection<'_, '_>);
