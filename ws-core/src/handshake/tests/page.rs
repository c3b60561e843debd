//! What a server's requests say beside the upgrade, and the pages that answer them.

use super::testing::{CrateSha1, cuts};
use crate::handshake::*;
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec::Vec;

const RULES: &Rules<'_> = &Rules {
    subprotocols: &["chat"],
    targets: &["/", "/ws", "/index.html"],
    hosts: &["device.local", "192.0.2.1:8080", "[::1]"],
    origins: &["http://device.local", "https://Example.com:8443"],
};

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// What a request comes to, the same however it is cut.
fn asked_with(rules: &Rules<'_>, request: &str) -> Result<Asked, ServerError> {
    let feed = |sizes: &[usize]| {
        let mut handshake = ServerHandshake::new(4096);
        let mut rest = request.as_bytes();
        for &size in sizes {
            let (piece, behind) = rest.split_at(size);
            rest = behind;
            match handshake.receive(rules, &mut CrateSha1, piece, &mut |_| {}) {
                Ok((n, None)) => assert_eq!(n, size),
                Ok((_, Some(requested))) => return handshake.asked(Ok(requested)),
                Err(error) => return handshake.asked(Err(error)),
            }
        }
        panic!("not complete: {request}");
    };
    let whole = feed(&[request.len()]);
    for cut in cuts(request.len()) {
        assert_eq!(feed(&cut), whole, "{cut:?} {request}");
    }
    whole
}

fn asked(request: &str) -> Result<Asked, ServerError> {
    asked_with(RULES, request)
}

fn get(target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: device.local\r\n{more}\r\n")
}

/// RFC 9112 section 3.2: the target is compared up to its query, as it stands.
#[test]
fn rfc9112_3_2_targets() {
    for (target, index) in [
        ("/", Some(0)),
        ("/?", Some(0)),
        ("/ws", Some(1)),
        ("/ws?a=/", Some(1)),
        ("/ws??/index.html", Some(1)),
        ("/index.html?", Some(2)),
        ("/w", None),
        ("/wss", None),
        ("/WS", None),
        ("/ws/", None),
        ("?/ws", None),
        ("/%77s", None),
        ("*", None),
        ("//", None),
    ] {
        assert_eq!(asked(&get(target, "")).unwrap().target(), index, "{target}");
        let upgrade = asked(&get(target, UPGRADE)).unwrap();
        assert_eq!((upgrade.upgrade(), upgrade.target()), (true, index));
    }
}

/// A header that nobody looks at says nothing of the target, whatever its value. Chromium's
/// Sec-CH-UA has a question mark in it.
#[test]
fn headers_do_not_touch_the_target() {
    for value in [
        "?",
        "\"Not?A_Brand\";v=\"24\"",
        "/index.html?",
        "/index.html",
        "a?/ws",
    ] {
        let more = format!("X-Other: {value}\r\n");
        for more in [more.clone(), format!("{more}{UPGRADE}")] {
            let target = asked(&get("/ws", &more)).unwrap().target();
            assert_eq!(target, Some(1), "{value}");
        }
    }
}

/// RFC 9110 sections 4.2.3 and 7.2: Host as it is listed, in any case; 421 else.
#[test]
fn rfc9110_7_2_hosts() {
    for (host, good) in [
        ("device.local", true),
        ("DEVICE.Local", true),
        (" device.local \t", true),
        ("192.0.2.1:8080", true),
        ("[::1]", true),
        ("192.0.2.1", false),
        ("device.local:80", false),
        ("device.local.", false),
        ("device.loca", false),
        ("xdevice.local", false),
        ("evil,device.local", false),
        ("", false),
    ] {
        for more in ["", UPGRADE] {
            let request = get("/", more).replace("device.local", host);
            let result = asked(&request);
            if good {
                assert!(result.is_ok(), "{request}");
            } else {
                assert_eq!(result, Err(ServerError::Host), "{request}");
            }
            let any = asked_with(&Rules::NONE, &request);
            assert!(any.is_ok(), "{request}");
        }
    }
    assert_eq!(ServerError::Host.status(), 421);
    let two = get("/", "Host: device.local\r\n");
    assert_eq!(asked(&two), Err(ServerError::RepeatedHost));
}

