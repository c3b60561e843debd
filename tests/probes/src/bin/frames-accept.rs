//! Frames, and the accept value for a handshake that somebody else does.
#![no_std]
#![no_main]

use ws_core::handshake::{SoftSha1, accept_value};
use ws_probes::frames::Entries;

/// Links the entries; the section is not in flash.
#[used]
#[unsafe(link_section = ".sizes")]
static CODEC: Entries = Entries::ALL;

ws_probes::firmware!({
    ws_probes::keep(accept_value(ws_probes::bytes(), &mut SoftSha1));
});
