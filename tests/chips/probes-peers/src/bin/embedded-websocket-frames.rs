//! embedded-websocket: frames, both roles.
#![no_std]
#![no_main]

#[path = "../entries/embedded_websocket/client_frames.rs"]
mod client_frames;
#[path = "../entries/embedded_websocket/server_frames.rs"]
mod server_frames;

ws_probes::probe!(client_frames, server_frames);
