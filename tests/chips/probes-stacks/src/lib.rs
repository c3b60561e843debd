//! What is below the libraries in these probes.
#![no_std]

pub mod net;
pub mod stream;
