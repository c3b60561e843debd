//! Frames, both roles.
#![no_std]
#![no_main]

use ws_probes::frames::{connection, frames};

ws_probes::firmware!({
    let mut connection = connection();
    while ws_probes::flag() {
        frames(&mut connection);
    }
});
