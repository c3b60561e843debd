//! embassy's executor with its own way to sleep: WFI. Its thread mode has WFE, which QEMU takes for
//! a pause: a core that spins there takes the time of QEMU's own timers.

use core::cell::Cell;

use critical_section::Mutex;
use embassy_executor::{Spawner, raw};
use static_cell::StaticCell;

/// A task was woken since the executor looked.
static WOKEN: Mutex<Cell<bool>> = Mutex::new(Cell::new(false));

/// What the executor calls when a task is woken.
#[unsafe(export_name = "__pender")]
fn pender(_: *mut ()) {
    critical_section::with(|token| WOKEN.borrow(token).set(true));
}

/// Runs the tasks that `init` spawns. Once in a program.
pub fn run(init: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
    let executor = EXECUTOR.init_with(|| raw::Executor::new(core::ptr::null_mut()));
    init(executor.spawner());
    loop {
        // SAFETY: it was initialised, and nobody else polls it.
        unsafe { executor.poll() };
        critical_section::with(|token| {
            // An interrupt ends it although it is masked; it is handled behind this.
            if !WOKEN.borrow(token).take() {
                cortex_m::asm::wfi();
            }
        });
    }
}
