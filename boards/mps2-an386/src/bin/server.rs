//! A server on port 80: an echo and a page on `/`, four connections at once. `GET /quit` ends it.
#![no_std]
#![no_main]

// The same echo as that of `ws serve`.
#[path = "../../../host/src/echo.rs"]
#[allow(dead_code)] // what a server for thousands needs besides
mod echo;

use cortex_m_rt::entry;
use echo::{Echo, OnTable, Step};
use embedded_nal::{TcpClientStack, TcpFullStack};
use ws_mps2_an386::net::{Board, ConstStaticCell, Stack};
use ws_mps2_an386::paint::{Call, Meter};
use ws_mps2_an386::{network, say, semihosting};
use ws_socket::handshake::{Asked, Page, Response, Rules};
use ws_socket::{Events, Handler, PollItem, Timeout, WebSocketId, WebSockets};

/// WebSockets, and requests for pages, at once.
const SLOTS: usize = 4;
/// TCP connections that may come at the same moment: TCP refuses the next.
const BACKLOG: usize = 4;
/// TCP sockets.
const SOCKETS: usize = SLOTS + BACKLOG;
/// What each has for either direction.
const TCP_BUFFER: usize = 1024;
/// What a message is cut into.
const PIECE: usize = 1024;

/// How soon a request to end is noticed where nothing else happens, in milliseconds.
const NOTICED_WITHIN: u32 = 50;
const CLOSES_WITHIN: i32 = 2_000;

const PAGE: &[u8] = b"<!doctype html><title>A microcontroller</title>\
    <p>Send something:<p><input><pre></pre><script>
const ws = new WebSocket(`ws://${location.host}/`)
const line = text => document.querySelector('pre').append(text + '\\n')
ws.onmessage = event => line(event.data)
ws.onclose = event => line(`closed with ${event.code}`)
document.querySelector('input').onchange = event => ws.send(event.target.value)
</script>";
const HTML: &[(&str, &str)] = &[("Content-Type", "text/html; charset=utf-8")];
const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];

type Table = WebSockets<'static, Stack<SOCKETS>, Board, SLOTS>;

/// What is where.
#[derive(Default)]
struct Site {
    /// The request that asks for the end.
    last: Option<WebSocketId>,
    /// It was answered.
    over: bool,
}

impl<'r> Handler<'r> for Site {
    fn rules(&self) -> Rules<'r> {
        Rules {
            targets: &["/", "/quit"],
            ..Rules::NONE
        }
    }

    fn answer(&mut self, ws: WebSocketId, asked: &Asked) -> Response<'_> {
        match (asked.target(), asked.upgrade()) {
            (Some(0), true) => Response::Upgrade {
                subprotocol: None,
                headers: &[],
            },
            (Some(0), false) => Response::Page(Page::new(200, HTML, PAGE)),
            (Some(1), false) => {
                self.last = Some(ws);
                Response::Page(Page {
                    close: true,
                    ..Page::new(200, TEXT, b"bye\n")
                })
            }
            _ => Response::Page(Page::new(404, TEXT, b"not here\n")),
        }
    }

    fn end(&mut self, ws: WebSocketId) {
        self.over |= self.last == Some(ws);
    }
}

/// A slot of the table: the WebSocket there, if one is open, and its echo.
struct Connection {
    ws: Option<WebSocketId>,
    echo: Echo<&'static mut [u8]>,
}

struct Server {
    table: Table,
    connections: [Connection; SLOTS],
    meter: Meter,
    /// Since the start.
    served: usize,
}

/// What the table reads into, and what the echoes keep until it is back.
static LENT: ConstStaticCell<[[u8; 512]; SLOTS]> = ConstStaticCell::new([[0; 512]; SLOTS]);
static PIECES: ConstStaticCell<[[u8; PIECE]; SLOTS]> = ConstStaticCell::new([[0; PIECE]; SLOTS]);

