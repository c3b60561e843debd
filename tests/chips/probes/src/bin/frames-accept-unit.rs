//! Frames, and the accept value without the hash.
#![no_std]
#![no_main]

#[path = "../entries/accept_unit.rs"]
mod accept_unit;
#[path = "../entries/frames.rs"]
mod frames;

ws_probes::probe!(frames, accept_unit);
