//! The server's opening handshake, rule by rule.

use super::client::MALFORMED;
use super::testing::{CrateSha1, Seen, cuts};
use crate::handshake::*;
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec::Vec;

const HOST: &str = "Host: server.example.com\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\n";
const CONNECTION: &str = "Connection: Upgrade\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const SUPPORTED: &Rules<'_> = &Rules {
    subprotocols: &["chat", "mqtt"],
    ..Rules::NONE
};

fn good() -> String {
    with("")
}

/// A good request with more headers.
fn with(more: &str) -> String {
    format!("GET /chat HTTP/1.1\r\n{HOST}{UPGRADE}{CONNECTION}{KEY}{VERSION}{more}\r\n")
}

type Outcome = Result<Option<Option<u8>>, ServerError>;

/// Feeds a request in pieces of these sizes; says the outcome, the bytes consumed, what was seen.
fn feed(bytes: &[u8], sizes: &[usize]) -> (Outcome, usize, Seen) {
    let mut handshake = ServerHandshake::new(4096);
    let (mut seen, mut total, mut given) = (Seen::default(), 0, 0);
    for size in sizes {
        assert_eq!(given, total);
        given += size;
        let piece = &bytes[total..given];
        match handshake.receive(SUPPORTED, &mut CrateSha1, piece, &mut |part| {
            seen.part(part)
        }) {
            Ok((n, None)) => total += n,
            Ok((n, Some(requested))) => {
                // Each good request here has the key of RFC 6455 section 1.3.
                let response = Response::Upgrade {
                    subprotocol: None,
                    headers: &[],
                };
                let mut out = [0; 200];
                let n_out = handshake.fill(&response, &mut out);
                let out = String::from_utf8(out[..n_out].to_vec()).unwrap();
                assert!(out.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
                return (Ok(Some(requested.subprotocol)), total + n, seen);
            }
            Err(error) => {
                total = 4096 - usize::from(handshake.limit_left());
                return (Err(error), total, seen);
            }
        }
    }
    (Ok(None), total, seen)
}

/// The outcome, the same however the request is cut.
fn outcome(request: &str) -> Outcome {
    let bytes = format!("{request}\u{1}\u{2}frames").into_bytes();
    let whole = feed(&bytes, &[bytes.len()]);
    for cut in cuts(bytes.len()) {
        let pieces = feed(&bytes, &cut);
        assert_eq!((&pieces.0, pieces.1), (&whole.0, whole.1), "{cut:?}");
        // A part that turns out malformed is handed out as far as the pieces had it.
        if !matches!(whole.0, Err(ServerError::Head(_))) {
            assert_eq!(pieces.2, whole.2, "{cut:?}");
        }
    }
    assert_eq!(drip(request.as_bytes()), whole.0);
    if !matches!(whole.0, Ok(None) | Err(ServerError::Head(_))) {
        assert_eq!(whole.1, request.len(), "frames behind the blank line stay");
    }
    whole.0
}

/// Reads exactly `want()` bytes at a time: never past the blank line.
fn drip(bytes: &[u8]) -> Outcome {
    let mut handshake = ServerHandshake::new(4096);
    let mut rest = bytes;
    loop {
        let want = handshake.want();
        assert!((1..=4).contains(&want));
        let Some((piece, behind)) = rest.split_at_checked(want) else {
            let result = handshake.receive(SUPPORTED, &mut CrateSha1, rest, &mut |_| {});
            return result.map(|(_, requested)| requested.map(|r| r.subprotocol));
        };
        rest = behind;
        match handshake.receive(SUPPORTED, &mut CrateSha1, piece, &mut |_| {})? {
            (n, Some(requested)) => {
                assert_eq!((n, rest.len(), handshake.want()), (want, 0, 0));
                return Ok(Some(requested.subprotocol));
            }
            (n, None) => assert_eq!(n, want),
        }
    }
}

/// RFC 6455 section 4.2.1: good requests, with what may differ in them.
#[test]
fn rfc6455_4_2_1_good_requests() {
    let request = with("Origin: http://example.com\r\nSec-WebSocket-Extensions: x; y=1\r\n");
    assert_eq!(outcome(&request), Ok(Some(None)));
    let (_, _, seen) = feed(request.as_bytes(), &[request.len()]);
    assert_eq!((&*seen.method, &*seen.target), (&b"GET"[..], &b"/chat"[..]));
    assert_eq!(seen.header("origin"), Some("http://example.com"));
    assert_eq!(seen.header("Sec-WebSocket-Extensions"), Some("x; y=1"));
    for (from, to) in [
        ("/chat", "/?a=b:\"<>"),
        ("/chat", "*"),
        (UPGRADE, "UPGRADE: h2c , WebSocket\r\n"),
        (UPGRADE, "Upgrade: h2c\r\nUpgrade:websocket\r\n"),
        (CONNECTION, "connection: keep-alive, upgrade\r\n"),
        (
            CONNECTION,
            "connection: keep-alive\r\nConnection: UPGRADE\r\n",
        ),
        (KEY, "SEC-WEBSOCKET-KEY:dGhlIHNhbXBsZSBub25jZQ==  \t\r\n"),
        (VERSION, "Sec-WebSocket-Version:\t13 \r\n"),
        (HOST, "Host:\r\n"),
        (
            HOST,
            "Host: h\r\nContent-Length: 0\r\nX-Host: a\r\nHosts: b\r\n",
        ),
    ] {
        assert_eq!(outcome(&good().replace(from, to)), Ok(Some(None)), "{to}");
    }
}

/// RFC 6455 section 4.2.1: what is missing, wrong or too much, and the status that says so.
#[test]
fn rfc6455_4_2_1_refusals() {
    use ServerError::*;
    for (from, to, error, status) in [
        ("GET", "POST", Method, 405),
        ("GET", "GETS", Method, 405),
        ("GET", "get", Method, 405),
        ("GET", "G", Method, 405),
        (UPGRADE, "", NotAnUpgrade, 426),
        (UPGRADE, "Upgrade: h2c\r\n", NotAnUpgrade, 426),
        (UPGRADE, "Upgrade: websockets\r\n", NotAnUpgrade, 426),
        (CONNECTION, "", Connection, 400),
        (CONNECTION, "Connection: close\r\n", Connection, 400),
        (VERSION, "", Version, 426),
        (VERSION, "Sec-WebSocket-Version: 8\r\n", Version, 426),
        (VERSION, "Sec-WebSocket-Version: 130\r\n", Version, 426),
        (VERSION, "Sec-WebSocket-Version: 13, 8\r\n", Version, 426),
        (VERSION, "Sec-WebSocket-Version: 1\r\n", Version, 426),
        (VERSION, "Sec-WebSocket-Version: 013\r\n", Version, 426),
        (VERSION, &VERSION.repeat(2), RepeatedVersion, 400),
        (KEY, "", NoKey, 400),
        (KEY, &KEY.repeat(2), RepeatedKey, 400),
        (
            KEY,
            &format!("Sec-WebSocket-Key: \r\n{KEY}"),
            RepeatedKey,
            400,
        ),
        (HOST, "", NoHost, 400),
        (HOST, &HOST.repeat(2), RepeatedHost, 400),
        (HOST, &format!("{HOST}hOST:\r\n"), RepeatedHost, 400),
        (HOST, &format!("{HOST}Content-Length: 1\r\n"), Body, 400),
        (HOST, &format!("{HOST}Content-Length: 00\r\n"), Body, 400),
        (
            HOST,
            &format!("{HOST}Content-Length: 0\r\nContent-Length: 5\r\n"),
            Body,
            400,
        ),
        (
            HOST,
            &format!("{HOST}Transfer-Encoding: chunked\r\n"),
            Body,
            400,
        ),
        (
            HOST,
            &format!("{HOST}Transfer-Encoding: GET\r\n"),
            Body,
            400,
        ),
        (HOST, &format!("{HOST}transfer-encoding:\r\n"), Body, 400),
    ] {
        assert_eq!(outcome(&good().replace(from, to)), Err(error), "{to}");
        assert_eq!(error.status(), status);
    }
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQ==x",
        "dGhlIHNhbXBsZSBub25jZQ== x",
        "dGhlIHNhbXBsZSBub25jZ Q==",
        "dGhlIHNhbXBsZSBub25jZQxx",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub25-ZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==,",
        "dGhlIHNhbXBsZSBub25jZQ",
        "=GhlIHNhbXBsZSBub25jZQ==",
    ] {
        let request = good().replace(KEY, &format!("Sec-WebSocket-Key: {key}\r\n"));
        assert_eq!(outcome(&request), Err(Key), "{key}");
    }
}

