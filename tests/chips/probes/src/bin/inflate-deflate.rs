//! Compression both ways.
#![no_std]
#![no_main]

#[path = "../entries/inflate.rs"]
mod inflate;

#[path = "../entries/deflate.rs"]
mod deflate;

ws_probes::probe!(inflate, deflate);
