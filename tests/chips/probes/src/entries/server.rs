//! A server's handshake, with all that a request and a response can have.

use ws_core::handshake::{
    HeadPart, Requested, Response, ResponseError, Rules, ServerError, ServerHandshake, SoftSha1,
};

ws_probes::entries! {
    /// Begins.
    fn new(limit: u16) -> ServerHandshake { ServerHandshake::new(limit) }
    /// What came in.
    fn receive(
        handshake: &mut ServerHandshake,
        rules: &Rules<'_>,
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>)
    ) -> Result<(usize, Option<Requested>), ServerError> {
        handshake.receive(rules, &mut SoftSha1, bytes, on_part)
    }
    /// What a refusal says.
    fn status(error: ServerError) -> u16 { error.status() }
    /// Can this be sent?
    fn validate(response: &Response<'_>) -> Result<(), ResponseError> {
        match response {
            // Not part of a handshake: as in a program that has none, they are not linked.
            Response::Page(_) => Ok(()),
            response => response.validate(),
        }
    }
    /// What goes out next.
    fn fill(handshake: &ServerHandshake, response: &Response<'_>, out: &mut [u8]) -> usize {
        match response {
            Response::Page(_) => 0,
            response => handshake.fill(response, out),
        }
    }
    /// What the wire took of it.
    fn sent(handshake: &mut ServerHandshake, count: usize) -> () { handshake.sent(count) }
}
