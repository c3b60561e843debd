//! ws-framer: frames and both handshakes.
#![no_std]
#![no_main]

#[path = "../entries/framer/client.rs"]
mod client;
#[path = "../entries/framer/frames.rs"]
mod frames;
#[path = "../entries/framer/server.rs"]
mod server;

ws_probes::probe!(frames, client, server);
