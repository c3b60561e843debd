//! The async table: ids, slots, polling many, pages, and where its futures may go.

use std::pin::pin;
use std::rc::Rc;

use embedded_io_async::{ErrorType, Read, Write};
use ws_socket::asynch::{AsyncPlatform, AsyncRequest, AsyncWebSockets, Clock, WebSocket};
use ws_socket::handshake::{Asked, Body, Page, Response, Rules};
use ws_socket::{
    AcceptOptions, Config, ConnectError, DisconnectError, Events, HandleError, Handler, Opcode,
    PollItem, ReceiveError, RegisterError, Role, SendError, Timeout, WebSocketId,
};
use ws_tests::frames::{KEY, frame, frames, plain, request};
use ws_tests::hand::{Hand, run, settle};
use ws_tests::table::{borrowed, lent};
use ws_tests::wire::{Line, Script, Tail, Wire};

const FOREVER: Timeout = Timeout::Forever;

type Table<'b, const N: usize> = AsyncWebSockets<'b, Wire, Hand, N>;

fn table<const N: usize>() -> Table<'static, N> {
    AsyncWebSockets::new(Hand::new()).with_buffers([(); N].map(|()| lent(256)))
}

fn register<const N: usize>(table: &mut Table<'_, N>, script: &Script, role: Role) -> WebSocketId {
    let ws = table.register(script.wire(), role, b"");
    ws.map_err(|(error, _)| error).unwrap()
}

#[test]
fn stale_ids_are_nobody() {
    let mut table = table::<1>();
    let old = register(&mut table, &Script::new(), Role::Server);
    table.abort(old).unwrap();
    let script = Script::new();
    let new = register(&mut table, &script, Role::Server);
    assert_ne!(old, new);
    let stale = HandleError::Stale;
    let mut piece = [0; 4];
    assert_eq!(
        run(table.recv_msg(old, &mut piece, 0)),
        Err(ReceiveError::Handle(stale))
    );
    assert_eq!(
        run(table.recv(old, &mut piece, 0)),
        Err(ReceiveError::Handle(stale))
    );
    let sent = run(table.send_msg(old, b"x", Opcode::Text, true, 0));
    assert_eq!(sent, Err(SendError::Handle(stale)));
    assert_eq!(run(table.send(old, b"x", 0)), Err(SendError::Handle(stale)));
    assert_eq!(
        run(table.disconnect(old, 0)),
        Err(DisconnectError::Handle(stale))
    );
    assert_eq!(table.abort(old), Err(stale));
    assert_eq!(table.open_frame(old), Err(stale));
    assert_eq!(
        table.unregister(old).err(),
        Some(RegisterError::Handle(stale))
    );
    let mut items = [
        PollItem::new(old, Events(0)),
        PollItem::new(new, Events::IN),
    ];
    assert_eq!(run(table.poll(&mut items, FOREVER)), 1);
    assert_eq!(items.map(|item| item.revents), [Events::NVAL, Events(0)]);
    assert_eq!((script.line(Line::sent), table.in_use()), (vec![], 1));
}

#[test]
fn all_slots_full() {
    let mut table = table::<1>();
    register(&mut table, &Script::new(), Role::Server);
    let asked = AsyncRequest::new("host", "/");
    let full = Script::new();
    let connected = run(table.connect(full.wire(), &asked, FOREVER));
    assert_eq!(connected, Err(ConnectError::NoFreeSlot));
    assert!(full.line(|line| line.dropped));
    // Refused whole, however little the wire takes at once.
    for take in [1, 7, 1000] {
        let full = Script::cut(usize::MAX, take, 1);
        let options = AcceptOptions::default();
        assert_eq!(run(table.accept(full.wire(), &options)), Ok(None));
        let answer = String::from_utf8(full.line(Line::sent)).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
        assert!(full.line(|line| line.dropped));
    }
    // Nor does one that takes nothing hold it for ever.
    let (stuck, hand) = (Script::new(), Hand::new());
    stuck.line(|line| line.window = 0);
    let mut table = Table::<0>::new(hand.clone());
    let options = AcceptOptions::default();
    let mut call = pin!(table.accept(stuck.wire(), &options));
    assert_eq!(settle(call.as_mut()), None);
    hand.clock.advance(Config::DEFAULT.answer_timeout);
    assert_eq!(settle(call), Some(Ok(None)));
}

