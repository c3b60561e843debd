//! Frames and both handshakes.
#![no_std]
#![no_main]

#[path = "../entries/client.rs"]
mod client;
#[path = "../entries/frames.rs"]
mod frames;
#[path = "../entries/server.rs"]
mod server;

ws_probes::probe!(frames, client, server);
