//! The client's request: how it is written, what it may hold.

use super::client::{NONCE, request};
use crate::handshake::*;
use core::net::SocketAddr;
use std::format;
use std::string::String;
use std::vec::Vec;

fn fill_all(request: &Request<'_>, size: usize, taken: impl Fn(usize) -> usize) -> String {
    let mut handshake = ClientHandshake::new(NONCE, 100);
    let mut all = Vec::new();
    let mut out = std::vec![0; size];
    loop {
        let n = handshake.fill(request, &mut out);
        assert_eq!(handshake.request_sent(request), n == 0);
        if n == 0 {
            return String::from_utf8(all).unwrap();
        }
        let n = taken(n);
        all.extend(&out[..n]);
        handshake.sent(n);
    }
}

fn written(request: &Request<'_>) -> String {
    assert_eq!(request.validate(), Ok(()));
    fill_all(request, 4096, |n| n)
}

/// RFC 6455 section 4.1: the request, through buffers of every size, taken whole and in part.
#[test]
fn rfc6455_4_1_request() {
    let more = |headers: &mut Headers<'_>| {
        headers.add("Authorization", "Basic abc\t=");
        headers.add("X-A", "1");
        headers.add("X-B", "");
    };
    let request = Request {
        origin: Some("http://example.com"),
        headers: Some(&more),
        ..request()
    };
    let expected = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, mqtt, superchat\r\nAuthorization: Basic abc\t=\r\n\
        X-A: 1\r\nX-B: \r\n\r\n";
    for size in 1..=expected.len() + 1 {
        assert_eq!(fill_all(&request, size, |n| n), expected);
        assert_eq!(fill_all(&request, size, |n| n.div_ceil(3)), expected);
    }
    assert_eq!(request.validate(), Ok(()));
}

/// RFC 6455 section 4.1, items 2 and 4: the target and Host.
#[test]
fn rfc6455_4_1_target_and_host() {
    let line = |host, target| {
        let text = written(&Request::new(host, target));
        let mut lines = text.split("\r\n");
        (
            String::from(lines.next().unwrap()),
            String::from(lines.next().unwrap()),
        )
    };
    for (target, expected) in [
        ("", "/"),
        ("?q", "/?q"),
        ("/", "/"),
        ("/a?b=c:d", "/a?b=c:d"),
    ] {
        assert_eq!(
            line(crate::handshake::Host::Text("h"), target).0,
            format!("GET {expected} HTTP/1.1")
        );
    }
    let addr = |text: &str| HostAddr::new(text.parse::<SocketAddr>().unwrap());
    for (host, expected) in [
        (crate::handshake::Host::Text("a.b:1"), "a.b:1"),
        (crate::handshake::Host::Text("[::1]:99"), "[::1]:99"),
        (crate::handshake::Host::Port("a.b", 80), "a.b"),
        (crate::handshake::Host::Port("a.b", 8080), "a.b:8080"),
        (crate::handshake::Host::Port("a.b", 65535), "a.b:65535"),
        (Host::Addr(&addr("127.0.0.1:80")), "127.0.0.1"),
        (Host::Addr(&addr("10.200.30.255:1")), "10.200.30.255:1"),
        (
            Host::Addr(&addr("[2001:db8::ff00:42:8329]:443")),
            "[2001:db8:0:0:0:ff00:42:8329]:443",
        ),
        (Host::Addr(&addr("[::1]:80")), "[0:0:0:0:0:0:0:1]"),
    ] {
        assert_eq!(line(host, "/").1, format!("Host: {expected}"));
    }
}

