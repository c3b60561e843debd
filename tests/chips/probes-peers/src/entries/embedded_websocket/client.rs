//! A client's handshake by embedded-websocket.

use embedded_websocket::{Error, WebSocketKey, WebSocketOptions, WebSocketSubProtocol};
use ws_probes_peers::embedded_websocket::Client;

ws_probes::entries! {
    /// The request.
    fn connect(
        it: &mut Client,
        options: &WebSocketOptions<'_>,
        to: &mut [u8],
    ) -> Result<(usize, WebSocketKey), Error> {
        it.client_connect(options, to)
    }
    /// The response.
    fn accept(
        it: &mut Client,
        key: &WebSocketKey,
        from: &[u8],
    ) -> Result<(usize, Option<WebSocketSubProtocol>), Error> {
        it.client_accept(key, from)
    }
}