/// RFC 9110 section 7.8: a request without an upgrade is told apart, complete and untouched.
#[test]
fn rfc9110_7_8_ordinary_requests() {
    let page = "GET /index.html HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(outcome(page), Err(ServerError::NotAnUpgrade));
    let (_, consumed, seen) = feed(page.as_bytes(), &[page.len()]);
    assert_eq!((consumed, &*seen.target), (page.len(), &b"/index.html"[..]));
    for method in ["HEAD", "POST", "TRACE"] {
        assert_eq!(
            outcome(&page.replace("GET", method)),
            Err(ServerError::Method)
        );
    }
    assert_eq!(outcome("GET / HTTP/1.1\r\n\r\n"), Err(ServerError::NoHost));
}

/// RFC 9112 sections 2.2, 3 and 5: what is malformed.
#[test]
fn rfc9112_malformed_requests() {
    use HeadError::*;
    for (line, error, status) in [
        ("GET /chat HTTP/2.0", Version, 505),
        ("GET /chat HTTP/3.1", Version, 505),
        ("GET /chat HTTP/0.9", Version, 505),
        ("GET /chat HTTP/1.11", StartLine, 400),
        ("GET /chat HTTP/11.1", StartLine, 400),
        ("GET /chat HTTP/1.", StartLine, 400),
        ("GET /chat HTTP/1", StartLine, 400),
        ("GET /chat HTTP/2", Version, 505),
        ("GET /chat HTTP/1,1", StartLine, 400),
        ("GET /chat http/1.1", StartLine, 400),
        ("GET /chat HTTPS/1.1", StartLine, 400),
        ("PRI * HTTP/2.0", Version, 505),
        ("GET /chat", StartLine, 400),
        ("GET", StartLine, 400),
        ("GET ", StartLine, 400),
        ("GET  /chat HTTP/1.1", StartLine, 400),
        ("GET /chat  HTTP/1.1", StartLine, 400),
        ("GET /chat HTTP/1.1 ", StartLine, 400),
        ("GET /chat HTTP/1.1 200", StartLine, 400),
        ("GET /a b HTTP/1.1", StartLine, 400),
        ("GET\t/chat HTTP/1.1", StartLine, 400),
        (" GET /chat HTTP/1.1", StartLine, 400),
        ("G(T /chat HTTP/1.1", StartLine, 400),
        ("GET /\u{e4} HTTP/1.1", StartLine, 400),
        ("GET /chat\0 HTTP/1.1", Control, 400),
        ("GET /chat HTTP/1.1\nX: y", BareLf, 400),
        ("GET /chat HTTP/1.1\rX: y", BareCr, 400),
        ("GET /chat\nX HTTP/1.1", BareLf, 400),
        ("", StartLine, 400),
    ] {
        let request = good().replace("GET /chat HTTP/1.1", line);
        assert_eq!(outcome(&request), Err(error.into()), "{line:?}");
        assert_eq!(ServerError::Head(error).status(), status);
    }
    for (line, error) in MALFORMED {
        assert_eq!(
            outcome(&with(&format!("{line}\r\n"))),
            Err((*error).into()),
            "{line:?}"
        );
    }
    assert_eq!(
        outcome(&with(&"A: b\r\n".repeat(1000))),
        Err(TooLong.into())
    );
    assert_eq!(ServerError::Head(TooLong).status(), 431);
    assert_eq!(ServerHandshake::new(1).eof(), ServerError::Eof);
}

