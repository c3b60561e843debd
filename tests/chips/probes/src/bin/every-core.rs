//! The core alone: frames, both handshakes, URLs and the payload of a Close.
#![no_std]
#![no_main]

use ws_probes::drive::{client, connection, frames, server};
use ws_probes::every;

ws_probes::firmware!({
    every::core();
    client();
    server();
    let mut connection = connection();
    while ws_probes::flag() {
        frames(&mut connection);
    }
});
