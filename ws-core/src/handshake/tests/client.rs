//! The client's opening handshake, rule by rule.

use super::testing::{CrateSha1, Seen, cuts};
use crate::handshake::*;
use proptest::prelude::*;
use std::format;
use std::string::String;

pub(super) const NONCE: &[u8; 16] = b"the sample nonce";
const UPGRADE: &str = "Upgrade: websocket\r\n";
const CONNECTION: &str = "Connection: Upgrade\r\n";
const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
const OFFERED: &[&str] = &["chat", "mqtt", "superchat"];

pub(super) fn request() -> Request<'static> {
    Request {
        subprotocols: OFFERED,
        ..Request::new(Host::Text("example.com"), "/chat")
    }
}

fn good() -> String {
    with("")
}

/// A good 101 with more headers.
fn with(more: &str) -> String {
    format!("HTTP/1.1 101 Switching Protocols\r\n{UPGRADE}{CONNECTION}{ACCEPT}{more}\r\n")
}

type Outcome = Result<Option<Option<u8>>, ClientError>;

/// Feeds a response in pieces of these sizes; says the outcome, the bytes consumed, what was seen.
fn feed(bytes: &[u8], sizes: &[usize]) -> (Outcome, usize, Seen) {
    let request = request();
    let mut handshake = ClientHandshake::new(NONCE, 4096);
    let (mut seen, mut total, mut given) = (Seen::default(), 0, 0);
    for size in sizes {
        assert_eq!(given, total);
        given += size;
        let piece = &bytes[total..given];
        match handshake.receive(&request, &mut CrateSha1, piece, &mut |part| seen.part(part)) {
            Ok((n, None)) => total += n,
            Ok((n, Some(upgraded))) => return (Ok(Some(upgraded.subprotocol)), total + n, seen),
            Err(error) => {
                total = 4096 - usize::from(handshake.limit_left());
                return (Err(error), total, seen);
            }
        }
    }
    (Ok(None), total, seen)
}

/// The outcome, the same however the response is cut.
fn outcome(response: &str) -> Outcome {
    let bytes = format!("{response}\u{1}\u{2}frames").into_bytes();
    let whole = feed(&bytes, &[bytes.len()]);
    for cut in cuts(bytes.len()) {
        let pieces = feed(&bytes, &cut);
        assert_eq!((&pieces.0, pieces.1), (&whole.0, whole.1), "{cut:?}");
        // A part that turns out malformed is handed out as far as the pieces had it.
        if !matches!(whole.0, Err(ClientError::Head(_))) {
            assert_eq!(pieces.2, whole.2, "{cut:?}");
        }
    }
    assert_eq!(drip(response.as_bytes()), whole.0);
    if matches!(whole.0, Ok(Some(_)) | Err(ClientError::Refused { .. })) {
        assert_eq!(whole.1, response.len(), "frames behind the blank line stay");
    }
    whole.0
}

/// Reads exactly `want()` bytes at a time: never past the blank line.
fn drip(bytes: &[u8]) -> Outcome {
    let request = request();
    let mut handshake = ClientHandshake::new(NONCE, 4096);
    let mut rest = bytes;
    loop {
        let want = handshake.want();
        assert!((1..=4).contains(&want));
        let Some((piece, behind)) = rest.split_at_checked(want) else {
            // The response ends in the middle; only a malformed one may.
            let result = handshake.receive(&request, &mut CrateSha1, rest, &mut |_| {});
            return result.map(|(_, upgraded)| upgraded.map(|u| u.subprotocol));
        };
        rest = behind;
        match handshake.receive(&request, &mut CrateSha1, piece, &mut |_| {})? {
            (n, Some(upgraded)) => {
                assert_eq!((n, rest.len(), handshake.want()), (want, 0, 0));
                return Ok(Some(upgraded.subprotocol));
            }
            (n, None) => assert_eq!(n, want),
        }
    }
}

