//! ws-framer: whole messages in its own buffer. Without a source of randomness it masks with
//! zeros, which takes the same time.
#![no_std]
#![no_main]

use core::hint::black_box;

use httparse::Header;
use ws_framer::{WsFrame, WsRxFramer, WsTxFramer, process_sec_websocket_key};
use ws_insn::cases::{
    ACCEPT, ASCII, HEADER, HOST, LENGTHS, LONGEST, PAYLOAD, REQUEST, RESPONSE, TARGET, THREE,
    Words, is_masked, masked,
};
use ws_insn::{check, count, know, know_bytes, unknown};

ws_insn::firmware!({
    let buffer: &mut [u8] = &mut Words([0; LONGEST + HEADER]).0;
    for (length, name) in LENGTHS {
        decode("decode", name, 2, &PAYLOAD[..length], buffer);
    }
    for (length, name) in LENGTHS {
        let payload = &PAYLOAD[..length];
        let tx = &mut black_box(WsTxFramer::new(true, buffer));
        let mut written = 0;
        let payload = unknown(payload);
        count("encode", name, || {
            if let Some(frame) = tx.binary(payload) {
                know_bytes(frame);
                written = frame.len();
            }
        });
        check(is_masked(&buffer[..written], 2, payload), "encode");
    }
    decode("text", "ascii", 1, &ASCII, buffer);
    decode("text", "three", 1, &THREE, buffer);
    decode("text", "binary", 2, &THREE, buffer);
    client(buffer);
    server(buffer);
});

fn decode(group: &str, case: &str, opcode: u8, payload: &[u8], buffer: &mut [u8]) {
    let length = masked(opcode, payload, buffer);
    let rx = &mut black_box(WsRxFramer::new(buffer));
    rx.advance(length);
    count(group, case, || {
        if let Some(Ok(frame)) = rx.next_frame() {
            know(frame.opcode().into());
            know_bytes(frame.data());
        }
    });
    let at = length - payload.len();
    check(buffer[at..length] == *payload, "decode");
}

/// Its key is of zeros here, so the answer is put together for it outside of what is counted.
fn client(buffer: &mut [u8]) {
    let (out, response) = buffer.split_at_mut(1024);
    let (mut tx, mut upgraded) = (black_box(WsTxFramer::new(true, out)), false);
    know(tx.http_upgrade_request(HOST, TARGET, &[]).is_some().into());
    let accept = tx.accept_key();
    response[..RESPONSE.len()].copy_from_slice(RESPONSE);
    let at = RESPONSE.windows(7).position(|part| part == b"Accept:");
    let at = at.unwrap_or_default() + 8;
    response[at..at + accept.len()].copy_from_slice(&accept);
    let mut rx = black_box(WsRxFramer::new(response));
    count("handshake", "client", || {
        if let Some(request) = tx.http_upgrade_request(black_box(HOST), black_box(TARGET), &[]) {
            know_bytes(request);
        }
        rx.advance(RESPONSE.len());
        if let Some(Ok(response)) = rx.http_response() {
            upgraded = response.is_websocket_accepted(&tx.accept_key());
        }
    });
    check(upgraded, "client");
    know(matches!(rx.next_frame(), Some(Ok(WsFrame::Close(..)))).into());
}

/// httparse takes the request apart; what is looked for in it is the user's to write, here the least.
fn server(buffer: &mut [u8]) {
    let mut tx = black_box(WsTxFramer::new(false, buffer));
    let mut answered = None;
    count("handshake", "server", || {
        answered = answer(&mut tx).map(|response| {
            know_bytes(response);
            response.len()
        });
    });
    let response = &buffer[..answered.unwrap_or_default()];
    check(
        response.windows(28).any(|part| part == ACCEPT.as_bytes()),
        "server",
    );
}

fn answer<'a>(tx: &'a mut WsTxFramer<'_>) -> Option<&'a [u8]> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(unknown(REQUEST)).ok()?;
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
    tx.http_response(101, "Switching Protocols", &[upgrade, connection, accept])
}
