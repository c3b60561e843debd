//! An async MQTT client's stream that is a WebSocket: connect, write, read, disconnect, each run to its
//! end.
#![no_std]
#![no_main]

mod calls {
    use embedded_io_async::{ErrorKind, Read, Write};
    use ws_probes::run;
    use ws_probes_stacks::stream::{Chip, Stream};
    use ws_socket::Timeout;
    use ws_transport_mqtt::{Buffers, MqttError, MqttRequest, MqttStream};

    type Socket = MqttStream<'static, Stream, Chip>;
    type Error = MqttError<ErrorKind>;

    ws_probes::entries! {
        /// Connects.
        fn connect(
            host: &str,
            buffers: Buffers<'static>,
            timeout: u32,
        ) -> Result<Socket, Error> {
            let (request, timeout) = (MqttRequest::new(host), Timeout::Millis(timeout));
            run(MqttStream::connect(Stream, &request, buffers, Chip, timeout))
        }
        /// Writes.
        fn write_all(stream: &mut Socket, bytes: &[u8]) -> Result<(), Error> {
            run(stream.write_all(bytes))
        }
        /// Sends what was written.
        fn flush(stream: &mut Socket) -> Result<(), Error> { run(stream.flush()) }
        /// Reads.
        fn read(stream: &mut Socket, buffer: &mut [u8]) -> Result<usize, Error> {
            run(stream.read(buffer))
        }
        /// Closes.
        fn disconnect(stream: &mut Socket, timeout: u32) -> bool {
            run(stream.disconnect(Timeout::Millis(timeout)))
        }
    }
}

ws_probes::probe!(calls);
