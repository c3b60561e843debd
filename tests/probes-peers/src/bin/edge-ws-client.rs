//! edge-ws: frames, and the handshake of edge-http's client.
#![no_std]
#![no_main]

use ws_probes::{keep, run};
use ws_probes_peers::edge::{client, frames};

ws_probes::firmware!({
    keep(run(client()));
    while ws_probes::flag() {
        frames();
    }
});
