//! embedded-websocket as a client, whose type is another than a server's: frames.

use embedded_websocket::{Error, WebSocketReadResult, WebSocketSendMessageType};
use ws_probes_peers::embedded_websocket::{Client, Random};

ws_probes::entries! {
    /// A client.
    fn new() -> Client { Client::new_client(Random) }
    /// What came in.
    fn read(it: &mut Client, from: &[u8], to: &mut [u8]) -> Result<WebSocketReadResult, Error> {
        it.read(from, to)
    }
    /// What goes out.
    fn write(
        it: &mut Client,
        kind: WebSocketSendMessageType,
        end: bool,
        from: &[u8],
        to: &mut [u8],
    ) -> Result<usize, Error> {
        it.write(kind, end, from, to)
    }
}
