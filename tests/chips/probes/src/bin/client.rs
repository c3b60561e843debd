//! Frames and the handshake of a client.
#![no_std]
#![no_main]

#[path = "../entries/client.rs"]
mod client;
#[path = "../entries/frames.rs"]
mod frames;

ws_probes::probe!(frames, client);
