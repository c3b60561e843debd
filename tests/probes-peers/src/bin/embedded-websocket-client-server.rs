//! embedded-websocket: frames and both handshakes.
#![no_std]
#![no_main]

use ws_probes::flag;
use ws_probes_peers::embedded_websocket::{client, client_frames, server, server_frames};

ws_probes::firmware!({
    if flag() {
        if let Some(mut client) = client() {
            while flag() {
                client_frames(&mut client);
            }
        }
    } else if let Some(mut server) = server() {
        while flag() {
            server_frames(&mut server);
        }
    }
});
