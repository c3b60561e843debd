//! ws-framer: frames, both roles. Without a source of randomness: it masks with zeros.

use ws_framer::{WsFrame, WsRxFramer, WsTxFramer};
use ws_probes::keep;

ws_probes::entries! {
    /// What receives.
    fn receiver(buffer: &'static mut [u8]) -> WsRxFramer<'static> { WsRxFramer::new(buffer) }
    /// What sends.
    fn sender(mask: bool, buffer: &'static mut [u8]) -> WsTxFramer<'static> { WsTxFramer::new(mask, buffer) }
    /// Where to read to.
    fn read_buf(rx: &mut WsRxFramer<'static>) -> usize { rx.read_buf().as_mut_ptr() as usize }
    /// That has been read.
    fn advance(rx: &mut WsRxFramer<'static>, count: usize) -> () { rx.advance(count) }
    /// A whole message, or control frame.
    fn next_frame(rx: &mut WsRxFramer<'static>) -> () { keep(rx.next_frame()) }
    /// Puts a frame together, masked.
    fn frame(tx: &mut WsTxFramer<'static>, frame: WsFrame<'_>) -> () { keep(tx.frame(frame)) }
}
