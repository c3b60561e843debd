//! Two embassy-net stacks in one process, joined by a wire, with a clock that moves by hand.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embassy_net::{Config, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_time::{Duration, MockDriver};
use ws_socket::{RandomError, asynch::Embassy};

/// Sockets of one stack.
const SOCKETS: usize = 6;
/// Packets under way.
const QUEUE: usize = 64;

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of the wire.
#[derive(Debug)]
pub struct Wire {
    from: Queue,
    to: Queue,
}

/// The two ends.
pub fn wire() -> (Wire, Wire) {
    let (one, other) = (Queue::default(), Queue::default());
    let near = Wire {
        from: Rc::clone(&one),
        to: Rc::clone(&other),
    };
    let far = Wire {
        from: other,
        to: one,
    };
    (near, far)
}

/// A packet that came.
#[derive(Debug)]
pub struct Came(Vec<u8>);

/// Room for a packet that goes.
#[derive(Debug)]
pub struct Goes<'a>(&'a Queue);

impl RxToken for Came {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, work: F) -> R {
        work(&mut self.0)
    }
}

impl TxToken for Goes<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = vec![0; length];
        let result = work(&mut packet);
        self.0.borrow_mut().push_back(packet);
        result
    }
}

impl Driver for Wire {
    type RxToken<'a> = Came;
    type TxToken<'a> = Goes<'a>;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Came, Goes<'_>)> {
        let packet = self.from.borrow_mut().pop_front()?;
        Some((Came(packet), Goes(&self.to)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Goes<'_>> {
        (self.to.borrow().len() < QUEUE).then_some(Goes(&self.to))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1500;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ip
    }
}

/// Memory of a stack.
pub type Resources = StackResources<SOCKETS>;

/// A stack at 10.0.0.`host`.
pub fn stack(wire: Wire, host: u8, resources: &mut Resources) -> (Stack<'_>, Runner<'_, Wire>) {
    let config = Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(address(host), 24),
        gateway: None,
        dns_servers: Default::default(),
    });
    embassy_net::new(wire, config, resources, 0x5EED + u64::from(host))
}

/// The address of that stack.
pub const fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, host)
}

/// A platform with a counter for randomness.
pub fn platform() -> Embassy<impl FnMut(&mut [u8]) -> Result<(), RandomError> + Clone> {
    let mut count = 0u8;
    Embassy(move |bytes: &mut [u8]| {
        for byte in bytes {
            count = count.wrapping_mul(5).wrapping_add(113);
            *byte = count;
        }
        Ok(())
    })
}

/// Runs `work` and moves the clock by a millisecond each time it stands still.
///
/// # Panics
/// When it takes longer than `at_most` milliseconds of that clock.
pub fn run<F: Future>(at_most: u64, work: F) -> F::Output {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..at_most {
        // Several times, since a packet of one stack is the other's work.
        for _ in 0..4 {
            if let Poll::Ready(output) = work.as_mut().poll(&mut context) {
                return output;
            }
        }
        MockDriver::get().advance(Duration::from_millis(1));
    }
    panic!("not done within {at_most} ms");
}
