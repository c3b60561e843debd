//! The accept value by a hash that is there anyway: a chip's unit, or one that TLS brought.

use ws_core::handshake::{Sha1, accept_value};
use ws_probes::{array, done};

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

ws_probes::entries! {
    /// The accept value of a key.
    fn accept(key: &[u8]) -> [u8; 28] { accept_value(key, &mut Unit) }
}