/// RFC 6455 section 4.1: a good response, with what may differ in it.
#[test]
fn rfc6455_4_1_good_responses() {
    assert_eq!(outcome(&good()), Ok(Some(None)));
    let line = "HTTP/1.1 101\r\n";
    for (a, b, c) in [
        (UPGRADE, CONNECTION, ACCEPT),
        (ACCEPT, UPGRADE, CONNECTION),
        ("uPGRADE:WebSocket\r\n", "CONNECTION:\tupgrade \r\n", ACCEPT),
        (
            "Upgrade:  websocket \t \r\n",
            "Connection: keep-alive, UPGRADE\r\n",
            ACCEPT,
        ),
        (UPGRADE, "Connection:,, close ,upgrade\t,x\r\n", ACCEPT),
        (
            UPGRADE,
            "Connection: a\r\nX: \r\nConnection: Upgrade\r\nConnection:\r\n",
            ACCEPT,
        ),
        (
            UPGRADE,
            CONNECTION,
            "sec-websocket-ACCEPT:s3pPLMBiTxaQ9kYGzzhZRbK+xOo=   \r\n",
        ),
        (
            "Sec-WebSocket-Accep: x\r\nSec-WebSocket-Accept2: y\r\nUp:\r\n",
            UPGRADE,
            &format!("{CONNECTION}{ACCEPT}"),
        ),
    ] {
        assert_eq!(
            outcome(&format!("{line}{a}{b}{c}\r\n")),
            Ok(Some(None)),
            "{a}{b}{c}"
        );
    }
    // RFC 9112 section 4: the reason is anything.
    let response = good().replace("Switching Protocols", "\u{fc}ber: \t 1");
    assert_eq!(outcome(&response), Ok(Some(None)));
}

/// RFC 6455 section 4.1, items 2 and 3: Upgrade and Connection.
#[test]
fn rfc6455_4_1_upgrade_and_connection() {
    for bad in [
        "",
        "Upgrade:\r\n",
        "Upgrade: websockets\r\n",
        "Upgrade: websocke\r\n",
        "Upgrade: web socket\r\n",
        "Upgrade: websocket, h2c\r\n",
        "Upgrade: h2c\r\nUpgrade: websocket\r\n",
        "Upgrade: websocket x\r\n",
    ] {
        let response = good().replace(UPGRADE, bad);
        assert_eq!(outcome(&response), Err(ClientError::Upgrade), "{bad}");
    }
    for bad in [
        "",
        "Connection:\r\n",
        "Connection: close\r\n",
        "Connection: upgraded, up grade, upgrad\r\n",
        "Connection: upgrade;x\r\n",
        "Connections: upgrade\r\n",
    ] {
        let response = good().replace(CONNECTION, bad);
        assert_eq!(outcome(&response), Err(ClientError::Connection), "{bad}");
    }
}

/// RFC 6455 section 4.1, item 4: the accept value, in full.
#[test]
fn rfc6455_4_1_accept() {
    let value = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let try_value = |value: &str| {
        outcome(&good().replace(ACCEPT, &format!("Sec-WebSocket-Accept: {value}\r\n")))
    };
    assert_eq!(try_value(value), Ok(Some(None)));
    for len in 0..value.len() {
        assert_eq!(
            try_value(&value[..len]),
            Err(ClientError::Accept),
            "prefix of {len}"
        );
        let mut wrong = value.as_bytes().to_vec();
        wrong[len] ^= 0x20;
        if wrong[len] > b' ' && wrong[len] != 0x7f {
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(try_value(&wrong), Err(ClientError::Accept), "{wrong}");
        }
    }
    for wrong in [
        format!("{value}x"),
        format!("{value} x"),
        format!("x{value}"),
        format!("{value},"),
        format!("\"{value}\""),
    ] {
        assert_eq!(try_value(&wrong), Err(ClientError::Accept), "{wrong}");
    }
    assert_eq!(
        outcome(&good().replace(ACCEPT, "")),
        Err(ClientError::NoAccept)
    );
    assert_eq!(outcome(&with(ACCEPT)), Err(ClientError::RepeatedAccept));
    assert_eq!(
        outcome(&with("Sec-WebSocket-Accept: x\r\n")),
        Err(ClientError::Accept)
    );
    // The key itself is not the answer to it.
    assert_eq!(
        try_value("dGhlIHNhbXBsZSBub25jZQ=="),
        Err(ClientError::Accept)
    );
}

/// RFC 6455 section 4.1, items 5 and 6: subprotocol and extensions.
#[test]
fn rfc6455_4_1_subprotocol_and_extensions() {
    for (index, name) in OFFERED.iter().enumerate() {
        let response = with(&format!("Sec-WebSocket-Protocol: {name}\t\r\n"));
        assert_eq!(outcome(&response), Ok(Some(u8::try_from(index).ok())));
    }
    for bad in [
        "",
        "cha",
        "chatt",
        "Chat",
        "chat, mqtt",
        "other",
        "chat mqtt",
        ",",
    ] {
        let response = with(&format!("Sec-WebSocket-Protocol: {bad}\r\n"));
        assert_eq!(outcome(&response), Err(ClientError::Subprotocol), "{bad}");
    }
    let line = "Sec-WebSocket-Protocol: chat\r\n";
    assert_eq!(
        outcome(&with(&format!("{line}{line}"))),
        Err(ClientError::RepeatedSubprotocol)
    );
    for extension in ["permessage-deflate", ""] {
        let response = with(&format!("Sec-WebSocket-Extensions: {extension}\r\n"));
        assert_eq!(outcome(&response), Err(ClientError::Extension));
    }
}

