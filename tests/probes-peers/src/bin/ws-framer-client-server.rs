//! ws-framer: frames and both handshakes.
#![no_std]
#![no_main]

use ws_probes::{flag, keep};
use ws_probes_peers::framer::{client, connection, frames, server};

ws_probes::firmware!({
    let (mut rx, mut tx) = connection();
    if flag() {
        keep(client(&mut rx, &mut tx));
    } else {
        keep(server(&mut tx));
    }
    while flag() {
        frames(&mut rx, &mut tx);
    }
});
