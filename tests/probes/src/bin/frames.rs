//! Frames, both roles: the codec without a driver.
#![no_std]
#![no_main]

use ws_probes::frames::Entries;

/// Links the entries; the section is not in flash.
#[used]
#[unsafe(link_section = ".sizes")]
static CODEC: Entries = Entries::ALL;

ws_probes::firmware!({});
