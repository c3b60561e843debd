//! Frames, and the accept value.
#![no_std]
#![no_main]

#[path = "../entries/accept.rs"]
mod accept;
#[path = "../entries/frames.rs"]
mod frames;

ws_probes::probe!(frames, accept);
