//! The handle table as a blocking client over smoltcp: TCP, connect, send, receive, disconnect.
#![no_std]
#![no_main]

mod calls {
    use core::net::SocketAddr;

    use smoltcp::iface::{Interface, SocketHandle, SocketSet};
    use ws_probes::stack::opcode;
    use ws_probes::{done, keep, word};
    use ws_probes_stacks::net::{Registers, interface, now, pool, sockets};
    use ws_socket::stack::{SetupError, SmoltcpError, SmoltcpStack};
    use ws_socket::{
        ConnectError, DisconnectError, Disconnected, Errno, Platform, ReceiveError, Received,
        SendError, Timeout, WebSocketId, WebSocketRequest, WebSockets, websocket_disconnect,
        websocket_recv_msg, websocket_send_msg,
    };

    type Stack = SmoltcpStack<'static, Registers, 1>;
    type Table = WebSockets<'static, Stack, Chip, 2>;

    /// A clock, a source of randomness; smoltcp is driven while a call waits.
    pub struct Chip;

    impl Platform<Stack> for Chip {
        fn now_ms(&mut self) -> u32 {
            word() as u32
        }

        #[inline(never)]
        fn fill_random(&mut self, out: &mut [u8]) -> Result<(), ws_socket::RandomError> {
            for byte in out {
                *byte = word() as u8;
            }
            Ok(())
        }

        fn wait(&mut self, stack: &mut Stack, at_most_ms: u32) {
            done(at_most_ms as usize);
            keep(stack.poll(now()));
        }
    }

    ws_probes::entries! {
        /// The interface.
        fn setup() -> Interface { interface() }
        /// Its sockets: one for TCP.
        fn sockets_and_pool() -> (SocketSet<'static>, [SocketHandle; 1]) {
            let mut sockets = sockets();
            let pool = pool(&mut sockets);
            (sockets, pool)
        }
        /// The adapter.
        fn stack(
            interface: Interface,
            sockets: SocketSet<'static>,
            pool: [SocketHandle; 1],
            seed: u32,
        ) -> Result<Stack, SetupError> {
            Stack::new(interface, Registers, sockets, pool, seed)
        }
        /// A table whose slots have buffers.
        fn new(stack: Stack, buffers: [&'static mut [u8; 512]; 2]) -> Table {
            WebSockets::new(stack, Chip).with_buffers(buffers)
        }
        /// Connects.
        fn connect(
            table: &mut Table,
            remote: SocketAddr,
            host: &str,
            target: &str,
            subprotocols: &[&str],
            timeout: u32,
        ) -> Result<WebSocketId, ConnectError<SmoltcpError>> {
            let request = WebSocketRequest::new(host, target).subprotocols(subprotocols);
            table.connect_to(remote, request, Timeout::Millis(timeout))
        }
        /// The number of its error.
        fn connect_errno(error: &ConnectError<SmoltcpError>) -> Errno { error.errno() }
        /// Sends, masked.
        fn send(
            table: &mut Table,
            ws: WebSocketId,
            payload: &[u8],
            text: bool,
            fin: bool,
            timeout: u32,
        ) -> Result<usize, SendError<SmoltcpError>> {
            let (opcode, timeout) = (opcode(text), Timeout::Millis(timeout));
            websocket_send_msg(table, ws, payload, opcode, true, fin, timeout)
        }
        /// Receives.
        fn receive(
            table: &mut Table,
            ws: WebSocketId,
            buffer: &mut [u8],
            timeout: u32,
        ) -> Result<Received, ReceiveError<SmoltcpError>> {
            websocket_recv_msg(table, ws, buffer, Timeout::Millis(timeout))
        }
        /// The number of its error.
        fn receive_errno(error: &ReceiveError<SmoltcpError>) -> Errno { error.errno() }
        /// Closes.
        fn disconnect(
            table: &mut Table,
            ws: WebSocketId,
            timeout: u32,
        ) -> Result<Disconnected, DisconnectError> {
            websocket_disconnect(table, ws, Timeout::Millis(timeout))
        }
    }
}

ws_probes::probe!(calls);
