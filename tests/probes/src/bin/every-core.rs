//! The core alone: frames, both handshakes, URLs and the payload of a Close.
#![no_std]
#![no_main]

use ws_probes::frames::{connection, frames};
use ws_probes::{every, handshake};

ws_probes::firmware!({
    every::core();
    handshake::client();
    handshake::server();
    let mut connection = connection();
    while ws_probes::flag() {
        frames(&mut connection);
    }
});
