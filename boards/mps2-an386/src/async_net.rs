//! The network put together for async calls: controller, embassy-net, and embassy-time's clock.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use embassy_net::{Config, Ipv4Cidr, Runner, StackResources, StaticConfigV4};
pub use embassy_net::{Stack, tcp::client};

use crate::lan9118::{self, Frames, Lan9118};
use crate::net::{ADDRESS, HOST, PREFIX, ethernet};
use crate::semihosting::Random;
use crate::timer;

/// Memory for `N` sockets, without their buffers, and for two Ethernet frames.
pub struct Memory<const N: usize> {
    resources: StackResources<N>,
    frames: Frames,
}

impl<const N: usize> Memory<N> {
    /// For a static.
    pub const fn new() -> Self {
        Self {
            resources: StackResources::new(),
            frames: Frames::new(),
        }
    }
}

impl<const N: usize> Default for Memory<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Starts clock and Ethernet. The stack works while a task runs the `Runner`, and the program
/// has [`interrupt`] and [`alarm`] called.
///
/// # Panics
/// If that was done before, or there is no Ethernet: there is nothing to do without it.
pub fn start<const N: usize>(
    memory: &'static mut Memory<N>,
    random: &mut Random,
) -> (Stack<'static>, Runner<'static, Lan9118>) {
    let device = ethernet(&mut memory.frames);
    let config = Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(ADDRESS, PREFIX),
        gateway: Some(HOST),
        dns_servers: Default::default(),
    });
    let parts = embassy_net::new(device, config, &mut memory.resources, random.long());
    // SAFETY: its handler shares nothing with whom it interrupts but a waker that is made for it.
    unsafe { NVIC::unmask(Ethernet) };
    parts
}

#[derive(Clone, Copy)]
struct Ethernet;

// SAFETY: it is the number of one interrupt that the boards have.
unsafe impl InterruptNumber for Ethernet {
    fn number(self) -> u16 {
        lan9118::INTERRUPT
    }
}

/// What the program's `DefaultHandler` does, which has all interrupts here.
///
/// # Panics
/// For any but Ethernet's.
pub fn interrupt(number: i16) {
    assert!(
        u16::try_from(number) == Ok(lan9118::INTERRUPT),
        "interrupt {number}"
    );
    lan9118::interrupt();
}

/// What the program's `PendSV` does.
pub fn alarm() {
    timer::expired();
}
