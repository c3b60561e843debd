//! The accept value by a hash that is there anyway: a chip's unit, or one that TLS brought.

use ws_core::handshake::{Sha1, accept_value};
use ws_probes::{array, done};

/// A chip's unit: takes a key, gives a digest.
struct Unit;

impl Sha1 for Unit {
    #[inline(never)]
    fn sha1(&mut self, key: &[u8; 24]) -> [u8; 20] {
        done(key.as_ptr() as usize);
        *array()
    }
}

ws_probes::entries! {
    /// The accept value of a key.
    fn accept(key: &[u8; 24]) -> [u8; 28] { accept_value(key, &mut Unit) }
}