#[test]
fn what_poll_says() {
    let scripts = [(); 4].map(|()| Script::new());
    let mut table = table::<4>();
    let ws = scripts
        .each_ref()
        .map(|script| register(&mut table, script, Role::Server));
    let all = Events::IN | Events::OUT;
    // Nothing but that they could be sent to.
    let mut items = ws.map(|ws| PollItem::new(ws, Events::IN));
    assert_eq!(run(table.poll(&mut items, 0)), 0);
    let mut items = ws.map(|ws| PollItem::new(ws, all));
    assert_eq!(run(table.poll(&mut items, FOREVER)), 4);
    assert!(items.iter().all(|item| item.revents == Events::OUT));
    // A message, the end, and the same connection twice.
    scripts[0].line(|line| line.feed(&frame(true, 1, true, b"text")));
    scripts[1].line(|line| line.end(Tail::Eof));
    let mut items = [ws[0], ws[0], ws[1], ws[2]].map(|ws| PollItem::new(ws, Events::IN));
    assert_eq!(run(table.poll(&mut items, FOREVER)), 3);
    let (over, none) = (Events::IN | Events::HUP, Events(0));
    assert_eq!(
        items.map(|item| item.revents),
        [Events::IN, Events::IN, over, none]
    );
    // Who waits for the end alone is not woken by a message, and does not spin.
    let mut items = [
        PollItem::new(ws[0], Events(0)),
        PollItem::new(ws[3], Events(0)),
    ];
    {
        let mut call = pin!(table.poll(&mut items, FOREVER));
        assert_eq!(settle(call.as_mut()), None);
        scripts[3].line(|line| line.feed(&frame(true, 8, true, b"")));
        assert_eq!(settle(call.as_mut()), None, "the Close is not received yet");
    }
    assert_eq!(
        run(table.recv_msg(ws[3], &mut [0; 9], FOREVER))
            .unwrap()
            .opcode(),
        Opcode::Close
    );
    assert_eq!(run(table.poll(&mut items, FOREVER)), 1);
    assert_eq!(items[1].revents, Events::HUP);
    assert_eq!(
        plain(&scripts[3].line(Line::sent)),
        [(true, 8, vec![])],
        "it is answered"
    );
}

/// A wire that takes no Pong: what is behind a second Ping is not readable yet, and says so.
#[test]
fn a_pong_that_cannot_go_out() {
    for lent in [300, 1000] {
        let script = Script::new();
        let mut lent = vec![0; lent];
        let mut table = Table::<1>::new(Hand::new()).with_buffers([borrowed(&mut lent)]);
        let ws = register(&mut table, &script, Role::Server);
        script.line(|line| {
            line.window = 1;
            line.feed(&frame(true, 9, true, b"one"));
            line.feed(&frame(true, 9, true, b"two"));
            line.feed(&frame(true, 1, true, b"text"));
        });
        let mut items = [PollItem::new(ws, Events::IN)];
        assert_eq!(run(table.poll(&mut items, 0)), 0);
        assert_eq!(run(table.poll(&mut items, 0)), 0);
        assert_eq!(
            run(table.recv_msg(ws, &mut [0; 9], 0)),
            Err(ReceiveError::Timeout)
        );
        script.line(|line| line.open(100));
        assert_eq!(run(table.poll(&mut items, FOREVER)), 1);
        assert_eq!(run(table.recv_msg(ws, &mut [0; 9], 0)).unwrap().length, 4);
        let sent = plain(&script.line(Line::sent));
        assert_eq!(
            sent,
            [(true, 10, b"one".to_vec()), (true, 10, b"two".to_vec())]
        );
    }
}

