//! Nothing but what all probes have.
#![no_std]
#![no_main]

ws_probes::firmware!({});
