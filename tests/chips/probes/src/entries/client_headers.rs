//! The same with headers of its own: what makes them is linked only where there are some.

use ws_core::handshake::{
    ClientError, ClientHandshake, HeadPart, Request, RequestError, SoftSha1, Upgraded,
};

ws_probes::entries! {
    /// Can this be sent?
    fn validate(request: &Request<'_>, headers: &[(&str, &str)]) -> Result<(), RequestError> {
        Request { headers: Some(&headers), ..*request }.validate()
    }
    /// Begins.
    fn new(nonce: &[u8; 16], limit: u16) -> ClientHandshake { ClientHandshake::new(nonce, limit) }
    /// What goes out next.
    fn fill(
        handshake: &ClientHandshake,
        request: &Request<'_>,
        headers: &[(&str, &str)],
        out: &mut [u8]
    ) -> usize {
        handshake.fill(&Request { headers: Some(&headers), ..*request }, out)
    }
    /// What the wire took of it.
    fn sent(handshake: &mut ClientHandshake, count: usize) -> () { handshake.sent(count) }
    /// What came in.
    fn receive(
        handshake: &mut ClientHandshake,
        request: &Request<'_>,
        bytes: &[u8],
        on_part: &mut dyn FnMut(HeadPart<'_>)
    ) -> Result<(usize, Option<Upgraded>), ClientError> {
        handshake.receive(request, &mut SoftSha1, bytes, on_part)
    }
}