/// One that floods does not hide another; each control frame of a client has a key of its own.
#[test]
fn fair_and_with_fresh_keys() {
    let (flood, quiet) = (Script::new(), Script::new());
    let mut lent = [[0; 300]; 2];
    let mut table = Table::<2>::new(Hand::new()).with_buffers(lent.each_mut());
    let ws = [&flood, &quiet].map(|script| register(&mut table, script, Role::Client));
    let mut items = ws.map(|ws| PollItem::new(ws, Events::IN));
    flood.line(|line| line.end(Tail::Flood(&[0x89, 0x01, b'p'])));
    {
        let mut call = pin!(table.poll(&mut items, FOREVER));
        for _ in 0..20 {
            assert!(ws_tests::hand::poll(call.as_mut()).0.is_none());
        }
        quiet.line(|line| line.feed(&frame(true, 1, false, b"here")));
        let found = (0..20).find_map(|_| ws_tests::hand::poll(call.as_mut()).0);
        assert_eq!(found, Some(1));
    }
    assert_eq!(items.map(|item| item.revents), [Events(0), Events::IN]);
    let out = flood.line(Line::sent);
    let (pongs, _) = frames(&out);
    assert!(
        pongs.len() > 20
            && pongs
                .iter()
                .all(|pong| pong.opcode == 10 && pong.payload == b"p")
    );
    let mut keys: Vec<_> = pongs.iter().map(|pong| pong.key.unwrap()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), pongs.len(), "a fresh key for each");
    // Also where the wire takes a byte at a time, on both.
    let (one, two) = (Script::cut(2, 1, 1), Script::cut(2, 1, 1));
    let mut lent = [[0; 300]; 2];
    let mut table = Table::<2>::new(Hand::new()).with_buffers(lent.each_mut());
    let mut items = [&one, &two].map(|script| {
        for _ in 0..10 {
            script.line(|line| line.feed(&frame(true, 9, false, b"again")));
        }
        PollItem::new(register(&mut table, script, Role::Client), Events::IN)
    });
    assert!(settle(pin!(table.poll(&mut items, FOREVER))).is_none());
    let mut keys: Vec<_> = [&one, &two]
        .iter()
        .flat_map(|script| {
            let out = script.line(Line::sent);
            let (pongs, rest) = frames(&out);
            assert!(rest.is_empty() && pongs.iter().all(|pong| pong.payload == b"again"));
            assert_eq!(pongs.len(), 10);
            pongs
                .into_iter()
                .map(|pong| pong.key.unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 20);
    assert_ne!(keys[0], KEY);
}

/// A site with a page of each kind; it counts what it was told of requests.
#[derive(Default)]
struct Site {
    begun: usize,
    ended: usize,
}

impl<'r> Handler<'r> for Site {
    fn rules(&self) -> Rules<'r> {
        Rules {
            targets: &["/bytes", "/sized", "/chunked", "/chat"],
            ..Rules::NONE
        }
    }

    fn begin(&mut self, _: WebSocketId) {
        self.begun += 1;
    }

    fn end(&mut self, _: WebSocketId) {
        self.ended += 1;
    }

    fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
        let body = match asked.target() {
            Some(0) => Body::Bytes(b"0123456789"),
            Some(1) => Body::Sized(10),
            Some(2) => Body::Chunked,
            _ => {
                return Response::Upgrade {
                    subprotocol: None,
                    headers: &[],
                };
            }
        };
        let mut page = Page::new(200, &[], b"");
        page.body = body;
        Response::Page(page)
    }

    fn body(&mut self, _: WebSocketId, _: &Asked, offset: usize, out: &mut [u8]) -> usize {
        let rest = b"0123456789".get(offset..).unwrap_or_default();
        let count = rest.len().min(out.len()).min(4);
        out[..count].copy_from_slice(&rest[..count]);
        count
    }
}

