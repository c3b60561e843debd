//! What HTTP has besides an upgrade by HTTP/1.1: other versions, whole URLs, empty lines, Host.

use super::client::{NONCE, request as client_request};
use super::testing::{CrateSha1, Seen, cuts};
use crate::handshake::*;
use std::format;
use std::string::String;
use std::vec::Vec;

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

const RULES: &Rules<'_> = &Rules {
    targets: &["/", "/ws", "/page"],
    hosts: &["device.local", "device.local:8080", "[::1]:80"],
    ..Rules::NONE
};

/// Feeds a request in pieces of these sizes, up to an outcome.
fn feed(
    rules: &Rules<'_>,
    request: &[u8],
    sizes: &[usize],
) -> (Result<Asked, ServerError>, Seen, ServerHandshake) {
    let mut handshake = ServerHandshake::new(4096);
    let (mut seen, mut rest) = (Seen::default(), request);
    for &size in sizes {
        let (piece, behind) = rest.split_at(size);
        rest = behind;
        match handshake.receive(rules, &mut CrateSha1, piece, &mut |part| seen.part(part)) {
            Ok((n, None)) => assert_eq!(n, size),
            Ok((_, Some(requested))) => return (handshake.asked(Ok(requested)), seen, handshake),
            Err(error) => return (handshake.asked(Err(error)), seen, handshake),
        }
    }
    panic!("not complete: {request:?}");
}

/// What a request comes to, the same however it is cut, and by reads of what is wanted.
fn asked(rules: &Rules<'_>, request: &str) -> (Result<Asked, ServerError>, Seen) {
    let bytes = request.as_bytes();
    let (whole, seen, handshake) = feed(rules, bytes, &[bytes.len()]);
    let is_malformed = matches!(whole, Err(ServerError::Head(_)));
    for cut in cuts(bytes.len()) {
        let (result, pieces, cut_up) = feed(rules, bytes, &cut);
        assert_eq!(result, whole, "{cut:?} {request:?}");
        assert_eq!(cut_up.limit_left(), handshake.limit_left(), "{cut:?}");
        assert!(is_malformed || pieces == seen, "{cut:?} {request:?}");
    }
    let (mut wanting, mut rest) = (ServerHandshake::new(4096), bytes);
    loop {
        let (piece, behind) = rest.split_at(wanting.want().min(rest.len()));
        rest = behind;
        match wanting.receive(rules, &mut CrateSha1, piece, &mut |_| {}) {
            Ok((n, None)) => assert_eq!(n, piece.len()),
            _ => break,
        }
    }
    assert!(is_malformed || rest.is_empty(), "read too far: {request:?}");
    (whole, seen)
}

fn malformed(request: &str) {
    let (result, _) = asked(&Rules::NONE, request);
    assert_eq!(result.map_err(ServerError::status), Err(400), "{request:?}");
}

