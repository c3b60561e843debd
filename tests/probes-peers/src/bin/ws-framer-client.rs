//! ws-framer: frames and the handshake of a client.
#![no_std]
#![no_main]

use ws_probes::keep;
use ws_probes_peers::framer::{client, connection, frames};

ws_probes::firmware!({
    let (mut rx, mut tx) = connection();
    keep(client(&mut rx, &mut tx));
    while ws_probes::flag() {
        frames(&mut rx, &mut tx);
    }
});
