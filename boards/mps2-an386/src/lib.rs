//! What the binaries of this board share: Ethernet, clock, console, and how much stack is in use.
//!
//! | module | |
//! | --- | --- |
//! | [`semihosting`] | command line, output, randomness and the end, all by way of the debugger |
//! | `clock` | milliseconds from SysTick |
//! | `lan9118` | the boards' Ethernet controller as smoltcp's device |
//! | `net` | device, smoltcp and `ws-socket`'s adapter put together, and the [`Platform`](ws_socket::Platform) |
//! | [`paint`] | the stack's high-water mark |
//! | [`scripted`] | a TCP stack in memory, for measurements that leave smoltcp out |
#![no_std]

// For its implementation of critical sections, where that is chosen.
use cortex_m as _;

#[cfg(feature = "ethernet")]
pub mod clock;
#[cfg(feature = "ethernet")]
pub mod lan9118;
#[cfg(feature = "ethernet")]
pub mod net;
pub mod paint;
pub mod scripted;
pub mod semihosting;
