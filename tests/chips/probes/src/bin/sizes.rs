//! Sizes of types, as the lengths of symbols.
#![no_std]
#![no_main]

use ws_core::handshake::{ClientHandshake, ServerHandshake};
use ws_core::{Connection, Endpoint, Receiver, Transmitter};
use ws_probes::stack::Table;

ws_probes::sizes! {
    receiver = size_of::<Receiver>();
    transmitter = size_of::<Transmitter>();
    connection = size_of::<Connection>();
    endpoint = size_of::<Endpoint>();
    client_handshake = size_of::<ClientHandshake>();
    server_handshake = size_of::<ServerHandshake>();
    slot = size_of::<Table<2>>() - size_of::<Table<1>>();
    table = 2 * size_of::<Table<1>>() - size_of::<Table<2>>();
}

ws_probes::firmware!({});
