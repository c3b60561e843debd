//! A server with pages and WebSockets on one port, over the scripted stack: every cut, every
//! window, every way to waste its time.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

use proptest::prelude::*;
use ws_socket::{AcceptError, AcceptOptions, Accepting, Config, Events, Opcode, PollItem, Polled};
use ws_tests::frames::{ACCEPT, frame, header, request};
use ws_tests::script::{Incoming, Line, ScriptStack};
use ws_tests::site::{INDEX, NUMBERS, Site, answer, answers, get, log, numbers};
use ws_tests::table::{Scripted, table, with_config};

const LENT: [usize; 3] = [256, 300, 700];

fn upgrade(target: &str, more: &str) -> String {
    request(more).replace("/chat", target)
}

/// Lets the server run, nobody being upgraded.
fn run<const N: usize>(table: &mut Scripted<N>, listener: &mut u8, site: &mut Site, ms: i32) {
    let error = table.accept(listener, site, ms).unwrap_err();
    assert_eq!(error, AcceptError::Timeout);
}

/// What one connection gets for `bytes`, in pieces of `piece`, with lent buffers of `lent`.
fn exchange(bytes: &[u8], piece: usize, lent: usize) -> (Vec<u8>, bool) {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, lent);
    let mut listener = stack.connected();
    let socket = stack.arrive();
    let sent = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    stack.line(socket, |line| line.feed(bytes, piece));
    let log = sent.clone();
    // What is sent before the connection closes is seen at the next accept at the latest.
    stack.line(socket, |line| line.copy = Some(log));
    run(&mut table, &mut listener, &mut Site::default(), 20);
    let bytes = sent.borrow().clone();
    (bytes, stack.is_open(socket))
}

/// Pages by slice, callback and chunks; HEAD; keep-alive; whatever the cuts and the buffers.
#[test]
fn rfc9110_pages() {
    for lent in LENT {
        for piece in [1, 2, 7, 4096] {
            for (target, status, body) in [
                ("/", 200, INDEX.to_vec()),
                ("/?query", 200, INDEX.to_vec()),
                ("/numbers", 200, numbers()),
                ("/log", 200, log()),
                ("/none", 204, Vec::new()),
                ("/elsewhere", 404, INDEX.to_vec()),
                ("/echo?x=1", 200, b"/echo?x=1".to_vec()),
            ] {
                let (bytes, open) = exchange(get(target).as_bytes(), piece, lent);
                let found = answers(&bytes);
                assert_eq!(found.len(), 1);
                assert_eq!(
                    (found[0].status, &found[0].body),
                    (status, &body),
                    "{target}"
                );
                assert!(open, "kept for the next request");
                assert_eq!(header(&found[0].head, "Content-Type"), Some("text/plain"));

                let head = get(target).replace("GET", "HEAD");
                let (head, open) = exchange(head.as_bytes(), piece, lent);
                let (without, rest) = answer(&head, true).unwrap();
                assert_eq!((&without.head, rest), (&found[0].head, &b""[..]));
                assert!(open);
            }
        }
    }
}

/// RFC 9112 section 9.3.2: requests behind one another, in one segment or cut anywhere, are
/// answered in order; the one that says close is the last, and an upgrade may follow pages.
#[test]
fn rfc9112_9_3_2_pipelining() {
    let close = get("/echo?last").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let five = [get("/"), get("/log"), get("/numbers"), close, get("/")].concat();
    for lent in LENT {
        for piece in [1, 3, 64, 4096] {
            let (bytes, open) = exchange(five.as_bytes(), piece, lent);
            let found = answers(&bytes);
            let bodies: Vec<_> = found.iter().map(|found| found.body.clone()).collect();
            let expected = [INDEX.to_vec(), log(), numbers(), b"/echo?last".to_vec()];
            assert_eq!(bodies, expected, "{lent} {piece}");
            assert_eq!(header(&found[3].head, "Connection"), Some("close"));
            assert!(!open);
        }
    }
    let (bytes, open) = exchange([get("/last"), get("/")].concat().as_bytes(), 4096, 700);
    assert_eq!((answers(&bytes).len(), open), (1, false));
}

