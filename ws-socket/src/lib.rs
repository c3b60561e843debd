//! WebSocket ids over embedded-nal.
#![no_std]
#![forbid(unsafe_code)]

pub mod stack;
