//! websocket-sans-io: frames, both roles.
#![no_std]
#![no_main]

#[path = "../entries/sans_io.rs"]
mod sans_io;

ws_probes::probe!(sans_io);
