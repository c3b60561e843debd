//! A blocking MQTT client's TCP stack that is WebSockets: socket, connect, send, receive, close.
#![no_std]
#![no_main]

use core::net::{Ipv4Addr, SocketAddr};

use embedded_nal::TcpClientStack;
use ws_probes::stack::{Chip, Registers};
use ws_probes::{bytes, flag, keep, text, word};
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStack};

ws_probes::firmware!({
    let request = MqttRequest::new(text());
    let buffers = [Buffers::new(bytes(), bytes())];
    let mut stack = MqttStack::<_, _, 1>::new(Registers, Chip, request, buffers);
    let remote = SocketAddr::from((Ipv4Addr::from_bits(word() as u32), word() as u16));
    match stack.socket() {
        Ok(mut socket) => {
            while stack.connect(&mut socket, remote).is_err() && flag() {}
            while flag() {
                keep(stack.send(&mut socket, bytes()));
                keep(stack.receive(&mut socket, bytes()));
            }
            keep(stack.close(socket));
        }
        Err(error) => keep(error),
    }
});
