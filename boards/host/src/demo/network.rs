//! Two smoltcp stacks on one wire, and what the tables on them need: a clock that moves only when
//! there is nothing else to do, and a `wait` of the client that has the server run.

use super::server::Server;
use super::wire::{Carried, WireEnd, wire};
use crate::os::Blocks;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use ws_socket::Platform;
use ws_socket::stack::SmoltcpStack;

/// TCP sockets of each stack.
pub(super) const SOCKETS: usize = 4;
/// Those of the server that wait for clients.
pub(super) const BACKLOG: usize = 2;
/// Bytes of each TCP buffer: a receive and a transmit buffer a socket.
pub(super) const TCP_BUFFER: usize = 4096;
/// Where the server listens.
pub(super) const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);

pub(super) type Stack = SmoltcpStack<'static, WireEnd, SOCKETS>;

/// It is polled between any two looks.
impl Blocks for Stack {
    fn is_blocked(&self) -> bool {
        true
    }
}

/// The time, in milliseconds. It passes when everybody waits.
pub(super) type Clock = Rc<Cell<u32>>;

/// Two joined stacks.
pub(super) struct Network {
    pub(super) client: Stack,
    pub(super) server: Stack,
    pub(super) clock: Clock,
    pub(super) carried: Rc<Cell<Carried>>,
}

impl Network {
    pub(super) fn new() -> Result<Self, String> {
        let (server_end, client_end, carried) = wire();
        Ok(Self {
            client: stack(client_end, 2)?,
            server: stack(server_end, 1)?.with_backlog(BACKLOG),
            clock: Clock::default(),
            carried,
        })
    }
}

/// A stack with the address 10.0.0.`host`.
fn stack(mut device: WireEnd, host: u8) -> Result<Stack, String> {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = u64::from(random_u32()) << 32 | u64::from(random_u32());
    let mut iface = Interface::new(config, &mut device, Instant::ZERO);
    let mut room = Ok(());
    iface.update_ip_addrs(|addresses| {
        let address = IpCidr::new(IpAddress::v4(10, 0, 0, host), 24);
        room = addresses
            .push(address)
            .map_err(|_| "no room for an address");
    });
    room?;
    let mut sockets = SocketSet::new(Vec::new());
    let pool = [(); SOCKETS].map(|()| {
        let buffer = || tcp::SocketBuffer::new(vec![0; TCP_BUFFER]);
        sockets.add(tcp::Socket::new(buffer(), buffer()))
    });
    SmoltcpStack::new(iface, device, sockets, pool, random_u32()).map_err(|e| e.to_string())
}

fn fill_random(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        crate::output::say(&format!("the system has no randomness: {error}"));
        crate::output::finish(crate::exit::Exit::Failed, true);
        std::process::abort();
    }
}

fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    fill_random(&mut bytes);
    u32::from_ne_bytes(bytes)
}

/// The server's platform: it never waits, it is run.
pub(super) struct ServerPlatform {
    pub(super) clock: Clock,
}

impl Platform<Stack> for ServerPlatform {
    fn now_ms(&mut self) -> u32 {
        self.clock.get()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        fill_random(bytes);
    }

    fn wait(&mut self, stack: &mut Stack, _: u32) {
        stack.poll_ms(self.clock.get());
    }
}

/// The client's platform: while it waits, packets move and the server runs.
pub(super) struct ClientPlatform<'b> {
    pub(super) clock: Clock,
    pub(super) carried: Rc<Cell<Carried>>,
    pub(super) server: Rc<RefCell<Server<'b>>>,
}

impl Platform<Stack> for ClientPlatform<'_> {
    fn now_ms(&mut self) -> u32 {
        self.clock.get()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        fill_random(bytes);
    }

    fn wait(&mut self, stack: &mut Stack, at_most_ms: u32) {
        let (now, before) = (self.clock.get(), self.carried.get());
        stack.poll_ms(now);
        let mut server = self.server.borrow_mut();
        let moved = server.run();
        stack.poll_ms(now);
        if moved || self.carried.get() != before || at_most_ms == 0 {
            return;
        }
        // Nothing moves by itself: on to the next timer of either stack.
        let timers = [stack.poll_delay_ms(now), server.poll_delay_ms(now)];
        let next = timers.into_iter().flatten().min();
        let step = next.unwrap_or(u32::MAX).min(at_most_ms).clamp(1, 1000);
        self.clock.set(now.wrapping_add(step));
    }
}
