//! The WebSocket protocol, sans-IO.
#![no_std]
#![forbid(unsafe_code)]

pub mod handshake;
pub mod url;
