//! embedded-websocket: both roles, and both handshakes with httparse as its examples have it.
#![no_std]
#![no_main]

use core::hint::black_box;

use embedded_websocket::{
    WebSocketClient, WebSocketOptions, WebSocketSendMessageType, WebSocketServer, WebSocketState,
    read_http_header,
};
use rand_core::{Error, RngCore};
use ws_insn::cases::{
    ACCEPT, ASCII, HEADER, HOST, KEY, LENGTHS, LONGEST, NONCE, PAYLOAD, REQUEST, RESPONSE, TARGET,
    THREE, Words, is_masked, masked,
};
use ws_insn::{check, count, know, unknown, unknown_mut};

/// The nonce, or the mask key.
struct Fixed;

impl RngCore for Fixed {
    fn next_u32(&mut self) -> u32 {
        u32::from_be_bytes(black_box(KEY))
    }

    fn next_u64(&mut self) -> u64 {
        self.next_u32().into()
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        let source: &[u8] = if out.len() == 4 { &KEY } else { NONCE };
        for (slot, byte) in out.iter_mut().zip(source) {
            *slot = *byte;
        }
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

/// What is longer does not fit twice into the RAM of this chip: the frame is read from flash.
static LONG: [u8; LONGEST + HEADER] = {
    let mut frame = [0; LONGEST + HEADER];
    (frame[0], frame[1], frame[7]) = (0x82, 0xFF, 1);
    let mut at = 0;
    while at < LONGEST {
        if at < 4 {
            frame[10 + at] = KEY[at];
        }
        frame[HEADER + at] = PAYLOAD[at] ^ KEY[at % 4];
        at += 1;
    }
    frame
};

ws_insn::firmware!({
    let buffer: &mut [u8] = &mut Words([0; LONGEST + HEADER]).0;
    let mut frame = [0; 1024 + HEADER];
    for (length, name) in LENGTHS {
        let payload = &PAYLOAD[..length];
        if length == LONGEST {
            decode("decode", name, &LONG, payload, buffer);
        } else {
            let written = masked(2, payload, &mut frame);
            decode("decode", name, &frame[..written], payload, buffer);
        }
    }
    for (length, name) in LENGTHS {
        let payload = &PAYLOAD[..length];
        let client = &mut black_box(WebSocketClient::new_client(Fixed));
        client.state = WebSocketState::Open;
        let mut written = 0;
        let (payload, to) = (unknown(payload), unknown_mut(buffer));
        count("encode", name, || {
            let sent = client.write(WebSocketSendMessageType::Binary, true, payload, to);
            written = sent.unwrap_or_default();
        });
        check(is_masked(&buffer[..written], 2, payload), "encode");
    }
    for (text, name) in [(&ASCII, "ascii"), (&THREE, "three")] {
        let written = masked(1, text, &mut frame);
        decode("text", name, &frame[..written], text, buffer);
    }
    let written = masked(2, &THREE, &mut frame);
    decode("text", "binary", &frame[..written], &THREE, buffer);
    client(buffer);
    server(buffer);
});

fn decode(group: &str, case: &str, frame: &[u8], payload: &[u8], to: &mut [u8]) {
    let server = &mut black_box(WebSocketServer::new_server());
    server.state = WebSocketState::Open;
    let mut got = 0;
    let (frame, to) = (unknown(frame), unknown_mut(to));
    count(group, case, || {
        if let Ok(result) = server.read(frame, to) {
            know(result.len_from);
            know(result.message_type as usize);
            know(result.end_of_message.into());
            got = result.len_to;
        }
    });
    check(to[..got] == *payload, "decode");
}

fn client(out: &mut [u8]) {
    let mut upgraded = false;
    count("handshake", "client", || {
        let mut client = WebSocketClient::new_client(Fixed);
        let options = WebSocketOptions {
            path: black_box(TARGET),
            host: black_box(HOST),
            origin: "http://server.example.com",
            sub_protocols: None,
            additional_headers: None,
        };
        if let Ok((written, key)) = client.client_connect(&options, unknown_mut(out)) {
            know(written);
            upgraded = client.client_accept(&key, unknown(RESPONSE)).is_ok();
        }
    });
    check(upgraded, "client");
}

fn server(out: &mut [u8]) {
    let mut written = 0;
    count("handshake", "server", || {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut headers);
        if let Ok(status) = request.parse(unknown(REQUEST)) {
            know(status.is_complete().into());
            let headers = request
                .headers
                .iter()
                .map(|header| (header.name, header.value));
            if let Ok(Some(context)) = read_http_header(headers) {
                let mut server = WebSocketServer::new_server();
                let answer =
                    server.server_accept(&context.sec_websocket_key, None, unknown_mut(out));
                written = answer.unwrap_or_default();
            }
        }
    });
    let response = &out[..written];
    check(
        response.windows(28).any(|part| part == ACCEPT.as_bytes()),
        "server",
    );
}
