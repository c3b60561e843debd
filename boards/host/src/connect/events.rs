//! What `ws connect` says: as JSON lines, or for people.

use crate::output::{self, Data, escape};
use base64ct::{Base64, Encoding};
use serde::Serialize;
use std::io::{self, Write};
use ws_socket::Opcode;

/// One line of `--json`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Event<'a> {
    /// The connection is open.
    Open {
        status: u16,
        subprotocol: Option<&'a str>,
    },
    /// A message, whole.
    Message { r#type: &'static str, data: &'a str },
    /// A message that went back, by `--echo`.
    Echo { r#type: &'static str, length: u64 },
    /// A Ping of the peer's, which was answered; in base64.
    Ping { data: &'a str },
    /// A Pong; the time since the Ping with the same payload, if there was one.
    Pong {
        data: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        rtt_ms: Option<f64>,
    },
    /// The connection is over; the last line of one that was open.
    Close {
        code: u16,
        reason: &'a str,
        clean: bool,
    },
    /// Something went wrong.
    Error(&'a Trouble),
}

/// What went wrong.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Trouble {
    /// One word for programs.
    pub(crate) kind: &'static str,
    /// What it was, and what to do about it.
    pub(crate) detail: String,
    /// The status of an answer that was no upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Its Location header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    /// Its WWW-Authenticate header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) www_authenticate: Option<String>,
}

impl Trouble {
    pub(crate) fn new(kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            ..Self::default()
        }
    }
}

/// The type of a message, as events have it.
pub(crate) const fn type_of(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::Text => "text",
        _ => "binary",
    }
}

/// Writes events to standard output and what people want to know to standard error. Takes all, and
/// does not wait: who can, asks [`has_room`](output::has_room) first.
pub(crate) struct Printer<W = Data> {
    out: W,
    json: bool,
    terminal: bool,
}

impl Printer {
    /// For standard output.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            out: Data,
            json,
            terminal: output::is_terminal(),
        }
    }
}

impl<W: Write> Printer<W> {
    /// The connection is open.
    pub(crate) fn open(&mut self, url: &str, subprotocol: Option<&str>) -> io::Result<()> {
        let status = 101;
        self.event(&Event::Open {
            status,
            subprotocol,
        })?;
        match subprotocol {
            Some(subprotocol) => self.say(&format!("connected to {url}, speaking {subprotocol}")),
            None => self.say(&format!("connected to {url}")),
        }
        Ok(())
    }