#[entry]
fn main() -> ! {
    let meter = Meter::new();
    let (stack, board) = network!(SOCKETS, TCP_BUFFER);
    let buffers = LENT.take().each_mut();
    let connections = PIECES.take().each_mut().map(|piece| Connection {
        ws: None,
        echo: Echo::new(&mut piece[..]),
    });
    let mut server = Server {
        table: Table::new(stack.with_backlog(BACKLOG), board).with_buffers(buffers),
        connections,
        meter,
        served: 0,
    };
    let tcp = server.table.stack();
    let listener = tcp.socket().and_then(|mut listener| {
        tcp.bind(&mut listener, 80)?;
        tcp.listen(&mut listener)?;
        Ok(listener)
    });
    let mut listener = listener.unwrap_or_else(|why| panic!("{why}"));
    say!("listening");

    let mut site = Site::default();
    while !site.over {
        server.turn(&mut listener, &mut site);
    }
    server.end();
    say!("served {} connections", server.served);
    server.meter.print();
    say!("server: ok");
    semihosting::succeed()
}

impl Server {
    /// Waits until something is to be done, and does it.
    fn turn(
        &mut self,
        listener: &mut <Stack<SOCKETS> as TcpClientStack>::TcpSocket,
        site: &mut Site,
    ) {
        let mut items = [const { None }; SLOTS];
        let (mut count, mut timeout) = (0, Timeout::Millis(NOTICED_WITHIN));
        for connection in &self.connections {
            let Some(ws) = connection.ws else { continue };
            // A piece that the wire does not take is tried again soon; nothing says when it can go.
            let events = if connection.echo.holds_piece() {
                timeout = Timeout::Millis(1);
                Events(0)
            } else {
                Events::IN
            };
            items[count] = Some(PollItem::new(ws, events));
            count += 1;
        }
        // Any item fills the places behind.
        let Some(first) = items[0] else {
            return self.accept(listener, site, &mut [], timeout);
        };
        let mut items = items.map(|item| item.unwrap_or(first));
        self.accept(listener, site, &mut items[..count], timeout);
        for index in 0..SLOTS {
            self.serve(index);
        }
    }

    fn accept(
        &mut self,
        listener: &mut <Stack<SOCKETS> as TcpClientStack>::TcpSocket,
        site: &mut Site,
        items: &mut [PollItem],
        timeout: Timeout,
    ) {
        let table = &mut self.table;
        let polled = self.meter.of(Call::Accept, || {
            table.poll_accept(listener, site, items, timeout)
        });
        let polled = polled.unwrap_or_else(|why| panic!("accepting: {why}"));
        if let Some(ws) = polled.accepted {
            self.served += 1;
            let connection = &mut self.connections[ws.slot()];
            connection.ws = Some(ws);
            connection.echo.drop_piece();
        }
    }

    /// Sends back what has come.
    fn serve(&mut self, index: usize) {
        let table = &mut self.table;
        let Connection { ws, echo } = &mut self.connections[index];
        let Some(open) = *ws else { return };
        loop {
            let call = if echo.holds_piece() {
                Call::Send
            } else {
                Call::Receive
            };
            let wire = &mut OnTable { table, ws: open };
            match self.meter.of(call, || echo.step(wire)) {
                Ok(Step::Idle) => return,
                Ok(_) => {}
                // Closed, lost, or against the protocol: the table knows what to answer.
                Err(_) => break,
            }
        }
        *ws = None;
        let end = self
            .meter
            .of(Call::Disconnect, || table.disconnect(open, CLOSES_WITHIN));
        end.unwrap_or_else(|why| panic!("closing: {why}"));
    }

    /// Closes what is open, and gives TCP time for it.
    fn end(&mut self) {
        for connection in &mut self.connections {
            if let Some(ws) = connection.ws.take() {
                let end = self.table.disconnect(ws, CLOSES_WITHIN);
                end.unwrap_or_else(|why| panic!("closing: {why}"));
            }
        }
        assert_eq!(self.table.in_use(), 0);
        // The rest of the answer to /quit: nobody comes any more, which takes until the end of it.
        self.table.poll(&mut [], 300);
    }
}
