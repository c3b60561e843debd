//! Two hosts with smoltcp and a table each, joined by a link.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use embedded_nal::{TcpClientStack, TcpFullStack};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use ws_socket::stack::{SmoltcpSocket, SmoltcpStack};
use ws_socket::{AcceptOptions, Buffer, Timeout, WebSocketId, WebSocketRequest, WebSockets};

use crate::link::{Faults, Link, LinkDevice};
use crate::platform::{Clock, HandPlatform, Polled};
use crate::site::Site;

/// A stack of the tests.
pub type Stack<const T: usize> = SmoltcpStack<'static, LinkDevice, T>;

/// A table of the tests.
pub type Table<const T: usize, const N: usize> = WebSockets<'static, Stack<T>, HandPlatform, N>;

impl<D: Device, const T: usize> Polled for SmoltcpStack<'_, D, T> {
    fn poll_at(&mut self, now_ms: u32) {
        self.poll_ms(now_ms);
    }
}

/// The port the server listens on.
pub const PORT: u16 = 80;

/// Where the server listens.
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), PORT);

/// How large the hosts and the wire are.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Bytes of each TCP receive and send buffer.
    pub tcp: usize,
    /// Bytes of the buffer lent to each slot.
    pub lent: usize,
    /// What the wire does wrong.
    pub faults: Faults,
    /// What all randomness follows from.
    pub seed: u64,
}

impl Size {
    /// Windows of 1 KiB, lent buffers of 512 bytes, a good wire.
    pub const DEFAULT: Self = Self {
        tcp: 1024,
        lent: 512,
        faults: Faults::NONE,
        seed: 1,
    };
}

/// Two hosts.
pub struct Net<const T: usize, const N: usize> {
    /// The time of both.
    pub clock: Clock,
    /// The wire between them.
    pub link: Link,
    /// The client's table. While one of its calls waits, the server's [`tick`](Server::tick) runs.
    pub client: Table<T, N>,
    /// The server.
    pub server: Rc<RefCell<Server<T, N>>>,
}

/// What a server does with its connections when it has its turn.
pub type Behaviour<const T: usize, const N: usize> = Box<dyn FnMut(&mut Server<T, N>)>;

/// A host that listens.
pub struct Server<const T: usize, const N: usize> {
    /// Its table.
    pub table: Table<T, N>,
    /// Its listening socket.
    pub listener: SmoltcpSocket,
    /// What it has accepted.
    pub accepted: Vec<WebSocketId>,
    /// What it answers requests with; without, it accepts all.
    pub site: Option<Rc<RefCell<Site>>>,
    /// What it does with them.
    pub behaviour: Option<Behaviour<T, N>>,
}

/// A host of the tests, 10.0.0.`host`.
///
/// # Panics
/// Never.
pub fn stack<const T: usize>(mut device: LinkDevice, host: u8, size: Size) -> Stack<T> {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = size.seed ^ u64::from(host);
    let mut interface = Interface::new(config, &mut device, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses
            .push(IpCidr::new(IpAddress::v4(10, 0, 0, host), 24))
            .unwrap();
    });
    let mut sockets = SocketSet::new(Vec::new());
    let pool = [(); T].map(|()| {
        let buffer = || tcp::SocketBuffer::new(vec![0; size.tcp]);
        sockets.add(tcp::Socket::new(buffer(), buffer()))
    });
    let seed = size.seed as u32 ^ u32::from(host);
    SmoltcpStack::new(interface, device, sockets, pool, seed)
        .unwrap()
        .with_backlog(4)
        .with_linger(Duration::from_secs(5))
}

/// Buffers for all slots of a table, for the rest of the test.
fn lent<const N: usize>(length: usize) -> [Buffer<'static>; N] {
    [(); N].map(|()| crate::table::lent(length))
}

