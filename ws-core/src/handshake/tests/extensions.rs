//! Sec-WebSocket-Extensions in both roles.

use super::testing::{CrateSha1, cuts};
use crate::handshake::*;
use std::format;
use std::string::String;
use std::vec::Vec;

const UPGRADED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
const ASKED: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// The values that came, with a line end behind each.
#[derive(Default)]
struct Values {
    reader: ExtensionReader,
    text: Vec<u8>,
}

impl Values {
    fn part(&mut self, part: HeadPart<'_>) {
        match self.reader.part(part) {
            Some(ExtensionPart::Start) => self.text.clear(),
            Some(ExtensionPart::Value(piece)) => self.text.extend(piece),
            Some(ExtensionPart::HeaderEnd) => self.text.push(b'\n'),
            None => {}
        }
    }

    fn text(self) -> String {
        String::from_utf8(self.text).unwrap()
    }
}

/// What a client sees of a response, the same however it is cut.
fn answered(offers: bool, response: &str) -> (Result<Option<Upgraded>, ClientError>, String) {
    let offer = Extensions::new("x-one, x-two; level=3").unwrap();
    let mut request = Request::new(Host::Text("a"), "/");
    if offers {
        request.headers = Some(&offer);
    }
    let feed = |sizes: &[usize]| {
        let mut handshake = ClientHandshake::new(b"the sample nonce", 4096);
        let (mut values, mut at, mut outcome) = (Values::default(), 0, Ok(None));
        for size in sizes {
            let piece = &response.as_bytes()[at..at + size];
            outcome = handshake
                .receive(&request, &mut CrateSha1, piece, &mut |part| {
                    values.part(part);
                })
                .map(|(taken, upgraded)| {
                    at += taken;
                    upgraded
                });
            if !matches!(outcome, Ok(None)) {
                break;
            }
        }
        (outcome, values.text())
    };
    let whole = feed(&[response.len()]);
    for cut in cuts(response.len()) {
        assert_eq!(feed(&cut), whole, "{cut:?}");
    }
    whole
}

const FINE: Result<Option<Upgraded>, ClientError> = Ok(Some(Upgraded { subprotocol: None }));

/// Section 4.1: an answer is fine if there was an offer, and only then; all of it is shown.
#[test]
fn rfc6455_4_1_an_answer_needs_an_offer() {
    for (headers, text) in [
        ("", ""),
        ("Sec-WebSocket-Extensions: x-one\r\n", "x-one\n"),
        (
            "sec-websocket-EXTENSIONS:\tx-one;a=\"b\"\r\nX-Other: x\r\nSec-WebSocket-Extensions:x-two\r\n",
            "x-one;a=\"b\"\nx-two\n",
        ),
        ("Sec-WebSocket-Extensions:\r\n", "\n"),
        (
            "Sec-WebSocket-Extension: x\r\nSec-WebSocket-Extensionss: x\r\n",
            "",
        ),
        (
            "Sec-WebSocket: x\r\nExtensions: x\r\nX-Sec-WebSocket-Extensions: x\r\n",
            "",
        ),
    ] {
        let response = format!("{UPGRADED}{headers}\r\n");
        assert_eq!(answered(true, &response), (FINE, text.into()), "{headers}");
        let (outcome, seen) = answered(false, &response);
        let refused = if text.is_empty() {
            FINE
        } else {
            Err(ClientError::Extension)
        };
        assert_eq!((outcome, seen.as_str()), (refused, text), "{headers}");
    }
}

/// What else is wrong with an answer is wrong with an offer too, before the extensions and behind them.
#[test]
fn rfc6455_4_1_an_offer_excuses_nothing_else() {
    let extension = "Sec-WebSocket-Extensions: x-one\r\n";
    let bad = [
        (
            UPGRADED.into(),
            "Sec-WebSocket-Protocol: chat\r\n",
            ClientError::Subprotocol,
        ),
        (UPGRADED.replace("xOo=", "xoO="), "", ClientError::Accept),
        (
            UPGRADED.replace("websocket", "h2c"),
            "",
            ClientError::Upgrade,
        ),
        (
            UPGRADED.replace("1.1 101", "1.0 101"),
            "",
            ClientError::Head(HeadError::Version),
        ),
        (
            UPGRADED.replace("101", "403"),
            "",
            ClientError::Refused { status: 403 },
        ),
    ];
    for (start, more, error) in bad {
        let response = format!("{start}{extension}{more}\r\n");
        assert_eq!(answered(true, &response).0, Err(error), "{response}");
    }
}

