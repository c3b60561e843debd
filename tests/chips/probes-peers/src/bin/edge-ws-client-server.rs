//! edge-ws: frames, and the handshakes of edge-http's client and server.
#![no_std]
#![no_main]

#[path = "../entries/edge/client.rs"]
mod client;
#[path = "../entries/edge/frames.rs"]
mod frames;
#[path = "../entries/edge/heads.rs"]
mod heads;
#[path = "../entries/edge/server.rs"]
mod server;

ws_probes::probe!(frames, heads, client, server);
