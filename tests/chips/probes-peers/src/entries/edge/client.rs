//! A client's handshake by edge-http.

use edge_http::io::Error;
use edge_http::ws::{MAX_BASE64_KEY_LEN, MAX_BASE64_KEY_RESPONSE_LEN, NONCE_LEN};
use edge_http::{BodyType, ConnectionType};
use embedded_io_async::ErrorKind;
use ws_probes::run;
use ws_probes_peers::edge::{Request, Response, Stream};

ws_probes::entries! {
    /// Its headers.
    fn upgrade(
        request: &mut Request,
        host: Option<&'static str>,
        origin: Option<&'static str>,
        nonce: &[u8; NONCE_LEN],
        key: &'static mut [u8; MAX_BASE64_KEY_LEN],
    ) -> () {
        let headers = &mut request.headers;
        headers.set_ws_upgrade_request_headers(host, origin, None, nonce, key);
    }
    /// Sends it.
    fn send(request: &Request) -> Result<(ConnectionType, BodyType), Error<ErrorKind>> {
        run(request.send(true, Stream))
    }
    /// Receives it.
    fn receive(
        response: &mut Response,
        buffer: &'static mut [u8],
    ) -> Result<(&'static mut [u8], usize), Error<ErrorKind>> {
        run(response.receive(buffer, Stream, true))
    }
    /// Has the server upgraded?
    fn accepted(
        response: &Response,
        nonce: &[u8; NONCE_LEN],
        accept: &mut [u8; MAX_BASE64_KEY_RESPONSE_LEN],
    ) -> bool {
        response.is_ws_upgrade_accepted(nonce, accept)
    }
}