/// RFC 9110 section 15.2: what stands in an interim response is no answer.
#[test]
fn rfc9110_15_2_extensions_in_an_interim_response() {
    let interim = "HTTP/1.1 103 Early Hints\r\nSec-WebSocket-Extensions: x-one\r\n\r\n";
    let none = answered(true, &format!("{interim}{UPGRADED}\r\n"));
    assert_eq!(none, (FINE, String::new()));
    let two = format!("{interim}{UPGRADED}Sec-WebSocket-Extensions: x-two\r\n\r\n");
    assert_eq!(answered(true, &two), (FINE, "x-two\n".into()));
}

/// The request has the offer, in pieces of any size, and nothing that could end a line.
#[test]
fn rfc6455_11_3_2_the_offer_is_written() {
    let offer = Extensions::new("x-one; a=\"1 2\"").unwrap();
    let both = |headers: &mut Headers<'_>| {
        headers.add("X-Unit", "7");
        headers.extensions(offer);
    };
    let mut request = Request::new(Host::Text("a"), "/");
    request.headers = Some(&both);
    assert_eq!(request.validate(), Ok(()));
    for size in 1..40 {
        let mut handshake = ClientHandshake::new(b"the sample nonce", 4096);
        let (mut all, mut out) = (Vec::new(), std::vec![0; size]);
        loop {
            let n = handshake.fill(&request, &mut out);
            if n == 0 {
                break;
            }
            all.extend(&out[..n]);
            handshake.sent(n);
        }
        let all = String::from_utf8(all).unwrap();
        let end = "\r\nX-Unit: 7\r\nSec-WebSocket-Extensions: x-one; a=\"1 2\"\r\n\r\n";
        assert!(all.ends_with(end), "{all}");
    }
    for value in ["", "a\r\nX: y", "a\nb", "\u{7f}", "\0", "é"] {
        assert_eq!(Extensions::new(value), None, "{value:?}");
    }
    // By another way it is still not for the application.
    request.headers = Some(&[("Sec-WebSocket-Extensions", "x-one")]);
    assert_eq!(request.validate(), Err(RequestError::OwnedHeader));
}

/// A server sees all offers, however they are cut, and puts its answer into the 101 and nowhere else.
#[test]
fn rfc6455_4_2_2_offers_and_the_answer() {
    let request = format!(
        "{ASKED}Sec-WebSocket-Extensions: x-one, x-two\r\nOrigin: x\r\n\
         sec-websocket-extensions: x-three\r\nSec-WebSocket-Extensions:\r\n\r\n"
    );
    let answer = Extensions::new("x-two; a").unwrap();
    for cut in cuts(request.len()) {
        let mut handshake = ServerHandshake::new(4096);
        let (mut values, mut at, mut done) = (Values::default(), 0, None);
        for size in cut {
            let piece = &request.as_bytes()[at..at + size];
            let (taken, requested) = handshake
                .receive(&Rules::NONE, &mut CrateSha1, piece, &mut |part| {
                    values.part(part);
                })
                .unwrap();
            at += taken;
            done = requested;
            if done.is_some() {
                break;
            }
        }
        assert!(done.is_some());
        assert_eq!(values.text(), "x-one, x-two\nx-three\n\n");
        for size in [1, 2, 7, 300] {
            let written = |response| written(&mut handshake.clone(), &response, answer, size);
            let upgrade = Response::Upgrade {
                subprotocol: Some("chat"),
                headers: &[("X-Unit", "7")],
            };
            let expected = format!(
                "{UPGRADED}Sec-WebSocket-Protocol: chat\r\n\
                 Sec-WebSocket-Extensions: x-two; a\r\nX-Unit: 7\r\n\r\n"
            );
            assert_eq!(written(upgrade), expected);
            let refusal = Response::Refuse {
                status: 403,
                headers: &[],
            };
            let refused = written(refusal);
            assert!(refused.starts_with("HTTP/1.1 403 ") && !refused.contains("Extensions"));
        }
    }
}

fn written(
    handshake: &mut ServerHandshake,
    response: &Response<'_>,
    answer: Extensions<'_>,
    size: usize,
) -> String {
    let (mut all, mut out) = (Vec::new(), std::vec![0; size]);
    loop {
        let n = handshake.fill_extended(response, answer, &mut out);
        if n == 0 {
            return String::from_utf8(all).unwrap();
        }
        all.extend(&out[..n]);
        handshake.sent(n);
    }
}
