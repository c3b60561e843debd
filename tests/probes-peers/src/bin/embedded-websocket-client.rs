//! embedded-websocket: frames and the handshake of a client.
#![no_std]
#![no_main]

use ws_probes::flag;
use ws_probes_peers::embedded_websocket::{client, client_frames};

ws_probes::firmware!({
    if let Some(mut client) = client() {
        while flag() {
            client_frames(&mut client);
        }
    }
});
