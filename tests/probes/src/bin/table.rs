//! The handle table as a blocking client: connect, send, receive, disconnect.
#![no_std]
#![no_main]

use ws_probes::{bytes, done, flag, keep, text, word};
use ws_socket::{
    Opcode, Timeout, WebSocketRequest, websocket_connect, websocket_disconnect, websocket_recv_msg,
    websocket_send_msg,
};

ws_probes::firmware!({
    let mut table = ws_probes::stack::table();
    let timeout = Timeout::Millis(word() as u32);
    let protocols = [text()];
    let request = WebSocketRequest::new(text(), text()).subprotocols(&protocols);
    match websocket_connect(&mut table, word() as u32, request, timeout) {
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
});
