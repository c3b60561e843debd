//! Milliseconds since the start, from SysTick at 1 kHz. Its interrupt also wakes a core that waits.

use core::cell::Cell;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use critical_section::Mutex;

/// What SysTick counts a millisecond: 25 MHz, on the Cortex-M33's board 20.
const CYCLES_A_MILLISECOND: u32 = if cfg!(feature = "an505") {
    20_000
} else {
    25_000
};

// Not an atomic: a Cortex-M0+ has none that adds.
static MILLISECONDS: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));

/// Starts it.
pub fn start(mut systick: SYST) {
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(CYCLES_A_MILLISECOND - 1);
    systick.clear_current();
    systick.enable_interrupt();
    systick.enable_counter();
}

/// Milliseconds since the start; wraps around after 49 days.
pub fn now_ms() -> u32 {
    critical_section::with(|token| MILLISECONDS.borrow(token).get())
}

#[cortex_m_rt::exception]
fn SysTick() {
    critical_section::with(|token| {
        let milliseconds = MILLISECONDS.borrow(token);
        milliseconds.set(milliseconds.get().wrapping_add(1));
    });
}
