//! A server without pages.

use ws_probes::stack::{Broken, Table};
use ws_socket::{AcceptError, AcceptOptions, Errno, Timeout, WebSocketId, websocket_accept};

ws_probes::entries! {
    /// Accepts WebSockets and nothing else.
    fn accept(
        table: &mut Table<2>,
        listener: &mut u32,
        subprotocols: &[&str],
        timeout: u32
    ) -> Result<WebSocketId, AcceptError<Broken>> {
        let options = AcceptOptions { subprotocols, ..AcceptOptions::default() };
        websocket_accept(table, listener, &options, Timeout::Millis(timeout))
    }
    /// The number of its error.
    fn errno(error: &AcceptError<Broken>) -> Errno { error.errno() }
}
