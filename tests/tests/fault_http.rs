//! HTTP besides an upgrade by HTTP/1.1: other versions, whole URLs as targets, empty lines, Host. One
//! table of cases for all drivers, in both roles.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;

use embedded_nal::{TcpClientStack, nb};
use ws_socket::asynch;
use ws_socket::handshake::{ClientError, HeadError, HeadPart};
use ws_socket::{AcceptError, Config, ConnectError, WebSocketRequest};
use ws_tests::frames::{head, header, request, switching};
use ws_tests::hand::{Hand, run, settle};
use ws_tests::script::ScriptStack;
use ws_tests::site::{INDEX, NUMBERS, Site, answer, get, log, numbers};
use ws_tests::table::{Scripted, borrowed, table};
use ws_tests::wire::{Line, Script};

const LENT: [usize; 3] = [256, 300, 700];
const PIECES: [usize; 4] = [1, 3, 50, 100_000];

/// What a server says to bytes in pieces, and whether it has kept the connection.
type Serve = fn(bytes: &[u8], piece: usize, lent: usize) -> (Vec<u8>, bool);

const SERVERS: [(&str, Serve); 3] = [
    ("table", blocking_table),
    ("async", async_socket),
    ("async table", async_table),
];

fn blocking_table(bytes: &[u8], piece: usize, lent: usize) -> (Vec<u8>, bool) {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, lent);
    let mut listener = stack.connected();
    let socket = stack.arrive();
    let sent = Rc::new(RefCell::new(Vec::new()));
    stack.line(socket, |line| {
        line.copy = Some(sent.clone());
        line.feed(bytes, piece);
    });
    let result = table.accept(&mut listener, &mut Site::default(), 50);
    assert!(matches!(result, Ok(_) | Err(AcceptError::Timeout)));
    let bytes = sent.borrow().clone();
    (bytes, stack.is_open(socket))
}

fn async_socket(bytes: &[u8], piece: usize, lent: usize) -> (Vec<u8>, bool) {
    let script = Script::cut(piece, usize::MAX, 0);
    script.line(|line| line.feed(bytes));
    let mut buffer = vec![0; lent];
    let mut site = Site::default();
    let call = asynch::WebSocket::accept(
        script.wire(),
        &mut site,
        borrowed(&mut buffer),
        Hand::new(),
        Config::DEFAULT,
    );
    let kept = match settle(pin!(call)) {
        Some(result) => result.unwrap().is_some(),
        None => true,
    };
    (script.line(Line::sent), kept)
}

fn async_table(bytes: &[u8], piece: usize, lent: usize) -> (Vec<u8>, bool) {
    let script = Script::cut(piece, usize::MAX, 0);
    script.line(|line| line.feed(bytes));
    let mut buffer = vec![0; lent];
    let mut table =
        asynch::AsyncWebSockets::<_, _, 1>::new(Hand::new()).with_buffers([borrowed(&mut buffer)]);
    let mut site = Site::default();
    let kept = match settle(pin!(table.accept(script.wire(), &mut site))) {
        Some(result) => result.unwrap().is_some(),
        None => true,
    };
    (script.line(Line::sent), kept)
}

/// Calls with what each driver says to `bytes`, however they are cut.
fn served(bytes: &str, mut check: impl FnMut(&str, &[u8], bool)) {
    for (name, serve) in SERVERS {
        for lent in LENT {
            for piece in PIECES {
                let (sent, kept) = serve(bytes.as_bytes(), piece, lent);
                let what = format!("{name}, {lent} lent, pieces of {piece}: {bytes:?}");
                check(&what, &sent, kept);
            }
        }
    }
}

/// It is one answer of this status, and the connection is closed.
fn refused(bytes: &str, status: u16) {
    // A second request hidden after it is not looked at.
    served(&format!("{bytes}{}", get("/")), |what, sent, kept| {
        let (found, rest) = answer(sent, false).unwrap();
        assert_eq!(
            (found.status, rest.len(), kept),
            (status, 0, false),
            "{what}"
        );
        assert_eq!(header(&found.head, "Connection"), Some("close"), "{what}");
    });
}