/// Pages, then an upgrade on the same connection, with frames in the same segment.
#[test]
fn an_upgrade_behind_pages() {
    let frames = [
        frame(true, 1, true, b"first"),
        frame(true, 2, true, b"second"),
    ]
    .concat();
    let upgrade = upgrade("/ws?x", "Sec-WebSocket-Protocol: x, mqtt, chat\r\n");
    let bytes = [get("/").as_bytes(), upgrade.as_bytes(), &frames].concat();
    for lent in LENT {
        for piece in 1..=bytes.len() {
            let stack = ScriptStack::new();
            let mut table: Scripted<1> = table(&stack, lent);
            let mut listener = stack.connected();
            let socket = stack.arrive();
            stack.line(socket, |line| line.feed(&bytes, piece));
            let mut site = Site::default();
            let ws = table.accept(&mut listener, &mut site, 50).unwrap();
            assert_eq!(table.subprotocol(ws), Ok(Some(1)));
            assert_eq!((site.began, site.ended), (2, 1), "the page's request ended");
            let sent = stack.line(socket, Line::sent);
            let (page, rest) = answer(&sent, false).unwrap();
            assert_eq!(page.body, INDEX);
            let (switching, rest) = answer(rest, true).unwrap();
            assert_eq!((switching.status, rest.len()), (101, 0));
            let head = &switching.head;
            assert_eq!(header(head, "Sec-WebSocket-Accept"), Some(ACCEPT));
            assert_eq!(header(head, "Sec-WebSocket-Protocol"), Some("mqtt"));
            assert_eq!(header(head, "X-Site"), Some("yes"));
            let mut buffer = [0; 20];
            for expected in ["first", "second"] {
                let mut all = Vec::<u8>::new();
                while all.len() < expected.len() {
                    let piece = table.recv_msg(ws, &mut buffer, 20).unwrap();
                    all.extend(&buffer[..piece.length]);
                }
                assert_eq!(all, expected.as_bytes());
            }
        }
    }
}

/// An answer through a window that opens byte by byte: nothing lost, nothing twice.
#[test]
fn an_answer_through_a_narrow_window() {
    for (target, body) in [
        ("/", INDEX.to_vec()),
        ("/log", log()),
        ("/numbers", numbers()),
    ] {
        for step in [1, 2, 5, 100] {
            let stack = ScriptStack::new();
            let config = Config {
                answer_timeout: 100_000,
                ..Config::DEFAULT
            };
            let mut table: Scripted<1> = with_config(&stack, 256, config);
            let mut listener = stack.connected();
            let socket = stack.arrive();
            stack.line(socket, |line| {
                line.window = 0;
                line.feed(get(target).as_bytes(), 9);
            });
            let mut site = Site::default();
            stack.answer(move |line| {
                if line.window < step {
                    line.window += step;
                }
            });
            run(&mut table, &mut listener, &mut site, 5000);
            let sent = stack.line(socket, Line::sent);
            assert_eq!(answers(&sent)[0].body, body, "{target} {step}");
        }
    }
}

/// What is wrong with a request, the status that says so, and the end of the connection.
#[test]
fn refusals() {
    let with = |more: &str| get("/").replace("\r\n\r\n", &format!("\r\n{more}\r\n\r\n"));
    for (bytes, status) in [
        (get("/").replace("GET", "POST"), 405),
        (get("/").replace("GET", "PATCH"), 405),
        (upgrade("/ws", "").replace("HTTP/1.1", "HTTP/1.0"), 426),
        (get("/").replace("1.1", "2.0"), 505),
        (get("/").replace("Host: site\r\n", ""), 400),
        (with("Host: other"), 400),
        (with("Content-Length: 40"), 400),
        (with("Transfer-Encoding: chunked"), 400),
        (with(" folded"), 400),
        (with("A: \0"), 400),
        (with(&"A: b\r\n".repeat(2000)), 431),
        (with(&"a".repeat(9000)), 431),
        (upgrade("/ws", "").replace("13", "8"), 426),
        (upgrade("/ws", "").replace("Key: ", "Key: x"), 400),
        (get("/ws"), 426),
        (get("/inject"), 500),
        (upgrade("/inject", ""), 500),
        (upgrade("/refused", ""), 401),
    ] {
        // A second request hidden behind it is not looked at.
        let bytes = [bytes, get("/")].concat();
        for (lent, piece) in [(256, 1), (256, 4096), (700, 13), (700, 20_000)] {
            let (sent, open) = exchange(bytes.as_bytes(), piece, lent);
            let found = answers(&sent);
            assert_eq!((found.len(), found[0].status, open), (1, status, false));
            assert_eq!(header(&found[0].head, "Connection"), Some("close"));
            assert!(!found[0].head.contains("Set-Cookie"));
            match status {
                426 => assert_eq!(header(&found[0].head, "Sec-WebSocket-Version"), Some("13")),
                405 => assert_eq!(header(&found[0].head, "Allow"), Some("GET, HEAD, OPTIONS")),
                401 => assert_eq!(header(&found[0].head, "WWW-Authenticate"), Some("Basic")),
                _ => {}
            }
        }
    }
    // A body that ends too early cannot be passed off as whole.
    let (sent, open) = exchange([get("/short"), get("/")].concat().as_bytes(), 99, 700);
    assert!(sent.ends_with(b"not fifty bytes") && !open);
}