#[test]
fn pages_and_then_a_websocket() {
    for (cut, take) in [(usize::MAX, usize::MAX), (1, 1), (7, 3)] {
        for lent in [256, 300] {
            let script = Script::cut(cut, take, 1);
            for target in ["/bytes", "/sized", "/chunked"] {
                let get = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
                script.line(|line| line.feed(get.as_bytes()));
            }
            script.line(|line| line.feed(request("").as_bytes()));
            let (mut site, mut lent) = (Site::default(), vec![0; lent]);
            let ws = WebSocket::accept(
                script.wire(),
                &mut site,
                borrowed(&mut lent),
                Hand::new(),
                Config::DEFAULT,
            );
            assert!(run(ws).unwrap().is_some());
            assert_eq!((site.begun, site.ended), (4, 3));
            let out = String::from_utf8(script.line(Line::sent)).unwrap();
            let heads: Vec<_> = out
                .match_indices("HTTP/1.1 ")
                .map(|(at, _)| &out[at + 9..at + 12])
                .collect();
            assert_eq!(heads, ["200", "200", "200", "101"]);
            assert_eq!(out.matches("\r\n\r\n0123456789HTTP").count(), 2, "{out}");
            let chunked = out.split("chunked\r\n\r\n").nth(1).unwrap();
            let mut body = String::new();
            let mut rest = chunked;
            loop {
                let (length, behind) = rest.split_once("\r\n").unwrap();
                let length = usize::from_str_radix(length, 16).unwrap();
                body += &behind[..length];
                rest = &behind[length + 2..];
                if length == 0 {
                    break;
                }
            }
            assert_eq!(body, "0123456789");
            assert!(rest.starts_with("HTTP/1.1 101 "));
        }
    }
}

/// The handler hears of the end of each request, whatever the end.
#[test]
fn requests_that_come_to_nothing() {
    let half = b"GET /bytes HTTP/1.1\r\nHo";
    let accept = |script: &Script, site: &mut Site, hand: &Hand, late: bool| {
        let mut lent = [0; 300];
        let call = WebSocket::accept(
            script.wire(),
            site,
            borrowed(&mut lent),
            hand.clone(),
            Config::DEFAULT,
        );
        let mut call = pin!(call);
        let mut end = settle(call.as_mut());
        if late {
            assert!(end.is_none());
            hand.clock.advance(Config::DEFAULT.handshake_timeout);
            end = settle(call.as_mut());
        }
        end.map(|end| end.map(|ws| ws.is_some()))
    };
    // Slow: 408. Silent: nothing.
    for (bytes, answer) in [(&half[..], "HTTP/1.1 408 "), (b"", "")] {
        let (script, hand, mut site) = (Script::new(), Hand::new(), Site::default());
        script.line(|line| line.feed(bytes));
        assert_eq!(accept(&script, &mut site, &hand, true), Some(Ok(false)));
        let out = String::from_utf8(script.line(Line::sent)).unwrap();
        assert!(
            out.starts_with(answer) && out.is_empty() == bytes.is_empty(),
            "{out}"
        );
        assert_eq!((site.begun, site.ended), (1, 1));
    }
    // Lost, reset, and dropped.
    for tail in [Tail::Eof, Tail::Reset, Tail::Silence] {
        let (script, hand, mut site) = (Script::new(), Hand::new(), Site::default());
        script.line(|line| {
            line.feed(half);
            line.end(tail);
        });
        let end = accept(&script, &mut site, &hand, false);
        assert_eq!(end.is_none(), tail == Tail::Silence);
        assert!(!matches!(end, Some(Ok(true))));
        assert_eq!((site.begun, site.ended), (1, 1), "{tail:?}");
        assert!(script.line(|line| line.dropped));
    }
    // A flush that never ends is not waited for.
    let (script, hand, mut site) = (Script::new(), Hand::new(), Site::default());
    script.line(|line| {
        line.feed(request("").as_bytes());
        line.flush_waits = true;
    });
    let mut call = pin!(WebSocket::accept(
        script.wire(),
        &mut site,
        ws_tests::table::lent(256),
        hand.clone(),
        Config::DEFAULT
    ));
    for _ in 0..2 {
        assert!(settle(call.as_mut()).is_none());
        hand.clock.advance(Config::DEFAULT.answer_timeout);
    }
    assert!(settle(call).unwrap().unwrap().is_none());
}