/// It is a page of this body, and the connection is kept.
fn page(bytes: &str, body: &[u8]) {
    served(bytes, |what, sent, kept| {
        let (found, rest) = answer(sent, false).unwrap();
        assert_eq!((found.status, rest.len(), kept), (200, 0, true), "{what}");
        assert_eq!(found.body, body, "{what}");
    });
}

/// It is an upgrade.
fn upgraded(bytes: &str) {
    served(bytes, |what, sent, kept| {
        assert!(sent.starts_with(b"HTTP/1.1 101 "), "{what}");
        assert!(kept, "{what}");
    });
}

fn upgrade(target: &str) -> String {
    request("").replace("/chat", target)
}

/// RFC 9112 sections 6.3 and 9.3: a page for HTTP/1.0 is never chunked, and the connection ends
/// after it, whatever the client asks for; Host may be missing.
#[test]
fn rfc9112_9_3_pages_for_http_1_0() {
    for more in [
        "",
        "Host: site\r\n",
        "Host: site\r\nConnection: close\r\n",
        "Connection: keep-alive\r\n",
        "User-Agent: curl/8\r\nAccept: */*\r\n",
    ] {
        for (target, body, length) in [
            ("/", INDEX.to_vec(), Some(INDEX.len())),
            ("/numbers", numbers(), Some(NUMBERS)),
            ("/log", log(), None),
        ] {
            for method in ["GET", "HEAD"] {
                let asked = format!("{method} {target} HTTP/1.0\r\n{more}\r\n");
                served(&format!("{asked}{}", get("/")), |what, sent, kept| {
                    let (head, rest) = head(sent).unwrap();
                    assert!(head.starts_with("HTTP/1.1 200 "), "{what}");
                    assert_eq!(header(head, "Connection"), Some("close"), "{what}");
                    assert_eq!(header(head, "Transfer-Encoding"), None, "{what}");
                    let length = length.map(|length| length.to_string());
                    assert_eq!(header(head, "Content-Length"), length.as_deref(), "{what}");
                    let expected = if method == "HEAD" { &[][..] } else { &body };
                    assert!(rest == expected, "{what}");
                    assert!(!kept, "{what}");
                });
            }
        }
    }
    refused("POST / HTTP/1.0\r\n\r\n", 405);
    refused("GET / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", 400);
    refused("GET /ws HTTP/1.0\r\n\r\n", 426);
}

/// RFC 6455 section 4.2.1, item 1; RFC 9110 section 15.6.6: which versions do.
#[test]
fn rfc6455_4_2_1_versions() {
    for target in ["/ws", "/", "/elsewhere"] {
        let old = upgrade(target).replace("HTTP/1.1", "HTTP/1.0");
        refused(&old, 426);
        refused(&old.replace("Host: server.example.com\r\n", ""), 426);
    }
    for minor in ["1.2", "1.9"] {
        page(&get("/").replace("1.1", minor), INDEX);
        upgraded(&upgrade("/ws").replace("HTTP/1.1", &format!("HTTP/{minor}")));
    }
    for other in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/2"] {
        refused(&get("/").replace("HTTP/1.1", other), 505);
        refused(&upgrade("/ws").replace("HTTP/1.1", other), 505);
    }
    for garbage in ["HTTP/1.11", "HTTP/1", "http/1.1", "HTTP/1.x", "RTSP/1.0"] {
        refused(&get("/").replace("HTTP/1.1", garbage), 400);
    }
}

/// RFC 9112 section 3.2.2: a whole URL is a target like any other.
#[test]
fn rfc9112_3_2_2_whole_urls() {
    for scheme in ["http", "https", "ws", "wss", "HTTP"] {
        page(&get(&format!("{scheme}://other:80/?q")), INDEX);
        upgraded(&upgrade(&format!("{scheme}://[::1]/ws")));
    }
    // The handler sees path and query.
    page(&get("http://other/echo?x=http://a/"), b"/echo?x=http://a/");
    page(&get("http://other"), INDEX);
    for target in [
        "http://user@other/",
        "http:///",
        "http://a b/",
        "http://a\\b/",
        "http://[::1/",
        "http://other:a/",
        "ftp:/other/",
        "other/",
    ] {
        refused(&get(target), 400);
        refused(&upgrade(target), 400);
    }
}