/// RFC 6455 section 4.2.2, item 4: the first of the client's list that is supported.
#[test]
fn rfc6455_4_2_2_subprotocol() {
    for (value, expected) in [
        ("Sec-WebSocket-Protocol: chat\r\n", Some(0)),
        ("Sec-WebSocket-Protocol: mqtt, chat\r\n", Some(1)),
        (
            "Sec-WebSocket-Protocol: soap,,mqt,mqtts ,\tmqtt ,chat\r\n",
            Some(1),
        ),
        (
            "Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Protocol: chat, mqtt\r\n",
            Some(0),
        ),
        (
            "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Protocol: chat\r\n",
            Some(1),
        ),
        ("Sec-WebSocket-Protocol: MQTT, m qtt\r\n", None),
        ("Sec-WebSocket-Protocol:\r\n", None),
    ] {
        assert_eq!(outcome(&with(value)), Ok(Some(expected)), "{value}");
    }
}

fn written(response: &Response<'_>, size: usize) -> String {
    let mut handshake = ServerHandshake::new(4096);
    let mut all = Vec::new();
    let request = good();
    let outcome = handshake.receive(
        &Rules::NONE,
        &mut CrateSha1,
        request.as_bytes(),
        &mut |_| {},
    );
    assert!(matches!(outcome, Ok((_, Some(_)))));
    let mut out = std::vec![0; size];
    loop {
        let n = handshake.fill(response, &mut out);
        if n == 0 {
            return String::from_utf8(all).unwrap();
        }
        let n = n.div_ceil(2);
        all.extend(&out[..n]);
        handshake.sent(n);
    }
}

