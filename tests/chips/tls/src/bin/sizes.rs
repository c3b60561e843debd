//! Sizes of types, as the lengths of symbols.
#![no_std]
#![no_main]

use tls_chip::wss::{AsyncStream, Tls, Verify};
use tls_chip::{Chip, Tcp};
use ws_socket::asynch::TlsBelow;

ws_probes::sizes! {
    tls = size_of::<Tls<'static, Tcp>>();
    stream = size_of::<AsyncStream<'static, 'static, Tcp>>() + size_of::<TlsBelow<'static, Tcp>>();
    verify = size_of::<Verify<'static, Chip, Chip>>();
}

ws_probes::firmware!({});
