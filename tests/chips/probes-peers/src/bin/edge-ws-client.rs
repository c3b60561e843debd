//! edge-ws: frames, and the handshake of edge-http's client.
#![no_std]
#![no_main]

#[path = "../entries/edge/client.rs"]
mod client;
#[path = "../entries/edge/frames.rs"]
mod frames;
#[path = "../entries/edge/heads.rs"]
mod heads;

ws_probes::probe!(frames, heads, client);
