//! embedded-websocket as a server, whose type is another than a client's: frames.

use embedded_websocket::{Error, WebSocketReadResult, WebSocketSendMessageType, WebSocketServer};

ws_probes::entries! {
    /// A server.
    fn new() -> WebSocketServer { WebSocketServer::new_server() }
    /// What came in.
    fn read(it: &mut WebSocketServer, from: &[u8], to: &mut [u8]) -> Result<WebSocketReadResult, Error> {
        it.read(from, to)
    }
    /// What goes out.
    fn write(
        it: &mut WebSocketServer,
        kind: WebSocketSendMessageType,
        end: bool,
        from: &[u8],
        to: &mut [u8],
    ) -> Result<usize, Error> {
        it.write(kind, end, from, to)
    }
}
