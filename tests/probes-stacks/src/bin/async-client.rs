//! One WebSocket on an async stream: connect, send, receive, disconnect.
#![no_std]
#![no_main]

use ws_probes::{bytes, flag, keep, run, text, word};
use ws_probes_stacks::stream::{Chip, Stream};
use ws_socket::asynch::{WebSocket, WebSocketRequest};
use ws_socket::{Config, Opcode, Timeout};

ws_probes::firmware!(run(async {
    let timeout = Timeout::Millis(word() as u32);
    let protocols = [text()];
    let request = WebSocketRequest::new(text(), text()).subprotocols(&protocols);
    let config = Config::DEFAULT;
    match WebSocket::connect(Stream, &request, bytes(), Chip, config, timeout).await {
        Ok(mut ws) => {
            while flag() {
                let opcode = if flag() { Opcode::Text } else { Opcode::Binary };
                keep(ws.send_msg(bytes(), opcode, flag(), timeout).await);
                keep(ws.recv_msg(bytes(), timeout).await);
            }
            keep(ws.disconnect(timeout).await);
        }
        Err(error) => keep(error),
    }
}));
