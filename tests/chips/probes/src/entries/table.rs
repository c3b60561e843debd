//! The handle table over [a stack of registers](ws_probes::stack): what clients and servers call.

use ws_probes::stack::{Broken, Chip, Registers, Table};
use ws_socket::{
    DisconnectError, Disconnected, Errno, ReceiveError, Received, Timeout, WebSocketId, WebSockets,
    websocket_disconnect, websocket_recv_msg,
};

ws_probes::entries! {
    /// A table whose slots have buffers.
    fn new(buffers: [&'static mut [u8; 512]; 2]) -> Table<2> {
        WebSockets::new(Registers, Chip).with_buffers(buffers)
    }
    /// Receives.
    fn receive(
        table: &mut Table<2>,
        ws: WebSocketId,
        buffer: &mut [u8],
        timeout: u32
    ) -> Result<Received, ReceiveError<Broken>> {
        websocket_recv_msg(table, ws, buffer, Timeout::Millis(timeout))
    }
    /// The number of its error.
    fn receive_errno(error: &ReceiveError<Broken>) -> Errno { error.errno() }
    /// Closes.
    fn disconnect(
        table: &mut Table<2>,
        ws: WebSocketId,
        timeout: u32
    ) -> Result<Disconnected, DisconnectError> {
        websocket_disconnect(table, ws, Timeout::Millis(timeout))
    }
}
