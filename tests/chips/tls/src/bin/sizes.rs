//! Sizes of types, as the lengths of symbols.
#![no_std]
#![no_main]

use tls_chip::Tcp;
use tls_chip::wss::Now;
use ws_tls::{Memory, Stream, asynch};

ws_probes::sizes! {
    tls = size_of::<Stream<'static, Tcp, Now>>();
    stream = size_of::<asynch::Stream<'static, 'static, Tcp>>() + size_of::<asynch::Place<'static, Tcp>>();
    memory = size_of::<Memory>();
}

ws_probes::firmware!({});
