//! Inflating what a peer compressed.

use ws_deflate::{Inflate, InflateError, MemoryError, Progress};

ws_probes::entries! {
    /// Over memory that was lent.
    fn new(window: &'static mut [u8]) -> Result<Inflate<'static>, MemoryError> { Inflate::new(window) }
    /// A piece of a message.
    fn inflate(
        codec: &mut Inflate<'_>,
        input: &[u8],
        output: &mut [u8]
    ) -> Result<Progress, InflateError> {
        codec.inflate(input, output)
    }
    /// Its end.
    fn end(codec: &mut Inflate<'_>, output: &mut [u8]) -> Result<Progress, InflateError> {
        codec.end_of_message(output)
    }
    /// Without context takeover.
    fn reset(codec: &mut Inflate<'_>) -> () { codec.reset() }
}
