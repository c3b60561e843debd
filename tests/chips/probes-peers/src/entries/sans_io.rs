//! websocket-sans-io: frames, without the order of fragments, UTF-8 and close codes.

use tinyvec::ArrayVec;
use websocket_sans_io::{
    FrameDecoderError, FrameInfo, MAX_HEADER_LENGTH, WebsocketFrameDecoder,
    WebsocketFrameDecoderAddDataResult, WebsocketFrameEncoder,
};

ws_probes::entries! {
    /// What receives.
    fn decoder() -> WebsocketFrameDecoder { WebsocketFrameDecoder::new() }
    /// What sends.
    fn encoder() -> WebsocketFrameEncoder { WebsocketFrameEncoder::new() }
    /// Takes a header apart, and unmasks payload.
    fn add_data(
        decoder: &mut WebsocketFrameDecoder,
        data: &mut [u8]
    ) -> Result<WebsocketFrameDecoderAddDataResult, FrameDecoderError> {
        decoder.add_data(data)
    }
    /// Puts a header together.
    fn start_frame(encoder: &mut WebsocketFrameEncoder, frame: &FrameInfo) -> ArrayVec<[u8; MAX_HEADER_LENGTH]> {
        encoder.start_frame(frame)
    }
    /// Masks payload.
    fn transform(encoder: &mut WebsocketFrameEncoder, payload: &mut [u8]) -> () {
        encoder.transform_frame_payload(payload)
    }
    /// Some of it is taken back.
    fn rollback(encoder: &mut WebsocketFrameEncoder, count: usize) -> () {
        encoder.rollback_payload_transform(count)
    }
}