/// RFC 6455 sections 4.2.2 and 4.4: the responses, through buffers of every size.
#[test]
fn rfc6455_4_2_2_responses() {
    let headers = &[("Set-Cookie", "a=b")];
    for (response, expected) in [
        (
            Response::Upgrade {
                subprotocol: Some("mqtt"),
                headers,
            },
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: mqtt\r\nSet-Cookie: a=b\r\n\r\n",
        ),
        (
            Response::Refuse {
                status: 403,
                headers,
            },
            "HTTP/1.1 403 \r\nConnection: close\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n",
        ),
        (
            Response::Refuse {
                status: 405,
                headers: &[],
            },
            "HTTP/1.1 405 \r\nConnection: close\r\nContent-Length: 0\r\nAllow: GET, HEAD, OPTIONS\r\n\r\n",
        ),
        (
            Response::Refuse {
                status: 426,
                headers: &[],
            },
            "HTTP/1.1 426 \r\nConnection: close\r\nContent-Length: 0\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
        ),
    ] {
        assert_eq!(response.validate(), Ok(()));
        for size in 1..=expected.len() + 1 {
            assert_eq!(written(&response, size), expected);
        }
    }
}

/// RFC 6455 section 4.2.2, RFC 9110 section 5.5: nothing in an argument gets out of its place.
#[test]
fn rfc6455_4_2_2_arguments_are_checked() {
    use ResponseError::*;
    for status in [0, 101, 199, 600, u16::MAX] {
        assert_eq!(
            Response::Refuse {
                status,
                headers: &[]
            }
            .validate(),
            Err(Status)
        );
    }
    for name in ["", "a b", "a\r\nX: y", "\0"] {
        let response = Response::Upgrade {
            subprotocol: Some(name),
            headers: &[],
        };
        assert_eq!(response.validate(), Err(Subprotocol));
    }
    for (name, value, error) in [
        ("a b", "", HeaderName),
        ("a", "b\r\nc: d", HeaderValue),
        ("Sec-WebSocket-Extensions", "x", OwnedHeader),
        ("content-length", "5", OwnedHeader),
    ] {
        let headers = &[("ok", ""), (name, value)];
        assert_eq!(
            Response::Refuse {
                status: 400,
                headers
            }
            .validate(),
            Err(error)
        );
        assert_eq!(
            Response::Upgrade {
                subprotocol: None,
                headers
            }
            .validate(),
            Err(error)
        );
    }
}

/// RFC 6455 section 4: client and server of this crate agree.
#[test]
fn rfc6455_4_both_sides() {
    let request = Request {
        subprotocols: &["x", "mqtt"],
        ..Request::new(Host::Port("localhost", 9001), "/mqtt")
    };
    let mut client = ClientHandshake::new(&[7; 16], 1000);
    let mut server = ServerHandshake::new(1000);
    let mut wire = [0; 500];
    let n = client.fill(&request, &mut wire);
    client.sent(n);
    let result = server.receive(SUPPORTED, &mut CrateSha1, &wire[..n], &mut |_| {});
    assert_eq!(
        result,
        Ok((
            n,
            Some(Requested {
                subprotocol: Some(1)
            })
        ))
    );
    let response = Response::Upgrade {
        subprotocol: Some("mqtt"),
        headers: &[],
    };
    let n = server.fill(&response, &mut wire);
    server.sent(n);
    let result = client.receive(&request, &mut CrateSha1, &wire[..n], &mut |_| {});
    assert_eq!(
        result,
        Ok((
            n,
            Some(Upgraded {
                subprotocol: Some(1)
            })
        ))
    );
    assert_eq!(
        (
            client.fill(&request, &mut wire),
            server.fill(&response, &mut wire)
        ),
        (0, 0)
    );
}

proptest! {
    /// RFC 6455 section 4.2.1: nothing a client sends makes a server panic, whatever the pieces.
    #[test]
    fn rfc6455_4_2_1_arbitrary_bytes(
        start in prop::sample::select(std::vec!["", "GET / ", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nSec-WebSocket-Key: "]),
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
    ) {
        let mut handshake = ServerHandshake::new(200);
        let start = std::vec![start.as_bytes().to_vec()];
        for piece in start.iter().chain(&pieces) {
            // After an error too.
            let _ = handshake.receive(SUPPORTED, &mut CrateSha1, piece, &mut |_| {});
            prop_assert!(handshake.want() <= 4);
        }
    }

    /// The same from the bytes that matter.
    #[test]
    fn rfc6455_4_2_1_arbitrary_text(text in "(GET / HTTP/1.1\r\n)?([A-Ua-u-]{0,4}:?[ \t,a-z=]{0,6}\r?\n?){0,8}") {
        let bytes = text.as_bytes();
        let whole = feed(bytes, &[bytes.len()]);
        let each = feed(bytes, &std::vec![1; bytes.len()]);
        prop_assert_eq!(whole.0, each.0);
        prop_assert_eq!(whole.1, each.1);
    }
}
