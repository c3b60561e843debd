//! Negotiating compression, both roles.
#![no_std]
#![no_main]

#[path = "../entries/negotiate.rs"]
mod negotiate;

ws_probes::probe!(negotiate);
