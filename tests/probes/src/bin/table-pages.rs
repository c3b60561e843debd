//! The handle table as a server with pages of every kind: the same calls as `table-accept`.
#![no_std]
#![no_main]

use ws_probes::{bytes, done, flag, keep, word};
use ws_socket::handshake::{Asked, Body, Page, Response, Rules};
use ws_socket::{
    Handler, Opcode, Timeout, WebSocketId, websocket_accept, websocket_disconnect,
    websocket_recv_msg, websocket_send_msg,
};

struct Site(&'static [u8]);

impl Handler<'static> for Site {
    fn rules(&self) -> Rules<'static> {
        Rules {
            targets: &["/", "/log", "/ws"],
            origins: &["http://device.local"],
            ..Rules::NONE
        }
    }

    fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
        let page = Page::new(200, &[("Content-Type", "text/html")], self.0);
        match asked.target() {
            Some(0) => Response::Page(page),
            Some(1) => Response::Page(Page {
                body: Body::Chunked,
                ..page
            }),
            Some(_) => Response::Upgrade {
                subprotocol: None,
                headers: &[],
            },
            None => Response::Page(Page::new(404, &[], b"")),
        }
    }

    fn body(&mut self, _: WebSocketId, _: &Asked, offset: usize, out: &mut [u8]) -> usize {
        done(offset);
        done(out.as_mut_ptr() as usize);
        word()
    }
}

ws_probes::firmware!({
    let mut table = ws_probes::stack::table();
    let timeout = Timeout::Millis(word() as u32);
    let mut site = Site(bytes());
    match websocket_accept(&mut table, &mut (word() as u32), &mut site, timeout) {
        Ok(ws) => {
            while flag() {
                let opcode = if flag() { Opcode::Text } else { Opcode::Binary };
                let fin = flag();
                keep(websocket_send_msg(
                    &mut table,
                    ws,
                    bytes(),
                    opcode,
                    false,
                    fin,
                    timeout,
                ));
                match websocket_recv_msg(&mut table, ws, bytes(), timeout) {
                    Ok(received) => keep(received),
                    Err(error) => done(error.errno() as usize),
                }
            }
            keep(websocket_disconnect(&mut table, ws, timeout));
        }
        Err(error) => done(error.errno() as usize),
    }
});
