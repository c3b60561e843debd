//! Milliseconds since the start, from SysTick at 1 kHz. Its interrupt also wakes a core that waits,
//! and sets off one alarm.

use core::cell::Cell;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use critical_section::Mutex;

/// What SysTick counts a millisecond: 25 MHz, on the Cortex-M33's board 20.
const CYCLES_A_MILLISECOND: u32 = if cfg!(feature = "an505") {
    20_000
} else {
    25_000
};

// Not atomics: a Cortex-M0+ has none that adds, and none of these cores one of 64 bits.
static MILLISECONDS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));
static ALARM: Mutex<Cell<u64>> = Mutex::new(Cell::new(u64::MAX));

/// Starts it.
pub fn start(mut systick: SYST) {
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(CYCLES_A_MILLISECOND - 1);
    systick.clear_current();
    systick.enable_interrupt();
    systick.enable_counter();
}

/// Milliseconds since the start.
pub fn now() -> u64 {
    critical_section::with(|token| MILLISECONDS.borrow(token).get())
}

/// The same where they may wrap around, after 49 days.
pub fn now_ms() -> u32 {
    now() as u32
}

/// Sets off PendSV once when [`now`] is `at`, which is not yet. In place of an earlier alarm.
pub fn set_alarm(at: u64) {
    critical_section::with(|token| ALARM.borrow(token).set(at));
}

#[cortex_m_rt::exception]
fn SysTick() {
    critical_section::with(|token| {
        let milliseconds = MILLISECONDS.borrow(token);
        let now = milliseconds.get().wrapping_add(1);
        milliseconds.set(now);
        let alarm = ALARM.borrow(token);
        if now >= alarm.get() {
            alarm.set(u64::MAX);
            SCB::set_pendsv();
        }
    });
}
