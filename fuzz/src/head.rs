//! Heads of HTTP messages: the pieces that a handshake hands out, put together; and an independent
//! reading of the same bytes.

use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};
use ws_core::handshake::HeadPart;

/// The accept value to a key, by nothing of the project's own.
pub(crate) fn accept(key: &str) -> String {
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    Base64::encode_string(&digest)
}

/// The parts of a head that were handed out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    method: Vec<u8>,
    target: Vec<u8>,
    authority: Vec<u8>,
    statuses: Vec<u16>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Parts {
    pub(crate) fn part(&mut self, part: HeadPart<'_>) {
        match part {
            HeadPart::Method(piece) => self.method.extend(piece),
            HeadPart::Target(piece) => self.target.extend(piece),
            HeadPart::Authority(piece) => self.authority.extend(piece),
            HeadPart::Status(status) => self.statuses.push(status),
            HeadPart::Name(piece) => self.name.extend(piece),
            HeadPart::Value(piece) => self.value.extend(piece),
            HeadPart::HeaderEnd => {
                // White space behind a value is handed out only where it was cut there.
                while self
                    .value
                    .last()
                    .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
                {
                    self.value.pop();
                }
                let name = std::mem::take(&mut self.name);
                self.headers.push((name, std::mem::take(&mut self.value)));
            }
        }
    }

    /// Without what was under way when a malformed head ended: it depends on the cuts how much of
    /// that was handed out.
    pub(crate) fn settled(mut self) -> Self {
        self.name.clear();
        self.value.clear();
        if self.headers.is_empty() {
            self.method.clear();
            self.target.clear();
            self.authority.clear();
        }
        self
    }

    pub(crate) fn headers(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.headers
    }

    /// The host and port of a target that is a whole URL.
    pub(crate) fn authority(&self) -> &[u8] {
        &self.authority
    }

    pub(crate) fn first_line(&self) -> (&[u8], &[u8]) {
        (&self.method, &self.target)
    }
}

/// The first line of a head and its header lines, name and value.
pub(crate) type Lines<'a> = (&'a [u8], Vec<(&'a [u8], &'a [u8])>);

/// A head, with its blank line, read another way.
pub(crate) fn read(head: &[u8]) -> Lines<'_> {
    let head = head
        .strip_suffix(b"\r\n\r\n")
        .expect("a blank line at the end");
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    let first = lines.remove(0);
    let headers = lines.iter().map(|line| {
        let colon = line.iter().position(|byte| *byte == b':');
        let colon = colon.expect("a colon in each line");
        let white = |byte: &u8| !matches!(byte, b' ' | b'\t');
        let value = &line[colon + 1..];
        let start = value.iter().position(white).unwrap_or(value.len());
        let end = value.iter().rposition(white).map_or(start, |at| at + 1);
        (&line[..colon], &value[start..end])
    });
    (first, headers.collect())
}

/// All values of a header.
pub(crate) fn values<'a>(lines: &Lines<'a>, name: &str) -> Vec<&'a [u8]> {
    let same = |line: &&(&[u8], &[u8])| line.0.eq_ignore_ascii_case(name.as_bytes());
    lines.1.iter().filter(same).map(|line| line.1).collect()
}

/// Is `element` in one of the lists?
pub(crate) fn lists(values: &[&[u8]], element: &str) -> bool {
    let mut elements = values
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b','));
    elements.any(|found| found.trim_ascii().eq_ignore_ascii_case(element.as_bytes()))
}
