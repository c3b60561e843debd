//! smoltcp over the least device there can be: registers.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use ws_probes::{array, bytes, done, flag, word};
use ws_socket::stack::add_tcp_sockets;

/// A network interface that sends and receives packets.
pub struct Registers;

/// A packet.
pub struct Packet;

impl RxToken for Packet {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(bytes())
    }
}

impl TxToken for Packet {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        done(length);
        fill(bytes())
    }
}

impl Device for Registers {
    type RxToken<'a> = Packet;
    type TxToken<'a> = Packet;

    #[inline(never)]
    fn receive(&mut self, _: Instant) -> Option<(Packet, Packet)> {
        flag().then_some((Packet, Packet))
    }

    #[inline(never)]
    fn transmit(&mut self, _: Instant) -> Option<Packet> {
        flag().then_some(Packet)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

/// The time.
pub fn now() -> Instant {
    Instant::from_millis(word() as u32)
}

/// An interface with an address.
#[inline(never)]
pub fn interface() -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = word() as u64;
    let mut interface = Interface::new(config, &mut Registers, now());
    interface.update_ip_addrs(|addresses| {
        let [a, b, c, d] = *array();
        // There is room for at least one.
        let _ = addresses.push(IpCidr::new(IpAddress::v4(a, b, c, d), 24));
    });
    interface
}

/// A set of sockets, empty.
pub fn sockets() -> SocketSet<'static> {
    // SAFETY: never run.
    let storage: &mut [SocketStorage<'static>; 1] = unsafe { &mut *(word() as *mut _) };
    SocketSet::new(&mut storage[..])
}

/// One TCP socket in the set.
pub fn pool(sockets: &mut SocketSet<'static>) -> [SocketHandle; 1] {
    // SAFETY: never run.
    let buffer = || unsafe { &mut *(word() as *mut [[u8; 2048]; 1]) };
    add_tcp_sockets(sockets, buffer(), buffer())
}
