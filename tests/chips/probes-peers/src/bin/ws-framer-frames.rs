//! ws-framer: frames, both roles.
#![no_std]
#![no_main]

#[path = "../entries/framer/frames.rs"]
mod frames;

ws_probes::probe!(frames);
