//! The network put together: controller, smoltcp, `ws-socket`'s adapter, and the platform under a
//! table.

use core::net::{IpAddr, SocketAddr};

use cortex_m::Peripherals;
use embedded_nal::TcpClientStack;
pub use smoltcp::iface::SocketStorage;
use smoltcp::iface::{Config, Interface, PollResult, SocketSet};
use smoltcp::phy::Device;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};
pub use static_cell::{ConstStaticCell, StaticCell};
use ws_socket::Platform;
use ws_socket::stack::{SmoltcpStack, add_tcp_sockets};

use crate::clock;
use crate::lan9118::{self, Frames, Lan9118};
use crate::semihosting::{CommandLine, Random};

/// What QEMU's user network gives the guest.
pub(crate) const ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
pub(crate) const PREFIX: u8 = 24;
/// The host, which is the gateway too.
pub const HOST: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);

/// How long a connection may take to close before its socket is used again.
const LINGER: Duration = Duration::from_secs(3);

/// A stack of `N` TCP sockets over the board's Ethernet.
pub type Stack<const N: usize> = SmoltcpStack<'static, Lan9118, N>;

/// Memory for `N` TCP sockets with `SIZE` bytes for each direction, and for two Ethernet frames.
///
/// What the peers of all connections may send at once, `N * SIZE` bytes and their headers, should
/// fit into the 10.5 KiB of the controller: it drops the rest, and TCP is slow to notice.
pub struct Memory<const N: usize, const SIZE: usize> {
    rx: [[u8; SIZE]; N],
    tx: [[u8; SIZE]; N],
    frames: Frames,
}

impl<const N: usize, const SIZE: usize> Memory<N, SIZE> {
    /// For a static; all zero, so that it takes no flash.
    pub const fn new() -> Self {
        Self {
            rx: [[0; SIZE]; N],
            tx: [[0; SIZE]; N],
            frames: Frames::new(),
        }
    }
}

impl<const N: usize, const SIZE: usize> Default for Memory<N, SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

/// The network with `$sockets` TCP sockets of `$size` bytes for each direction, in statics: what
/// [`start`](crate::net::start) returns. Once in a program.
#[macro_export]
macro_rules! network {
    ($sockets:expr, $size:expr) => {{
        use $crate::net::{ConstStaticCell, Memory, SocketStorage, StaticCell};
        static NETWORK_MEMORY: ConstStaticCell<Memory<{ $sockets }, { $size }>> =
            ConstStaticCell::new(Memory::new());
        // Its empty value is not all zero.
        static NETWORK_SOCKETS: StaticCell<[SocketStorage<'static>; $sockets]> = StaticCell::new();
        let sockets = NETWORK_SOCKETS.init_with(|| [const { SocketStorage::EMPTY }; $sockets]);
        $crate::net::start(NETWORK_MEMORY.take(), sockets)
    }};
}

/// Starts clock and Ethernet, and puts the stack together.
///
/// # Panics
/// If that was done before, or there is no Ethernet: there is nothing to do without it.
pub fn start<const N: usize, const SIZE: usize>(
    memory: &'static mut Memory<N, SIZE>,
    sockets: &'static mut [SocketStorage<'static>; N],
) -> (Stack<N>, Board) {
    let mut random = Random::open();

    let mut device = ethernet(&mut memory.frames);
    let mut config = Config::new(EthernetAddress(device.address()).into());
    config.random_seed = random.long();
    let iface = interface(config, &mut device);
    let mut sockets = SocketSet::new(&mut sockets[..]);
    let pool = add_tcp_sockets(&mut sockets, &mut memory.rx, &mut memory.tx);
    let stack = SmoltcpStack::new(iface, device, sockets, pool, random.word());
    let stack = stack.unwrap_or_else(|why| panic!("{why}"));
    (stack.with_linger(LINGER), Board { random })
}

/// Starts clock and Ethernet.
///
/// # Panics
/// As [`start`].
pub(crate) fn ethernet(frames: &'static mut Frames) -> Lan9118 {
    let peripherals = Peripherals::take();
    let peripherals = peripherals.unwrap_or_else(|| panic!("the network was started before"));
    clock::start(peripherals.SYST);
    // SAFETY: that is where the boards have it, and `peripherals` was there to take only once.
    let device = unsafe { Lan9118::start(lan9118::BASE, frames) };
    device.unwrap_or_else(|why| panic!("no Ethernet: {why:?}"))
}

/// Where the peer on the host is: its port is the first argument.
///
/// # Panics
/// If there is none.
pub fn peer() -> SocketAddr {
    let port = CommandLine::get().number(0);
    let port = port.unwrap_or_else(|| panic!("the first argument is the peer's port"));
    SocketAddr::new(IpAddr::V4(HOST), port)
}

fn interface(config: Config, device: &mut impl Device) -> Interface {
    let mut iface = Interface::new(config, device, Instant::ZERO);
    iface.update_ip_addrs(|addresses| {
        let address = IpCidr::new(ADDRESS.into(), PREFIX);
        // There is room for at least one.
        let _ = addresses.push(address);
    });
    let _ = iface.routes_mut().add_default_ipv4_route(HOST);
    iface
}

/// The platform: SysTick's clock, the host's randomness, and sleep until the next interrupt.
pub struct Board {
    random: Random,
}

impl<const N: usize> Platform<Stack<N>> for Board {
    fn now_ms(&mut self) -> u32 {
        clock::now_ms()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        self.random.fill(bytes);
        Ok(())
    }

    fn abort(&mut self, stack: &mut Stack<N>, socket: <Stack<N> as TcpClientStack>::TcpSocket) {
        let _ = stack.abort(socket);
    }

    fn wait(&mut self, stack: &mut Stack<N>, at_most_ms: u32) {
        let polled = stack.poll_ms(clock::now_ms());
        if polled == PollResult::None && at_most_ms > 0 {
            // SysTick comes within a millisecond: a packet that arrives meanwhile waits no longer.
            cortex_m::asm::wfi();
        }
    }
}
