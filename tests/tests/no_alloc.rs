//! No call of the table allocates: each is made with an allocator that counts, over a stack in
//! arrays.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::net::{IpAddr, SocketAddr};

use embedded_nal::{AddrType, Dns, TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, nb};
use ws_core::handshake::{Asked, Body, Page, Response, Rules, SoftSha1, accept_value};
use ws_socket::{
    AcceptOptions, CloseCode, Events, Handler, Opcode, Platform, PollItem, Progress, Recipient,
    Role, SharedWebSockets, SlotStore, SlowPolicy, Table, WebSocketId, WebSocketRequest,
    WebSockets,
};
use ws_tests::counting::{Counting, Queue, counted};
use ws_tests::table::borrowed;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs a call of the table, which must not allocate, nor free.
fn free_of_it<R>(what: &str, call: impl FnOnce() -> R) -> R {
    let (result, count) = counted(call);
    assert_eq!(count, 0, "{what} allocates");
    result
}

/// A connection: what comes in, what went out, whether it is in use.
#[derive(Clone, Copy)]
struct Line {
    incoming: Queue,
    outgoing: Queue,
    open: bool,
}

const SOCKETS: usize = 8;

/// A stack without a heap; sockets are numbers.
struct ArrayStack {
    lines: [Line; SOCKETS],
    waiting: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failed;

impl TcpError for Failed {
    fn kind(&self) -> TcpErrorKind {
        TcpErrorKind::Other
    }
}

impl ArrayStack {
    fn new() -> Self {
        let line = Line {
            incoming: Queue::EMPTY,
            outgoing: Queue::EMPTY,
            open: false,
        };
        Self {
            lines: [line; SOCKETS],
            waiting: None,
        }
    }

    fn line(&mut self, socket: usize) -> Result<&mut Line, Failed> {
        self.lines
            .get_mut(socket)
            .filter(|line| line.open)
            .ok_or(Failed)
    }

    /// A peer connects and sends `bytes`.
    fn arrive(&mut self, bytes: &[u8]) {
        let socket = self.socket().unwrap();
        self.lines[socket].incoming.put(bytes);
        self.waiting = Some(socket);
    }

    fn open(&self) -> usize {
        self.lines.iter().filter(|line| line.open).count()
    }

    /// A server at the other end of each line answers requests that are there whole.
    fn answer(&mut self) {
        for line in &mut self.lines {
            let sent = &line.outgoing.bytes[..line.outgoing.length];
            let name = b"Sec-WebSocket-Key: ";
            if !sent.starts_with(b"GET ") || !sent.ends_with(b"\r\n\r\n") {
                continue;
            }
            let at = sent.windows(name.len()).position(|found| found == name);
            let key = &sent[at.unwrap() + name.len()..][..24];
            let accept = accept_value(key.try_into().unwrap(), &mut SoftSha1);
            line.incoming.put(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                  Connection: Upgrade\r\nSec-WebSocket-Accept: ",
            );
            line.incoming.put(&accept);
            line.incoming.put(b"\r\n\r\n");
            line.outgoing = Queue::EMPTY;
        }
    }
}

impl TcpClientStack for ArrayStack {
    type TcpSocket = usize;
    type Error = Failed;

    fn socket(&mut self) -> Result<usize, Failed> {
        let free = self.lines.iter().position(|line| !line.open);
        let socket = free.ok_or(Failed)?;
        self.lines[socket] = Line {
            incoming: Queue::EMPTY,
            outgoing: Queue::EMPTY,
            open: true,
        };
        Ok(socket)
    }

    fn connect(&mut self, socket: &mut usize, _: SocketAddr) -> nb::Result<(), Failed> {
        self.line(*socket)?;
        Ok(())
    }

    fn send(&mut self, socket: &mut usize, bytes: &[u8]) -> nb::Result<usize, Failed> {
        match self.line(*socket)?.outgoing.put(bytes) {
            0 => Err(nb::Error::WouldBlock),
            count => Ok(count),
        }
    }