/// A stream, clock and platform that are `Send`.
struct Null;

impl ErrorType for Null {
    type Error = std::convert::Infallible;
}

impl Read for Null {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, Self::Error> {
        Ok(0)
    }
}

impl Write for Null {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Still;

impl Clock for Still {
    fn now_ms(&self) -> u32 {
        0
    }

    async fn sleep_ms(&self, _: u32) {
        std::future::pending().await
    }
}

impl AsyncPlatform for Still {
    type Clock = Self;

    fn clock(&self) -> Self {
        Self
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        bytes.fill(7);
        Ok(())
    }
}

/// Compiled, that is all: the futures go to other threads where the stream does.
#[test]
fn futures_are_send_where_the_stream_is() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let asked = AsyncRequest::new("host", "/");
    let options = AcceptOptions::default();
    let config = Config::DEFAULT;
    let connect = assert_send(WebSocket::connect(
        Null,
        &asked,
        ws_tests::table::lent(256),
        Still,
        config,
        FOREVER,
    ));
    assert!(matches!(run(connect), Err(ConnectError::Handshake(_))));
    let accept = assert_send(WebSocket::accept(
        Null,
        &options,
        ws_tests::table::lent(256),
        Still,
        config,
    ));
    assert!(matches!(run(accept), Ok(None)));
    let mut ws = WebSocket::from_upgraded(
        Null,
        Role::Client,
        ws_tests::table::lent(256),
        0,
        Still,
        config,
    );
    let mut piece = [0; 9];
    assert_eq!(
        run(assert_send(ws.send_msg(b"x", Opcode::Text, true, FOREVER))),
        Ok(1)
    );
    assert_eq!(
        run(assert_send(ws.send_msg_mut(
            &mut [0],
            Opcode::Text,
            true,
            FOREVER
        ))),
        Ok(1)
    );
    assert_eq!(
        run(assert_send(ws.recv_msg(&mut piece, FOREVER))),
        Err(ReceiveError::Lost)
    );
    assert!(!run(assert_send(ws.disconnect(FOREVER))).unwrap().clean);
    let mut table = AsyncWebSockets::<_, _, 1>::new(Still).with_buffers([lent(256)]);
    assert!(run(assert_send(table.connect(Null, &asked, FOREVER))).is_err());
    assert_eq!(run(assert_send(table.accept(Null, &options))), Ok(None));
    let ws = table
        .register(Null, Role::Client, b"")
        .map_err(|(error, _)| error)
        .unwrap();
    let sent = assert_send(table.send_msg(ws, b"x", Opcode::Text, true, FOREVER));
    assert_eq!(run(sent), Ok(1));
    let mut items = [PollItem::new(ws, Events::IN)];
    assert_eq!(run(assert_send(table.poll(&mut items, FOREVER))), 1);
    assert!(run(assert_send(table.recv_msg(ws, &mut piece, FOREVER))).is_err());
    assert!(run(assert_send(table.disconnect(ws, FOREVER))).is_ok());
    // And one that is not works too.
    trait NotSend<A> {
        fn is_it() {}
    }
    impl<T: ?Sized> NotSend<()> for T {}
    impl<T: ?Sized + Send> NotSend<u8> for T {}
    <Wire as NotSend<_>>::is_it(); // ambiguous, if it were
    let script = Rc::new(Script::new());
    let mut ws = WebSocket::from_upgraded(
        script.wire(),
        Role::Server,
        ws_tests::table::lent(256),
        0,
        Hand::new(),
        config,
    );
    assert_eq!(run(ws.send_msg(b"x", Opcode::Text, true, FOREVER)), Ok(1));
}
