//! What our own caller hands in may come from a peer too: nothing in it ends a line or adds a header.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used)]

use embedded_nal::{TcpClientStack, nb};
use ws_socket::handshake::{Headers, Host, Request, RequestError, ResponseError};
use ws_socket::{
    AcceptError, AcceptOptions, ConnectError, SocketError, StreamOptions, WebSocketId,
    WebSocketRequest,
};
use ws_tests::frames::request;
use ws_tests::script::ScriptStack;
use ws_tests::table::{Scripted, table};

/// What would end a line or add a header is refused by name, nothing is written, and the socket
/// that came with it is closed; `connect_to` and the socket face do not even dial.
#[test]
fn injection_through_our_own_arguments() {
    const BREAKS: [&str; 6] = [
        "\r\n",
        "\r",
        "\n",
        "\0",
        "\r\nX: y",
        "\r\n\r\nGET / HTTP/1.1\r\n",
    ];
    for text in BREAKS {
        for place in ["", "a", "/a", "/a?b="] {
            let bad: &str = &[place, text, "c"].concat();
            let headers = [("X-Fine", "fine"), (bad, "v")];
            let values = [("X-Fine", "fine"), ("X", bad)];
            let named = |headers: &mut Headers<'_>| headers.add(bad, "v");
            let valued = |headers: &mut Headers<'_>| headers.add("X", bad);
            let fine = Request::new(Host::Text("h"), "/");
            let offered = ["fine", bad];
            for (request, expected) in [
                (Request::new(Host::Text(bad), "/"), RequestError::Host),
                (Request::new(Host::Port(bad, 8080), "/"), RequestError::Host),
                (Request::new(Host::Text("h"), bad), RequestError::Target),
                (
                    Request {
                        origin: Some(bad),
                        ..fine
                    },
                    RequestError::Origin,
                ),
                (
                    Request {
                        subprotocols: &offered,
                        ..fine
                    },
                    RequestError::Subprotocol,
                ),
                (
                    Request {
                        headers: Some(&headers),
                        ..fine
                    },
                    RequestError::HeaderName,
                ),
                (
                    Request {
                        headers: Some(&values),
                        ..fine
                    },
                    RequestError::HeaderValue,
                ),
                (
                    Request {
                        headers: Some(&named),
                        ..fine
                    },
                    RequestError::HeaderName,
                ),
                (
                    Request {
                        headers: Some(&valued),
                        ..fine
                    },
                    RequestError::HeaderValue,
                ),
            ] {
                let expected = Err(ConnectError::Request(expected));
                let stack = ScriptStack::new();
                let socket = stack.connected();
                let remote = ([10, 0, 0, 1], 80).into();
                let options = StreamOptions {
                    request: Some(request),
                    ..StreamOptions::DEFAULT
                };
                let mut table = ws_tests::table::table::<1>(&stack, 256);
                let asked = || WebSocketRequest::from_handshake(request);
                assert_eq!(table.connect(socket, asked(), 50), expected);
                assert_eq!(stack.open(), 0);
                assert_eq!(table.connect_to(remote, asked(), 50), expected);
                assert_eq!(stack.opened(), 1, "not dialed");
                let mut table = table_with(&stack).with_stream_options(options);
                let mut ws = TcpClientStack::socket(&mut table).unwrap();
                let error = TcpClientStack::connect(&mut table, &mut ws, remote);
                let expected = expected
                    .map_err(SocketError::Connect)
                    .map_err(nb::Error::Other);
                assert_eq!(error, expected.map(|_: WebSocketId| ()));
                TcpClientStack::close(&mut table, ws).unwrap();
                assert_eq!((table.in_use(), stack.open()), (0, 0));
                assert_eq!(stack.calls().writes, 0, "nothing is written");
            }
        }
    }
}

/// A table of one slot, whose lifetime is the test's to choose.
fn table_with<'a>(
    stack: &ScriptStack,
) -> ws_socket::WebSockets<'a, ScriptStack, ws_tests::platform::HandPlatform, 1> {
    let platform = ws_tests::platform::HandPlatform::new(&ws_tests::table::clock(), 1);
    let table = ws_socket::WebSockets::new(stack.clone(), platform);
    table.with_buffers([ws_tests::table::lent(256)])
}

/// A server's arguments: the same.
#[test]
fn injection_through_a_servers_arguments() {
    for text in ["a\r\nX: y", "a\n", "a\r", "a\0", "\r\n\r\n"] {
        let names: [(&str, &str); 1] = [(text, "v")];
        let values: [(&str, &str); 1] = [("X", text)];
        let fine = AcceptOptions::default();
        for (options, expected) in [
            (
                AcceptOptions {
                    headers: &names,
                    ..fine
                },
                ResponseError::HeaderName,
            ),
            (
                AcceptOptions {
                    headers: &values,
                    ..fine
                },
                ResponseError::HeaderValue,
            ),
            (
                AcceptOptions {
                    subprotocols: &["fine", text],
                    ..fine
                },
                ResponseError::Subprotocol,
            ),
        ] {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, 256);
            let mut listener = stack.connected();
            let socket = stack.arrive();
            stack.line(socket, |line| line.feed(request("").as_bytes(), 99));
            let error = table.accept(&mut listener, &options, 20);
            assert_eq!(error, Err(AcceptError::Response(expected)));
            let calls = stack.calls();
            assert_eq!((calls.accepts, calls.writes), (0, 0));
        }
    }
}

/// A URL: refused as such, before its name is looked up or anything is dialed.
#[test]
fn injection_through_a_url() {
    for text in [
        "\r\n",
        "\r",
        "\n",
        "\0",
        " ",
        "\r\nX: y",
        " HTTP/1.1\r\nX: y",
    ] {
        for url in [
            format!("ws://h{text}/"),
            format!("ws://h:80{text}/"),
            format!("ws://h/{text}"),
            format!("ws://h/?{text}x"),
            format!("ws://{text}@h/"),
            format!("{text}ws://h/"),
            format!("ws{text}://h/"),
            format!("ws://[::1{text}]/"),
        ] {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, 256);
            let error = table.connect_url(&url, WebSocketRequest::for_url(), 50);
            let error = error.unwrap_err();
            let refused = matches!(error, ConnectError::Url(_) | ConnectError::Request(_));
            assert!(refused, "{url:?}: {error}");
            assert_eq!((table.in_use(), stack.opened()), (0, 0));
        }
    }
}