/// RFC 6454 section 4, RFC 6455 section 10.2: Origin as it is listed, in any case; 403 else, for
/// upgrades.
#[test]
fn rfc6455_10_2_origins() {
    for (origin, good) in [
        ("http://device.local", true),
        ("HTTP://device.LOCAL", true),
        ("https://example.com:8443", true),
        ("https://example.com", false),
        ("https://device.local", false),
        ("http://device.local:80", false),
        ("http://device.local.evil", false),
        ("http://device.loca", false),
        ("http://device.local http://evil", false),
        ("http://device.local, http://evil", false),
        ("null", false),
        ("", false),
    ] {
        let origin = format!("Origin: {origin}\r\n");
        let result = asked(&get("/ws", &format!("{UPGRADE}{origin}")));
        match result {
            Ok(asked) => assert!(good && asked.has_origin()),
            Err(error) => assert!(!good && error == ServerError::Origin, "{origin}"),
        }
        // A page is not a WebSocket, and other origins' pages may link to it.
        assert!(!asked(&get("/", &origin)).unwrap().upgrade());
        assert!(asked_with(&Rules::NONE, &get("/ws", &format!("{UPGRADE}{origin}"))).is_ok());
    }
    let both = format!("{UPGRADE}Origin: http://device.local\r\nOrigin: http://evil\r\n");
    assert_eq!(asked(&get("/", &both)), Err(ServerError::Origin));
    assert_eq!(ServerError::Origin.status(), 403);
    let none = asked(&get("/", UPGRADE)).unwrap();
    assert!(!none.has_origin());
    let listed = Rules {
        origins: &["null"],
        ..Rules::NONE
    };
    let null = get("/", &format!("{UPGRADE}Origin: null\r\n"));
    assert!(asked_with(&listed, &null).is_ok());
}

/// What would not be looked at is refused.
#[test]
fn at_most_sixteen_rules() {
    let list = &["a"; 17];
    assert_eq!(RULES.validate(), Ok(()));
    for count in 0..=17 {
        let some = &list[..count];
        let none = Rules::NONE;
        for rules in [
            Rules {
                subprotocols: some,
                ..none
            },
            Rules {
                targets: some,
                ..none
            },
            Rules {
                hosts: some,
                ..none
            },
            Rules {
                origins: some,
                ..none
            },
        ] {
            assert_eq!(rules.validate().is_ok(), count <= 16);
        }
    }
}

/// RFC 9112 section 9.3, RFC 9110 section 9.3.2: keep-alive and HEAD.
#[test]
fn rfc9112_9_3_keep_alive_and_head() {
    for (more, keep) in [
        ("", true),
        ("Connection: keep-alive\r\n", true),
        ("Connection: close\r\n", false),
        ("connection: x, CLOSE ,y\r\n", false),
        ("Connection: x\r\nConnection: close\r\n", false),
        ("Connection: closed\r\n", true),
        ("X: close\r\n", true),
        (
            "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
            true,
        ),
    ] {
        let page = asked(&get("/", more)).unwrap();
        assert_eq!(
            (page.keep_alive(), page.head_only()),
            (keep, false),
            "{more}"
        );
        let head = asked(&get("/", more).replace("GET", "HEAD")).unwrap();
        assert_eq!((head.keep_alive(), head.head_only()), (keep, true));
        assert!(!head.upgrade());
    }
    for method in ["POST", "HEADS", "head", "OPTION", "CONNECT"] {
        let request = get("/", "").replace("GET", method);
        assert_eq!(asked(&request), Err(ServerError::Method));
    }
    let close = get("/", &UPGRADE.replace("Upgrade\r\n", "close, Upgrade\r\n"));
    assert!(asked(&close).unwrap().upgrade());
}

