//! Both roles on a table that tasks share.
#![no_std]
#![no_main]

use critical_section::RawRestoreState;
use ws_probes::stack::{Chip, Registers};
use ws_probes::{array, done, every, word};
use ws_socket::SharedWebSockets;

struct Mask;

critical_section::set_impl!(Mask);

// SAFETY: never run; on a chip these mask its interrupts.
unsafe impl critical_section::Impl for Mask {
    unsafe fn acquire() -> RawRestoreState {
        done(word());
    }

    unsafe fn release(_: RawRestoreState) {
        done(word());
    }
}

static TABLE: SharedWebSockets<'static, u32, 2> = SharedWebSockets::new();

ws_probes::firmware!({
    TABLE.lend([array::<512>(), array()]);
    let mut table = TABLE.attach(Registers, Chip).with_config(every::config());
    every::client(&mut table);
    every::server(&mut table);
});
