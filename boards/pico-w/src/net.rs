//! embassy-net as the one stack that a client asks for.

use core::net::{IpAddr, SocketAddr};

use embassy_net::Stack;
use embassy_net::dns::{self, DnsSocket};
use embassy_net::tcp;
use embassy_net::tcp::client::{TcpClient, TcpClientState, TcpConnection};
use embedded_nal_async::{AddrType, Dns, TcpConnect};

/// Bytes that TCP holds for each direction.
const BUFFER: usize = 1024;

/// The memory of the one connection that [`Net`] makes at a time.
pub type State = TcpClientState<1, BUFFER, BUFFER>;
/// A connection.
pub type Connection<'m> = TcpConnection<'m, 1, BUFFER, BUFFER>;

/// TCP connections and names: in embassy-net these are two objects.
pub struct Net<'d> {
    tcp: TcpClient<'d, 1, BUFFER, BUFFER>,
    dns: DnsSocket<'d>,
}

impl<'d> Net<'d> {
    /// Both, of one stack.
    pub fn new(stack: Stack<'d>, state: &'d State) -> Self {
        Self {
            tcp: TcpClient::new(stack, state),
            dns: DnsSocket::new(stack),
        }
    }
}

impl TcpConnect for Net<'_> {
    type Error = tcp::Error;
    type Connection<'a>
        = Connection<'a>
    where
        Self: 'a;

    async fn connect(&self, remote: SocketAddr) -> Result<Self::Connection<'_>, tcp::Error> {
        self.tcp.connect(remote).await
    }
}

impl Dns for Net<'_> {
    type Error = dns::Error;

    async fn get_host_by_name(&self, host: &str, _: AddrType) -> Result<IpAddr, dns::Error> {
        // No IPv6 here: asking for it would only take longer to fail.
        self.dns.get_host_by_name(host, AddrType::IPv4).await
    }

    async fn get_host_by_address(&self, _: IpAddr, _: &mut [u8]) -> Result<usize, dns::Error> {
        // embassy-net has none.
        Err(dns::Error::Failed)
    }
}
