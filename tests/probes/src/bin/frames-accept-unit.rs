//! Frames, and the accept value by a hash that is there anyway: a chip's unit, or one that TLS brought.
#![no_std]
#![no_main]

use ws_core::handshake::{Sha1, accept_value};
use ws_probes::frames::Entries;
use ws_probes::{array, bytes, done};

/// A chip's unit: takes parts, gives a digest.
struct Unit;

impl Sha1 for Unit {
    #[inline(never)]
    fn sha1(&mut self, parts: &[&[u8]]) -> [u8; 20] {
        for part in parts {
            done(part.as_ptr() as usize + part.len());
        }
        *array()
    }
}

/// Links the entries; the section is not in flash.
#[used]
#[unsafe(link_section = ".sizes")]
static CODEC: Entries = Entries::ALL;

ws_probes::firmware!({
    ws_probes::keep(accept_value(bytes(), &mut Unit));
});
