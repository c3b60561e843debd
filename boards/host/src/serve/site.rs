//! What requests are answered with: WebSockets on every path, and pages where there are some.

use super::demo;
use super::files::{self, Files, Found};
use crate::arguments::{MAX_CONNECTIONS, ServeOptions};
use std::collections::HashMap;
use std::fs::File;
use ws_socket::handshake::{Asked, Body, HeadPart, Page, Response, Rules};
use ws_socket::{Handler, WebSocketId};

/// Where in the rules' targets the demo's paths stand.
const READINGS: Option<usize> = Some(0);
const INDEX: Option<usize> = Some(1);

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain; charset=utf-8")];

/// What there is on this port.
#[derive(Debug)]
pub(super) struct Site {
    rules: Rules<'static>,
    files: Option<Files>,
    max_connections: usize,
    /// WebSockets that are open, or that were told they will be.
    taken: usize,
    /// Since somebody asked.
    turned_away: bool,
    /// By slot.
    requests: HashMap<usize, Request>,
}

/// A request, and its answer once that is known.
#[derive(Debug, Default)]
pub(super) struct Request {
    target: Vec<u8>,
    /// The name of the header that is coming in.
    name: Vec<u8>,
    accept_encoding: Vec<u8>,
    answer: Option<Answer>,
}

#[derive(Debug)]
enum Answer {
    Upgrade(Upgraded),
    /// There are as many connections as there may be.
    Full,
    Demo {
        gzip: bool,
    },
    File {
        file: File,
        length: usize,
        headers: &'static [(&'static str, &'static str)],
    },
    NotFound(&'static str),
    /// There are only WebSockets here.
    NoPage,
}

/// What a connection was upgraded to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Upgraded {
    pub(super) subprotocol: Option<&'static str>,
    /// It gets the readings of the demo.
    pub(super) readings: bool,
    /// What was asked for.
    pub(super) target: String,
}

impl Site {
    /// # Errors
    /// A sentence that says what to do.
    pub(super) fn new(options: &ServeOptions) -> Result<Self, String> {
        let files = options.www.as_ref().map(|folder| {
            Files::below(folder).map_err(|error| {
                let folder = folder.display();
                format!("--www '{folder}' is no folder that can be read: {error}")
            })
        });
        let demo = options.demo.then_some(demo::SUBPROTOCOL);
        let subprotocols = demo.into_iter().map(str::to_owned);
        let rules = Rules {
            subprotocols: kept(subprotocols.chain(options.subprotocols.iter().cloned())),
            targets: if options.demo {
                &[demo::PATH, "/"]
            } else {
                &[]
            },
            origins: kept(options.origins.iter().cloned()),
            ..Rules::NONE
        };
        Ok(Self {
            rules,
            files: files.transpose()?,
            max_connections: options.max_connections.unwrap_or(MAX_CONNECTIONS),
            taken: 0,
            turned_away: false,
            requests: HashMap::new(),
        })
    }

    /// What has become of a request, now that it is a WebSocket.
    pub(super) fn upgraded(&mut self, ws: WebSocketId) -> Upgraded {
        let request = self.requests.remove(&ws.slot());
        request.unwrap_or_default().upgraded()
    }

    /// What requests are compared with.
    pub(super) const fn rules(&self) -> Rules<'static> {
        self.rules
    }

    /// Decides on a request, once.
    pub(super) fn answer(&mut self, request: &mut Request, asked: &Asked) {
        let answer = self.decide(request, asked);
        log::debug!("{}: {answer:?}", String::from_utf8_lossy(&request.target));
        request.answer = Some(answer);
    }

    /// A request is over, and no WebSocket came of it.
    pub(super) const fn ended(&mut self, request: &Request) {
        if let Some(Answer::Upgrade(_)) = request.answer {
            self.closed();
        }
    }

    /// A WebSocket is gone.
    pub(super) const fn closed(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// Was somebody turned away, since there are as many connections as there may be?
    pub(super) const fn take_turned_away(&mut self) -> bool {
        std::mem::replace(&mut self.turned_away, false)
    }

    /// Is there an answer to this one that is not out yet?
    pub(super) fn answers(&self, ws: WebSocketId) -> bool {
        let request = self.requests.get(&ws.slot());
        request.is_some_and(Request::is_answered)
    }

    /// Are there answers that are not out yet?
    pub(super) fn is_answering(&self) -> bool {
        let mut requests = self.requests.values();
        requests.any(|request| request.answer.is_some())
    }

    /// Decides, once for each request.
    fn decide(&mut self, request: &Request, asked: &Asked) -> Answer {
        if asked.upgrade() {
            return self.upgrade(request, asked);
        }
        match (asked.target(), &self.files) {
            (INDEX, _) => {
                let gzip = String::from_utf8_lossy(&request.accept_encoding);
                Answer::Demo {
                    gzip: demo::takes_gzip(&gzip),
                }
            }
            (None, Some(files)) => match files.find(&request.target) {
                Found::File {
                    file,
                    length,
                    headers,
                } => Answer::File {
                    file,
                    length,
                    headers,
                },
                Found::Folder => Answer::NotFound("That is a folder: add a slash.\n"),
                Found::Nothing => Answer::NotFound("There is no such file here.\n"),
            },
            _ => Answer::NoPage,
        }
    }

    fn upgrade(&mut self, request: &Request, asked: &Asked) -> Answer {
        if self.taken >= self.max_connections {
            self.turned_away = true;
            return Answer::Full;
        }
        self.taken += 1;
        let readings = asked.target() == READINGS;
        let chosen = asked.subprotocol();
        let chosen = chosen.and_then(|index| self.rules.subprotocols.get(index).copied());
        let demo = !self.rules.targets.is_empty();
        // The demo's is for its path, and its path for the demo's.
        let fits = |name: &&str| !demo || (*name == demo::SUBPROTOCOL) == readings;
        Answer::Upgrade(Upgraded {
            subprotocol: chosen.filter(fits),
            readings,
            target: String::from_utf8_lossy(&request.target).into_owned(),
        })
    }
}