/// RFC 9112 sections 2.2 and 3.2: an empty line in front, in front of the next request too; a
/// fragment; what Host is not.
#[test]
fn rfc9112_request_lines_and_host() {
    page(&format!("\r\n{}", get("/")), INDEX);
    upgraded(&format!("\r\n{}", upgrade("/ws")));
    served(
        &format!("{0}\r\n{0}\r\n{1}", get("/"), upgrade("/ws")),
        |what, sent, kept| {
            let (first, rest) = answer(sent, false).unwrap();
            let (second, rest) = answer(rest, false).unwrap();
            assert_eq!([first.status, second.status], [200; 2], "{what}");
            assert!(rest.starts_with(b"HTTP/1.1 101 ") && kept, "{what}");
        },
    );
    for front in ["\r\n\r\n", "\n", "\r", "\r\n\n"] {
        refused(&format!("{front}{}", get("/")), 400);
    }
    refused(&get("/#fragment"), 400);
    refused(&upgrade("/ws#"), 400);
    for host in ["a b/\\", "a/", "u@h", "h:x", "[::1", "\u{fc}", "a\"", ":80"] {
        refused(&get("/").replace("site", host), 400);
        refused(&upgrade("/ws").replace("server.example.com", host), 400);
    }
    for host in ["", "[::1]:80", "192.0.2.1", "a_b.local:8080"] {
        page(&get("/").replace("site", host), INDEX);
    }
}

/// RFC 9112 section 2.2: a line ends in CR LF, nothing else, to whoever reads it.
#[test]
fn rfc9112_2_2_lines_end_in_cr_lf() {
    for bytes in [get("/"), upgrade("/ws")] {
        let crs = bytes.match_indices('\r').map(|(at, _)| at);
        for at in crs {
            let mut without = bytes.clone();
            without.remove(at);
            refused(&without, 400);
            let mut alone = bytes.clone();
            alone.remove(at + 1);
            refused(&alone, 400);
        }
        refused(&bytes.replace("\r\n", "\n"), 400);
    }
}

/// RFC 9110 section 15.5.6: HEAD is allowed where GET is, and OPTIONS.
#[test]
fn rfc9110_15_5_6_allow_names_head() {
    let requests =
        ["POST", "PUT", "DELETE", "options"].map(|method| get("/").replace("GET", method));
    let with_upgrade = ["POST", "OPTIONS"].map(|method| upgrade("/ws").replace("GET", method));
    for request in requests.iter().chain(&with_upgrade) {
        served(request, |what, sent, kept| {
            let (found, rest) = answer(sent, false).unwrap();
            assert_eq!((found.status, rest.len(), kept), (405, 0, false), "{what}");
            let allow = header(&found.head, "Allow");
            assert_eq!(allow, Some("GET, HEAD, OPTIONS"), "{what}");
        });
    }
}

/// RFC 9110 section 9.3.7: health checks ask by OPTIONS, HAProxy's by the first of these.
#[test]
fn rfc9110_9_3_7_options_is_answered() {
    for request in [
        "OPTIONS / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: site\r\n\r\n",
        "OPTIONS /ws HTTP/1.1\r\nHost: site\r\nConnection: keep-alive\r\n\r\n",
        "\r\nOPTIONS http://site/elsewhere HTTP/1.2\r\nHost: site\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: site\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        refused(request, 200);
        served(request, |what, sent, _| {
            let (head, rest) = head(sent).unwrap();
            assert!(rest.is_empty(), "{what}");
            assert_eq!(header(head, "Content-Length"), Some("0"), "{what}");
            let allow = header(head, "Allow");
            assert_eq!(allow, Some("GET, HEAD, OPTIONS"), "{what}");
        });
    }
    refused("OPTIONS / HTTP/1.1\r\n\r\n", 400);
    refused("OPTIONS / HTTP/2.0\r\nHost: site\r\n\r\n", 505);
}

