//! Compression.
#![no_std]
#![no_main]

#[path = "../entries/deflate.rs"]
mod deflate;

ws_probes::probe!(deflate);
