//! edge-http's heads, without headers.

use ws_probes_peers::edge::{Request, Response};

ws_probes::entries! {
    /// A request.
    fn request() -> Request { Request::new() }
    /// A response.
    fn response() -> Response { Response::new() }
}
