//! Nothing but what all probes have.
#![no_std]
#![no_main]

use ws_probes_peers as _;

ws_probes::firmware!({});
