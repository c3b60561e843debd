//! What `ws serve` says: as JSON lines, or for people.

use crate::output::{self, Events};
use serde::Serialize;
use std::io::{self, Write};
use std::net::SocketAddr;
use ws_socket::Opcode;

/// One line of `--json`. `id` is the connection's: 1 for the first, never given again.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Event<'a> {
    /// The port is open.
    Listening { address: String, port: u16 },
    /// A connection is open.
    Open {
        id: u64,
        /// Address and port of the peer, where it is still there to be asked for.
        peer: Option<SocketAddr>,
        /// What was asked for: path and query.
        target: &'a str,
        subprotocol: Option<&'a str>,
    },
    /// A message has come, whole.
    Message {
        id: u64,
        r#type: &'static str,
        length: u64,
    },
    /// A connection is over; 1006 where the peer sent no Close.
    Close {
        id: u64,
        code: u16,
        reason: &'a str,
        clean: bool,
    },
    /// Something went wrong, with a connection or with all.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// One word for programs.
        kind: &'static str,
        /// What it was, and what to do about it.
        detail: String,
    },
}

/// The type of a message, as events have it.
pub(super) const fn type_of(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::Text => "text",
        _ => "binary",
    }
}

/// Writes events to standard output. It never fails: that it did is asked for.
pub(super) struct Printer<W: Write = Events> {
    out: W,
    json: bool,
    terminal: bool,
    failed: Option<io::Error>,
}

impl Printer {
    /// For standard output.
    pub(super) fn new(json: bool) -> Self {
        Self::over(Events, json, output::is_terminal())
    }
}

impl<W: Write> Printer<W> {
    fn over(out: W, json: bool, terminal: bool) -> Self {
        Self {
            out,
            json,
            terminal,
            failed: None,
        }
    }

    /// Prints an event by `--json`; for people, where there is one is on standard output, and what
    /// is wrong with the server itself on standard error. The rest is for `-v`.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        if let Event::Error { id, detail, .. } = event {
            match id {
                None => output::say(detail),
                Some(id) => log::debug!("{id}: {detail}"),
            }
        } else {
            log::debug!("{event:?}");
        }
        let written = match event {
            _ if self.json => {
                output::json_line(event, self.terminal).and_then(|line| self.out.write_all(&line))
            }
            Event::Listening { address, port } => {
                let bracketed = address.contains(':');
                let (open, shut) = if bracketed { ("[", "]") } else { ("", "") };
                let line = format!("listening on ws://{open}{address}{shut}:{port}/\n");
                self.out.write_all(line.as_bytes())
            }
            _ => return,
        };
        self.note(written);
    }

    /// Looks whether what was printed could be written. Does not wait.
    pub(super) fn flush(&mut self) {
        let flushed = self.out.flush();
        self.note(flushed);
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }

    /// Why standard output takes nothing any more.
    pub(super) const fn failed(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(json: bool, events: &[Event<'_>]) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::over(&mut out, json, false);
        events.iter().for_each(|event| printer.event(event));
        printer.flush();
        assert!(printer.failed().is_none());
        drop(printer);
        String::from_utf8(out).unwrap()
    }

    fn line(event: Event<'_>) -> String {
        printed(true, &[event])
    }

    fn listening(address: &str) -> Event<'static> {
        Event::Listening {
            address: address.to_owned(),
            port: 80,
        }
    }

    #[test]
    fn every_event_is_one_line_with_its_name_first() {
        assert_eq!(
            line(listening("127.0.0.1")),
            "{\"event\":\"listening\",\"address\":\"127.0.0.1\",\"port\":80}\n"
        );
        let open = Event::Open {
            id: 1,
            peer: Some(SocketAddr::from(([127, 0, 0, 1], 5))),
            target: "/chat?room=1",
            subprotocol: Some("mqtt"),
        };
        assert_eq!(
            line(open),
            "{\"event\":\"open\",\"id\":1,\"peer\":\"127.0.0.1:5\",\"target\":\"/chat?room=1\",\
             \"subprotocol\":\"mqtt\"}\n"
        );
        let message = Event::Message {
            id: 2,
            r#type: type_of(Opcode::Binary),
            length: 7,
        };
        assert_eq!(
            line(message),
            "{\"event\":\"message\",\"id\":2,\"type\":\"binary\",\"length\":7}\n"
        );
        let close = Event::Close {
            id: 3,
            code: 1000,
            reason: "\"ä\"\n",
            clean: true,
        };
        assert_eq!(
            line(close),
            "{\"event\":\"close\",\"id\":3,\"code\":1000,\"reason\":\"\\\"ä\\\"\\n\",\
             \"clean\":true}\n"
        );
        let error = |id| Event::Error {
            id,
            kind: "lost",
            detail: "gone".to_owned(),
        };
        assert_eq!(
            line(error(Some(4))),
            "{\"event\":\"error\",\"id\":4,\"kind\":\"lost\",\"detail\":\"gone\"}\n"
        );
        assert_eq!(
            line(error(None)),
            "{\"event\":\"error\",\"kind\":\"lost\",\"detail\":\"gone\"}\n"
        );
    }

    #[test]
    fn for_people_it_says_where_it_listens() {
        let message = Event::Message {
            id: 1,
            r#type: "text",
            length: 1,
        };
        assert_eq!(
            printed(false, &[listening("127.0.0.1"), message]),
            "listening on ws://127.0.0.1:80/\n"
        );
        assert_eq!(
            printed(false, &[listening("::1")]),
            "listening on ws://[::1]:80/\n"
        );
    }
}
