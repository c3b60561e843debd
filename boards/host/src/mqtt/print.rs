//! Messages on standard output.

use crate::output::{self, escape};
use base64ct::{Base64, Encoding};
use serde::Serialize;
use std::io::{self, Write};

/// One message as a line of `--json`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    topic: &'a str,
    qos: u8,
    retain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

/// What is printed of a message.
pub(super) struct Message<'a> {
    pub(super) topic: &'a str,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) payload: &'a [u8],
}

/// Prints it: as JSON, or the payload with a line feed, after the topic where `verbose`. What a
/// `terminal` must not get is escaped.
pub(super) fn print(
    mut out: impl Write,
    message: &Message<'_>,
    json: bool,
    verbose: bool,
    terminal: bool,
) -> io::Result<()> {
    if json {
        let text = str::from_utf8(message.payload).ok();
        let line = Line {
            event: "message",
            topic: message.topic,
            qos: message.qos,
            retain: message.retain,
            payload: text,
            payload_base64: match text {
                Some(_) => None,
                None => Some(Base64::encode_string(message.payload)),
            },
        };
        return out.write_all(&output::json_line(&line, terminal)?);
    }
    let mut line = Vec::new();
    if verbose {
        line.extend_from_slice(message.topic.as_bytes());
        line.push(b' ');
    }
    line.extend_from_slice(message.payload);
    line.push(b'\n');
    if terminal {
        line = escape::text(&line).into_owned();
    }
    out.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(payload: &[u8], json: bool, verbose: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let message = Message {
            topic: "a/b",
            qos: 2,
            retain: true,
            payload,
        };
        print(&mut out, &message, json, verbose, false).unwrap();
        out
    }

    #[test]
    fn a_line_to_each_message() {
        assert_eq!(printed(b"\xff\x00", false, false), b"\xff\x00\n");
        assert_eq!(printed(b"text", false, true), b"a/b text\n");
        assert_eq!(printed(b"", false, false), b"\n");
        let head = r#"{"event":"message","topic":"a/b","qos":2,"retain":true,"#;
        assert_eq!(
            String::from_utf8(printed("\"ü\"\n".as_bytes(), true, true)).unwrap(),
            format!("{head}\"payload\":\"\\\"ü\\\"\\n\"}}\n")
        );
        assert_eq!(
            String::from_utf8(printed(b"\xff\x00", true, false)).unwrap(),
            format!("{head}\"payload_base64\":\"/wA=\"}}\n")
        );
    }
}
