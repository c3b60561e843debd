//! A wire between two smoltcp interfaces that drops, delays, duplicates, reorders and cuts, as its
//! seed says. The time is the test's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::platform::{Clock, random};

/// What may happen to a packet, in percent, and how long it takes.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// Packets that never arrive.
    pub drop: u64,
    /// Packets that arrive twice.
    pub duplicate: u64,
    /// Packets of which a part is cut off at the end.
    pub cut: u64,
    /// Packets in which a byte is changed.
    pub corrupt: u64,
    /// Each takes up to so many milliseconds: later ones may overtake it.
    pub delay_ms: u32,
    /// The maximum transmission unit, in bytes.
    pub mtu: usize,
}

impl Faults {
    /// A wire that does nothing wrong, with the least segments IPv4 may have to carry.
    pub const NONE: Self = Self {
        drop: 0,
        duplicate: 0,
        cut: 0,
        corrupt: 0,
        delay_ms: 0,
        mtu: 576,
    };
}

/// One direction: packets by the time of their arrival.
#[derive(Default)]
struct Way {
    packets: BTreeMap<(u32, u64), Vec<u8>>,
}

/// Both directions.
struct Wire {
    ways: [Way; 2],
    faults: Faults,
    seed: u64,
    sent: u64,
    /// Nothing gets through any more.
    dead: bool,
}

/// One end of a wire.
pub struct LinkDevice {
    wire: Rc<RefCell<Wire>>,
    clock: Clock,
    end: usize,
}

/// The test's hand on the wire.
#[derive(Clone)]
pub struct Link(Rc<RefCell<Wire>>);

impl Link {
    /// A wire and its two ends.
    pub fn new(clock: &Clock, faults: Faults, seed: u64) -> (Self, LinkDevice, LinkDevice) {
        let ways = [Way::default(), Way::default()];
        let wire = Wire {
            ways,
            faults,
            seed: seed * 2 + 1,
            sent: 0,
            dead: false,
        };
        let wire = Rc::new(RefCell::new(wire));
        let end = |end| LinkDevice {
            wire: wire.clone(),
            clock: clock.clone(),
            end,
        };
        (Self(wire.clone()), end(0), end(1))
    }

    /// From here on nothing gets through: the peer has vanished.
    pub fn cut(&self) {
        self.0.borrow_mut().dead = true;
    }

    /// Other faults from here on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.borrow_mut().faults = faults;
    }

    /// Packets sent so far.
    pub fn packets(&self) -> u64 {
        self.0.borrow().sent
    }
}

impl Wire {
    fn send(&mut self, from: usize, now: u32, mut packet: Vec<u8>) {
        self.sent += 1;
        let mut chance = |percent: u64| percent > 0 && random(&mut self.seed) % 100 < percent;
        if self.dead || chance(self.faults.drop) {
            return;
        }
        if chance(self.faults.cut) {
            let at = (random(&mut self.seed) as usize) % packet.len();
            packet.truncate(at);
        }
        let mut chance = |percent: u64| percent > 0 && random(&mut self.seed) % 100 < percent;
        let (corrupt, duplicate) = (chance(self.faults.corrupt), chance(self.faults.duplicate));
        if corrupt && !packet.is_empty() {
            let at = (random(&mut self.seed) as usize) % packet.len();
            packet[at] ^= 0x10;
        }
        for copy in 0..if duplicate { 2 } else { 1 } {
            let delay = match self.faults.delay_ms {
                0 => 0,
                most => (random(&mut self.seed) % u64::from(most + 1)) as u32,
            };
            let order = self.sent * 2 + copy;
            self.ways[from]
                .packets
                .insert((now + delay, order), packet.clone());
        }
    }
}

impl Device for LinkDevice {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Departing;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = self.wire.borrow().faults.mtu;
        capabilities.medium = Medium::Ip;
        capabilities.checksum = ChecksumCapabilities::default();
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Departing)> {
        let mut wire = self.wire.borrow_mut();
        let way = &mut wire.ways[1 - self.end];
        let first = way.packets.first_entry()?;
        if first.key().0 > self.clock.get() {
            return None;
        }
        let packet = first.remove();
        drop(wire);
        Some((Arrived(packet), self.departing()))
    }

    fn transmit(&mut self, _: Instant) -> Option<Departing> {
        Some(self.departing())
    }
}

impl LinkDevice {
    fn departing(&self) -> Departing {
        Departing {
            wire: self.wire.clone(),
            now: self.clock.get(),
            end: self.end,
        }
    }
}

/// A packet that has arrived.
pub struct Arrived(Vec<u8>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(&self.0)
    }
}

/// Room for a packet.
pub struct Departing {
    wire: Rc<RefCell<Wire>>,
    now: u32,
    end: usize,
}

impl TxToken for Departing {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = vec![0; length];
        let result = work(&mut packet);
        self.wire.borrow_mut().send(self.end, self.now, packet);
        result
    }
}