/// The ready-made handler: a line for Host, a line for Origin.
#[test]
fn accept_options_check_host_and_origin() {
    let options = AcceptOptions {
        hosts: &["Server.Example.com"],
        origins: &["http://example.com"],
        ..AcceptOptions::default()
    };
    for (bytes, status) in [
        (request(""), 101),
        (request("Origin: http://EXAMPLE.com\r\n"), 101),
        (request("Origin: http://example.com.evil\r\n"), 403),
        (request("Origin: null\r\n"), 403),
        (request("").replace("server.example", "evil"), 421),
        (get("/"), 421),
        (get("/").replace("site", "server.example.com"), 426),
        (
            get("/")
                .replace("site", "server.example.com")
                .replace("GET", "HEAD"),
            426,
        ),
    ] {
        let stack = ScriptStack::new();
        let mut table: Scripted<1> = table(&stack, 256);
        let mut listener = stack.connected();
        let socket = stack.arrive();
        let sent = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        stack.line(socket, |line| {
            line.feed(bytes.as_bytes(), 11);
            line.copy = Some(sent.clone());
        });
        let accepted = table.accept(&mut listener, &options, 9);
        assert_eq!(accepted.is_ok(), status == 101, "{bytes}");
        assert_eq!(answer(&sent.borrow(), true).unwrap().0.status, status);
    }
}

/// A full table: 503 at once, and what is established goes on.
#[test]
fn a_full_table_refuses() {
    let stack = ScriptStack::new();
    let mut table: Scripted<2> = table(&stack, 256);
    let mut listener = stack.connected();
    let (first, silent) = (stack.arrive(), stack.arrive());
    stack.line(first, |line| line.feed(upgrade("/ws", "").as_bytes(), 99));
    let mut site = Site::default();
    let ws = table.accept(&mut listener, &mut site, 5).unwrap();
    let mut refused = Vec::new();
    for _ in 0..30 {
        let sent = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let socket = stack.arrive();
        stack.line(socket, |line| {
            line.feed(upgrade("/ws", "").as_bytes(), 99);
            line.copy = Some(sent.clone());
        });
        refused.push((socket, sent));
    }
    run(&mut table, &mut listener, &mut site, 5);
    for (socket, sent) in refused {
        assert!(!stack.is_open(socket));
        assert_eq!(answers(&sent.borrow())[0].status, 503);
    }
    assert!(table.is_open(ws) && stack.is_open(silent));
    assert_eq!(table.send_msg(ws, b"x", Opcode::Text, true, 5), Ok(1));
}

/// A connection that is only kept for another page makes room, one with half a request does not.
#[test]
fn a_kept_connection_makes_room() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let mut listener = stack.connected();
    let page = stack.arrive();
    stack.line(page, |line| line.feed(get("/").as_bytes(), 99));
    let mut site = Site::default();
    run(&mut table, &mut listener, &mut site, 5);
    assert!(stack.is_open(page));
    let next = stack.arrive();
    stack.line(next, |line| {
        line.feed(&upgrade("/ws", "").as_bytes()[..20], 99)
    });
    run(&mut table, &mut listener, &mut site, 5);
    assert!(!stack.is_open(page) && stack.is_open(next));
    let late = stack.arrive();
    run(&mut table, &mut listener, &mut site, 5);
    assert!(!stack.is_open(late) && stack.is_open(next));
    stack.line(next, |line| {
        line.feed(&upgrade("/ws", "").as_bytes()[20..], 99)
    });
    assert!(table.accept(&mut listener, &mut site, 5).is_ok());
    assert_eq!((site.began, site.ended), (3, 2));
}

