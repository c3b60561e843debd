//! Every call that a peer's bytes, or a stack's answers, can reach, over any kind of table.

use core::net::{Ipv4Addr, SocketAddr};

use embedded_io::{Error as _, Read, ReadReady, Write, WriteReady};
use embedded_nal::TcpClientStack;
use ws_core::url::Url;
use ws_core::{Opcode, parse_close, write_close};
use ws_socket::handshake::{Asked, Body, Page, Response, Rules};
use ws_socket::{
    AcceptOptions, Buffer, CloseCode, Config, Events, Handler, HeadPart, Host, Keepalive, PollItem,
    Recipient, Request, Role, SlotStore, SlowPolicy, Table, Timeout, WebSocketId, WebSocketRequest,
    ZeroRead, send, websocket_accept, websocket_connect, websocket_connect_url,
    websocket_disconnect, websocket_poll, websocket_poll_accept, websocket_recv_msg,
    websocket_register, websocket_send_msg, websocket_unregister,
};

use crate::stack::{Chip, Registers};
use crate::{array, bytes, done, flag, keep, text, word};

/// A table of registers, wherever its slots live.
pub type Every<L> = Table<'static, Registers, Chip, L>;

/// Settings that are known only when it runs.
pub fn config() -> Config {
    Config {
        max_message: word(),
        max_handshake: word() as u16,
        handshake_timeout: word() as u32,
        answer_timeout: word() as u32,
        answer_rate: word() as u32,
        zero_read: if flag() {
            ZeroRead::EndOfStream
        } else {
            ZeroRead::WouldBlock
        },
        secure: flag(),
        answer_pings: flag(),
        report_pings: flag(),
        report_pongs: flag(),
        keepalive: flag().then(|| Keepalive {
            interval: word() as u32,
            timeout: word() as u32,
        }),
        flush: flag(),
        binary_only: flag(),
    }
}

fn timeout() -> Timeout {
    Timeout::Millis(word() as u32)
}

fn opcode() -> Opcode {
    let opcode = u8::try_from(word()).ok().and_then(Opcode::from_wire);
    opcode.unwrap_or(Opcode::Binary)
}

/// All that a connection is good for.
fn converse<L: SlotStore<'static, Socket = u32>>(table: &mut Every<L>, ws: WebSocketId) {
    while flag() {
        receive(table, ws);
        transmit(table, ws);
        let mut items = [PollItem::new(ws, Events::IN | Events::OUT)];
        done(websocket_poll(table, &mut items, timeout()));
        keep(items);
        keep(table.close_code(ws));
        keep(table.open_frame(ws));
        keep(table.subprotocol(ws));
        keep(table.is_open(ws));
    }
    let code = CloseCode(word() as u16);
    match word() {
        0 => keep(websocket_disconnect(table, ws, timeout())),
        1 => keep(table.disconnect_with(ws, code, text(), timeout())),
        2 => keep(table.disconnect_keeping_socket(ws, code, text(), timeout())),
        3 => keep(ws_socket::close(table, ws)),
        4 => keep(TcpClientStack::close(table, ws)),
        5 => keep(websocket_unregister(table, ws)),
        _ => keep(table.abort(ws)),
    }
}

fn receive<L: SlotStore<'static, Socket = u32>>(table: &mut Every<L>, ws: WebSocketId) {
    match websocket_recv_msg(table, ws, bytes(), timeout()) {
        Ok(piece) => {
            done(piece.opcode() as usize);
            done(usize::from(piece.is_complete()));
            keep(parse_close(bytes()));
        }
        Err(error) => done(error.errno() as usize),
    }
    match ws_socket::recv(table, ws, bytes(), timeout()) {
        Ok(count) => done(count),
        Err(error) => done(error.errno() as usize),
    }
    keep(TcpClientStack::receive(table, &mut { ws }, bytes()));
    let mut stream = table.stream(ws).with_timeout(timeout());
    keep(stream.read_ready());
    match stream.read(bytes()) {
        Ok(count) => done(count),
        Err(error) => done(error.kind() as usize),
    }
}

fn transmit<L: SlotStore<'static, Socket = u32>>(table: &mut Every<L>, ws: WebSocketId) {
    let (opcode, mask, fin, rest) = (opcode(), flag(), flag(), word());
    match websocket_send_msg(table, ws, bytes(), opcode, mask, fin, timeout()) {
        Ok(count) => done(count),
        Err(error) => done(error.errno() as usize),
    }
    keep(table.send_msg_mut(ws, bytes(), opcode, fin, timeout()));
    keep(table.send_part(ws, bytes(), rest, opcode, fin, timeout()));
    keep(send(table, ws, bytes(), timeout()));
    keep(TcpClientStack::send(table, &mut { ws }, bytes()));
    let mut stream = table.stream(ws).with_timeout(timeout());
    keep(stream.write_ready());
    keep(stream.write(bytes()));
    let mut recipients = [Recipient::new(ws), Recipient::new(ws)];
    let policy = match word() {
        0 => SlowPolicy::Skip,
        1 => SlowPolicy::Close,
        _ => SlowPolicy::Wait,
    };
    done(table.broadcast(&mut recipients, bytes(), opcode, policy, timeout()));
    keep(recipients);
}