    fn receive(&mut self, socket: &mut usize, out: &mut [u8]) -> nb::Result<usize, Failed> {
        match self.line(*socket)?.incoming.take(out) {
            0 => Err(nb::Error::WouldBlock),
            count => Ok(count),
        }
    }

    fn close(&mut self, socket: usize) -> Result<(), Failed> {
        self.line(socket)?.open = false;
        Ok(())
    }
}

impl TcpFullStack for ArrayStack {
    fn bind(&mut self, _: &mut usize, _: u16) -> Result<(), Failed> {
        Ok(())
    }

    fn listen(&mut self, _: &mut usize) -> Result<(), Failed> {
        Ok(())
    }

    fn accept(&mut self, _: &mut usize) -> nb::Result<(usize, SocketAddr), Failed> {
        let socket = self.waiting.take().ok_or(nb::Error::WouldBlock)?;
        Ok((socket, SocketAddr::from(([10, 0, 0, 9], 9))))
    }
}

impl Dns for ArrayStack {
    type Error = Failed;

    fn get_host_by_name(&mut self, name: &str, _: AddrType) -> nb::Result<IpAddr, Failed> {
        match name {
            "host" => Ok([10, 0, 0, 1].into()),
            _ => Err(Failed.into()),
        }
    }

    fn get_host_by_address(&mut self, _: IpAddr, _: &mut [u8]) -> nb::Result<usize, Failed> {
        Err(Failed.into())
    }
}

/// Each wait takes a millisecond, and the other ends have their turn.
struct Hand(u32);

impl Platform<ArrayStack> for Hand {
    fn now_ms(&mut self) -> u32 {
        self.0
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), ws_socket::RandomError> {
        bytes.fill(0x5A);
        Ok(())
    }