/// Each way to be slow has its end, the others go on meanwhile, and each slot is free again.
#[test]
fn slow_peers_end_in_their_time() {
    let stack = ScriptStack::new();
    let config = Config {
        handshake_timeout: 50,
        answer_timeout: 80,
        ..Config::DEFAULT
    };
    let mut table: Scripted<8> = with_config(&stack, 256, config);
    let mut listener = stack.connected();
    let mut site = Site::default();
    // Nothing at all; a byte at a time; half a request; an answer not read; kept and idle.
    let sockets: Vec<_> = (0..5).map(|_| stack.arrive()).collect();
    let dripping = sockets[1];
    stack.line(sockets[2], |line| line.feed(b"GET / HTTP/1.1\r\nHo", 99));
    stack.line(sockets[3], |line| {
        line.window = 30;
        line.feed(get("/numbers").as_bytes(), 99);
    });
    stack.line(sockets[4], |line| line.feed(get("/").as_bytes(), 99));
    let halved = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    stack.line(sockets[2], |line| line.copy = Some(halved.clone()));
    for round in 0..100 {
        if stack.is_open(dripping) {
            stack.line(dripping, |line| line.feed(b"G", 1));
        }
        // Every tenth millisecond somebody comes who is not slow.
        if round % 10 == 0 {
            let socket = stack.arrive();
            stack.line(socket, |line| line.feed(upgrade("/ws", "").as_bytes(), 50));
            let ws = table.accept(&mut listener, &mut site, 1).unwrap();
            table.abort(ws).unwrap();
        } else {
            run(&mut table, &mut listener, &mut site, 1);
        }
        let now = table.platform().clock.get();
        let open: Vec<_> = sockets
            .iter()
            .map(|socket| stack.is_open(*socket))
            .collect();
        let reading = now < 50;
        let answering = now < 80;
        if !(48..54).contains(&now) && !(78..84).contains(&now) {
            assert_eq!(
                open,
                [reading, reading, reading, answering, reading],
                "{now}"
            );
        }
    }
    assert_eq!(answers(&halved.borrow())[0].status, 408);
    assert_eq!(table.in_use(), 0);
    assert_eq!(stack.open(), 1, "the listener");
}

/// A platform that sleeps is woken when a request's time is up, whatever the call's own timeout.
#[test]
fn waits_end_with_the_next_deadline() {
    let stack = ScriptStack::new();
    let mut table: Scripted<2> = table(&stack, 256);
    let mut listener = stack.connected();
    let mut site = Site::default();
    assert_eq!(
        table.take_in(&mut listener, &mut site),
        Err(embedded_nal::nb::Error::WouldBlock)
    );
    let socket = stack.arrive();
    let ws = table.take_in(&mut listener, &mut site).unwrap().unwrap();
    assert!(table.is_accepting(ws));
    assert_eq!(table.advance(ws, &mut site), Accepting::Pending(10_000));
    let clock = table.platform().clock.clone();
    clock.set(clock.get() + 9_000);
    assert_eq!(table.advance(ws, &mut site), Accepting::Pending(1_000));
    stack.line(socket, |line| line.feed(upgrade("/ws", "").as_bytes(), 99));
    assert_eq!(table.advance(ws, &mut site), Accepting::Open);
    assert_eq!(table.advance(ws, &mut site), Accepting::Open);
    assert!(!table.is_accepting(ws));
    stack.arrive();
    let other = table.take_in(&mut listener, &mut site).unwrap().unwrap();
    clock.set(clock.get() + 10_000);
    assert_eq!(table.advance(other, &mut site), Accepting::Closed);
    assert_eq!(table.advance(other, &mut site), Accepting::Closed);
    // A client's socket is none that was accepted, and is left alone.
    let dialing = embedded_nal::TcpClientStack::socket(&mut table).unwrap();
    assert_eq!(table.advance(dialing, &mut site), Accepting::Closed);
    assert_eq!(table.in_use(), 2);
    stack.arrive();
    assert_eq!(table.take_in(&mut listener, &mut site), Ok(None));
}

