//! Two smoltcp interfaces joined by a wire in memory. The heap is used here, not in the adapter.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

pub type Wire = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of the wire, for IP packets.
pub struct PairDevice {
    rx: Wire,
    tx: Wire,
    /// Packets go nowhere in either direction while this is set.
    pub cut: bool,
    /// Everything this end has sent.
    pub sent: Wire,
}

/// Both ends of a wire.
pub fn pair() -> (PairDevice, PairDevice) {
    let (a, b) = (Wire::default(), Wire::default());
    (
        PairDevice {
            rx: a.clone(),
            tx: b.clone(),
            cut: false,
            sent: Wire::default(),
        },
        PairDevice {
            rx: b,
            tx: a,
            cut: false,
            sent: Wire::default(),
        },
    )
}

impl PairDevice {
    fn token(&self) -> TxToken {
        TxToken {
            tx: self.tx.clone(),
            sent: self.sent.clone(),
            cut: self.cut,
        }
    }

    /// Puts a packet where this end will receive it.
    pub fn inject(&mut self, packet: Vec<u8>) {
        self.rx.borrow_mut().push_back(packet);
    }
}

impl Device for PairDevice {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.max_transmission_unit = 1500;
        caps.medium = Medium::Ip;
        caps.checksum = ChecksumCapabilities::ignored();
        caps
    }

    fn receive(&mut self, _: Instant) -> Option<(RxToken, TxToken)> {
        if self.cut {
            self.rx.borrow_mut().clear();
        }
        let packet = self.rx.borrow_mut().pop_front()?;
        Some((RxToken(packet), self.token()))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken> {
        Some(self.token())
    }
}

pub struct RxToken(Vec<u8>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

pub struct TxToken {
    tx: Wire,
    sent: Wire,
    cut: bool,
}

impl phy::TxToken for TxToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.sent.borrow_mut().push_back(packet.clone());
        if !self.cut {
            self.tx.borrow_mut().push_back(packet);
        }
        result
    }
}

/// An interface with the addresses 10.0.0.`host` and fd00::`host`, and `N` TCP sockets.
pub fn host<const N: usize>(
    device: &mut PairDevice,
    host: u8,
    buffer: usize,
) -> (Interface, SocketSet<'static>, [SocketHandle; N]) {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = host.into();
    let mut iface = Interface::new(config, device, Instant::ZERO);
    iface.update_ip_addrs(|addrs| {
        addrs
            .push(IpCidr::new(IpAddress::v4(10, 0, 0, host), 24))
            .unwrap();
        addrs
            .push(IpCidr::new(
                IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, host.into()),
                64,
            ))
            .unwrap();
    });
    let mut sockets = SocketSet::new(Vec::new());
    let pool = [(); N].map(|()| {
        let buffer = || tcp::SocketBuffer::new(vec![0; buffer]);
        sockets.add(tcp::Socket::new(buffer(), buffer()))
    });
    (iface, sockets, pool)
}