impl Request {
    /// Takes a part of it.
    pub(super) fn part(&mut self, part: HeadPart<'_>) {
        match part {
            HeadPart::Target(bytes) => self.target.extend_from_slice(bytes),
            HeadPart::Name(bytes) => self.name.extend_from_slice(bytes),
            HeadPart::Value(bytes) if self.name.eq_ignore_ascii_case(b"accept-encoding") => {
                self.accept_encoding.extend_from_slice(bytes);
            }
            HeadPart::HeaderEnd => self.name.clear(),
            _ => {}
        }
    }

    /// Is the answer known?
    pub(super) const fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// What it was upgraded to.
    pub(super) fn upgraded(self) -> Upgraded {
        match self.answer {
            Some(Answer::Upgrade(upgraded)) => upgraded,
            _ => Upgraded::default(),
        }
    }

    /// The answer.
    pub(super) fn response(&self) -> Response<'_> {
        match &self.answer {
            Some(Answer::Upgrade(upgraded)) => Response::Upgrade {
                subprotocol: upgraded.subprotocol,
                headers: &[],
            },
            // Says that an upgrade would be welcome: 426.
            Some(Answer::NoPage) => Response::Upgrade {
                subprotocol: None,
                headers: &[],
            },
            Some(Answer::Demo { gzip }) => {
                Response::Page(Page::new(200, demo::headers(*gzip), demo::page(*gzip)))
            }
            Some(Answer::File {
                length, headers, ..
            }) => Response::Page(Page {
                body: Body::Sized(*length),
                ..Page::new(200, headers, b"")
            }),
            Some(Answer::NotFound(why)) => Response::Page(Page::new(404, TEXT, why.as_bytes())),
            Some(Answer::Full) | None => FULL,
        }
    }

    /// Bytes of the answer's body.
    pub(super) fn body(&self, offset: usize, out: &mut [u8]) -> usize {
        let Some(Answer::File { file, .. }) = &self.answer else {
            return 0;
        };
        // The library ends the connection, since the answer is too short.
        files::read(file, offset, out).unwrap_or_else(|error| {
            log::debug!("reading a file: {error}");
            0
        })
    }
}

const FULL: Response<'static> = Response::Refuse {
    status: 503,
    headers: &[("Retry-After", "5")],
};

/// Many requests at once, by slot.
impl Handler<'static> for Site {
    fn rules(&self) -> Rules<'static> {
        self.rules
    }

    fn begin(&mut self, ws: WebSocketId) {
        self.requests.remove(&ws.slot());
    }

    fn part(&mut self, ws: WebSocketId, part: HeadPart<'_>) {
        self.requests.entry(ws.slot()).or_default().part(part);
    }

    fn answer(&mut self, ws: WebSocketId, asked: &Asked) -> Response<'_> {
        let slot = ws.slot();
        if !self.requests.get(&slot).is_some_and(Request::is_answered) {
            let mut request = self.requests.remove(&slot).unwrap_or_default();
            Self::answer(self, &mut request, asked);
            self.requests.insert(slot, request);
        }
        self.requests.get(&slot).map_or(FULL, Request::response)
    }

    fn body(&mut self, ws: WebSocketId, _: &Asked, offset: usize, out: &mut [u8]) -> usize {
        let request = self.requests.get(&ws.slot());
        request.map_or(0, |request| request.body(offset, out))
    }

    fn end(&mut self, ws: WebSocketId) {
        if let Some(request) = self.requests.remove(&ws.slot()) {
            self.ended(&request);
        }
    }
}

/// For as long as the program runs.
fn kept(names: impl Iterator<Item = String>) -> &'static [&'static str] {
    let names: Vec<&'static str> = names
        .map(|name| &*Box::leak(name.into_boxed_str()))
        .collect();
    Box::leak(names.into_boxed_slice())
}
