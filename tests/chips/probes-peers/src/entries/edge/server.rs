//! A server's handshake by edge-http.

use edge_http::io::Error;
use edge_http::ws::{MAX_BASE64_KEY_RESPONSE_LEN, UpgradeError};
use edge_http::{BodyType, ConnectionType};
use embedded_io_async::ErrorKind;
use ws_probes::run;
use ws_probes_peers::edge::{Request, Response, Stream};

ws_probes::entries! {
    /// Receives it.
    fn receive(
        request: &mut Request,
        buffer: &'static mut [u8],
    ) -> Result<(&'static mut [u8], usize), Error<ErrorKind>> {
        run(request.receive(buffer, Stream, true))
    }
    /// What becomes of the connection.
    fn resolve(request: &Request) -> Result<(ConnectionType, BodyType), Error<ErrorKind>> {
        request.resolve()
    }
    /// Is an upgrade asked for?
    fn asked(request: &Request) -> bool { request.is_ws_upgrade_request() }
    /// Its headers.
    fn upgrade(
        request: &'static Request,
        response: &mut Response,
        accept: &'static mut [u8; MAX_BASE64_KEY_RESPONSE_LEN],
    ) -> Result<(), UpgradeError> {
        let asked = request.headers.iter();
        let headers = &mut response.headers;
        headers.set_ws_upgrade_response_headers(asked, None, accept).map(|_| ())
    }
    /// Sends it.
    fn send(
        response: &Response,
        connection: ConnectionType,
    ) -> Result<(ConnectionType, BodyType), Error<ErrorKind>> {
        run(response.send(connection, true, Stream))
    }
}