/// RFC 6455 section 4.1, RFC 9110 section 5.5: nothing in an argument gets out of its place.
#[test]
fn rfc6455_4_1_arguments_are_checked() {
    use RequestError::*;
    for bad in [
        "",
        "a b",
        "a\r\nX: y",
        "a\nb",
        "a\0",
        "h\u{e4}",
        "a/b",
        "u@h",
        "a#",
        "a?",
        "\t",
        "\u{7f}",
    ] {
        assert_eq!(
            Request::new(crate::handshake::Host::Text(bad), "/").validate(),
            Err(Host),
            "{bad:?}"
        );
        assert_eq!(
            Request::new(crate::handshake::Host::Port(bad, 1), "/").validate(),
            Err(Host)
        );
    }
    for bad in [
        "a",
        "/ ",
        "/\r\nX: y",
        "/\n",
        "/\0",
        "/\u{e4}",
        "/#f",
        "#",
        "/\t",
        "http://h/",
    ] {
        assert_eq!(
            Request::new(crate::handshake::Host::Text("h"), bad).validate(),
            Err(Target),
            "{bad:?}"
        );
    }
    for bad in ["", "a b", "a\r\nX: y", "a\0", "\u{e4}"] {
        let request = Request {
            origin: Some(bad),
            ..request()
        };
        assert_eq!(request.validate(), Err(Origin), "{bad:?}");
    }
    for bad in ["", "a b", "a,b", "a\r\n", "a\0", "\u{e4}", "a/b"] {
        let request = Request {
            subprotocols: &["ok", bad],
            ..request()
        };
        assert_eq!(request.validate(), Err(Subprotocol), "{bad:?}");
    }
    let subprotocols = &["a", "b", "a"];
    let twice = Request {
        subprotocols,
        ..request()
    };
    assert_eq!(twice.validate(), Err(RepeatedSubprotocol));
    let case = Request {
        subprotocols: &["a", "A"],
        ..request()
    };
    assert_eq!(case.validate(), Ok(()));
    let names: Vec<String> = (0..17).map(|i| format!("p{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = Request {
        subprotocols: &names,
        ..request()
    };
    assert_eq!(many.validate(), Err(TooManySubprotocols));
    let many = Request {
        subprotocols: &names[..16],
        ..request()
    };
    assert_eq!(many.validate(), Ok(()));

    for (name, value, error) in [
        ("", "v", HeaderName),
        ("a b", "v", HeaderName),
        ("a:", "v", HeaderName),
        ("a\r\nb", "v", HeaderName),
        ("\u{e4}", "v", HeaderName),
        ("a", "v\r\nX: y", HeaderValue),
        ("a", "v\n", HeaderValue),
        ("a", "\0", HeaderValue),
        ("a", "\u{7f}", HeaderValue),
        ("Host", "v", OwnedHeader),
        ("UPGRADE", "v", OwnedHeader),
        ("connection", "v", OwnedHeader),
        ("Content-Length", "0", OwnedHeader),
        ("Transfer-Encoding", "v", OwnedHeader),
        ("Sec-WebSocket-Key", "v", OwnedHeader),
        ("sec-websocket-", "v", OwnedHeader),
        ("SEC-WEBSOCKET-Extensions", "v", OwnedHeader),
    ] {
        let listed = Request {
            headers: Some(&[("ok", "v"), (name, value)]),
            ..request()
        };
        assert_eq!(listed.validate(), Err(error), "{name:?} {value:?}");
        let more = |headers: &mut Headers<'_>| {
            headers.add(name, value);
            headers.add("ok", "v");
        };
        let called = Request {
            headers: Some(&more),
            ..request()
        };
        assert_eq!(called.validate(), Err(error), "{name:?} {value:?}");
    }
    let fine = Request {
        headers: Some(&[("Hosts", "\u{e4} \t x"), ("sec-websocket", "")]),
        ..request()
    };
    assert_eq!(fine.validate(), Ok(()));
}

/// RFC 9112 section 3.2: an IPv6 address stands in brackets, and its zone is nobody else's business
/// (RFC 6874 section 1).
#[test]
fn rfc9112_3_2_ipv6_in_host() {
    use Host::{Port, Text};
    for (host, value) in [
        (Text("::1"), "[::1]"),
        (Text("[::1]"), "[::1]"),
        (Text("[::1]:8080"), "[::1]:8080"),
        (Text("2001:DB8::ffff:1.2.3.4"), "[2001:DB8::ffff:1.2.3.4]"),
        (Text("fe80::1%eth0"), "[fe80::1]"),
        (Text("[fe80::1%25eth0]"), "[fe80::1]"),
        (Text("[fe80::1%25eth0]:81"), "[fe80::1]:81"),
        (Port("::1", 80), "[::1]"),
        (Port("::1", 8080), "[::1]:8080"),
        (Port("[::1]", 8080), "[::1]:8080"),
        (Port("fe80::1%1", 8080), "[fe80::1]:8080"),
        (Text("h:8080"), "h:8080"),
        (Text("a%25b"), "a%25b"),
    ] {
        let request = Request::new(host, "/");
        assert_eq!(request.validate(), Ok(()), "{host:?}");
        let text = written(&request);
        let line = text.lines().nth(1).unwrap();
        assert_eq!(line, format!("Host: {value}"), "{host:?}");
    }
    for bad in [
        "x:y:z",
        "::1\r\nX: y",
        "[::1]\r\n",
        "::1 ",
        "[::g]",
        "[:: 1]",
        "a::b]c d",
    ] {
        let request = Request::new(Text(bad), "/");
        assert_eq!(request.validate(), Err(RequestError::Host), "{bad:?}");
    }
}
