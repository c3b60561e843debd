//! ws-framer: frames and the handshake of a client.
#![no_std]
#![no_main]

#[path = "../entries/framer/client.rs"]
mod client;
#[path = "../entries/framer/frames.rs"]
mod frames;

ws_probes::probe!(frames, client);