impl<const T: usize, const N: usize> Net<T, N> {
    /// Two hosts; the server does `behaviour` with what it accepts.
    pub fn new(size: Size, behaviour: impl FnMut(&mut Server<T, N>) + 'static) -> Self {
        let clock = Rc::new(Cell::new(1));
        let (link, near, far) = Link::new(&clock, size.faults, size.seed);
        let mut stack_of_server = stack(far, 1, size);
        let mut listener = stack_of_server.socket().unwrap();
        stack_of_server.bind(&mut listener, PORT).unwrap();
        stack_of_server.listen(&mut listener).unwrap();
        let platform = HandPlatform::new(&clock, size.seed + 1);
        let table = WebSockets::new(stack_of_server, platform).with_buffers(lent(size.lent));
        let behaviour: Behaviour<T, N> = Box::new(behaviour);
        let server = Server {
            table,
            listener,
            accepted: Vec::new(),
            site: None,
            behaviour: Some(behaviour),
        };
        let server = Rc::new(RefCell::new(server));
        let other = server.clone();
        let platform = HandPlatform::new(&clock, size.seed).with(move || other.borrow_mut().tick());
        let client = WebSockets::new(stack(near, 2, size), platform).with_buffers(lent(size.lent));
        Self {
            clock,
            link,
            client,
            server,
        }
    }

    /// Connects, and looks at nothing else.
    pub fn connect(&mut self) -> WebSocketId {
        self.client
            .connect_to(SERVER, WebSocketRequest::new("server", "/"), 60_000)
            .unwrap()
    }

    /// Lets a millisecond pass for both.
    pub fn step(&mut self) {
        self.clock.set(self.clock.get() + 1);
        let now = self.clock.get();
        self.client.stack().poll_at(now);
        self.server.borrow_mut().tick();
    }

    /// Lets milliseconds pass for both.
    pub fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }
}

impl<const T: usize, const N: usize> Server<T, N> {
    /// Its turn: accepts, and does what it does.
    pub fn tick(&mut self) {
        let now = self.table.platform().clock.get();
        self.table.stack().poll_at(now);
        let options = AcceptOptions {
            subprotocols: &["chat", "mqtt"],
            ..Default::default()
        };
        let (table, listener) = (&mut self.table, &mut self.listener);
        loop {
            let accepted = match &self.site {
                Some(site) => table.accept(listener, &mut *site.borrow_mut(), Timeout::NoWait),
                None => table.accept(listener, &options, Timeout::NoWait),
            };
            let Ok(ws) = accepted else { break };
            self.accepted.push(ws);
        }
        if let Some(mut behaviour) = self.behaviour.take() {
            behaviour(self);
            self.behaviour = Some(behaviour);
        }
        self.table.stack().poll_at(now);
    }
}

/// A server that sends every message back as it comes, piece by piece, whatever the window.
pub fn echo<const T: usize, const N: usize>() -> impl FnMut(&mut Server<T, N>) {
    let mut pieces: Vec<(WebSocketId, Vec<u8>, ws_socket::Opcode, bool)> = Vec::new();
    move |server| {
        let mut ended = Vec::new();
        for &ws in &server.accepted {
            loop {
                if let Some(at) = pieces.iter().position(|piece| piece.0 == ws) {
                    let (_, payload, opcode, fin) = &mut pieces[at];
                    match server.table.send_msg(ws, payload, *opcode, *fin, 0) {
                        Ok(count) if count == payload.len() => drop(pieces.swap_remove(at)),
                        Ok(count) => drop(payload.drain(..count)),
                        Err(_) if !server.table.is_open(ws) => drop(pieces.swap_remove(at)),
                        Err(_) => {}
                    }
                    if pieces.iter().any(|piece| piece.0 == ws) {
                        break;
                    }
                }
                let mut buffer = [0; 300];
                match server.table.recv_msg(ws, &mut buffer, 0) {
                    Ok(piece) if piece.opcode().is_control() => {}
                    Ok(piece) => {
                        let payload = buffer[..piece.length].to_vec();
                        let begun = server.table.in_message(ws).unwrap_or(false);
                        let opcode = if begun {
                            ws_socket::Opcode::Continuation
                        } else {
                            piece.opcode()
                        };
                        pieces.push((ws, payload, opcode, piece.is_complete()));
                    }
                    Err(ws_socket::ReceiveError::Timeout) => break,
                    Err(_) => {
                        ended.push(ws);
                        break;
                    }
                }
            }
        }
        for ws in ended {
            server.accepted.retain(|other| *other != ws);
            pieces.retain(|piece| piece.0 != ws);
            server.table.disconnect(ws, 0).unwrap();
        }
    }
}