/// RFC 9112 section 4, RFC 9110 section 2.5: a refusal by another HTTP/1.x is a refusal, with its
/// status and headers; only a 101 needs HTTP/1.1.
#[test]
fn rfc9110_2_5_refusals_by_other_versions() {
    let run = |response: &str| {
        let feed = |sizes: &[usize]| {
            let mut handshake = ClientHandshake::new(NONCE, 4096);
            let (mut seen, mut rest) = (Seen::default(), response.as_bytes());
            for &size in sizes {
                let (piece, behind) = rest.split_at(size);
                rest = behind;
                let part = &mut |part: HeadPart<'_>| seen.part(part);
                match handshake.receive(&client_request(), &mut CrateSha1, piece, part) {
                    Ok((_, None)) => {}
                    Ok((_, Some(_))) => return (Ok(()), seen),
                    Err(error) => return (Err(error), seen),
                }
            }
            panic!("not complete: {response:?}");
        };
        let whole = feed(&[response.len()]);
        for cut in cuts(response.len()) {
            assert_eq!(feed(&cut).0, whole.0, "{cut:?} {response:?}");
        }
        whole
    };
    let headers = "Server: Werkzeug/3.0\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
        Location: /login\r\nConnection: close\r\n\r\n";
    for version in ["1.0", "1.1", "1.2", "1.9"] {
        for (line, status) in [
            ("401 UNAUTHORIZED", 401),
            ("404 File not found", 404),
            ("302 ", 302),
            ("503", 503),
            ("200 OK", 200),
        ] {
            let (result, seen) = run(&format!("HTTP/{version} {line}\r\n{headers}"));
            assert_eq!(result, Err(ClientError::Refused { status }), "{line}");
            assert_eq!(seen.statuses, [status]);
            assert_eq!(seen.header("location"), Some("/login"));
            let authenticate = seen.header("www-authenticate");
            assert_eq!(authenticate, Some("Basic realm=\"x\""));
        }
        // An interim response by any of them is skipped, and its version is no other's.
        let refusal = format!("HTTP/{version} 100 Continue\r\n\r\nHTTP/1.1 404 x\r\n\r\n");
        let expected = Err(ClientError::Refused { status: 404 });
        assert_eq!(run(&refusal).0, expected);
    }
    let accept = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let too_old = Err(ClientError::Head(HeadError::Version));
    for (begin, expected) in [
        ("HTTP/1.1 101 x", Ok(())),
        ("HTTP/1.2 101 x", Ok(())),
        ("HTTP/1.0 100 x\r\n\r\nHTTP/1.1 101 x", Ok(())),
        ("HTTP/1.0 101 x", too_old),
        ("HTTP/1.0 101", too_old),
        ("HTTP/1.1 100 x\r\n\r\nHTTP/1.0 101 x", too_old),
    ] {
        assert_eq!(run(&format!("{begin}\r\n{accept}")).0, expected, "{begin}");
    }
    for line in [
        "HTTP/2 404",
        "HTTP/2.0 404",
        "HTTP/0.9 404",
        "HTTP/1 404",
        "HTTP/1. 404",
        "HTTP/1.00 404",
        "HTTP/1.a 404",
        "HTTP/01.0 404",
        "HTTP/.0 404",
        "HTTP 404",
        "HTTQ/1.0 404",
        "ICY 200",
    ] {
        let expected = Err(ClientError::Head(HeadError::Version));
        assert_eq!(run(&format!("{line} x\r\n\r\n")).0, expected, "{line}");
    }
}

/// RFC 9110 section 2.5, RFC 9112 section 9.3: pages for HTTP/1.0, with or without Host, and never
/// another request after one.
#[test]
fn rfc9112_9_3_pages_for_http_1_0() {
    for method in ["GET", "HEAD"] {
        for headers in [
            "",
            "Host: device.local\r\n",
            "Host:\r\n",
            "Connection: close\r\n",
            "Connection: keep-alive\r\n",
            "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        ] {
            let (result, seen) = asked(
                &Rules::NONE,
                &format!("{method} /page HTTP/1.0\r\n{headers}\r\n"),
            );
            let page = result.unwrap();
            assert!(!page.upgrade() && !page.keep_alive(), "{headers}");
            assert_eq!(page.head_only(), method == "HEAD");
            assert_eq!(&*seen.target, b"/page");
            assert_eq!(page.body_length(&Body::Chunked), Some(usize::MAX));
            assert_eq!(page.body_length(&Body::Sized(5)), Some(5));
        }
    }
    for (request, error) in [
        ("POST / HTTP/1.0\r\n\r\n", ServerError::Method),
        ("OPTIONS / HTTP/1.0\r\n\r\n", ServerError::Options),
        (
            "GET / HTTP/1.0\r\nContent-Length: 1\r\n\r\n",
            ServerError::Body,
        ),
        (
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            ServerError::Body,
        ),
        (
            "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
            ServerError::RepeatedHost,
        ),
        (
            "GET / HTTP/1.0\r\nHost: a/\r\n\r\n",
            ServerError::InvalidHost,
        ),
    ] {
        assert_eq!(asked(&Rules::NONE, request).0, Err(error), "{request}");
    }
    // A list of names is for every request.
    for (request, error) in [
        ("GET / HTTP/1.0\r\n\r\n", ServerError::NoHost),
        ("GET / HTTP/1.0\r\nHost: evil\r\n\r\n", ServerError::Host),
    ] {
        assert_eq!(asked(RULES, request).0, Err(error), "{request}");
    }
    let listed = "GET http://device.local/ HTTP/1.0\r\n\r\n";
    assert_eq!(asked(RULES, listed).0, Err(ServerError::NoHost));
    // Later minor versions are as 1.1.
    for minor in 1..=9 {
        let line = format!("GET /ws HTTP/1.{minor}\r\n");
        let (result, _) = asked(&Rules::NONE, &format!("{line}Host: h\r\n\r\n"));
        let page = result.unwrap();
        assert!(page.keep_alive());
        assert_eq!(page.body_length(&Body::Chunked), None);
        let (result, _) = asked(&Rules::NONE, &format!("{line}Host: h\r\n{UPGRADE}\r\n"));
        assert!(result.unwrap().upgrade());
        let (result, _) = asked(&Rules::NONE, &format!("{line}\r\n"));
        assert_eq!(result, Err(ServerError::NoHost));
    }
}

