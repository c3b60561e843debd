//! One WebSocket on an async stream: connect, send, receive, disconnect, each run to its end.
#![no_std]
#![no_main]

mod calls {
    use embedded_io_async::ErrorKind;
    use ws_probes::run;
    use ws_probes::stack::opcode;
    use ws_probes_stacks::stream::{Chip, Stream};
    use ws_socket::asynch::{AsyncRequest, WebSocket};
    use ws_socket::{
        Config, ConnectError, DisconnectError, Disconnected, ReceiveError, Received, SendError,
        Timeout,
    };

    type Socket = WebSocket<'static, Stream, Chip>;

    ws_probes::entries! {
        /// Connects.
        fn connect(
            host: &str,
            target: &str,
            subprotocols: &[&str],
            buffer: &'static mut [u8; 512],
            timeout: u32,
        ) -> Result<Socket, ConnectError<ErrorKind>> {
            let request = AsyncRequest::new(host, target).subprotocols(subprotocols);
            let (config, timeout) = (Config::DEFAULT, Timeout::Millis(timeout));
            run(WebSocket::connect(Stream, &request, buffer, Chip, config, timeout))
        }
        /// Sends.
        fn send(
            ws: &mut Socket,
            payload: &[u8],
            text: bool,
            fin: bool,
            timeout: u32,
        ) -> Result<usize, SendError<ErrorKind>> {
            run(ws.send_msg(payload, opcode(text), fin, Timeout::Millis(timeout)))
        }
        /// Receives.
        fn receive(
            ws: &mut Socket,
            buffer: &mut [u8],
            timeout: u32,
        ) -> Result<Received, ReceiveError<ErrorKind>> {
            run(ws.recv_msg(buffer, Timeout::Millis(timeout)))
        }
        /// Closes.
        fn disconnect(ws: &mut Socket, timeout: u32) -> Result<Disconnected, DisconnectError> {
            run(ws.disconnect(Timeout::Millis(timeout)))
        }
    }
}

ws_probes::probe!(calls);
