//! edge-ws: frames, and the handshakes of edge-http's client and server.
#![no_std]
#![no_main]

use ws_probes::{flag, keep, run};
use ws_probes_peers::edge::{client, frames, server};

ws_probes::firmware!({
    if flag() {
        keep(run(client()));
    } else {
        keep(run(server()));
    }
    while flag() {
        frames();
    }
});
