//! Compressing what is sent.

use ws_deflate::{Deflate, MemoryError, Progress};

ws_probes::entries! {
    /// Over memory that was lent.
    fn new(
        window: &'static mut [u8],
        hash: &'static mut [u16]
    ) -> Result<Deflate<'static>, MemoryError> {
        Deflate::new(window, hash)
    }
    /// As the peer wants it.
    fn limit(codec: &mut Deflate<'_>, bits: u8) -> () { codec.limit_window(bits) }
    /// A piece of a message.
    fn deflate(codec: &mut Deflate<'_>, input: &[u8], output: &mut [u8]) -> Progress {
        codec.deflate(input, output)
    }
    /// Its end.
    fn end(codec: &mut Deflate<'_>, output: &mut [u8]) -> Progress { codec.end_of_message(output) }
    /// Without context takeover.
    fn reset(codec: &mut Deflate<'_>) -> () { codec.reset() }
}
