//! What servers send by the table: text and binary messages.

use ws_probes::stack::{Broken, Table, opcode};
use ws_socket::{SendError, Timeout, WebSocketId, websocket_send_msg};

ws_probes::entries! {
    /// Sends, not masked.
    fn send(
        table: &mut Table<2>,
        ws: WebSocketId,
        payload: &[u8],
        text: bool,
        fin: bool,
        timeout: u32
    ) -> Result<usize, SendError<Broken>> {
        websocket_send_msg(table, ws, payload, opcode(text), false, fin, Timeout::Millis(timeout))
    }
}