/// RFC 9112 section 6: no request has a body, so that none can hide another request.
#[test]
fn rfc9112_6_bodies() {
    for body in [
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 00\r\n",
        "Content-Length: +0\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: HEAD\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 0\r\n",
    ] {
        for method in ["GET", "HEAD"] {
            let request = get("/", body).replace("GET", method);
            assert_eq!(asked(&request), Err(ServerError::Body), "{request}");
        }
    }
    assert!(asked(&get("/", "Content-Length: 0\r\n")).is_ok());
}

/// A request of any number of headers, up to the limit; then 431.
#[test]
fn ten_thousand_headers() {
    let mut request = get("/ws", "");
    request.truncate(request.len() - 2);
    request += &"a:b\r\n".repeat(10_000);
    request += "\r\n";
    let mut handshake = ServerHandshake::new(u16::MAX);
    let mut ends = 0;
    let outcome = handshake.receive(RULES, &mut CrateSha1, request.as_bytes(), &mut |part| {
        ends += usize::from(part == HeadPart::HeaderEnd);
    });
    assert_eq!(outcome, Err(ServerError::NotAnUpgrade));
    assert!(handshake.asked(Err(ServerError::NotAnUpgrade)).is_ok());
    assert_eq!(ends, 10_001);
    let mut handshake = ServerHandshake::new(8192);
    let outcome = handshake.receive(RULES, &mut CrateSha1, request.as_bytes(), &mut |_| {});
    assert_eq!(outcome, Err(ServerError::Head(HeadError::TooLong)));
    assert_eq!(
        handshake
            .asked(outcome.map(|_| unreachable!()))
            .unwrap_err()
            .status(),
        431
    );
}

/// The head of a page, written through `size` bytes of scratch.
fn head_of(page: Page<'_>, request: &str, size: usize) -> String {
    let mut handshake = ServerHandshake::new(4096);
    let _ = handshake.receive(
        &Rules::NONE,
        &mut CrateSha1,
        request.as_bytes(),
        &mut |_| {},
    );
    let response = Response::Page(page);
    assert_eq!(response.validate(), Ok(()));
    let mut all = Vec::new();
    let mut out = std::vec![0; size];
    loop {
        let n = handshake.fill(&response, &mut out);
        if n == 0 {
            return String::from_utf8(all).unwrap();
        }
        let n = n.div_ceil(2);
        all.extend(&out[..n]);
        handshake.sent(n);
    }
}

/// RFC 9112 sections 6 and 9: the heads of pages, through buffers of every size.
#[test]
fn rfc9112_6_page_heads() {
    let headers = &[("Content-Type", "text/plain")];
    let page = Page::new(200, headers, b"hello");
    let plain = get("/", "");
    let close = get("/", "Connection: close\r\n");
    for (page, request, expected) in [
        (page, &plain, "200 \r\nContent-Length: 5\r\n"),
        (
            page,
            &close,
            "200 \r\nConnection: close\r\nContent-Length: 5\r\n",
        ),
        (
            Page {
                close: true,
                ..page
            },
            &plain,
            "200 \r\nConnection: close\r\nContent-Length: 5\r\n",
        ),
        (
            Page {
                body: Body::Chunked,
                ..page
            },
            &plain,
            "200 \r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            Page {
                body: Body::Sized(0),
                ..page
            },
            &plain,
            "200 \r\nContent-Length: 0\r\n",
        ),
        (
            Page {
                status: 404,
                body: Body::Sized(1_234_567_890),
                ..page
            },
            &plain,
            "404 \r\nContent-Length: 1234567890\r\n",
        ),
        (
            Page {
                status: 304,
                ..page
            },
            &plain,
            "304 \r\n",
        ),
        (
            Page {
                status: 204,
                body: Body::Chunked,
                ..page
            },
            &plain,
            "204 \r\n",
        ),
    ] {
        let expected = format!("HTTP/1.1 {expected}Content-Type: text/plain\r\n\r\n");
        for size in 1..=expected.len() + 1 {
            assert_eq!(head_of(page, request, size), expected);
        }
    }
}

