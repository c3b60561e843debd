//! Decompression.
#![no_std]
#![no_main]

#[path = "../entries/inflate.rs"]
mod inflate;

ws_probes::probe!(inflate);