/// A client: every way to connect, and then all of it.
pub fn client<L: SlotStore<'static, Socket = u32>>(table: &mut Every<L>) {
    let protocols = [text(), text()];
    let headers = [(text(), text())];
    let mut seen = |part: HeadPart<'_>| keep(part);
    let request = WebSocketRequest::new(text(), text())
        .subprotocols(&protocols)
        .headers(&headers)
        .origin(text())
        .buffer(array::<512>())
        .on_response(&mut seen);
    let remote = SocketAddr::from((Ipv4Addr::from_bits(word() as u32), word() as u16));
    let connected = match word() {
        0 => websocket_connect(table, word() as u32, request, timeout()),
        1 => websocket_connect_url(table, text(), request, timeout()),
        2 => table.connect_to(remote, request, timeout()),
        _ => {
            let role = if flag() { Role::Client } else { Role::Server };
            let lent = flag().then(|| Buffer::from(array::<512>()));
            match websocket_register(table, word() as u32, role, lent, word()) {
                Ok(ws) => Ok(ws),
                Err((error, _)) => return done(error.errno() as usize),
            }
        }
    };
    match connected {
        Ok(ws) => converse(table, ws),
        Err(error) => done(error.errno() as usize),
    }
    // The table as a stack: another handshake, driven by calls that never wait.
    let Ok(mut ws) = TcpClientStack::socket(table) else {
        return;
    };
    while flag() {
        keep(TcpClientStack::connect(table, &mut ws, remote));
    }
    converse(table, ws);
}

/// Pages of every kind, and WebSockets.
struct Site {
    bytes: &'static [u8],
    headers: [(&'static str, &'static str); 1],
}

impl Handler<'static> for Site {
    fn rules(&self) -> Rules<'static> {
        Rules {
            targets: &["/", "/log", "/ws"],
            origins: &["http://device.local"],
            hosts: &["device.local"],
            subprotocols: &["mqtt", "chat"],
        }
    }

    fn part(&mut self, _: WebSocketId, part: HeadPart<'_>) {
        keep(part);
    }

    fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
        let page = Page::new(200, &self.headers, self.bytes);
        match asked.target() {
            Some(0) => Response::Page(page),
            Some(1) if flag() => Response::Page(Page {
                body: Body::Chunked,
                ..page
            }),
            Some(1) => Response::Page(Page {
                body: Body::Sized(word()),
                ..page
            }),
            Some(_) => Response::Upgrade {
                subprotocol: flag().then_some("mqtt"),
                headers: &self.headers,
            },
            None => Response::Refuse {
                status: word() as u16,
                headers: &self.headers,
            },
        }
    }

    fn body(&mut self, _: WebSocketId, _: &Asked, offset: usize, out: &mut [u8]) -> usize {
        done(offset);
        done(out.as_mut_ptr() as usize);
        word()
    }
}

/// A server: both ways to accept, with pages and without, and then all of it.
pub fn server<L: SlotStore<'static, Socket = u32>>(table: &mut Every<L>) {
    let mut listener = word() as u32;
    let mut site = Site {
        bytes: bytes(),
        headers: [(text(), text())],
    };
    let options = AcceptOptions {
        subprotocols: &[text()],
        ..AcceptOptions::default()
    };
    let accepted = match word() {
        0 => websocket_accept(table, &mut listener, &options, timeout()),
        1 => websocket_accept(table, &mut listener, &mut site, timeout()),
        _ => {
            let mut items = [];
            let polled =
                websocket_poll_accept(table, &mut listener, &mut site, &mut items, timeout());
            match polled {
                Ok(polled) => match polled.accepted {
                    Some(ws) => Ok(ws),
                    None => return,
                },
                Err(error) => Err(error),
            }
        }
    };
    match accepted {
        Ok(ws) => converse(table, ws),
        Err(error) => done(error.errno() as usize),
    }
    while let Ok(Some(ws)) = table.take_in(&mut listener, &mut site) {
        keep(table.advance(ws, &mut site));
    }
}

/// What of the core the table does not use.
pub fn core() {
    keep(Url::parse(text()).map(|url| url.host_header()));
    keep(parse_close(bytes()));
    keep(write_close(
        CloseCode(word() as u16),
        text(),
        crate::array(),
    ));
    keep(Request::new(Host::Text(text()), text()).validate());
}
