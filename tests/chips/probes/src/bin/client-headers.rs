//! Frames and the handshake of a client, with headers of its own.
#![no_std]
#![no_main]

#[path = "../entries/client_headers.rs"]
mod client;
#[path = "../entries/frames.rs"]
mod frames;

ws_probes::probe!(frames, client);