    fn wait(&mut self, stack: &mut ArrayStack, at_most_ms: u32) {
        self.0 += u32::from(at_most_ms > 0);
        stack.answer();
    }
}

type Sockets<'buf> = WebSockets<'buf, ArrayStack, Hand, 4>;

/// The table under test, wherever its slots live.
type Any<'buf, L> = Table<'buf, ArrayStack, Hand, L>;

/// What came out of a connection since this was asked last: its length.
fn sent<'buf, L: SlotStore<'buf, Socket = usize>>(
    table: &mut Any<'buf, L>,
    socket: usize,
) -> usize {
    std::mem::take(&mut table.stack().lines[socket].outgoing.length)
}

fn feed<'buf, L: SlotStore<'buf, Socket = usize>>(
    table: &mut Any<'buf, L>,
    socket: usize,
    bytes: &[u8],
) {
    let count = table.stack().lines[socket].incoming.put(bytes);
    assert_eq!(count, bytes.len());
}

/// All that is done with an open connection of either role.
fn converse<'buf, L: SlotStore<'buf, Socket = usize>>(
    table: &mut Any<'buf, L>,
    ws: WebSocketId,
    socket: usize,
    is_client: bool,
) {
    let framed = |head: u8, payload: &[u8], queue: &mut Queue| {
        let mask = if is_client { 0 } else { 0x80 };
        queue.put(&[head, mask | payload.len() as u8]);
        if !is_client {
            // A key of zeros changes nothing.
            queue.put(&[0; 4]);
        }
        queue.put(payload);
    };
    sent(table, socket);
    free_of_it("send_msg", || {
        let count = table.send_msg(ws, b"hello", Opcode::Text, true, 5);
        assert_eq!(count, Ok(5));
    });
    let mut payload = [1; 300];
    free_of_it("send_msg_mut", || {
        let count = table.send_msg_mut(ws, &mut payload, Opcode::Binary, true, 5);
        assert_eq!(count, Ok(300));
    });
    free_of_it("send_part", || {
        for (part, rest) in [(&b"ab"[..], 5), (b"c", 3), (b"de", 2)] {
            let count = table.send_part(ws, part, rest, Opcode::Binary, true, 5);
            assert_eq!(count, Ok(part.len()));
        }
    });
    free_of_it("send", || assert_eq!(table.send(ws, b"stream", 5), Ok(6)));
    free_of_it("broadcast", || {
        let mut to = [Recipient::new(ws)];
        let left = table.broadcast(&mut to, b"all", Opcode::Text, SlowPolicy::Wait, 5);
        assert_eq!((left, to[0].progress), (0, Progress::Sent));
    });
    assert!(sent(table, socket) > 300);
    // A wire that is full: partly sent, then the rest, and looks at what is open.
    table.stack().lines[socket].outgoing.length = 2000;
    free_of_it("send_msg to a full wire", || {
        let count = table.send_msg(ws, &[7; 300], Opcode::Binary, true, 5);
        assert!((1..300).contains(&count.unwrap()));
        assert!(table.open_frame(ws).unwrap().is_some());
        assert_eq!(table.in_message(ws), Ok(false));
    });
    let rest = table.open_frame(ws).unwrap().unwrap();
    sent(table, socket);
    free_of_it("send_msg of the rest", || {
        let count = table.send_msg(ws, &[7; 300][..rest], Opcode::Binary, true, 5);
        assert_eq!(count, Ok(rest));
    });
    sent(table, socket);

    let mut queue = Queue::EMPTY;
    framed(0x89, b"ping", &mut queue);
    framed(0x81, b"text", &mut queue);
    framed(0x02, b"frag", &mut queue);
    framed(0x80, b"ment", &mut queue);
    feed(table, socket, &queue.bytes[..queue.length]);
    let mut buffer = [0; 3];
    free_of_it("poll", || {
        let mut items = [PollItem::new(ws, Events::IN | Events::OUT)];
        assert_eq!(table.poll(&mut items, 5), 1);
    });
    let mut received = 0;
    let mut messages = 0;
    free_of_it("recv_msg", || {
        while let Ok(piece) = table.recv_msg(ws, &mut buffer, 2) {
            if !piece.opcode().is_control() {
                received += piece.length;
                messages += u32::from(piece.is_complete());
            }
        }
    });
    assert_eq!((received, messages), (12, 2));
    feed(table, socket, &queue.bytes[..queue.length]);
    let mut received = 0;
    free_of_it("recv", || {
        while let Ok(count) = table.recv(ws, &mut buffer, 2) {
            received += count;
        }
    });
    assert_eq!(received, 12);
    free_of_it("looks at a connection", || {
        assert!(table.is_open(ws) && !table.is_accepting(ws));
        assert_eq!(table.subprotocol(ws), Ok(None));
        assert_eq!(table.close_code(ws), Ok(None));
        assert!(table.with_socket(ws, |_, socket| *socket).is_ok());
    });
    let mut ws = ws;
    feed(table, socket, &queue.bytes[..queue.length]);
    free_of_it("the socket face", || {
        let mut received = 0;
        while let Ok(count) = TcpClientStack::receive(table, &mut ws, &mut buffer) {
            received += count;
        }
        assert_eq!(received, 12);
        assert_eq!(TcpClientStack::send(table, &mut ws, b"face"), Ok(4));
    });
}

const LENT: [usize; 3] = [256, 300, 500];

#[test]
fn a_client() {
    for lent in LENT {
        let mut memory = [[0; 500]; 4];
        let buffers = memory
            .each_mut()
            .map(|buffer| borrowed(&mut buffer[..lent]));
        let mut of_its_own = [0; 256];
        let mut table = free_of_it("new", || {
            WebSockets::new(ArrayStack::new(), Hand(1)).with_buffers(buffers)
        });
        let socket = table.stack().socket().unwrap();
        let ws = free_of_it("connect", || {
            let request = WebSocketRequest::new("host", "/path")
                .subprotocols(&["chat"])
                .headers(&[("X", "y")])
                .origin("http://host")
                .buffer(&mut of_its_own);
            table.connect(socket, request, 20).unwrap()
        });
        converse(&mut table, ws, socket, true);
        free_of_it("disconnect_with", || {
            let code = CloseCode::GOING_AWAY;
            assert!(table.disconnect_with(ws, code, "bye", 5).is_ok());
        });
        let remote = SocketAddr::from(([10, 0, 0, 1], 80));
        let ws = free_of_it("connect_to", || {
            let request = WebSocketRequest::new("host", "/");
            table.connect_to(remote, request, 20).unwrap()
        });
        free_of_it("disconnect", || assert!(table.disconnect(ws, 5).is_ok()));
        for url in [
            "ws://host:8080/path",
            "ws://10.0.0.1",
            "ws://[::1]/path?query",
        ] {
            let ws = free_of_it("connect_url", || {
                let request = WebSocketRequest::for_url().subprotocols(&["chat"]);
                table.connect_url(url, request, 20).unwrap()
            });
            free_of_it("disconnect", || assert!(table.disconnect(ws, 5).is_ok()));
        }
        for url in ["ws://nobody/", "wss://host/", "http://host/", "ws://[::1"] {
            free_of_it("connect_url to nowhere", || {
                let request = WebSocketRequest::for_url();
                assert!(table.connect_url(url, request, 20).is_err(), "{url}");
            });
        }
        let mut ws = free_of_it("socket", || TcpClientStack::socket(&mut table).unwrap());
        free_of_it("the socket face's connect", || {
            for _ in 0..5 {
                if TcpClientStack::connect(&mut table, &mut ws, remote).is_ok() {
                    return;
                }
                table.stack().answer();
            }
            panic!("not connected");
        });
        let socket = table.with_socket(ws, |_, socket| *socket).unwrap().unwrap();
        converse(&mut table, ws, socket, true);
        free_of_it("close", || {
            assert_eq!(TcpClientStack::close(&mut table, ws), Ok(()));
        });
        assert_eq!((table.in_use(), table.stack().open()), (0, 0));
    }
}

/// A page, an upgrade and a refusal.
struct Site;

impl Handler<'static> for Site {
    fn rules(&self) -> Rules<'static> {
        Rules {
            targets: &["/", "/ws", "/long"],
            ..Rules::NONE
        }
    }

    fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
        match asked.target() {
            Some(0) => Response::Page(Page::new(200, &[("X", "y")], b"page")),
            Some(1) => Response::Upgrade {
                subprotocol: None,
                headers: &[("X", "y")],
            },
            _ => Response::Page(Page {
                body: Body::Chunked,
                ..Page::new(200, &[], b"")
            }),
        }
    }

    fn body(&mut self, _: WebSocketId, _: &Asked, offset: usize, out: &mut [u8]) -> usize {
        let count = out.len().min(900 - offset.min(900));
        out[..count].fill(b'x');
        count
    }
}

