//! TCP by smoltcp, and no WebSocket: connect, send, receive, close.
#![no_std]
#![no_main]

use core::net::{Ipv4Addr, SocketAddr};

use smoltcp::iface::PollResult;
use smoltcp::socket::tcp;
use ws_probes::{bytes, flag, keep, word};
use ws_probes_stacks::net::{Registers, interface, now, pool, sockets};

ws_probes::firmware!({
    let (mut device, mut interface, mut sockets) = (Registers, interface(), sockets());
    let [handle] = pool(&mut sockets);
    let remote = SocketAddr::from((Ipv4Addr::from_bits(word() as u32), word() as u16));
    let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
    keep(socket.connect(interface.context(), remote, word() as u16));
    while flag() {
        if interface.poll(now(), &mut device, &mut sockets) == PollResult::SocketStateChanged {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
            keep(socket.state());
            keep(socket.send_slice(bytes()));
            keep(socket.recv_slice(bytes()));
            if flag() {
                socket.close();
            }
        }
    }
});
