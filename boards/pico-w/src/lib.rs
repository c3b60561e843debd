//! What the firmware of this board is made of. All but `wifi` knows nothing of the chip, and is tested
//! on the host.
//!
//! | module | |
//! | --- | --- |
//! | [`client`] | connects, reports a reading each second, connects again |
//! | [`server`] | a page, and an echo behind it |
//! | [`net`] | embassy-net's TCP and DNS as the one stack that a client asks for |
//! | [`reading`] | what the temperature sensor says, as JSON |
//! | [`backoff`] | how long to wait before the next attempt |
//! | [`random`] | mask keys and the like of a noisy oscillator |
//! | [`environment`] | what the build is told: network, password, URL |
//! | `wifi` | the radio, and staying in the network |
#![cfg_attr(not(test), no_std)]

pub mod backoff;
pub mod client;
pub mod environment;
pub mod net;
pub mod random;
pub mod reading;
pub mod server;
#[cfg(target_os = "none")]
pub mod wifi;

#[cfg(test)]
mod conversation;