/// One loop for new connections and for messages.
#[test]
fn poll_accept_finds_both() {
    let stack = ScriptStack::new();
    let mut table: Scripted<4> = table(&stack, 256);
    let mut listener = stack.connected();
    let mut site = Site::default();
    let nothing = table.poll_accept(&mut listener, &mut site, &mut [], 5);
    assert_eq!(nothing, Ok(Polled::default()));
    let socket = stack.arrive();
    stack.line(socket, |line| line.feed(upgrade("/ws", "").as_bytes(), 9));
    let found = table
        .poll_accept(&mut listener, &mut site, &mut [], 5)
        .unwrap();
    let ws = found.accepted.unwrap();
    let mut items = [PollItem::new(ws, Events::IN)];
    let nothing = table.poll_accept(&mut listener, &mut site, &mut items, 5);
    assert_eq!(nothing, Ok(Polled::default()));
    // A page is served while messages are waited for.
    let page = stack.arrive();
    stack.line(page, |line| line.feed(get("/log").as_bytes(), 9));
    stack.line(socket, |line| {
        line.incoming.extend([Incoming::Nothing, Incoming::Nothing]);
        line.feed(&frame(true, 1, true, b"x"), 99);
    });
    let found = table.poll_accept(&mut listener, &mut site, &mut items, 50);
    assert_eq!(found.unwrap().ready, 1);
    assert!(items[0].revents.contains(Events::IN));
    assert_eq!(answers(&stack.line(page, Line::sent))[0].body, log());
    stack.line(listener, |line| line.reset = true);
    let error = table.poll_accept(&mut listener, &mut site, &mut items, 50);
    assert!(matches!(error, Err(AcceptError::Stack(_))));
}

/// Requests that come a byte at a time, all at once: each is seen as its own.
#[test]
fn interleaved_requests() {
    let stack = ScriptStack::new();
    let mut table: Scripted<16> = table(&stack, 256);
    let mut listener = stack.connected();
    let mut site = Site::default();
    let sockets: Vec<_> = (0..16).map(|_| stack.arrive()).collect();
    let texts: Vec<_> = (0..16)
        .map(|n| get(&format!("/echo?{}", "x".repeat(n))))
        .collect();
    let longest = texts.iter().map(String::len).max().unwrap();
    for at in 0..longest {
        for (socket, text) in sockets.iter().zip(&texts) {
            if let Some(byte) = text.as_bytes().get(at) {
                stack.line(*socket, |line| line.feed(&[*byte], 1));
            }
        }
        run(&mut table, &mut listener, &mut site, 1);
    }
    for (n, socket) in sockets.iter().enumerate() {
        let found = answers(&stack.line(*socket, Line::sent));
        assert_eq!(found[0].body, format!("/echo?{}", "x".repeat(n)).as_bytes());
    }
    assert_eq!(site.headers[&3], b"");
    assert_eq!((site.began, site.ended), (32, 16));
}

/// A page whose end is never read does not keep its slot, and what was sent is its beginning.
#[test]
fn a_page_cut_off() {
    for window in (0..NUMBERS).step_by(97) {
        let stack = ScriptStack::new();
        let config = Config {
            answer_timeout: 20,
            ..Config::DEFAULT
        };
        let mut table: Scripted<1> = with_config(&stack, 256, config);
        let mut listener = stack.connected();
        let socket = stack.arrive();
        let sent = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        stack.line(socket, |line| {
            line.window = window;
            line.copy = Some(sent.clone());
            line.feed(get("/numbers").as_bytes(), 99);
        });
        let mut site = Site::default();
        run(&mut table, &mut listener, &mut site, 30);
        assert_eq!((table.in_use(), stack.is_open(socket)), (0, false));
        assert_eq!(sent.borrow().len(), window);
        assert_eq!((site.began, site.ended), (1, 1));
    }
}

