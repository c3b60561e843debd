//! ws-framer, with httparse for requests. Without a source of randomness: it masks with zeros.

use httparse::Header;
use ws_framer::{WsFrame, WsRxFramer, WsTxFramer, process_sec_websocket_key};
use ws_probes::{bytes, done, flag, keep, text, word};

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

/// The least driver there can be.
pub fn frames(rx: &mut WsRxFramer<'static>, tx: &mut WsTxFramer<'static>) {
    done(read_buf(rx));
    advance(rx, word());
    next_frame(rx);
    let out = if flag() {
        WsFrame::Text(text())
    } else {
        WsFrame::Binary(bytes())
    };
    frame(tx, out);
}

/// A connection of a role that is known only when it runs.
pub fn connection() -> (WsRxFramer<'static>, WsTxFramer<'static>) {
    (receiver(bytes()), sender(flag(), bytes()))
}

/// A client's handshake.
pub fn client(rx: &mut WsRxFramer<'static>, tx: &mut WsTxFramer<'static>) -> Option<()> {
    let headers = [Header {
        name: text(),
        value: bytes(),
    }];
    keep(tx.http_upgrade_request(text(), text(), &headers)?);
    let accept = tx.accept_key();
    loop {
        done(rx.read_buf().as_mut_ptr() as usize);
        rx.advance(word());
        if let Some(response) = rx.http_response() {
            let response = response.ok()?;
            return response.is_websocket_accepted(&accept).then_some(());
        }
    }
}

/// A server's handshake.
pub fn server(tx: &mut WsTxFramer<'_>) -> Option<()> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(bytes()).ok()?;
    let value = |name: &str| {
        let mut headers = request.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        core::str::from_utf8(header.value).ok()
    };
    if !value("Upgrade")?.eq_ignore_ascii_case("websocket")
        || value("Sec-WebSocket-Version")? != "13"
    {
        return None;
    }
    let accept = process_sec_websocket_key(value("Sec-WebSocket-Key")?)?;
    let headers = [("Upgrade", &b"websocket"[..]), ("Connection", b"Upgrade")];
    let [upgrade, connection] = headers.map(|(name, value)| Header { name, value });
    let accept = Header {
        name: "Sec-WebSocket-Accept",
        value: &accept,
    };
    let response = tx.http_response(101, "Switching Protocols", &[upgrade, connection, accept]);
    keep(response?);
    Some(())
}
