//! Sizes of types and futures, as the lengths of symbols.
#![no_std]
#![no_main]

use ws_probes_stacks::net::Registers;
use ws_probes_stacks::stream::{Chip, Stream};
use ws_socket::asynch::{AsyncRequest, WebSocket};
use ws_socket::stack::SmoltcpStack;
use ws_socket::{Buffer, Config, Opcode, Timeout};
use ws_transport_mqtt::{MqttStack, MqttStream};

type Socket = WebSocket<'static, Stream, Chip>;
type Smoltcp<const N: usize> = SmoltcpStack<'static, Registers, N>;
type Places<const N: usize> =
    MqttStack<'static, ws_probes::stack::Registers, ws_probes::stack::Chip, N>;

/// How large the future is that `_call` returns.
const fn future<A, F: Future>(_call: fn(A) -> F) -> usize {
    size_of::<F>()
}

async fn connect((request, buffer): (&'static AsyncRequest<'static>, Buffer<'static>)) {
    let (config, timeout) = (Config::DEFAULT, Timeout::Forever);
    let _ = Socket::connect(Stream, request, buffer, Chip, config, timeout).await;
}

async fn send((ws, payload): (&'static mut Socket, &'static [u8])) {
    let _ = ws
        .send_msg(payload, Opcode::Text, true, Timeout::Forever)
        .await;
}

async fn receive((ws, buffer): (&'static mut Socket, &'static mut [u8])) {
    let _ = ws.recv_msg(buffer, Timeout::Forever).await;
}

async fn disconnect(ws: &'static mut Socket) {
    let _ = ws.disconnect(Timeout::Forever).await;
}

ws_probes::sizes! {
    async_websocket = size_of::<Socket>();
    async_connect = future(connect);
    async_send = future(send);
    async_receive = future(receive);
    async_disconnect = future(disconnect);
    mqtt_stream = size_of::<MqttStream<'static, Stream, Chip>>();
    mqtt_place = size_of::<Places<2>>() - size_of::<Places<1>>();
    mqtt_stack = 2 * size_of::<Places<1>>() - size_of::<Places<2>>();
    smoltcp_socket = size_of::<Smoltcp<2>>() - size_of::<Smoltcp<1>>();
}

ws_probes::firmware!({});
