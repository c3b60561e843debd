//! WebSockets for C programs, as a static library: Zephyr's header and `ws.h` over any TCP stack.
//!
//! docs/c.md is the manual. What is unsafe stands in `ffi` (what C hands in), `port` (the calls to
//! the program's port) and at the doors in `calls`, `connect` and `serve`.
#![no_std]

// A dev build or a test unwinds, and takes the panic handler of std. A release build aborts, and
// brings its own.
#[cfg(panic = "unwind")]
extern crate std;

mod calls;
mod connect;
mod ffi;
mod port;
mod serve;

/// No panic is left in the calls; this is for what the compiler cannot see.
#[cfg(not(panic = "unwind"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
