//! embassy-time's driver: a queue of wakers, and the clock's alarm for the first of them.

use core::cell::RefCell;
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::{Driver, time_driver_impl};
use embassy_time_queue_utils::Queue;

use crate::clock;

struct Timer {
    queue: Mutex<RefCell<Queue>>,
}

time_driver_impl!(static TIMER: Timer = Timer {
    queue: Mutex::new(RefCell::new(Queue::new())),
});

impl Timer {
    /// Wakes whose time has come, and sets the alarm for the next. The clock stands still
    /// meanwhile: its interrupt is masked.
    fn wake(&self, token: CriticalSection<'_>) {
        let mut queue = self.queue.borrow_ref_mut(token);
        clock::set_alarm(queue.next_expiration(clock::now()));
    }
}

impl Driver for Timer {
    fn now(&self) -> u64 {
        clock::now()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|token| {
            if self.queue.borrow_ref_mut(token).schedule_wake(at, waker) {
                self.wake(token);
            }
        });
    }
}

/// To be called by the handler of PendSV, which is what the clock's alarm sets off.
pub fn expired() {
    critical_section::with(|token| TIMER.wake(token));
}
