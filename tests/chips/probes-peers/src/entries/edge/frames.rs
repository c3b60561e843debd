//! edge-ws, which has frame headers and the mask. It checks next to nothing.

use edge_ws::{Error, FrameHeader};

ws_probes::entries! {
    /// Takes a header apart.
    fn deserialize(bytes: &[u8]) -> Result<(FrameHeader, usize), Error<()>> {
        FrameHeader::deserialize(bytes)
    }
    /// Unmasks or masks payload.
    fn mask(header: &FrameHeader, payload: &mut [u8], offset: usize) -> () {
        header.mask(payload, offset)
    }
    /// Puts a header together.
    fn serialize(header: &FrameHeader, out: &mut [u8]) -> Result<usize, Error<()>> {
        header.serialize(out)
    }
}
