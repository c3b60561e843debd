//! Every call of the MQTT adapters that a broker's bytes, or a stream's answers, can reach.
#![no_std]
#![no_main]

use core::net::{Ipv4Addr, SocketAddr};

use embedded_io_async::{Read, ReadReady, Write};
use embedded_nal::TcpClientStack;
use ws_probes::stack::Registers;
use ws_probes::{array, bytes, flag, keep, run, text, word};
use ws_probes_stacks::stream::{Chip, Stream};
use ws_socket::Timeout;
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStack, MqttStream};

fn buffers() -> Buffers<'static> {
    Buffers::new(array::<512>(), bytes())
}

async fn stream() {
    let request = MqttRequest::new(text());
    let timeout = Timeout::Millis(word() as u32);
    let stream = MqttStream::connect(Stream, &request, buffers(), Chip, timeout).await;
    let Ok(mut stream) = stream else { return };
    while flag() {
        keep(stream.read(bytes()).await);
        keep(stream.write(bytes()).await);
        keep(stream.flush().await);
        keep(stream.read_ready());
    }
    keep(stream.disconnect(timeout).await);
}

fn stack() {
    let request = MqttRequest::new(text());
    let mut stack =
        MqttStack::<_, _, 1>::new(Registers, ws_probes::stack::Chip, request, [buffers()]);
    let Ok(mut socket) = stack.socket() else {
        return;
    };
    let remote = SocketAddr::from((Ipv4Addr::from(word() as u32), word() as u16));
    while flag() {
        keep(stack.connect(&mut socket, remote));
        keep(stack.send(&mut socket, bytes()));
        keep(stack.receive(&mut socket, bytes()));
    }
    keep(stack.close(socket));
}

ws_probes::firmware!({
    run(stream());
    stack();
});
