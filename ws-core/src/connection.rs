//! One connection's protocol state: both machines.

use crate::opcode::Role;
use crate::receiver::Receiver;
use crate::transmitter::Transmitter;

/// The protocol state of one connection: frames, masks, UTF-8, fragmentation and close state of
/// both directions, in at most 30 bytes where `usize` has 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// What comes in.
    pub rx: Receiver,
    /// What goes out.
    pub tx: Transmitter,
}

const _: () = {
    if size_of::<usize>() == 4 {
        assert!(size_of::<Receiver>() <= 16);
        assert!(size_of::<Transmitter>() <= 14);
        assert!(size_of::<Connection>() <= 30);
    }
};

impl Connection {
    /// The state behind the opening handshake.
    pub const fn new(role: Role) -> Self {
        Self {
            rx: Receiver::new(role),
            tx: Transmitter::new(role),
        }
    }
}
