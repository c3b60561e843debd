//! A client's handshake by ws-framer.

use httparse::Header;
use ws_framer::{HttpResponse, WsRxError, WsRxFramer, WsTxFramer};
use ws_probes::keep;

ws_probes::entries! {
    /// The request.
    fn request(tx: &mut WsTxFramer<'static>, host: &str, path: &str, headers: &[Header<'_>]) -> () {
        keep(tx.http_upgrade_request(host, path, headers))
    }
    /// The accept value that is due.
    fn accept_key(tx: &WsTxFramer<'static>) -> [u8; 28] { tx.accept_key() }
    /// The response.
    fn response(
        rx: &'static mut WsRxFramer<'static>,
    ) -> Option<Result<HttpResponse<'static>, WsRxError>> {
        rx.http_response()
    }
    /// Has the server upgraded?
    fn accepted(response: &HttpResponse<'_>, accept: &[u8]) -> bool {
        response.is_websocket_accepted(accept)
    }
}