/// What a handshake comes to, and what was seen of the answer; `None` where a driver does not show
/// it.
type Outcome = (Result<(), ClientError>, Option<String>);

/// What a server says to a request.
type Answer = fn(request: &str) -> String;

/// What a client comes to with an answer in pieces.
type Connect = fn(answer: Answer, piece: usize, lent: usize) -> Outcome;

const CLIENTS: [(&str, Connect); 4] = [
    ("table", blocking_client),
    ("socket", socket_client),
    ("async", async_client),
    ("async table", async_table_client),
];

/// Writes down what streams by.
fn note(text: &mut String, part: HeadPart<'_>) {
    match part {
        HeadPart::Status(status) => *text += &format!("{status}|"),
        HeadPart::Name(piece) | HeadPart::Value(piece) => {
            *text += std::str::from_utf8(piece).unwrap();
        }
        HeadPart::HeaderEnd => text.push('|'),
        _ => panic!("no part of an answer"),
    }
}

fn of<T, E: core::fmt::Debug>(result: Result<T, ConnectError<E>>) -> Result<(), ClientError> {
    match result {
        Ok(_) => Ok(()),
        Err(ConnectError::Handshake(error)) => Err(error),
        Err(error) => panic!("{error:?}"),
    }
}

fn answering(stack: &ScriptStack, answer: Answer, piece: usize) {
    stack.answer(move |line| {
        if let Some((request, _)) = head(&line.outgoing) {
            let answer = answer(request);
            line.sent();
            line.feed(answer.as_bytes(), piece);
        }
    });
}

fn blocking_client(answer: Answer, piece: usize, lent: usize) -> Outcome {
    let stack = ScriptStack::new();
    let socket = stack.connected();
    answering(&stack, answer, piece);
    let mut table: Scripted<1> = table(&stack, lent);
    let mut text = String::new();
    let mut see = |part: HeadPart<'_>| note(&mut text, part);
    let asked = WebSocketRequest::new("h", "/").on_response(&mut see);
    let result = of(table.connect(socket, asked, 5_000));
    if result.is_err() {
        assert_eq!((table.in_use(), stack.open()), (0, 0));
    }
    (result, Some(text))
}

fn socket_client(answer: Answer, piece: usize, lent: usize) -> Outcome {
    let stack = ScriptStack::new();
    answering(&stack, answer, piece);
    let mut table: Scripted<1> = table(&stack, lent);
    let mut socket = TcpClientStack::socket(&mut table).unwrap();
    let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    let result = loop {
        match TcpClientStack::connect(&mut table, &mut socket, remote) {
            Ok(()) => break Ok(()),
            Err(nb::Error::WouldBlock) => {}
            Err(nb::Error::Other(error)) => match error {
                ws_socket::SocketError::Connect(error) => break of::<(), _>(Err(error)),
                error => panic!("{error:?}"),
            },
        }
        ws_tests::platform::Polled::poll_at(table.stack(), 0);
    };
    (result, None)
}

fn async_script(answer: Answer, piece: usize) -> Script {
    let script = Script::cut(piece, usize::MAX, 0);
    script.answer(move |line| {
        if let Some((request, _)) = head(&line.out) {
            let answer = answer(request);
            line.sent();
            line.feed(answer.as_bytes());
        }
    });
    script
}

fn async_client(answer: Answer, piece: usize, lent: usize) -> Outcome {
    let script = async_script(answer, piece);
    let (mut buffer, mut text) = (vec![0; lent], String::new());
    let result = of(run(asynch::WebSocket::connect_with(
        script.wire(),
        &asynch::AsyncRequest::new("h", "/"),
        borrowed(&mut buffer),
        Hand::new(),
        Config::DEFAULT,
        5_000,
        |part| note(&mut text, part),
    )));
    (result, Some(text))
}

fn async_table_client(answer: Answer, piece: usize, lent: usize) -> Outcome {
    let script = async_script(answer, piece);
    let mut buffer = vec![0; lent];
    let mut table =
        asynch::AsyncWebSockets::<_, _, 1>::new(Hand::new()).with_buffers([borrowed(&mut buffer)]);
    let asked = asynch::AsyncRequest::new("h", "/");
    let mut text = String::new();
    let result = of(run(table.connect_with(
        script.wire(),
        &asked,
        5_000,
        |part| {
            note(&mut text, part);
        },
    )));
    assert_eq!(table.in_use(), usize::from(result.is_ok()));
    (result, Some(text))
}

