//! A server's handshake by embedded-websocket, with httparse as its examples have it.

use embedded_websocket::{
    Error, WebSocketContext, WebSocketKey, WebSocketServer, WebSocketSubProtocol, read_http_header,
};
use httparse::{Header, Request};

ws_probes::entries! {
    /// Takes a request apart.
    fn parse(
        request: &mut Request<'static, 'static>,
        bytes: &'static [u8],
    ) -> httparse::Result<usize> {
        request.parse(bytes)
    }
    /// What it asks for.
    fn context(headers: &[Header<'_>]) -> Result<Option<WebSocketContext>, Error> {
        read_http_header(headers.iter().map(|header| (header.name, header.value)))
    }
    /// The response.
    fn accept(
        it: &mut WebSocketServer,
        key: &WebSocketKey,
        protocol: Option<&WebSocketSubProtocol>,
        to: &mut [u8],
    ) -> Result<usize, Error> {
        it.server_accept(key, protocol, to)
    }
}