/// RFC 6455 section 4.1, item 1: another status, said when its headers were seen.
#[test]
fn rfc6455_4_1_refused() {
    for status in [200, 301, 302, 401, 403, 404, 426, 500, 503, 600, 999] {
        let response = format!(
            "HTTP/1.1 {status} Text\r\nLocation: ws://other/\r\nWWW-Authenticate: Basic realm=\"a  b\"\r\n\
             Upgrade: h2c\r\nSec-WebSocket-Accept: wrong\r\n\r\n"
        );
        assert_eq!(outcome(&response), Err(ClientError::Refused { status }));
        let (_, consumed, seen) = feed(response.as_bytes(), &[response.len()]);
        assert_eq!(consumed, response.len());
        assert_eq!(seen.statuses, [status]);
        assert_eq!(seen.header("location"), Some("ws://other/"));
        assert_eq!(
            seen.header("www-authenticate"),
            Some("Basic realm=\"a  b\"")
        );
    }
    // Before the blank line it is not known yet that the answer is well-formed.
    let cut = b"HTTP/1.1 302 Found\r\nLocation: x\r\n";
    assert_eq!(feed(cut, &[cut.len()]).0, Ok(None));
    assert_eq!(ClientHandshake::new(NONCE, 1).eof(), ClientError::Eof);
    let bad = "HTTP/1.1 302 Found\r\nLocation : x\r\n\r\n";
    assert_eq!(outcome(bad), Err(HeadError::SpaceBeforeColon.into()));
}

/// RFC 9110 section 15.2: interim responses are skipped, and leave nothing behind.
#[test]
fn rfc6455_4_1_interim_responses() {
    let hints = "HTTP/1.1 103 Early Hints\r\nUpgrade: x\r\nSec-WebSocket-Accept: x\r\n\
        Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    let response = format!("HTTP/1.1 100\r\n\r\n{hints}{}", good());
    assert_eq!(outcome(&response), Ok(Some(None)));
    let response = format!("{hints}HTTP/1.1 404 \r\n\r\n");
    assert_eq!(
        outcome(&response),
        Err(ClientError::Refused { status: 404 })
    );
    let (_, _, seen) = feed(response.as_bytes(), &[response.len()]);
    assert_eq!(seen.statuses, [103, 404]);
    // The limit counts them.
    let endless = "HTTP/1.1 100\r\n\r\n".repeat(300);
    assert_eq!(outcome(&endless), Err(HeadError::TooLong.into()));
}

/// RFC 9112 sections 2.2, 4 and 5: what is malformed.
#[test]
fn rfc9112_malformed_responses() {
    use HeadError::*;
    for (line, error) in [
        ("HTTP/1.0 101 x", Version),
        ("HTTP/2 101 x", Version),
        ("HTTP/1.10 101 x", Version),
        ("http/1.1 101 x", Version),
        ("SSH-2.0-OpenSSH", StartLine),
        (" HTTP/1.1 101", Version),
        ("HTTP/1.1  101", StartLine),
        ("HTTP/1.1", StartLine),
        ("HTTP/1.1 ", StartLine),
        ("HTTP/1.1 1", StartLine),
        ("HTTP/1.1 10", StartLine),
        ("HTTP/1.1 10 x", StartLine),
        ("HTTP/1.1 1010", StartLine),
        ("HTTP/1.1 65637", StartLine),
        ("HTTP/1.1 0101", StartLine),
        ("HTTP/1.1 001", StartLine),
        ("HTTP/1.1 1a1", StartLine),
        ("HTTP/1.1 2!", StartLine),
        ("HTTP/1.1 999~", StartLine),
        ("HTTP/1.1 101x", StartLine),
        ("HTTP/1.1 101\t", StartLine),
        ("HTTP/1.1 101 a\0", Control),
        ("HTTP/1.1 101 a\nX: y", BareLf),
        ("HTTP/1.1 101 a\rX: y", BareCr),
        ("", StartLine),
    ] {
        let response = good().replace("HTTP/1.1 101 Switching Protocols", line);
        assert_eq!(outcome(&response), Err(error.into()), "{line:?}");
    }
    for (line, error) in MALFORMED {
        assert_eq!(
            outcome(&with(&format!("{line}\r\n"))),
            Err((*error).into()),
            "{line:?}"
        );
        let response = good().replace(UPGRADE, &format!("{line}\r\n{UPGRADE}"));
        assert_eq!(outcome(&response), Err((*error).into()), "{line:?}");
    }
    let response = good();
    assert_eq!(
        outcome(&response.replace("\r\n\r\n", "\r\n\n")),
        Err(BareLf.into())
    );
    assert_eq!(
        outcome(&response.replace("\r\n\r\n", "\r\n\rx")),
        Err(BareCr.into())
    );
}

