//! Frames, and the accept value for a handshake that somebody else does.
#![no_std]
#![no_main]

use ws_core::handshake::{SoftSha1, accept_value};
use ws_probes::frames::{connection, frames};

ws_probes::firmware!({
    ws_probes::keep(accept_value(ws_probes::bytes(), &mut SoftSha1));
    let mut connection = connection();
    while ws_probes::flag() {
        frames(&mut connection);
    }
});