const UPGRADE: &str = "HTTP/1.1\r\nHost: host\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn a_server() {
    let upgrade = format!("GET /ws {UPGRADE}");
    for lent in LENT {
        let mut memory = [[0; 500]; 4];
        let buffers = memory
            .each_mut()
            .map(|buffer| borrowed(&mut buffer[..lent]));
        let mut table = WebSockets::new(ArrayStack::new(), Hand(1)).with_buffers(buffers);
        let mut listener = table.stack().socket().unwrap();
        table.stack().arrive(upgrade.as_bytes());
        let ws = free_of_it("accept", || {
            let options = AcceptOptions::default();
            table.accept(&mut listener, &options, 5).unwrap()
        });
        let socket = table.with_socket(ws, |_, socket| *socket).unwrap().unwrap();
        converse(&mut table, ws, socket, false);
        for request in [
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /long HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "\0",
        ] {
            table.stack().arrive(request.as_bytes());
            free_of_it("accept with pages", || {
                assert!(table.accept(&mut listener, &mut Site, 5).is_err());
            });
        }
        table.stack().arrive(upgrade.as_bytes());
        let other = free_of_it("poll_accept", || {
            let mut items = [PollItem::new(ws, Events::IN)];
            let polled = table.poll_accept(&mut listener, &mut Site, &mut items, 5);
            polled.unwrap().accepted.unwrap()
        });
        free_of_it("disconnect_keeping_socket", || {
            let code = CloseCode::NORMAL;
            let kept = table.disconnect_keeping_socket(other, code, "", 5);
            let (_, socket) = kept.unwrap();
            table.stack().close(socket).unwrap();
        });
        table.stack().arrive(upgrade.as_bytes());
        free_of_it("take_in and advance", || {
            let ws = table.take_in(&mut listener, &mut Site).unwrap().unwrap();
            for _ in 0..5 {
                table.advance(ws, &mut Site);
            }
            assert_eq!(table.abort(ws), Ok(()));
        });
        free_of_it("disconnect", || assert!(table.disconnect(ws, 5).is_ok()));
        free_of_it("a stale id", || {
            assert!(table.recv_msg(ws, &mut [0; 9], 5).is_err());
            assert!(table.send(ws, b"x", 5).is_err());
            assert!(table.disconnect(ws, 5).is_err());
        });
    }
}