/// RFC 6455 section 4.2.1, item 1: an upgrade by HTTP/1.0 is refused.
#[test]
fn rfc6455_4_2_1_no_upgrade_by_http_1_0() {
    for host in ["", "Host: h\r\n"] {
        let request = format!("GET /ws HTTP/1.0\r\n{host}{UPGRADE}\r\n");
        let (result, _) = asked(&Rules::NONE, &request);
        assert_eq!(result, Err(ServerError::Http10));
    }
    assert_eq!(ServerError::Http10.status(), 426);
}

fn head_for(request: &str, page: Page<'_>) -> String {
    let (_, _, handshake) = feed(&Rules::NONE, request.as_bytes(), &[request.len()]);
    let mut out = [0; 200];
    let n = handshake.fill(&Response::Page(page), &mut out);
    String::from_utf8(out[..n].to_vec()).unwrap()
}

/// RFC 9112 sections 6.1 and 6.3: no chunks for HTTP/1.0, whose bodies end with the connection.
#[test]
fn rfc9112_6_1_no_chunks_for_http_1_0() {
    for connection in ["", "Connection: keep-alive\r\n", "Connection: close\r\n"] {
        let request = format!("GET / HTTP/1.0\r\n{connection}\r\n");
        for (body, length) in [
            (Body::Chunked, ""),
            (Body::Bytes(b"ab"), "Content-Length: 2\r\n"),
            (Body::Sized(7), "Content-Length: 7\r\n"),
        ] {
            let page = Page {
                body,
                ..Page::new(200, &[], b"")
            };
            let expected = format!("HTTP/1.1 200 \r\nConnection: close\r\n{length}\r\n");
            assert_eq!(head_for(&request, page), expected);
        }
    }
    // Such a body goes out as it is and ends anywhere.
    let body: Vec<u8> = (0..100).collect();
    let length = Some(usize::MAX);
    for room in 1..=101 {
        let mut transfer = Transfer::new();
        let (mut out, mut all) = (std::vec![0; room], Vec::<u8>::new());
        loop {
            let rest = &body[transfer.offset()..];
            let place = transfer.room(length, &mut out);
            let count = rest.len().min(place.len());
            place[..count].copy_from_slice(&rest[..count]);
            let range = transfer.frame(length, count, &mut out).unwrap();
            if range.is_empty() {
                break;
            }
            let count = range.len().div_ceil(2);
            all.extend(&out[range][..count]);
            transfer.sent(length, count);
        }
        assert_eq!(all, body);
    }
}

