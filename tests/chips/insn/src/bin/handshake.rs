//! Both opening handshakes.
#![no_std]
#![no_main]

use core::hint::black_box;

use ws_core::handshake::{
    ClientHandshake, Host, Request, Response, Rules, ServerHandshake, SoftSha1,
};
use ws_insn::cases::{ACCEPT, HOST, NONCE, REQUEST, RESPONSE, TARGET};
use ws_insn::{check, count, know, unknown, unknown_mut};

ws_insn::firmware!({
    let mut out = [0; 512];
    client(&mut out);
    server(&mut out);
});

fn client(out: &mut [u8]) {
    let mut upgraded = false;
    count("handshake", "client", || {
        let request = Request::new(Host::Text(black_box(HOST)), black_box(TARGET));
        know(request.validate().is_ok().into());
        let mut handshake = ClientHandshake::new(black_box(NONCE), 4096);
        while !handshake.request_sent(&request) {
            let written = handshake.fill(&request, unknown_mut(out));
            handshake.sent(written);
        }
        let answer = handshake.receive(&request, &mut SoftSha1, unknown(RESPONSE), &mut |_| {});
        upgraded = matches!(answer, Ok((_, Some(_))));
    });
    check(upgraded, "client");
}

fn server(out: &mut [u8]) {
    let mut written = 0;
    count("handshake", "server", || {
        let mut handshake = ServerHandshake::new(4096);
        let outcome = handshake.receive(&Rules::NONE, &mut SoftSha1, unknown(REQUEST), &mut |_| {});
        if let Ok((_, Some(requested))) = outcome {
            know(requested.subprotocol.is_some().into());
            let response = Response::Upgrade {
                subprotocol: None,
                headers: &[],
            };
            written = handshake.fill(&response, unknown_mut(out));
            handshake.sent(written);
        }
    });
    let response = &out[..written];
    check(response.starts_with(b"HTTP/1.1 101"), "server");
    check(
        response.windows(28).any(|part| part == ACCEPT.as_bytes()),
        "server: accept",
    );
}
