//! What clients call of the table, with what a plain program gives: a host, a target, subprotocols, a
//! timeout in milliseconds, text and binary messages. What a call takes besides is linked into programs
//! that give it.

use ws_probes::stack::{Broken, Table, opcode};
use ws_socket::{
    ConnectError, Errno, SendError, Timeout, WebSocketId, WebSocketRequest, websocket_connect,
    websocket_send_msg,
};

ws_probes::entries! {
    /// Connects.
    fn connect(
        table: &mut Table<2>,
        socket: u32,
        host: &str,
        target: &str,
        subprotocols: &[&str],
        timeout: u32
    ) -> Result<WebSocketId, ConnectError<Broken>> {
        let request = WebSocketRequest::new(host, target).subprotocols(subprotocols);
        websocket_connect(table, socket, request, Timeout::Millis(timeout))
    }
    /// The number of its error.
    fn connect_errno(error: &ConnectError<Broken>) -> Errno { error.errno() }
    /// Sends, masked.
    fn send(
        table: &mut Table<2>,
        ws: WebSocketId,
        payload: &[u8],
        text: bool,
        fin: bool,
        timeout: u32
    ) -> Result<usize, SendError<Broken>> {
        websocket_send_msg(table, ws, payload, opcode(text), true, fin, Timeout::Millis(timeout))
    }
}