/// RFC 9112 section 3.2.2: a target that is a whole URL; its host counts, not that of Host, and the
/// handler sees path and query.
#[test]
fn rfc9112_3_2_2_absolute_form() {
    for (target, authority, path, index) in [
        ("http://device.local/ws", "device.local", "/ws", Some(1)),
        ("http://device.local", "device.local", "/", Some(0)),
        (
            "http://device.local?a=/b",
            "device.local",
            "/?a=/b",
            Some(0),
        ),
        ("http://device.local/?", "device.local", "/?", Some(0)),
        (
            "HTTP://DEVICE.Local/page?q",
            "DEVICE.Local",
            "/page?q",
            Some(2),
        ),
        (
            "https://device.local:8080/ws",
            "device.local:8080",
            "/ws",
            Some(1),
        ),
        ("ws://[::1]:80/ws", "[::1]:80", "/ws", Some(1)),
        ("WSS://device.local/x", "device.local", "/x", None),
        ("ws://device.local//", "device.local", "//", None),
        (
            "http://device.local/http://evil/",
            "device.local",
            "/http://evil/",
            None,
        ),
    ] {
        for version in ["1.1", "1.0"] {
            for more in ["", UPGRADE] {
                let request =
                    format!("GET {target} HTTP/{version}\r\nHost: evil.example\r\n{more}\r\n");
                let (result, seen) = asked(RULES, &request);
                assert_eq!(&*seen.target, path.as_bytes(), "{target}");
                assert_eq!(&*seen.authority, authority.as_bytes(), "{target}");
                if version == "1.0" && !more.is_empty() {
                    assert_eq!(result, Err(ServerError::Http10));
                    continue;
                }
                let found = result.unwrap();
                assert_eq!(found.target(), index, "{target}");
                assert_eq!(found.upgrade(), !more.is_empty());
            }
        }
    }
    for target in [
        "http://evil/ws",
        "http://device.local:80/ws",
        "http://device.local.evil/",
        "http://device.loca/",
        "ws://[::1]/",
    ] {
        for more in ["", UPGRADE] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: device.local\r\n{more}\r\n");
            assert_eq!(asked(RULES, &request).0, Err(ServerError::Host), "{target}");
            assert!(asked(&Rules::NONE, &request).0.is_ok());
        }
    }
    // Host has to be there all the same, once, and valid.
    for (host, error) in [
        ("", ServerError::NoHost),
        ("Host: a\r\nHost: a\r\n", ServerError::RepeatedHost),
        ("Host: a b\r\n", ServerError::InvalidHost),
    ] {
        let request = format!("GET http://device.local/ HTTP/1.1\r\n{host}\r\n");
        assert_eq!(asked(RULES, &request).0, Err(error), "{host}");
    }
    for target in [
        "http:",
        "http:/",
        "http:/h/",
        "http://",
        "http:///path",
        "http://?q",
        "http://:80/",
        "http://user@h/",
        "http://user:pass@h/",
        "http://@h/",
        "http://h:8x/",
        "http://h:80:80/",
        "http://[::1/",
        "http://[::1]x/",
        "http://::1/",
        "http://[]/",
        "http://a%2/",
        "http://a%zz/",
        "http:h/",
        "ht+p://h/",
        "http://a\\b/",
        "http://a\"b/",
        "http://h#f",
        "http://h/#f",
        "file:///x",
        "mailto:x",
        "h",
        "h/path",
        "h:80",
    ] {
        for method in ["GET", "HEAD"] {
            malformed(&format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        }
        malformed(&format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\n{UPGRADE}\r\n"
        ));
    }
    // Another method is refused for itself.
    for line in ["CONNECT h:443", "POST http://h/", "POST *"] {
        let request = format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(asked(&Rules::NONE, &request).0, Err(ServerError::Method));
    }
}

