//! A server's handshake by ws-framer, with httparse for the request. What is looked for among its headers
//! is the user's to write, and not counted.

use httparse::{Header, Request};
use ws_framer::{WsTxFramer, process_sec_websocket_key};
use ws_probes::keep;

ws_probes::entries! {
    /// Takes a request apart.
    fn parse(
        request: &mut Request<'static, 'static>,
        bytes: &'static [u8],
    ) -> httparse::Result<usize> {
        request.parse(bytes)
    }
    /// The accept value of a key.
    fn accept(key: &str) -> Option<[u8; 28]> { process_sec_websocket_key(key) }
    /// The response.
    fn response(
        tx: &mut WsTxFramer<'static>,
        status: u16,
        text: &str,
        headers: &[Header<'_>],
    ) -> () {
        keep(tx.http_response(status, text, headers))
    }
}
