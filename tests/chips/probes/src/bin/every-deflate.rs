//! Compression: both ways, and its negotiation.
#![no_std]
#![no_main]

#[path = "../entries/deflate.rs"]
mod deflate;
#[path = "../entries/inflate.rs"]
mod inflate;
#[path = "../entries/negotiate.rs"]
mod negotiate;

ws_probes::probe!(inflate, deflate, negotiate);
