//! A wire in memory that joins two network interfaces: IP packets go in at one end and come out at
//! the other, in order and none lost.

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

type Packets = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// As on Ethernet.
const MTU: usize = 1500;

/// What has gone over a wire, both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// One end of a wire.
pub(super) struct WireEnd {
    incoming: Packets,
    outgoing: Packets,
    carried: Rc<Cell<Carried>>,
}

/// Both ends of a wire, and what it has carried.
pub(super) fn wire() -> (WireEnd, WireEnd, Rc<Cell<Carried>>) {
    let (here, there) = (Packets::default(), Packets::default());
    let carried = Rc::<Cell<Carried>>::default();
    let end = |incoming: &Packets, outgoing: &Packets| WireEnd {
        incoming: Rc::clone(incoming),
        outgoing: Rc::clone(outgoing),
        carried: Rc::clone(&carried),
    };
    (end(&here, &there), end(&there, &here), Rc::clone(&carried))
}

impl WireEnd {
    fn sender(&self) -> Sender {
        Sender {
            outgoing: Rc::clone(&self.outgoing),
            carried: Rc::clone(&self.carried),
        }
    }
}

impl Device for WireEnd {
    type RxToken<'a> = Packet;
    type TxToken<'a> = Sender;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities.medium = Medium::Ip;
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Packet, Sender)> {
        let packet = self.incoming.borrow_mut().pop_front()?;
        Some((Packet(packet), self.sender()))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sender> {
        Some(self.sender())
    }
}

/// A packet that has arrived.
pub(super) struct Packet(Vec<u8>);

impl phy::RxToken for Packet {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(&self.0)
    }
}

/// Room for a packet on the wire.
pub(super) struct Sender {
    outgoing: Packets,
    carried: Rc<Cell<Carried>>,
}

impl phy::TxToken for Sender {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = vec![0; length];
        let result = work(&mut packet);
        let Carried { packets, bytes } = self.carried.get();
        self.carried.set(Carried {
            packets: packets + 1,
            bytes: bytes + length as u64,
        });
        self.outgoing.borrow_mut().push_back(packet);
        result
    }
}