#[test]
fn registered() {
    for lent in LENT {
        let mut memory = [0; 500];
        let mut table: Sockets<'_> = WebSockets::new(ArrayStack::new(), Hand(1));
        let socket = table.stack().socket().unwrap();
        let buffer = borrowed(&mut memory[..lent]);
        let ws = free_of_it("register", || {
            let registered = table.register(socket, Role::Server, Some(buffer), 0);
            registered.unwrap()
        });
        converse(&mut table, ws, socket, false);
        free_of_it("unregister", || {
            assert_eq!(table.unregister(ws), Ok(socket));
            assert!(table.unregister(ws).is_err());
        });
    }
}

#[test]
fn shared() {
    let upgrade = format!("GET /ws {UPGRADE}");
    for lent in LENT {
        let mut memory = [[0; 500]; 4];
        let shared = free_of_it("a shared table", SharedWebSockets::<usize, 4>::new);
        free_of_it("lend", || {
            shared.lend(
                memory
                    .each_mut()
                    .map(|buffer| borrowed(&mut buffer[..lent])),
            );
        });
        let mut table = free_of_it("attach", || shared.attach(ArrayStack::new(), Hand(1)));
        let remote = SocketAddr::from(([10, 0, 0, 1], 80));
        let client = free_of_it("connect_to", || {
            let request = WebSocketRequest::new("host", "/");
            table.connect_to(remote, request, 20).unwrap()
        });
        let socket = table
            .with_socket(client, |_, socket| *socket)
            .unwrap()
            .unwrap();
        converse(&mut table, client, socket, true);
        let mut listener = table.stack().socket().unwrap();
        table.stack().arrive(upgrade.as_bytes());
        let server = free_of_it("accept", || {
            let accepted = table.accept(&mut listener, &AcceptOptions::default(), 5);
            accepted.unwrap()
        });
        let socket = table
            .with_socket(server, |_, socket| *socket)
            .unwrap()
            .unwrap();
        converse(&mut table, server, socket, false);
        // Another task's handle of the same slots.
        let mut other = free_of_it("attach", || shared.attach(ArrayStack::new(), Hand(1)));
        free_of_it("looks by another handle", || {
            assert_eq!(other.in_use(), 2);
            assert!(other.is_open(client) && other.is_open(server));
        });
        for ws in [client, server] {
            free_of_it("disconnect", || assert!(table.disconnect(ws, 5).is_ok()));
        }
        assert_eq!(other.in_use(), 0);
    }
}

/// The allocator counts: a test of the test.
#[test]
fn what_allocates_is_seen() {
    let (boxed, count) = counted(|| std::hint::black_box(Box::new(1)));
    assert_eq!((count, *boxed), (1, 1));
}
