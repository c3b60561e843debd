//! A site with pages and a WebSocket, for the tests of servers.

use std::collections::BTreeMap;
use std::fmt::Write;

use ws_socket::handshake::{Asked, Body, BodyWriter, Page, Response, Rules};
use ws_socket::{Handler, HeadPart, WebSocketId};

/// The page at `/`.
pub const INDEX: &[u8] = b"<title>Site</title>";

/// The length of the page at `/numbers`.
pub const NUMBERS: usize = 3000;

/// The page at `/numbers`: bytes that follow from their place.
pub fn numbers() -> Vec<u8> {
    (0..NUMBERS).map(|at| (at % 251) as u8).collect()
}

/// The page at `/log`.
pub fn log() -> Vec<u8> {
    (0..100)
        .flat_map(|n| format!("line {n}\n").into_bytes())
        .collect()
}

/// Notes what it sees.
#[derive(Default)]
pub struct Site {
    /// The targets of the requests under way, by slot.
    pub targets: BTreeMap<usize, Vec<u8>>,
    /// The headers of all requests, as `name:value\n`, by slot.
    pub headers: BTreeMap<usize, Vec<u8>>,
    /// Requests that began and ended.
    pub began: usize,
    /// Of these, those that ended without a WebSocket.
    pub ended: usize,
    /// The origins that may connect.
    pub origins: &'static [&'static str],
}

const TARGETS: &[&str] = &[
    "/", "/numbers", "/log", "/ws", "/inject", "/none", "/last", "/short", "/refused", "/echo",
];

impl<'r> Handler<'r> for Site {
    fn rules(&self) -> Rules<'r> {
        Rules {
            subprotocols: &["chat", "mqtt"],
            targets: TARGETS,
            hosts: &[],
            origins: self.origins,
        }
    }

    fn begin(&mut self, ws: WebSocketId) {
        self.began += 1;
        self.targets.insert(ws.slot(), Vec::new());
        self.headers.insert(ws.slot(), Vec::new());
    }

    fn part(&mut self, ws: WebSocketId, part: HeadPart<'_>) {
        let headers = self.headers.get_mut(&ws.slot()).expect("it began");
        match part {
            HeadPart::Target(piece) => {
                self.targets.get_mut(&ws.slot()).unwrap().extend(piece);
            }
            HeadPart::Name(piece) => headers.extend(piece),
            HeadPart::Value(piece) => {
                if !headers.contains(&b':') || headers.ends_with(b"\n") {
                    headers.push(b':');
                }
                headers.extend(piece);
            }
            HeadPart::HeaderEnd => headers.push(b'\n'),
            _ => {}
        }
    }

    fn answer(&mut self, ws: WebSocketId, asked: &Asked) -> Response<'_> {
        let text = &[("Content-Type", "text/plain")];
        let page = Page::new(200, text, INDEX);
        let body = |body| Response::Page(Page { body, ..page });
        match asked.target().map(|index| TARGETS[index]) {
            Some("/") => Response::Page(page),
            Some("/numbers") => body(Body::Sized(NUMBERS)),
            Some("/log") => body(Body::Chunked),
            Some("/short") => body(Body::Sized(50)),
            Some("/ws") => Response::Upgrade {
                subprotocol: asked.subprotocol().map(|index| ["chat", "mqtt"][index]),
                headers: &[("X-Site", "yes")],
            },
            Some("/inject") => Response::Page(Page {
                headers: &[("Location", "/\r\nSet-Cookie: a=b")],
                ..page
            }),
            Some("/none") => Response::Page(Page {
                status: 204,
                ..page
            }),
            Some("/last") => Response::Page(Page {
                close: true,
                ..page
            }),
            Some("/refused") => Response::Refuse {
                status: 401,
                headers: &[("WWW-Authenticate", "Basic")],
            },
            Some("/echo") => body(Body::Bytes(&self.targets[&ws.slot()])),
            _ => Response::Page(Page {
                status: 404,
                ..page
            }),
        }
    }

    fn body(&mut self, _: WebSocketId, asked: &Asked, offset: usize, out: &mut [u8]) -> usize {
        let mut writer = BodyWriter::new(offset, out);
        match asked.target().map(|index| TARGETS[index]) {
            Some("/numbers") => writer.bytes(&numbers()),
            Some("/short") => writer.bytes(b"not fifty bytes"),
            _ => {
                for n in 0..100 {
                    writeln!(writer, "line {n}").unwrap();
                }
            }
        }
        writer.written()
    }

    fn end(&mut self, _: WebSocketId) {
        self.ended += 1;
    }
}

/// A request for a page.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: site\r\n\r\n")
}

/// An answer: its head and its body, taken out of its framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The status.
    pub status: u16,
    /// The head.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer at the front of `bytes`, and what stands behind it; `None` if it is not whole.
pub fn answer(bytes: &[u8], head_only: bool) -> Option<(Found, &[u8])> {
    let (head, mut rest) = crate::frames::head(bytes)?;
    let status = head.split(' ').nth(1)?.parse().unwrap();
    let mut body = Vec::new();
    let chunked = crate::frames::header(head, "Transfer-Encoding").is_some();
    if chunked && !head_only {
        loop {
            let line = rest.windows(2).position(|two| two == b"\r\n")?;
            let size = std::str::from_utf8(&rest[..line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            body.extend(rest.get(line + 2..line + 2 + size)?);
            rest = rest.get(line + 2 + size..)?.strip_prefix(b"\r\n")?;
            if size == 0 {
                break;
            }
        }
    } else if !head_only {
        let length = crate::frames::header(head, "Content-Length");
        let length = length.map_or(0, |length| length.parse().unwrap());
        body.extend(rest.get(..length)?);
        rest = &rest[length..];
    }
    let head = head.to_owned();
    let found = Found { status, head, body };
    Some((found, rest))
}

/// All answers in `bytes`; nothing may be left over.
pub fn answers(mut bytes: &[u8]) -> Vec<Found> {
    let mut all = Vec::new();
    while let Some((found, rest)) = answer(bytes, false) {
        all.push(found);
        bytes = rest;
    }
    assert!(bytes.is_empty(), "{}", String::from_utf8_lossy(bytes));
    all
}
