//! The tokenizer of HTTP/1.1 heads (RFC 9112 sections 2 to 5), shared by both directions.

use super::write::kind;

/// A part of a request's or response's head, as it streams by.
///
/// Method, target, names and values come in one or more pieces, cut anywhere, some of them perhaps
/// empty. A value has no white space in front; white space behind it is left out unless the bytes
/// received were cut in it. A value that is empty may come as no piece at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadPart<'a> {
    /// A piece of the request's method.
    Method(&'a [u8]),
    /// A piece of the request's target.
    Target(&'a [u8]),
    /// A piece of a header's name.
    Name(&'a [u8]),
    /// A piece of a header's value.
    Value(&'a [u8]),
    /// The response's status, 100 to 999. Interim responses (1xx) show up too.
    Status(u16),
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
    /// The protocol is not HTTP, or its version not 1.1 (RFC 6455 section 4.2.1, item 1).
    #[error("not HTTP/1.1")]
    Version,
}

/// Where in a head the last byte stood, or what was wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum State {
    // The states within a part, those that are handed out in the order of [`HeadPart`].
    /// The version of a request.
    Version,
    /// The version of a response.
    StatusVersion,
    Method,
    Target,
    Name,
    Value,
    Status,
    /// Between colon and value.
    Colon,
    MethodStart,
    TargetStart,
    VersionStart,
    Reason,
    LineStart,
    /// Behind the CR of a header.
    Cr,
    /// Behind the CR of the first line.
    FirstCr,
    /// Behind the CR of the blank line.
    LastCr,
    Complete,
    // The errors, in the order of [`HeadError`].
    TooLong,
    BadStartLine,
    BareLf,
    BareCr,
    Control,
    ObsFold,
    EmptyName,
    SpaceBeforeColon,
    NoColon,
    BadName,
    BadVersion,
}

/// What comes behind each [`State`] up to `LineStart`, for each kind of the next byte from CR on.
#[rustfmt::skip]
static TABLE: [State; 7 * 13] = {
    use State::*;
    const X: State = BadStartLine;
    const SP: State = SpaceBeforeColon;
    [
        // CR, space, tab, colon, token, other visible, not ASCII
        FirstCr, X, X, X, Version, Version, X, // Version
        X, Status, X, X, StatusVersion, StatusVersion, X, // StatusVersion
        X, TargetStart, X, X, Method, X, X, // Method
        X, VersionStart, X, Target, Target, Target, X, // Target
        NoColon, SP, SP, Colon, Name, BadName, BadName, // Name
        Cr, Value, Value, Value, Value, Value, Value, // Value
        FirstCr, Reason, X, X, Status, X, X, // Status
        Cr, Colon, Colon, Value, Value, Value, Value, // Colon
        X, X, X, X, Method, X, X, // MethodStart
        X, X, X, Target, Target, Target, X, // TargetStart
        X, X, X, X, Version, Version, X, // VersionStart
        FirstCr, Reason, Reason, Reason, Reason, Reason, Reason, // Reason
        LastCr, ObsFold, ObsFold, EmptyName, Name, BadName, BadName, // LineStart
    ]
};

impl State {
    /// Where `byte` stands, behind this one. Not to be called when complete.
    pub(super) fn step(self, byte: u8) -> Self {
        if self >= Self::Cr {
            return match (self, byte) {
                (Self::LastCr, b'\n') => Self::Complete,
                (_, b'\n') => Self::LineStart,
                _ => Self::BareCr,
            };
        }
        match kind(byte) / 2 {
            0 if byte == b'\n' => Self::BareLf,
            0 => Self::Control,
            kind => {
                let at = self as usize * 7 + usize::from(kind) - 1;
                TABLE.get(at).copied().unwrap_or(Self::BadStartLine)
            }
        }
    }

    /// Is it within a part that is looked at?
    pub(super) fn is_part(self) -> bool {
        self <= Self::Value
    }

    /// Is it noted what was there once another state follows?
    pub(super) fn has_end(self) -> bool {
        self <= Self::Name || self == Self::Cr
    }

    /// The error that the state is, if it is one.
    pub(super) const fn error(self) -> Option<HeadError> {
        Some(match self {
            Self::TooLong => HeadError::TooLong,
            Self::BadStartLine => HeadError::StartLine,
            Self::BareLf => HeadError::BareLf,
            Self::BareCr => HeadError::BareCr,
            Self::Control => HeadError::Control,
            Self::ObsFold => HeadError::ObsFold,
            Self::EmptyName => HeadError::EmptyName,
            Self::SpaceBeforeColon => HeadError::SpaceBeforeColon,
            Self::NoColon => HeadError::NoColon,
            Self::BadName => HeadError::Name,
            Self::BadVersion => HeadError::Version,
            _ => return None,
        })
    }
}
