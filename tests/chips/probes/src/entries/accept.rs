//! The accept value, for a handshake that somebody else does.

use ws_core::handshake::{SoftSha1, accept_value};

ws_probes::entries! {
    /// The accept value of a key.
    fn accept(key: &[u8; 24]) -> [u8; 28] { accept_value(key, &mut SoftSha1) }
}
