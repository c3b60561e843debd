//! Frames and the handshake of a server.
#![no_std]
#![no_main]

#[path = "../entries/frames.rs"]
mod frames;
#[path = "../entries/server.rs"]
mod server;

ws_probes::probe!(frames, server);
