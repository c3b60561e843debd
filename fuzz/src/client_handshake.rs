//! The client's handshake: one outcome whatever the cuts, and 101 only where it is one.

use base64ct::{Base64, Encoding};
use ws_core::handshake::{ClientError, ClientHandshake, Host, Request, SoftSha1, Upgraded};

use crate::head::{self, Parts};
use crate::input::{Cuts, Input};

/// What came of a response.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    result: Option<Result<Upgraded, ClientError>>,
    consumed: usize,
    parts: Parts,
}

/// In the input this byte stands for the right accept value: no fuzzer guesses that.
const ACCEPT: u8 = 0xFF;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let nonce = [input.byte(); 16];
    let limit = match input.byte() {
        0 => u16::MAX,
        byte => u16::from(byte) * 8,
    };
    let cuts = input.cuts();
    let offered: Vec<String> = (0..input.up_to(3))
        .map(|_| {
            let length = input.up_to(15);
            String::from_utf8_lossy(input.bytes(length)).into_owned()
        })
        .collect();
    let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
    let mut request = Request::new(Host::Text("h"), "/");
    request.subprotocols = &offered;
    if request.validate().is_err() {
        request.subprotocols = &["chat", "mqtt", "chat2"];
    }
    let accept = head::accept(&Base64::encode_string(&nonce));
    let mut bytes = Vec::new();
    for byte in input.rest() {
        match *byte {
            ACCEPT => bytes.extend(accept.as_bytes()),
            byte => bytes.push(byte),
        }
    }

    written(&request, &nonce, &cuts);
    let once = received(&request, &nonce, limit, &bytes, &[bytes.len()]);
    let cut = received(&request, &nonce, limit, &bytes, &cuts.ends(bytes.len()));
    assert_eq!(once, cut);
    assert_eq!(once, wanted(&request, &nonce, limit, &bytes));
    check(&request, &accept, &bytes, &once);
}

/// The request is the same whatever room it is written to, and a request.
fn written(request: &Request<'_>, nonce: &[u8; 16], cuts: &Cuts) {
    let mut once = vec![0; 512];
    let length = ClientHandshake::new(nonce, 0).fill(request, &mut once);
    once.truncate(length);
    let mut handshake = ClientHandshake::new(nonce, 0);
    let mut from = 0;
    for to in cuts.ends(length) {
        let mut piece = vec![0; to - from];
        assert_eq!(handshake.fill(request, &mut piece), piece.len());
        assert_eq!(piece, once[from..to]);
        handshake.sent(piece.len());
        from = to;
    }
    assert!(handshake.request_sent(request));
    let lines = head::read(&once);
    let key = Base64::encode_string(nonce);
    assert_eq!(head::values(&lines, "Sec-WebSocket-Key"), [key.as_bytes()]);
    assert_eq!(lines.0, b"GET / HTTP/1.1");
}

fn received(
    request: &Request<'_>,
    nonce: &[u8; 16],
    limit: u16,
    bytes: &[u8],
    ends: &[usize],
) -> Outcome {
    let mut handshake = ClientHandshake::new(nonce, limit);
    let mut parts = Parts::default();
    let (mut result, mut from) = (None, 0);
    for &to in ends {
        let mut part = |part: ws_core::handshake::HeadPart<'_>| parts.part(part);
        match handshake.receive(request, &mut SoftSha1, &bytes[from..to], &mut part) {
            Ok((consumed, None)) => assert_eq!(consumed, to - from),
            Ok((consumed, Some(upgraded))) => {
                assert_eq!(from + consumed, usize::from(limit - handshake.limit_left()));
                assert_eq!(handshake.want(), 0);
                result = Some(Ok(upgraded));
            }
            Err(error) => result = Some(Err(error)),
        }
        if result.is_some() {
            break;
        }
        from = to;
    }
    outcome(result, &handshake, limit, parts)
}

/// By reads of exactly [`ClientHandshake::want`] bytes: all of them are taken.
fn wanted(request: &Request<'_>, nonce: &[u8; 16], limit: u16, bytes: &[u8]) -> Outcome {
    let mut handshake = ClientHandshake::new(nonce, limit);
    let mut parts = Parts::default();
    let (mut result, mut rest) = (None, bytes);
    while result.is_none() && !rest.is_empty() {
        let want = handshake.want();
        assert!(matches!(want, 1..=4));
        let (read, behind) = rest.split_at(want.min(rest.len()));
        rest = behind;
        let mut part = |part: ws_core::handshake::HeadPart<'_>| parts.part(part);
        match handshake.receive(request, &mut SoftSha1, read, &mut part) {
            Ok((consumed, upgraded)) => {
                assert_eq!(
                    consumed,
                    read.len(),
                    "it wanted more than there is of the head"
                );
                result = upgraded.map(Ok);
            }
            Err(error) => result = Some(Err(error)),
        }
    }
    outcome(result, &handshake, limit, parts)
}

fn outcome(
    result: Option<Result<Upgraded, ClientError>>,
    handshake: &ClientHandshake,
    limit: u16,
    parts: Parts,
) -> Outcome {
    let whole = !matches!(result, None | Some(Err(ClientError::Head(_))));
    Outcome {
        result,
        consumed: usize::from(limit - handshake.limit_left()),
        parts: if whole { parts } else { parts.settled() },
    }
}

/// By an independent reading of the response.
fn check(request: &Request<'_>, accept: &str, bytes: &[u8], outcome: &Outcome) {
    let head = &bytes[..outcome.consumed];
    let upgraded = match outcome.result {
        Some(Ok(upgraded)) => upgraded,
        Some(Err(ClientError::Head(_))) => return,
        None => {
            assert_eq!(head.len(), bytes.len());
            return;
        }
        Some(Err(_)) => {
            assert!(head.ends_with(b"\r\n\r\n"), "not at a blank line");
            return;
        }
    };
    // Interim responses stand in front.
    let mut head = head;
    let blank = |head: &[u8]| head.windows(4).position(|four| four == b"\r\n\r\n");
    while let Some(end) = blank(head).filter(|end| end + 4 < head.len()) {
        let (interim, rest) = head.split_at(end + 4);
        assert!(matches!(
            interim,
            [
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                b'1',
                b'.',
                b'0'..=b'9',
                b' ',
                b'1',
                ..
            ]
        ));
        assert!(!interim[8..].starts_with(b" 101"));
        head = rest;
    }
    let lines = head::read(head);
    let (version, rest) = lines.0.split_at(8);
    assert!(matches!(
        version,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9']
    ));
    assert!(rest == b" 101" || rest.starts_with(b" 101 "));
    let all = |name| head::values(&lines, name);
    assert_eq!(all("Sec-WebSocket-Accept"), [accept.as_bytes()]);
    assert!(
        all("Upgrade")
            .iter()
            .all(|value| value.eq_ignore_ascii_case(b"websocket"))
    );
    assert!(!all("Upgrade").is_empty());
    assert!(head::lists(&all("Connection"), "upgrade"));
    assert!(all("Sec-WebSocket-Extensions").is_empty());
    let chosen = upgraded
        .subprotocol
        .map(|index| request.subprotocols[usize::from(index)]);
    let chosen: Vec<&[u8]> = chosen.iter().map(|name| name.as_bytes()).collect();
    assert_eq!(all("Sec-WebSocket-Protocol"), chosen);
    let headers = &outcome.parts.headers()[outcome.parts.headers().len() - lines.1.len()..];
    let headers: Vec<(&[u8], &[u8])> = headers.iter().map(|(n, v)| (&n[..], &v[..])).collect();
    assert_eq!(headers, lines.1);
}
