//! Frames and the handshake of a server.
#![no_std]
#![no_main]

use ws_core::{Connection, Role};
use ws_probes::frames::frames;

ws_probes::firmware!({
    ws_probes::handshake::server();
    let mut connection = Connection::new(Role::Server);
    while ws_probes::flag() {
        frames(&mut connection);
    }
});
