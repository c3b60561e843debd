//! A WebSocket client over TLS.
#![no_std]
#![no_main]

use tls_chip::wss::{hello, secure};
use tls_chip::{Chip, Tcp, authority, now, random, seconds};
use ws_probes::{array, keep, text};
use ws_socket::url::Url;
use ws_tls::Memory;

ws_probes::firmware!({
    let memory: &mut [Memory; 1] = array_of();
    let tcp = Tcp(0);
    if let Ok(url) = Url::parse(text())
        && let Ok(tls) = secure(
            tcp,
            &mut memory[0],
            &url,
            authority(),
            seconds(),
            random,
            now,
        )
    {
        keep(hello(tls, &url, Chip));
    }
});

/// Memory somewhere.
fn array_of<'a>() -> &'a mut [Memory; 1] {
    let place: &mut [u8; 1] = array();
    // SAFETY: never run.
    unsafe { &mut *core::ptr::from_mut(place).cast() }
}
