//! TCP by smoltcp, and no WebSocket: connect, send, receive, close.
#![no_std]
#![no_main]

mod calls {
    use core::net::SocketAddr;

    use smoltcp::iface::{Interface, PollResult, SocketHandle, SocketSet};
    use smoltcp::socket::tcp::{ConnectError, RecvError, SendError, Socket, State};
    use smoltcp::time::Instant;
    use ws_probes_stacks::net::{Registers, interface, pool, sockets};

    ws_probes::entries! {
        /// The interface.
        fn setup() -> Interface { interface() }
        /// Its sockets: one for TCP.
        fn sockets_and_pool() -> (SocketSet<'static>, [SocketHandle; 1]) {
            let mut sockets = sockets();
            let pool = pool(&mut sockets);
            (sockets, pool)
        }
        /// Moves packets.
        fn poll(
            interface: &mut Interface,
            now: Instant,
            sockets: &mut SocketSet<'static>,
        ) -> PollResult {
            interface.poll(now, &mut Registers, sockets)
        }
        /// Connects.
        fn connect(
            sockets: &mut SocketSet<'static>,
            handle: SocketHandle,
            interface: &mut Interface,
            remote: SocketAddr,
            port: u16,
        ) -> Result<(), ConnectError> {
            let socket = sockets.get_mut::<Socket<'_>>(handle);
            socket.connect(interface.context(), remote, port)
        }
        /// What has become of it.
        fn state(sockets: &SocketSet<'static>, handle: SocketHandle) -> State {
            sockets.get::<Socket<'_>>(handle).state()
        }
        /// Sends.
        fn send(
            sockets: &mut SocketSet<'static>,
            handle: SocketHandle,
            bytes: &[u8],
        ) -> Result<usize, SendError> {
            sockets.get_mut::<Socket<'_>>(handle).send_slice(bytes)
        }
        /// Receives.
        fn receive(
            sockets: &mut SocketSet<'static>,
            handle: SocketHandle,
            buffer: &mut [u8],
        ) -> Result<usize, RecvError> {
            sockets.get_mut::<Socket<'_>>(handle).recv_slice(buffer)
        }
        /// Closes.
        fn close(sockets: &mut SocketSet<'static>, handle: SocketHandle) -> () {
            sockets.get_mut::<Socket<'_>>(handle).close()
        }
    }
}

ws_probes::probe!(calls);
