//! edge-ws: frame headers and the mask.
#![no_std]
#![no_main]

#[path = "../entries/edge/frames.rs"]
mod frames;

ws_probes::probe!(frames);