/// RFC 9110 section 2.5: a refusal by HTTP/1.0 has its status and headers. A 101 by HTTP/1.0 is
/// none, and what is not HTTP/1.x is malformed.
#[test]
fn rfc9110_2_5_refusals_by_http_1_0() {
    let refused = |status| Err(ClientError::Refused { status });
    let malformed = Err(ClientError::Head(HeadError::Version));
    let cases: [(Answer, _, &str); 13] = [
        (
            |_| {
                "HTTP/1.0 401 UNAUTHORIZED\r\nServer: Werkzeug/3\r\n\
                 WWW-Authenticate: Basic realm=\"x\"\r\n\r\nbody"
                    .into()
            },
            refused(401),
            "401|ServerWerkzeug/3|WWW-AuthenticateBasic realm=\"x\"|",
        ),
        (
            |_| "HTTP/1.0 404 File not found\r\nConnection: close\r\n\r\n".into(),
            refused(404),
            "404|Connectionclose|",
        ),
        (
            |_| "HTTP/1.0 302\r\nLocation: ws://b/\r\n\r\n".into(),
            refused(302),
            "302|Locationws://b/|",
        ),
        (|_| "HTTP/1.0 503 \r\n\r\n".into(), refused(503), "503|"),
        (|_| "HTTP/1.3 400 x\r\n\r\n".into(), refused(400), "400|"),
        (
            |_| "HTTP/1.0 100 Continue\r\n\r\nHTTP/1.0 403 no\r\n\r\n".into(),
            refused(403),
            "100|403|",
        ),
        (
            |request| switching(request, "").replace("HTTP/1.1", "HTTP/1.2"),
            Ok(()),
            "101|",
        ),
        (
            |request| format!("HTTP/1.0 100 x\r\n\r\n{}", switching(request, "")),
            Ok(()),
            "100|101|",
        ),
        (
            |request| switching(request, "").replace("HTTP/1.1", "HTTP/1.0"),
            malformed,
            "101|",
        ),
        (|_| "HTTP/2 404 x\r\n\r\n".into(), malformed, ""),
        (|_| "HTTP/2.0 404 x\r\n\r\n".into(), malformed, ""),
        (|_| "HTTP/1.00 404 x\r\n\r\n".into(), malformed, ""),
        (|_| "ICY 404 x\r\n\r\n".into(), malformed, ""),
    ];
    for (answer, expected, text) in cases {
        for (name, connect) in CLIENTS {
            for lent in LENT {
                for piece in PIECES {
                    let (result, seen) = connect(answer, piece, lent);
                    let what = format!("{name}, {lent} lent, pieces of {piece}: {text:?}");
                    assert_eq!(result, expected, "{what}");
                    if let Some(seen) = seen {
                        assert!(seen.starts_with(text), "{what} {seen}");
                    }
                }
            }
        }
    }
}

/// RFC 9112 section 2.2: nor does a client take another end of a line.
#[test]
fn rfc9112_2_2_lines_of_answers_end_in_cr_lf() {
    let cases: [(Answer, _); 4] = [
        (
            |request| switching(request, "").replace("\r\n", "\n"),
            HeadError::BareLf,
        ),
        (
            |request| switching(request, "X: y\nZ: z\r\n"),
            HeadError::BareLf,
        ),
        (
            |_| "HTTP/1.0 401 x\nLocation: a\n\n".into(),
            HeadError::BareLf,
        ),
        (
            |_| "HTTP/1.0 401 x\rLocation: a\r\r".into(),
            HeadError::BareCr,
        ),
    ];
    for (answer, expected) in cases {
        for (name, connect) in CLIENTS {
            for lent in LENT {
                let (result, _) = connect(answer, 9, lent);
                assert_eq!(result, Err(ClientError::Head(expected)), "{name}");
            }
        }
    }
}
