//! websocket-sans-io: frames, both roles.
#![no_std]
#![no_main]

use ws_probes_peers::sans_io::Entries;

/// Links the entries; the section is not in flash.
#[used]
#[unsafe(link_section = ".sizes")]
static CODEC: Entries = Entries::ALL;

ws_probes::firmware!({});