    /// Fails where standard output has failed.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A whole message.
    pub(crate) fn message(&mut self, opcode: Opcode, data: &[u8]) -> io::Result<()> {
        let r#type = type_of(opcode);
        if self.json && opcode == Opcode::Text {
            // The table has let only UTF-8 pass.
            let data = &String::from_utf8_lossy(data);
            return self.event(&Event::Message { r#type, data });
        }
        if self.json {
            let data = &Base64::encode_string(data);
            return self.event(&Event::Message { r#type, data });
        }
        if opcode == Opcode::Text {
            let shown = if self.terminal {
                escape::text(data)
            } else {
                data.into()
            };
            self.out.write_all(&[&shown, &b"\n"[..]].concat())
        } else if self.terminal {
            let line = format!("(binary, in base64) {}\n", Base64::encode_string(data));
            self.out.write_all(line.as_bytes())
        } else {
            self.out.write_all(data)
        }
    }

    /// A message that went back.
    pub(crate) fn echo(&mut self, opcode: Opcode, length: u64) -> io::Result<()> {
        let r#type = type_of(opcode);
        log::debug!("{type} message of {length} bytes goes back");
        self.event(&Event::Echo { r#type, length })
    }

    /// A Ping of the peer's.
    pub(crate) fn ping(&mut self, payload: &[u8]) -> io::Result<()> {
        log::debug!("a Ping with {} bytes, answered", payload.len());
        let data = &Base64::encode_string(payload);
        self.event(&Event::Ping { data })
    }

    /// A Pong, and how long it took.
    pub(crate) fn pong(&mut self, payload: &[u8], rtt_ms: Option<f64>) -> io::Result<()> {
        if let Some(rtt_ms) = rtt_ms {
            self.say(&format!("pong after {rtt_ms:.3} ms"));
        }
        let data = &Base64::encode_string(payload);
        self.event(&Event::Pong { data, rtt_ms })
    }

    /// The end of a connection that was open.
    pub(crate) fn close(&mut self, code: u16, reason: &str, clean: bool) -> io::Result<()> {
        self.event(&Event::Close {
            code,
            reason,
            clean,
        })?;
        if clean {
            let shown = reason.escape_debug();
            let what = match code {
                1005 => "no code".to_owned(),
                _ if reason.is_empty() => format!("code {code}"),
                _ => format!("code {code}: {shown}"),
            };
            self.say(&format!("closed, with {what}"));
        }
        Ok(())
    }

    /// Something went wrong: always on standard error too.
    pub(crate) fn trouble(&mut self, trouble: &Trouble) -> io::Result<()> {
        output::say(&trouble.detail);
        self.event(&Event::Error(trouble))
    }

    /// Something to know that is no event.
    pub(crate) fn say(&self, text: &str) {
        if !self.json {
            output::say(text);
        }
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        let line = output::json_line(event, self.terminal)?;
        self.out.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(
        json: bool,
        terminal: bool,
        print: impl FnOnce(&mut Printer<&mut Vec<u8>>),
    ) -> String {
        let mut out = Vec::new();
        let mut printer = Printer {
            out: &mut out,
            json,
            terminal,
        };
        print(&mut printer);
        String::from_utf8(out).unwrap()
    }

    fn line(print: impl FnOnce(&mut Printer<&mut Vec<u8>>)) -> String {
        printed(true, false, print)
    }

    #[test]
    fn every_event_is_one_line_with_its_name_first() {
        assert_eq!(
            line(|p| p.open("ws://host/", Some("mqtt")).unwrap()),
            "{\"event\":\"open\",\"status\":101,\"subprotocol\":\"mqtt\"}\n"
        );
        assert_eq!(
            line(|p| p.open("ws://host/", None).unwrap()),
            "{\"event\":\"open\",\"status\":101,\"subprotocol\":null}\n"
        );
        assert_eq!(
            line(|p| p.message(Opcode::Text, "\"ä\"\n".as_bytes()).unwrap()),
            "{\"event\":\"message\",\"type\":\"text\",\"data\":\"\\\"ä\\\"\\n\"}\n"
        );
        assert_eq!(
            line(|p| p.message(Opcode::Binary, &[0, 255]).unwrap()),
            "{\"event\":\"message\",\"type\":\"binary\",\"data\":\"AP8=\"}\n"
        );
        assert_eq!(
            line(|p| p.echo(Opcode::Binary, 7).unwrap()),
            "{\"event\":\"echo\",\"type\":\"binary\",\"length\":7}\n"
        );
        assert_eq!(
            line(|p| p.ping(b"").unwrap()),
            "{\"event\":\"ping\",\"data\":\"\"}\n"
        );
        assert_eq!(
            line(|p| p.pong(b"x", None).unwrap()),
            "{\"event\":\"pong\",\"data\":\"eA==\"}\n"
        );
        assert_eq!(
            line(|p| p.pong(b"x", Some(1.5)).unwrap()),
            "{\"event\":\"pong\",\"data\":\"eA==\",\"rtt_ms\":1.5}\n"
        );
        assert_eq!(
            line(|p| p.close(1000, "done", true).unwrap()),
            "{\"event\":\"close\",\"code\":1000,\"reason\":\"done\",\"clean\":true}\n"
        );
        assert_eq!(
            line(|p| p.trouble(&Trouble::new("lost", "gone")).unwrap()),
            "{\"event\":\"error\",\"kind\":\"lost\",\"detail\":\"gone\"}\n"
        );
        let refused = Trouble {
            status: Some(302),
            location: Some("ws://elsewhere/".to_owned()),
            ..Trouble::new("refused", "no")
        };
        assert_eq!(
            line(|p| p.trouble(&refused).unwrap()),
            "{\"event\":\"error\",\"kind\":\"refused\",\"detail\":\"no\",\"status\":302,\
             \"location\":\"ws://elsewhere/\"}\n"
        );
    }

    #[test]
    fn for_people_only_messages_are_on_standard_output() {
        let all = |p: &mut Printer<&mut Vec<u8>>| {
            p.open("ws://host/", None).unwrap();
            p.message(Opcode::Text, b"text").unwrap();
            p.ping(b"x").unwrap();
            p.message(Opcode::Binary, &[1, 2]).unwrap();
            p.close(1000, "", true).unwrap();
        };
        assert_eq!(printed(false, false, all), "text\n\u{1}\u{2}");
        assert_eq!(
            printed(false, true, all),
            "text\n(binary, in base64) AQI=\n"
        );
    }
}
