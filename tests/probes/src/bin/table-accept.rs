//! The handle table as a blocking server without pages: accept, send, receive, disconnect.
#![no_std]
#![no_main]

use ws_probes::{bytes, done, flag, keep, text, word};
use ws_socket::{
    AcceptOptions, Opcode, Timeout, websocket_accept, websocket_disconnect, websocket_recv_msg,
    websocket_send_msg,
};

ws_probes::firmware!({
    let mut table = ws_probes::stack::table();
    let timeout = Timeout::Millis(word() as u32);
    let options = AcceptOptions {
        subprotocols: &[text()],
        ..AcceptOptions::default()
    };
    match websocket_accept(&mut table, &mut (word() as u32), &options, timeout) {
        Ok(ws) => {
            while flag() {
                let opcode = if flag() { Opcode::Text } else { Opcode::Binary };
                let fin = flag();
                keep(websocket_send_msg(
                    &mut table,
                    ws,
                    bytes(),
                    opcode,
                    false,
                    fin,
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
});
