//! The headers of the server's answer, collected as they stream by.

use ws_socket::HeadPart;

/// No header worth showing is longer than this.
const MAX_KEPT: usize = 4096;

/// The last answer: interim ones make way for it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    headers: Vec<(String, String)>,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Answer {
    /// Takes a part of it.
    pub(crate) fn part(&mut self, part: HeadPart<'_>) {
        match part {
            HeadPart::Status(status) => {
                *self = Self {
                    status: Some(status),
                    ..Self::default()
                };
            }
            HeadPart::Name(piece) => extend(&mut self.name, piece),
            HeadPart::Value(piece) => extend(&mut self.value, piece),
            HeadPart::HeaderEnd => {
                let text = |bytes: &mut Vec<u8>| {
                    String::from_utf8_lossy(&std::mem::take(bytes))
                        .trim()
                        .to_owned()
                };
                let (name, value) = (text(&mut self.name), text(&mut self.value));
                log::debug!("< {name}: {value}");
                self.headers.push((name, value));
            }
            HeadPart::Method(_) | HeadPart::Target(_) | HeadPart::Authority(_) => {}
        }
    }

    /// The value of the first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |(found, _): &&(String, String)| found.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }
}

fn extend(kept: &mut Vec<u8>, piece: &[u8]) {
    let room = MAX_KEPT.saturating_sub(kept.len());
    kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_put_together_and_interim_answers_forgotten() {
        let mut answer = Answer::default();
        for part in [
            HeadPart::Status(100),
            HeadPart::Name(b"Location"),
            HeadPart::Value(b"not this"),
            HeadPart::HeaderEnd,
            HeadPart::Status(302),
            HeadPart::Name(b"Loc"),
            HeadPart::Name(b"ation"),
            HeadPart::Value(b"ws://else"),
            HeadPart::Value(b"where/ "),
            HeadPart::HeaderEnd,
            HeadPart::Name(b"X-Empty"),
            HeadPart::HeaderEnd,
        ] {
            answer.part(part);
        }
        assert_eq!(answer.status, Some(302));
        assert_eq!(answer.header("location"), Some("ws://elsewhere/"));
        assert_eq!(answer.header("x-empty"), Some(""));
        assert_eq!(answer.header("other"), None);
    }
}
