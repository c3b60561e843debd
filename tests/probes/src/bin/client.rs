//! Frames and the handshake of a client.
#![no_std]
#![no_main]

use ws_core::{Connection, Role};
use ws_probes::frames::frames;

ws_probes::firmware!({
    ws_probes::handshake::client();
    let mut connection = Connection::new(Role::Client);
    while ws_probes::flag() {
        frames(&mut connection);
    }
});
