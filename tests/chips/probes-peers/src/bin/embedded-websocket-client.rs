//! embedded-websocket: frames and the handshake of a client.
#![no_std]
#![no_main]

#[path = "../entries/embedded_websocket/client.rs"]
mod client;
#[path = "../entries/embedded_websocket/client_frames.rs"]
mod client_frames;

ws_probes::probe!(client_frames, client);
