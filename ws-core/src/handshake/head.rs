//! The tokenizer of HTTP/1.1 heads (RFC 9112 sections 2 to 5), shared by both directions.

use super::write::{is_token, is_visible};

/// A part of a request's or response's head, as it streams by.
///
/// Method, target, names and values come in one or more pieces, cut anywhere. A value has no white
/// space in front; white space behind it is left out unless the bytes received were cut in it. A
/// value that is empty may come as no piece at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadPart<'a> {
    /// A piece of the request's method.
    Method(&'a [u8]),
    /// A piece of the request's target.
    Target(&'a [u8]),
    /// The response's status, 100 to 999. Interim responses (1xx) show up too.
    Status(u16),
    /// A piece of a header's name.
    Name(&'a [u8]),
    /// A piece of a header's value.
    Value(&'a [u8]),
    /// The end of a header.
    HeaderEnd,
}

/// What makes a head malformed. The strictness keeps request smuggling out: what one end of a chain
/// of proxies and servers may read differently from another is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The head is longer than the limit.
    #[error("head longer than the limit")]
    TooLong,
    /// The request or status line is not one (RFC 9112 sections 3 and 4).
    #[error("malformed request or status line")]
    StartLine,
    /// The protocol is HTTP, its version not 1.1 (RFC 6455 section 4.1: at least, 4.2.1).
    #[error("not HTTP/1.1")]
    Version,
    /// A line feed without carriage return (RFC 9112 section 2.2).
    #[error("line feed without carriage return")]
    BareLf,
    /// A carriage return without line feed (RFC 9112 section 2.2).
    #[error("carriage return without line feed")]
    BareCr,
    /// NUL or another control character (RFC 9110 section 5.5).
    #[error("control character in the head")]
    Control,
    /// A header continued on a second line (RFC 9112 section 5.2).
    #[error("folded header line")]
    ObsFold,
    /// A header with an empty name (RFC 9110 section 5.1).
    #[error("empty header name")]
    EmptyName,
    /// White space between a header's name and the colon (RFC 9112 section 5.1).
    #[error("white space before the colon of a header")]
    SpaceBeforeColon,
    /// A header line without a colon (RFC 9112 section 5).
    #[error("header line without colon")]
    NoColon,
    /// A header's name with a character no token has (RFC 9110 section 5.6.2).
    #[error("invalid character in a header name")]
    Name,
}

/// The tokenizer. After [`HeadError`] it is of no further use.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// How many bytes may still come.
    left: u16,
    /// First how much of the version has matched, then the status (responses only).
    number: u16,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum State {
    // The states whose bytes are handed out come first.
    Method,
    Target,
    Name,
    Value,
    MethodStart,
    TargetStart,
    /// The version of a request.
    Version,
    /// The version of a response.
    StatusVersion,
    Status,
    AfterStatus,
    Reason,
    /// Behind the CR of the first line.
    FirstCr,
    LineStart,
    /// Between colon and value.
    Colon,
    /// Behind the CR of a header.
    HeaderCr,
    /// Behind the CR of the blank line.
    LastCr,
    Complete,
}

const VERSION: &[u8] = b"HTTP/1.1";

impl Head {
    pub(super) const fn response(limit: u16) -> Self {
        Self {
            left: limit,
            number: 0,
            state: State::StatusVersion,
        }
    }

    pub(super) const fn request(limit: u16) -> Self {
        Self {
            left: limit,
            number: 0,
            state: State::MethodStart,
        }
    }

    /// The response's status, once its first line is complete.
    pub(super) const fn status(&self) -> u16 {
        self.number
    }

    /// How many bytes may still come.
    pub(super) const fn left(&self) -> u16 {
        self.left
    }

    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// How many bytes can't reach past the blank line: 1 to 4, 0 once it was there.
    pub(super) const fn want(&self) -> usize {
        match self.state {
            State::Complete => 0,
            State::LastCr => 1,
            State::LineStart => 2,
            State::FirstCr | State::HeaderCr => 3,
            _ => 4,
        }
    }

    /// The next part in `bytes`, which is moved on; `None` if there is none before the end of
    /// `bytes` or of the head.
    pub(super) fn next<'a>(
        &mut self,
        bytes: &mut &'a [u8],
    ) -> Result<Option<HeadPart<'a>>, HeadError> {
        let mut run = *bytes;
        let mut len = 0;
        while self.state != State::Complete
            && let Some((&byte, rest)) = bytes.split_first()
        {
            self.left = self.left.checked_sub(1).ok_or(HeadError::TooLong)?;
            *bytes = rest;
            let before = self.state;
            let state = self.step(byte)?;
            self.state = state;
            if state <= State::Value {
                len += 1;
                continue;
            }
            if len > 0 {
                self.state = state;
                return Ok(part(before, run, len, true));
            }
            run = rest;
            if state == State::AfterStatus {
                return Ok(Some(HeadPart::Status(self.number)));
            }
            if before == State::HeaderCr {
                return Ok(Some(HeadPart::HeaderEnd));
            }
        }
        Ok(if len > 0 {
            part(self.state, run, len, false)
        } else {
            None
        })
    }

    /// The state behind `byte`.
    #[inline(always)]
    fn step(&mut self, byte: u8) -> Result<State, HeadError> {
        use State::*;
        Ok(match (self.state, byte) {
            (FirstCr | HeaderCr, b'\n') => LineStart,
            (LastCr, b'\n') => Complete,
            (FirstCr | HeaderCr | LastCr, _) => return Err(HeadError::BareCr),
            (_, b'\n') => return Err(HeadError::BareLf),
            (_, 0..=8 | 11 | 12 | 14..=31 | 127) => return Err(HeadError::Control),

            (Colon | Value, b'\r') => HeaderCr,
            (Colon, b' ' | b'\t') => Colon,
            (Colon | Value, _) => Value,

            (LineStart, b'\r') => LastCr,
            (LineStart, b' ' | b'\t') => return Err(HeadError::ObsFold),
            (LineStart, b':') => return Err(HeadError::EmptyName),
            (Name, b'\r') => return Err(HeadError::NoColon),
            (Name, b' ' | b'\t') => return Err(HeadError::SpaceBeforeColon),
            (Name, b':') => Colon,
            (Name | LineStart, _) => {
                if !is_token(byte) {
                    return Err(HeadError::Name);
                }
                Name
            }

            (AfterStatus | Reason, b'\r') => FirstCr,
            (AfterStatus, b' ') | (Reason, _) => Reason,
            (Status, b'0'..=b'9') => {
                self.number = self.number * 10 + u16::from(byte - b'0');
                match self.number {
                    0 => return Err(HeadError::StartLine),
                    1..100 => Status,
                    _ => AfterStatus,
                }
            }

            (Method, b' ') => TargetStart,
            (Method | MethodStart, _) if is_token(byte) => Method,
            (Target, b' ') => Version,
            (Target | TargetStart, _) if is_visible(byte) => Target,

            (state @ (Version | StatusVersion), _) => match VERSION.get(usize::from(self.number)) {
                Some(&expected) if byte == expected => {
                    self.number += 1;
                    state
                }
                Some(_) if self.number >= 5 => return Err(HeadError::Version),
                None if state == Version && byte == b'\r' => FirstCr,
                None if state == StatusVersion && byte == b' ' => {
                    self.number = 0;
                    Status
                }
                _ => return Err(HeadError::StartLine),
            },
            _ => return Err(HeadError::StartLine),
        })
    }
}

/// The first `len` bytes of `run`, all of them in `state`.
#[inline(always)]
fn part(state: State, run: &[u8], len: usize, end: bool) -> Option<HeadPart<'_>> {
    let mut piece = run.get(..len).unwrap_or_default();
    Some(match state {
        State::Method => HeadPart::Method(piece),
        State::Target => HeadPart::Target(piece),
        State::Name => HeadPart::Name(piece),
        _ => {
            while end && let [shorter @ .., b' ' | b'\t'] = piece {
                piece = shorter;
            }
            HeadPart::Value(piece)
        }
    })
}
