//! What the binaries of this board share: Ethernet, clock, console, and how much stack is in use.
//!
//! | module | |
//! | --- | --- |
//! | [`semihosting`] | command line, output, randomness and the end, all by way of the debugger |
//! | `clock` | milliseconds from SysTick |
//! | `timer` | embassy-time's driver on it |
//! | `lan9118` | the boards' Ethernet controller as smoltcp's device, and as embassy-net's driver |
//! | `net` | device, smoltcp and `ws-socket`'s adapter put together, and the [`Platform`](ws_socket::Platform) |
//! | `async_net` | driver and embassy-net put together |
//! | `executor` | embassy's executor, asleep between interrupts |
//! | `conversation` | what `client` and `async` say, and whether what comes is right |
//! | [`paint`] | the stack's high-water mark |
//! | [`scripted`] | a TCP stack in memory, for measurements that leave smoltcp out |
#![no_std]

// For its implementation of critical sections, where that is chosen.
use cortex_m as _;

#[cfg(feature = "ethernet")]
pub mod async_net;
#[cfg(feature = "ethernet")]
pub mod clock;
#[cfg(feature = "ethernet")]
pub mod conversation;
#[cfg(feature = "ethernet")]
pub mod executor;
#[cfg(feature = "ethernet")]
pub mod lan9118;
#[cfg(feature = "ethernet")]
pub mod net;
pub mod paint;
pub mod scripted;
pub mod semihosting;
#[cfg(feature = "ethernet")]
pub mod timer;
