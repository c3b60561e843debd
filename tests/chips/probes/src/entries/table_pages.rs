//! A server that has an answer to any request: upgrades, refusals, pages.

use ws_probes::stack::{Broken, Table};
use ws_socket::{AcceptError, Errno, Handler, Timeout, WebSocketId, websocket_accept};

ws_probes::entries! {
    /// Accepts WebSockets, and answers with whatever the program has.
    fn answer(
        table: &mut Table<2>,
        listener: &mut u32,
        handler: &mut dyn Handler<'static>,
        timeout: u32
    ) -> Result<WebSocketId, AcceptError<Broken>> {
        websocket_accept(table, listener, handler, Timeout::Millis(timeout))
    }
    /// The number of its error.
    fn errno(error: &AcceptError<Broken>) -> Errno { error.errno() }
}
