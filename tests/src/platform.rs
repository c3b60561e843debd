//! A platform under the test's hand: time stands still unless a call waits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ws_socket::Platform;

/// Milliseconds, shared by all that live in one test.
pub type Clock = Rc<Cell<u32>>;

/// What else happens while a call waits: the other side of the connection, usually.
pub type Others = Rc<RefCell<Vec<Box<dyn FnMut()>>>>;

/// A stack that wants to be polled.
pub trait Polled {
    /// Does what is due at `now_ms`.
    fn poll_at(&mut self, now_ms: u32);
}

/// Time moves by a millisecond for each wait that may take one, then the stack is polled, then the
/// others run.
pub struct HandPlatform {
    /// The clock.
    pub clock: Clock,
    /// What runs while this one waits.
    pub others: Others,
    /// Is the source of randomness out of order?
    pub no_random: Rc<Cell<bool>>,
    seed: u64,
}

impl HandPlatform {
    /// A platform with a clock, whose randomness follows from `seed`.
    pub fn new(clock: &Clock, seed: u64) -> Self {
        Self {
            clock: clock.clone(),
            others: Others::default(),
            no_random: Rc::default(),
            seed: seed * 2 + 1,
        }
    }

    /// Has `other` run while this one waits.
    pub fn with(self, other: impl FnMut() + 'static) -> Self {
        self.others.borrow_mut().push(Box::new(other));
        self
    }
}

/// The next number of a sequence that follows from `state` (xorshift64*).
pub fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D)
}

impl<S: Polled> Platform<S> for HandPlatform {
    fn now_ms(&mut self) -> u32 {
        self.clock.get()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        if self.no_random.get() {
            return Err(ws_socket::RandomError);
        }
        for byte in bytes {
            *byte = (random(&mut self.seed) >> 32) as u8;
        }
        Ok(())
    }

    fn wait(&mut self, stack: &mut S, at_most_ms: u32) {
        if at_most_ms > 0 {
            self.clock.set(self.clock.get().wrapping_add(1));
        }
        stack.poll_at(self.clock.get());
        for other in self.others.borrow_mut().iter_mut() {
            other();
        }
    }
}