/// RFC 9110 section 5.5: nothing in a page's headers gets out of its place.
#[test]
fn rfc9110_5_5_page_headers_are_checked() {
    for (name, value, error) in [
        (
            "Location",
            "/\r\nSet-Cookie: a=b",
            ResponseError::HeaderValue,
        ),
        ("Location", "/\n", ResponseError::HeaderValue),
        ("A: b\r\nC", "", ResponseError::HeaderName),
        ("Content-Length", "1", ResponseError::OwnedHeader),
        ("connection", "close", ResponseError::OwnedHeader),
        ("Transfer-Encoding", "chunked", ResponseError::OwnedHeader),
    ] {
        let headers = &[(name, value)];
        assert_eq!(
            Response::Page(Page::new(200, headers, b"")).validate(),
            Err(error)
        );
    }
    for status in [0, 100, 101, 199, 600] {
        let page = Response::Page(Page::new(status, &[], b""));
        assert_eq!(page.validate(), Err(ResponseError::Status));
    }
}

/// What goes out of a body, `piece` bytes of it at a time from a scratch of `size`.
fn body_of(body: &[u8], length: Option<usize>, size: usize, piece: usize) -> Vec<u8> {
    let mut transfer = Transfer::new();
    let mut out = std::vec![0; size];
    let mut all = Vec::new();
    loop {
        let room = transfer.room(length, &mut out);
        let rest = &body[transfer.offset()..];
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        let range = transfer.frame(length, count, &mut out).unwrap();
        if range.is_empty() {
            return all;
        }
        let n = range.len().min(piece);
        all.extend(&out[range][..n]);
        transfer.sent(length, n);
    }
}

/// A chunked body taken apart (RFC 9112 section 7.1.3).
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = std::str::from_utf8(&bytes[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let (chunk, rest) = bytes[line + 2..].split_at(size);
        body.extend(chunk);
        bytes = rest.strip_prefix(b"\r\n").unwrap();
        if size == 0 {
            assert!(bytes.is_empty());
            return body;
        }
    }
}

proptest! {
    /// RFC 9112 section 7.1: a body comes out as it is, whatever the scratch and the wire.
    #[test]
    fn rfc9112_7_1_bodies(
        body in prop::collection::vec(any::<u8>(), 0..600),
        size in 9..300_usize,
        piece in 1..300_usize,
    ) {
        prop_assert_eq!(&body_of(&body, Some(body.len()), size, piece), &body);
        prop_assert_eq!(unchunked(&body_of(&body, None, size, piece)), body);
    }
}

/// A body that is not what it was announced to be ends the connection, and is never passed off.
#[test]
fn bodies_that_lie() {
    let mut out = [0; 20];
    let mut transfer = Transfer::new();
    assert_eq!(transfer.room(Some(3), &mut out).len(), 3);
    assert_eq!(transfer.frame(Some(3), 0, &mut out), Err(BodyError::Short));
    assert_eq!(transfer.frame(Some(3), 9, &mut out), Ok(0..3));
    transfer.sent(Some(3), 3);
    assert_eq!(transfer.frame(Some(3), 0, &mut out), Ok(0..0));

    let mut transfer = Transfer::new();
    assert_eq!(transfer.frame(None, 5, &mut out), Ok(0..13));
    transfer.sent(None, 7);
    assert_eq!(transfer.frame(None, 4, &mut out), Err(BodyError::Changed));
    assert_eq!(transfer.frame(None, 5, &mut out), Ok(7..13));
}

/// A writer keeps what is asked for of what goes by.
#[test]
fn body_writer() {
    use core::fmt::Write;
    let text = "reading 12, reading 345";
    for offset in 0..=text.len() + 1 {
        for size in 0..=text.len() {
            let mut out = std::vec![0; size];
            let mut writer = BodyWriter::new(offset, &mut out);
            write!(writer, "reading {}, ", 12).unwrap();
            writer.bytes(b"reading ");
            write!(writer, "{}", 345).unwrap();
            let n = writer.written();
            let rest = text.get(offset..).unwrap_or_default();
            assert_eq!(&out[..n], &rest.as_bytes()[..size.min(rest.len())]);
        }
    }
}
