//! The controller as embassy-net's driver, and its interrupt.

use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;

use super::{BASE, Incoming, Lan9118, MAX_FRAME, Outgoing, Register, Registers};

/// The interrupt that the boards have it at.
pub const INTERRUPT: u16 = if cfg!(feature = "an505") { 48 } else { 13 };

/// More frames were received than the level, which is 0 after a reset.
const RECEIVED: u32 = 1 << 3;

/// Waits for a frame.
static WAITS: AtomicWaker = AtomicWaker::new();

/// To be called by the handler of [`INTERRUPT`]: wakes who waits for a frame.
pub fn interrupt() {
    // The line stays up until the frame is taken: not again before somebody waits again.
    Registers(BASE).write(Register::InterruptEnable, 0);
    WAITS.wake();
}

impl Lan9118 {
    /// A frame that comes from now on interrupts.
    fn listen(&self) {
        let Self { registers, .. } = self;
        registers.write(Register::InterruptStatus, RECEIVED);
        registers.write(Register::InterruptEnable, RECEIVED);
    }

    /// Whether there is room to send; if not, the task looks again soon: the controller makes room
    /// by itself, within a frame's time on the wire.
    fn has_room(&self, context: &Context<'_>) -> bool {
        let room = self.can_send();
        if !room {
            context.waker().wake_by_ref();
        }
        room
    }
}

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, work: F) -> R {
        work(self.0)
    }
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        self.send(length, work)
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        // Whoever receives may want to answer.
        if !self.has_room(context) {
            return None;
        }
        let mut length = self.receive_frame();
        if length.is_none() {
            WAITS.register(context.waker());
            self.listen();
            // One may have come before it listened.
            length = self.receive_frame();
        }
        Some(self.tokens(length?))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Outgoing<'_>> {
        self.has_room(context).then(|| self.outgoing())
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}