/// The limit counts every byte of a whole URL and of the empty line, and nothing else.
#[test]
fn rfc6455_10_4_limit_of_whole_urls() {
    for target in ["http://h", "https://h/", "ws://h?q", "http://h/a"] {
        let request = format!("\r\nGET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        for limit in 0..=request.len() {
            let mut handshake = ServerHandshake::new(u16::try_from(limit).unwrap());
            let result = handshake.receive(
                &Rules::NONE,
                &mut CrateSha1,
                request.as_bytes(),
                &mut |_| {},
            );
            let expected = match limit == request.len() {
                true => ServerError::NotAnUpgrade,
                false => ServerError::Head(HeadError::TooLong),
            };
            assert_eq!(result, Err(expected), "{target} {limit}");
            assert_eq!(handshake.limit_left(), 0);
        }
    }
    let endless = format!("GET http://{}", "a".repeat(5000));
    let (result, _, _) = feed(&Rules::NONE, endless.as_bytes(), &[endless.len()]);
    assert_eq!(result, Err(ServerError::Head(HeadError::TooLong)));
}

/// RFC 9112 section 3.2: a target has no fragment.
#[test]
fn rfc9112_3_2_no_fragment() {
    for target in ["/#", "/a#b", "/?q#", "#", "/a?#/ws", "*#"] {
        malformed(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        malformed(&format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\n{UPGRADE}\r\n"
        ));
        malformed(&format!("HEAD {target} HTTP/1.0\r\n\r\n"));
    }
}

/// RFC 9112 section 2.2: one empty line in front of a request is nothing.
#[test]
fn rfc9112_2_2_empty_line_in_front() {
    for more in ["", UPGRADE] {
        let request = format!("GET /ws HTTP/1.1\r\nHost: h\r\n{more}\r\n");
        let (result, seen) = asked(&Rules::NONE, &format!("\r\n{request}"));
        assert_eq!(result.unwrap().upgrade(), !more.is_empty());
        assert_eq!((&*seen.method, &*seen.target), (&b"GET"[..], &b"/ws"[..]));
        for front in [
            "\r\n\r\n", "\n", "\r", "\r\r\n", "\r\n\n", "\r\n ", " \r\n", "\n\r\n",
        ] {
            malformed(&format!("{front}{request}"));
        }
    }
}

/// RFC 9112 section 3.2, RFC 3986 section 3.2.2: what Host may be, with and without a list.
#[test]
fn rfc9112_3_2_host_is_a_host() {
    for host in [
        "",
        " \t",
        "h",
        "a.b-c_d~e",
        "192.0.2.1",
        "192.0.2.1:80",
        "h:",
        "h:65535",
        "[::1]",
        "[::]:1",
        "[2001:db8::FF00:42:8329]:443",
        "[::ffff:192.0.2.1]",
        "a%20b",
        "%41",
        "a!$&'()*+,;=b",
        " h \t ",
        "xn--bcher-kva.example",
    ] {
        for more in ["", UPGRADE] {
            let request = format!("GET / HTTP/1.1\r\nHost:{host}\r\n{more}\r\n");
            let (result, _) = asked(&Rules::NONE, &request);
            assert!(result.is_ok(), "{host:?} {result:?}");
        }
    }
    for host in [
        "a b/\\",
        "a b",
        "a\tb",
        "a/",
        "/",
        "a\\",
        "\\",
        "a?b",
        "a#b",
        "u@h",
        "@",
        "a\"b",
        "<h>",
        "a^b",
        "a`b",
        "a|b",
        "{::1}",
        ":",
        ":80",
        "h:80x",
        "h:x",
        "h:-1",
        "h:80:80",
        "h: 80",
        "h :80",
        "::1",
        "[",
        "]",
        "[]",
        "[1]",
        "[a.b]",
        "%",
        "%4",
        "%4g",
        "a%",
        "a% ",
        "[::1",
        "::1]",
        "[::1]x",
        "[::1]]",
        "[::1]:x",
        "[g::1]",
        "[::1%25eth0]",
        "[::1 ]",
        "a[::1]",
        "\u{fc}",
        "http://h",
        "device.local evil",
        "evil, device.local",
    ] {
        for more in ["", UPGRADE] {
            for rules in [&Rules::NONE, RULES] {
                let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
                let (result, _) = asked(rules, &request);
                assert_eq!(result, Err(ServerError::InvalidHost), "{host:?}");
            }
        }
    }
    assert_eq!(ServerError::InvalidHost.status(), 400);
    // Other headers are their own affair.
    let other = "GET / HTTP/1.1\r\nX-Host: a/b\r\nHosts: [\r\nHost: h\r\nOrigin: a/b\r\n\r\n";
    assert!(asked(&Rules::NONE, other).0.is_ok());
}