/// Header lines that are none.
pub(super) const MALFORMED: &[(&str, HeadError)] = &[
    ("A: b\nC: d", HeadError::BareLf),
    ("A\n: b", HeadError::BareLf),
    ("A: b\rC: d", HeadError::BareCr),
    ("A: b\r\r", HeadError::BareCr),
    ("A: b\0", HeadError::Control),
    ("A: \u{1}", HeadError::Control),
    ("A\u{7f}: b", HeadError::Control),
    ("A: b\r\n c", HeadError::ObsFold),
    ("A: b\r\n\tc", HeadError::ObsFold),
    (": b", HeadError::EmptyName),
    ("A : b", HeadError::SpaceBeforeColon),
    ("A\t: b", HeadError::SpaceBeforeColon),
    ("A", HeadError::NoColon),
    ("A(: b", HeadError::Name),
    ("\u{e4}: b", HeadError::Name),
    ("\"A\": b", HeadError::Name),
];

/// RFC 6455 section 10.4: the limit ends a head that does not; a head of just the limit is fine.
#[test]
fn rfc6455_10_4_limit() {
    let request = request();
    let response = good();
    let len = u16::try_from(response.len()).unwrap();
    let with_limit = |limit, response: &str| {
        let mut handshake = ClientHandshake::new(NONCE, limit);
        handshake.receive(&request, &mut CrateSha1, response.as_bytes(), &mut |_| {})
    };
    assert!(matches!(with_limit(len, &response), Ok((_, Some(_)))));
    assert_eq!(
        with_limit(len - 1, &response),
        Err(HeadError::TooLong.into())
    );
    assert_eq!(with_limit(0, &response), Err(HeadError::TooLong.into()));
    // As many headers as there is room for, and one line without an end.
    let many = with(&"A: b\r\n".repeat(10_000));
    assert!(matches!(with_limit(u16::MAX, &many), Ok((_, Some(_)))));
    let endless = "A".repeat(100_000);
    let response = with(&endless);
    assert_eq!(
        with_limit(u16::MAX, &response),
        Err(HeadError::TooLong.into())
    );
    let response = with(&format!("Upgrade: {endless}"));
    assert_eq!(
        with_limit(u16::MAX, &response),
        Err(HeadError::TooLong.into())
    );
}

/// RFC 6455 section 4.1: a subprotocol is compared in full however long it is.
#[test]
fn rfc6455_4_1_long_subprotocol() {
    let long = "x".repeat(300);
    let longer = format!("{long}x");
    let names = [&*longer, &*long];
    let request = Request {
        subprotocols: &names,
        ..request()
    };
    for (name, expected) in [(&longer, 0), (&long, 1)] {
        let response = with(&format!("Sec-WebSocket-Protocol: {name}\r\n"));
        let mut handshake = ClientHandshake::new(NONCE, 4096);
        let bytes = response.as_bytes();
        let result = handshake.receive(&request, &mut CrateSha1, bytes, &mut |_| {});
        assert_eq!(
            result,
            Ok((
                bytes.len(),
                Some(Upgraded {
                    subprotocol: Some(expected)
                })
            ))
        );
    }
}

proptest! {
    /// RFC 6455 section 4.1: nothing a server sends makes a client panic, whatever the pieces.
    #[test]
    fn rfc6455_4_1_arbitrary_bytes(
        start in prop::sample::select(std::vec!["", "HTTP/1.1 ", "HTTP/1.1 101 x\r\n", "HTTP/1.1 101 x\r\nSec-WebSocket-"]),
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
    ) {
        let request = request();
        let mut handshake = ClientHandshake::new(NONCE, 200);
        let start = std::vec![start.as_bytes().to_vec()];
        for piece in start.iter().chain(&pieces) {
            // After an error too.
            let _ = handshake.receive(&request, &mut CrateSha1, piece, &mut |_| {});
            prop_assert!(handshake.want() <= 4);
        }
    }

    /// The same from the bytes that matter.
    #[test]
    fn rfc6455_4_1_arbitrary_text(text in "(HTTP/1.1 [0-9]{3} ?\r\n)?([A-Ua-u-]{0,4}:?[ \t,a-z=]{0,6}\r?\n?){0,8}") {
        let bytes = text.as_bytes();
        let whole = feed(bytes, &[bytes.len()]);
        let each = feed(bytes, &std::vec![1; bytes.len()]);
        prop_assert_eq!(whole.0, each.0);
        prop_assert_eq!(whole.1, each.1);
    }
}
