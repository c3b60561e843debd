//! The handle table as a blocking client over smoltcp: TCP, connect, send, receive, disconnect.
#![no_std]
#![no_main]

use core::net::{Ipv4Addr, SocketAddr};

use ws_probes::{bytes, done, flag, keep, text, word};
use ws_probes_stacks::net::{Registers, interface, now, pool, sockets};
use ws_socket::stack::SmoltcpStack;
use ws_socket::{
    Opcode, Platform, Timeout, WebSocketRequest, WebSockets, websocket_disconnect,
    websocket_recv_msg, websocket_send_msg,
};

type Stack = SmoltcpStack<'static, Registers, 1>;

struct Chip;

impl Platform<Stack> for Chip {
    fn now_ms(&mut self) -> u32 {
        word() as u32
    }

    #[inline(never)]
    fn fill_random(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = word() as u8;
        }
    }

    fn wait(&mut self, stack: &mut Stack, at_most_ms: u32) {
        done(at_most_ms as usize);
        keep(stack.poll(now()));
    }
}

ws_probes::firmware!({
    let mut sockets = sockets();
    let pool = pool(&mut sockets);
    if let Ok(stack) = Stack::new(interface(), Registers, sockets, pool, word() as u32) {
        let mut table = WebSockets::<_, _, 2>::new(stack, Chip).with_buffers([bytes(), bytes()]);
        let timeout = Timeout::Millis(word() as u32);
        let remote = SocketAddr::from((Ipv4Addr::from_bits(word() as u32), word() as u16));
        let protocols = [text()];
        let request = WebSocketRequest::new(text(), text()).subprotocols(&protocols);
        match table.connect_to(remote, request, timeout) {
            Ok(ws) => {
                while flag() {
                    let opcode = if flag() { Opcode::Text } else { Opcode::Binary };
                    keep(websocket_send_msg(
                        &mut table,
                        ws,
                        bytes(),
                        opcode,
                        true,
                        flag(),
                        timeout,
                    ));
                    match websocket_recv_msg(&mut table, ws, bytes(), timeout) {
                        Ok(received) => keep(received),
                        Err(error) => done(error.errno() as usize),
                    }
                }
                keep(websocket_disconnect(&mut table, ws, timeout));
            }
            Err(error) => done(error.errno() as usize),
        }
    }
});