/// RFC 9110 section 9.3.7: OPTIONS is answered, whatever the target, as health checks ask for it.
#[test]
fn rfc9110_9_3_7_options() {
    for target in [
        "/",
        "/ws",
        "/elsewhere?q",
        "*",
        "http://device.local/",
        "http://evil/",
        "http://device.local",
        "device.local:80",
    ] {
        for (version, host) in [
            ("1.0", "Host: device.local\r\n"),
            ("1.1", "Host: device.local\r\n"),
            ("1.9", "Host: device.local\r\n"),
            ("1.0", ""),
        ] {
            for more in [
                "",
                "Upgrade: h2c\r\nConnection: Upgrade\r\n",
                "Accept: */*\r\n",
            ] {
                let request = format!("OPTIONS {target} HTTP/{version}\r\n{host}{more}\r\n");
                let (result, seen) = asked(&Rules::NONE, &request);
                assert_eq!(result, Err(ServerError::Options), "{request:?}");
                assert_eq!(&*seen.target, target.as_bytes());
                let listed = match host {
                    "" => ServerError::NoHost,
                    _ => ServerError::Options,
                };
                assert_eq!(asked(RULES, &request).0, Err(listed), "{request:?}");
            }
            // One that asks for an upgrade is another method like any.
            let request = format!("OPTIONS {target} HTTP/{version}\r\n{host}{UPGRADE}\r\n");
            let (result, _) = asked(&Rules::NONE, &request);
            assert_eq!(result, Err(ServerError::Method), "{request:?}");
        }
    }
    assert_eq!(ServerError::Options.status(), 200);
    for (request, error) in [
        ("OPTIONS * HTTP/1.1\r\n\r\n", ServerError::NoHost),
        (
            "OPTIONS * HTTP/1.1\r\nHost: a/\r\n\r\n",
            ServerError::InvalidHost,
        ),
        (
            "OPTIONS * HTTP/2.0\r\nHost: h\r\n\r\n",
            ServerError::Head(HeadError::Version),
        ),
        ("options * HTTP/1.0\r\n\r\n", ServerError::Method),
        ("OPTION / HTTP/1.0\r\n\r\n", ServerError::Method),
        ("OPTIONSS / HTTP/1.0\r\n\r\n", ServerError::Method),
    ] {
        assert_eq!(asked(&Rules::NONE, request).0, Err(error), "{request}");
    }
    let evil = "OPTIONS * HTTP/1.0\r\nHost: evil\r\n\r\n";
    assert_eq!(asked(RULES, evil).0, Err(ServerError::Host));
}

/// RFC 9110 sections 9.3.7 and 15.5.6: what is allowed, where something else is not and where that is
/// asked.
#[test]
fn rfc9110_15_5_6_allow() {
    for (method, status, allow) in [
        ("POST", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", 200, "GET, HEAD, OPTIONS"),
        ("GET", 405, "GET, HEAD, OPTIONS"),
        ("HEAD", 405, "GET, OPTIONS"),
    ] {
        let request = format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n");
        let (_, _, handshake) = feed(&Rules::NONE, request.as_bytes(), &[request.len()]);
        let refusal = Response::Refuse {
            status,
            headers: &[],
        };
        let mut out = [0; 200];
        let n = handshake.fill(&refusal, &mut out);
        let text = std::str::from_utf8(&out[..n]).unwrap();
        let expected = format!(
            "HTTP/1.1 {status} \r\nConnection: close\r\nContent-Length: 0\r\nAllow: {allow}\r\n\r\n"
        );
        assert_eq!(text, expected);
    }
}
