//! A client that looks something up by a byte of its peer's, unchecked: what the check must find.
#![no_std]
#![no_main]

use ws_probes::{bytes, done, word};
use ws_socket::{Timeout, websocket_recv_msg, websocket_register};

const NAMES: [usize; 200] = [7; 200];

ws_probes::firmware!({
    let mut table = ws_probes::stack::table();
    let registered =
        websocket_register(&mut table, word() as u32, ws_socket::Role::Client, None, 0);
    if let Ok(ws) = registered {
        let message = bytes();
        if let Ok(piece) = websocket_recv_msg(&mut table, ws, message, Timeout::Forever)
            && let Some(byte) = message.get(..piece.length).and_then(|piece| piece.first())
        {
            done(NAMES[usize::from(*byte)]);
        }
    }
});
