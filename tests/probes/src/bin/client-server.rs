//! Frames and both handshakes.
#![no_std]
#![no_main]

use ws_probes::frames::{connection, frames};

ws_probes::firmware!({
    if ws_probes::flag() {
        ws_probes::handshake::client();
    } else {
        ws_probes::handshake::server();
    }
    let mut connection = connection();
    while ws_probes::flag() {
        frames(&mut connection);
    }
});
