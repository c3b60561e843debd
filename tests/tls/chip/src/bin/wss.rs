//! A WebSocket client over TLS.
#![no_std]
#![no_main]

use tls_chip::wss::{Memory, Verify, hello, secure};
use tls_chip::{Chip, Tcp, authority, now};
use ws_probes::{array, keep, text};

ws_probes::firmware!({
    let memory: &mut [Memory; 1] = array_of();
    let verify = Verify::<_, Chip>::new(authority(), Chip);
    if let Ok(tls) = secure(Tcp(0), &mut memory[0], text(), verify, 10_000, now) {
        keep(hello(tls, text(), Chip));
    }
});

/// Memory somewhere.
fn array_of<'a>() -> &'a mut [Memory; 1] {
    let place: &mut [u8; 1] = array();
    // SAFETY: never run.
    unsafe { &mut *core::ptr::from_mut(place).cast() }
}
