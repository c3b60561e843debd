//! A blocking MQTT client's TCP stack that is WebSockets: socket, connect, send, receive, close.
#![no_std]
#![no_main]

mod calls {
    use core::net::SocketAddr;

    use embedded_nal::{TcpClientStack, nb};
    use ws_probes::stack::{Broken, Chip, Registers};
    use ws_socket::WebSocketId;
    use ws_transport_mqtt::{Buffers, MqttError, MqttRequest, MqttStack};

    type Stack = MqttStack<'static, Registers, Chip, 1>;
    type Error = MqttError<Broken>;

    ws_probes::entries! {
        /// A stack for one connection.
        fn new(host: &'static str, buffers: Buffers<'static>) -> Stack {
            MqttStack::new(Registers, Chip, MqttRequest::new(host), [buffers])
        }
        /// A socket.
        fn socket(stack: &mut Stack) -> Result<WebSocketId, Error> { stack.socket() }
        /// Connects.
        fn connect(
            stack: &mut Stack,
            socket: &mut WebSocketId,
            remote: SocketAddr,
        ) -> nb::Result<(), Error> {
            stack.connect(socket, remote)
        }
        /// Sends.
        fn send(
            stack: &mut Stack,
            socket: &mut WebSocketId,
            bytes: &[u8],
        ) -> nb::Result<usize, Error> {
            stack.send(socket, bytes)
        }
        /// Receives.
        fn receive(
            stack: &mut Stack,
            socket: &mut WebSocketId,
            buffer: &mut [u8],
        ) -> nb::Result<usize, Error> {
            stack.receive(socket, buffer)
        }
        /// Closes.
        fn close(stack: &mut Stack, socket: WebSocketId) -> Result<(), Error> {
            stack.close(socket)
        }
    }
}

ws_probes::probe!(calls);
