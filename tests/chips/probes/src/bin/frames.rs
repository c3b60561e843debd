//! Frames, both roles: everything a codec does.
#![no_std]
#![no_main]

#[path = "../entries/frames.rs"]
mod frames;

ws_probes::probe!(frames);
