//! embedded-websocket: frames, both roles.
#![no_std]
#![no_main]

use ws_probes_peers::embedded_websocket::Entries;

/// Links the entries; the section is not in flash.
#[used]
#[unsafe(link_section = ".sizes")]
static CODEC: Entries = Entries::ALL;

ws_probes::firmware!({});
