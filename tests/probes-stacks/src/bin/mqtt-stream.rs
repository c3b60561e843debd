//! An async MQTT client's stream that is a WebSocket: connect, write, read, disconnect.
#![no_std]
#![no_main]

use embedded_io_async::{Read, Write};
use ws_probes::{bytes, flag, keep, run, text, word};
use ws_probes_stacks::stream::{Chip, Stream};
use ws_socket::Timeout;
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

ws_probes::firmware!(run(async {
    let timeout = Timeout::Millis(word() as u32);
    let request = MqttRequest::new(text());
    let buffers = Buffers::new(bytes(), bytes());
    match MqttStream::connect(Stream, &request, buffers, Chip, timeout).await {
        Ok(mut stream) => {
            while flag() {
                keep(stream.write_all(bytes()).await);
                keep(stream.flush().await);
                keep(stream.read(bytes()).await);
            }
            keep(stream.disconnect(timeout).await);
        }
        Err(error) => keep(error),
    }
}));
