//! Two smoltcp adapters joined by a wire, with the time driven by hand.

use std::net::SocketAddr;

use embedded_nal::{TcpClientStack, TcpFullStack};
use smoltcp::time::{Duration, Instant};
use ws_socket::stack::{SmoltcpError, SmoltcpSocket, SmoltcpStack};

use super::conformance::Rig;
use super::pair::{PairDevice, host, pair};

pub type Stack<const N: usize> = SmoltcpStack<'static, PairDevice, N>;

/// A server at .1 and a client at .2, each with `N` sockets.
pub struct Net<const N: usize> {
    pub server: Stack<N>,
    pub client: Stack<N>,
    pub now: Instant,
    pub v6: bool,
}

impl<const N: usize> Net<N> {
    pub fn new() -> Self {
        Self::with(|s| s.with_backlog(3))
    }

    pub fn with(set: impl Fn(Stack<N>) -> Stack<N>) -> Self {
        let (mut a, mut b) = pair();
        let (iface, sockets, pool) = host(&mut a, 1, 2048);
        let server = SmoltcpStack::new(iface, a, sockets, pool, 1).unwrap();
        let (iface, sockets, pool) = host(&mut b, 2, 2048);
        let client = SmoltcpStack::new(iface, b, sockets, pool, 2).unwrap();
        Self {
            server: set(server),
            client: set(client),
            now: Instant::from_secs(1),
            v6: false,
        }
    }

    pub fn server_addr(&self, port: u16) -> SocketAddr {
        let ip = if self.v6 { "fd00::1" } else { "10.0.0.1" };
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    /// One millisecond.
    pub fn step(&mut self) {
        self.now += Duration::from_millis(1);
        self.client.poll(self.now);
        self.server.poll(self.now);
    }

    pub fn steps(&mut self, n: usize) {
        (0..n).for_each(|_| self.step());
    }

    /// Time in larger pieces.
    pub fn seconds(&mut self, n: i64) {
        for _ in 0..n * 10 {
            self.now += Duration::from_millis(100);
            self.client.poll(self.now);
            self.server.poll(self.now);
        }
    }

    pub fn listen(&mut self, port: u16) -> SmoltcpSocket {
        let mut l = self.server.socket().unwrap();
        self.server.bind(&mut l, port).unwrap();
        self.server.listen(&mut l).unwrap();
        l
    }

    pub fn connect(&mut self, port: u16) -> Result<SmoltcpSocket, SmoltcpError> {
        let mut c = self.client.socket()?;
        let addr = self.server_addr(port);
        loop {
            match self.client.connect(&mut c, addr) {
                Ok(()) => return Ok(c),
                Err(nb::Error::WouldBlock) => self.step(),
                Err(nb::Error::Other(e)) => {
                    self.client.close(c).unwrap();
                    return Err(e);
                }
            }
        }
    }

    pub fn accept(&mut self, l: &mut SmoltcpSocket) -> SmoltcpSocket {
        self.steps(2);
        self.server.accept(l).unwrap().0
    }
}

impl<const N: usize> Rig for Net<N> {
    type Stack = Stack<N>;

    fn server(&mut self) -> &mut Stack<N> {
        &mut self.server
    }

    fn client(&mut self) -> &mut Stack<N> {
        &mut self.client
    }

    fn drive(&mut self) {
        self.step();
    }

    fn addr_of(&mut self, listener: &SmoltcpSocket) -> SocketAddr {
        let port = self.server.local_addr(listener).unwrap().port();
        self.server_addr(port)
    }

    fn closed_addr(&mut self) -> SocketAddr {
        self.server_addr(9)
    }

    fn reset(&mut self, socket: SmoltcpSocket) {
        self.client.abort(socket).unwrap();
    }
}

pub const fn no(e: SmoltcpError) -> nb::Error<SmoltcpError> {
    nb::Error::Other(e)
}
