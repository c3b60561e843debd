//! A page, a text and a WebSocket on one port: `cargo run --example pages --features std`, then
//! open <http://127.0.0.1:8080/>.
#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod common;

use std::fmt::Write;

use common::{Table, listen};
use ws_socket::handshake::{Asked, Body, BodyWriter, Page, Response, Rules};
use ws_socket::stack::StdSocket;
use ws_socket::{Events, Handler, Opcode, PollItem, WebSocketId};

const INDEX: &[u8] = b"<!doctype html><title>Device</title><h1></h1><script>
const live = new WebSocket(`ws://${location.host}/live`, 'readings')
live.onmessage = event => document.querySelector('h1').textContent = event.data
</script>";

/// What the device has to show.
pub struct Site {
    /// The last three.
    pub readings: [u32; 3],
}

impl<'r> Handler<'r> for Site {
    fn rules(&self) -> Rules<'r> {
        Rules {
            targets: &["/", "/readings.csv", "/live"],
            subprotocols: &["readings"],
            // Only pages of this device may open the WebSocket.
            origins: &["http://127.0.0.1:8080", "http://localhost:8080"],
            ..Rules::NONE
        }
    }

    fn answer(&mut self, _: WebSocketId, asked: &Asked) -> Response<'_> {
        let html = &[("Content-Type", "text/html; charset=utf-8")];
        match asked.target() {
            Some(0) => Response::Page(Page::new(200, html, INDEX)),
            Some(1) => Response::Page(Page {
                headers: &[("Content-Type", "text/csv")],
                body: Body::Chunked,
                ..Page::new(200, &[], b"")
            }),
            Some(2) => Response::Upgrade {
                subprotocol: asked.subprotocol().map(|_| "readings"),
                headers: &[],
            },
            _ => Response::Page(Page::new(404, html, b"<h1>Not here</h1>")),
        }
    }

    fn body(&mut self, _: WebSocketId, _: &Asked, offset: usize, out: &mut [u8]) -> usize {
        let mut csv = BodyWriter::new(offset, out);
        for (number, reading) in self.readings.iter().enumerate() {
            // It cannot fail: what is not asked for is left out.
            let _ = writeln!(csv, "{number},{reading}");
        }
        csv.written()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut table, mut listener) = listen(8080)?;
    println!("http://{}/", listener.local_addr()?);
    serve(&mut table, &mut listener, || true)
}

/// Serves as long as `go_on` says so.
pub fn serve(
    table: &mut Table,
    listener: &mut StdSocket,
    mut go_on: impl FnMut() -> bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut site = Site {
        readings: [17, 4, 2026],
    };
    let mut open: Vec<PollItem> = Vec::new();
    while go_on() {
        let found = table.poll_accept(listener, &mut site, &mut open, 100)?;
        for item in std::mem::take(&mut open) {
            // Whatever a browser says, it gets the readings.
            let over = item.revents != Events(0)
                && (table.recv_msg(item.ws, &mut [0; 64], 0).is_err()
                    || !greet(table, item.ws, &site));
            if over {
                table.disconnect(item.ws, 0)?;
            } else {
                open.push(item);
            }
        }
        if let Some(ws) = found.accepted
            && greet(table, ws, &site)
        {
            open.push(PollItem::new(ws, Events::IN));
        }
    }
    Ok(())
}

fn greet(table: &mut Table, ws: WebSocketId, site: &Site) -> bool {
    let text = format!("{:?}", site.readings);
    let sent = table.send_msg(ws, text.as_bytes(), Opcode::Text, true, 100);
    sent.is_ok_and(|count| count == text.len())
}