/// Ten thousand connections that never finish their requests: an echo that is established goes on,
/// in no more time, and each of the others is told 503 or ends when its time is up.
#[test]
fn a_flood_of_half_open_handshakes() {
    let stack = ScriptStack::new();
    let mut table: Scripted<8> = table(&stack, 256);
    let mut listener = stack.connected();
    let mut site = Site::default();
    let socket = stack.arrive();
    stack.line(socket, |line| line.feed(upgrade("/ws", "").as_bytes(), 99));
    let ws = table.accept(&mut listener, &mut site, 5).unwrap();
    let mut items = [PollItem::new(ws, Events::IN)];
    let begin = table.platform().clock.get();
    for round in 0..1250 {
        for _ in 0..8 {
            let half = stack.arrive();
            stack.line(half, |line| line.feed(b"GET /ws HTTP/1.1\r\nHost", 9));
        }
        stack.line(socket, |line| {
            line.sent();
            line.feed(&frame(true, 1, true, b"x"), 99);
        });
        let found = table.poll_accept(&mut listener, &mut site, &mut items, 100);
        assert_eq!(found.unwrap().ready, 1, "{round}");
        assert_eq!(table.recv_msg(ws, &mut [0; 9], 0).unwrap().length, 1);
        assert_eq!(table.send_msg(ws, b"x", Opcode::Text, true, 0), Ok(1));
    }
    assert_eq!(table.platform().clock.get(), begin, "never waited");
    run(&mut table, &mut listener, &mut site, 11_000);
    assert_eq!(
        (table.in_use(), stack.open()),
        (1, 2),
        "the echo, the listener"
    );
}

/// A list that would not be looked at to its end is an error of the program's.
#[test]
fn too_many_rules() {
    let stack = ScriptStack::new();
    let mut table: Scripted<1> = table(&stack, 256);
    let mut listener = stack.connected();
    let options = AcceptOptions {
        origins: &["http://a"; 17],
        ..AcceptOptions::default()
    };
    let error = table.accept(&mut listener, &options, 0).unwrap_err();
    assert_eq!(error.errno(), ws_socket::Errno::Enospc);
    let error = table
        .poll_accept(&mut listener, &options, &mut [], 0)
        .unwrap_err();
    assert_eq!(error.errno(), ws_socket::Errno::Enospc);
}

proptest! {
    /// Whatever comes, in whatever pieces and through whatever windows: whole answers go out, in
    /// order, and the slot is free again in its time.
    #[test]
    fn arbitrary_requests(
        parts in prop::collection::vec(prop::sample::select(vec![
            "GET ", "HEAD ", "POST ", "/", "/log", "/numbers", "/ws", "?", " HTTP/1.1\r\n",
            "Host: x\r\n", "\r\n", "\n", ": ", "Connection: close\r\n", "Content-Length: 0\r\n",
            "Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n", "\0", "a",
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /log HTTP/1.1\r\nHost: x\r\n\r\n",
            "HEAD /numbers HTTP/1.1\r\nHost: x\r\n\r\n",
        ]), 0..20),
        piece in 1..60_usize,
        window in 1..500_usize,
        lent in 256..700_usize,
    ) {
        let stack = ScriptStack::new();
        let config = Config { handshake_timeout: 50, answer_timeout: 3000, ..Config::DEFAULT };
        let mut table: Scripted<1> = with_config(&stack, lent, config);
        let mut listener = stack.connected();
        let socket = stack.arrive();
        let sent = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        stack.line(socket, |line| {
            line.feed(parts.concat().as_bytes(), piece);
            line.copy = Some(sent.clone());
            line.piece = window;
        });
        let mut site = Site::default();
        run(&mut table, &mut listener, &mut site, 100);
        prop_assert_eq!((table.in_use(), stack.open()), (0, 1));
        prop_assert_eq!(site.began, site.ended);
        // Each part is whole: what is no head here is a HEAD's missing body.
        let sent = sent.borrow();
        let mut rest = &sent[..];
        let mut last = false;
        while !rest.is_empty() {
            prop_assert!(!last, "nothing behind the one that closes");
            let (found, behind) = match answer(rest, false) {
                Some((found, behind)) if behind.is_empty() || behind.starts_with(b"HTTP") => {
                    (found, behind)
                }
                _ => answer(rest, true).unwrap(),
            };
            last = header(&found.head, "Connection") == Some("close");
            rest = behind;
        }
    }
}
