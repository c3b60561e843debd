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
    /// A piece of the request's target: path and query. A target without path, as in
    /// `http://host`, is `/`.
    Target(&'a [u8]),
    /// A piece of a header's name.
    Name(&'a [u8]),
    /// A piece of a header's value.
    Value(&'a [u8]),
    /// The response's status, 100 to 999. Interim responses (1xx) show up too.
    Status(u16),
    /// The end of a header.
    HeaderEnd,
    /// A piece of the host and port that the request's target begins with, where it is a whole URL
    /// (`http://host:port/path`). They take the place of Host (RFC 9112 section 3.2.2). They come in
    /// front of the target, which begins with the path.
    Authority(&'a [u8]),
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
    /// The version of HTTP is not 1.x; an answer is not HTTP at all; a 101 is of HTTP/1.0, which has
    /// no upgrade (RFC 6455 section 4.2.1, item 1; RFC 9110 section 7.8).
    #[error("not HTTP/1.1")]
    Version,
}

// Where in a head the last byte stood. First what is handed out, in the order of [`HeadPart`].
pub(super) const METHOD: u8 = 0;
pub(super) const TARGET: u8 = 1;
pub(super) const NAME: u8 = 2;
pub(super) const VALUE: u8 = 3;
/// The version of a request.
pub(super) const VERSION: u8 = 4;
/// The version of a response.
pub(super) const REPLY: u8 = 5;
pub(super) const STATUS: u8 = 6;
/// Between colon and value.
pub(super) const COLON: u8 = 7;
pub(super) const METHOD_START: u8 = 8;
pub(super) const TARGET_START: u8 = 9;
const VERSION_START: u8 = 10;
const REASON: u8 = 11;
pub(super) const LINE_START: u8 = 12;
/// Behind the CR of a header.
pub(super) const CR: u8 = 13;
/// Behind the CR of the first line.
pub(super) const FIRST_CR: u8 = 14;
/// Behind the CR of the blank line.
pub(super) const LAST_CR: u8 = 15;
pub(super) const COMPLETE: u8 = 16;

/// What a byte means: where it stands in the lower five bits, what it does above.
pub(super) const fn step(action: u8, state: u8) -> u8 {
    action << 5 | state
}

/// It is a byte of what is being read.
pub(super) const PART: u8 = 1;
/// It is a digit of the status.
pub(super) const DIGIT: u8 = 2;
/// It ends the status.
pub(super) const END_STATUS: u8 = 3;
/// It ends what is being read.
pub(super) const END: u8 = 4;
/// It ends a header.
pub(super) const END_HEADER: u8 = 5;
/// It is an error, a [`HeadError`], whose number is in the place of the state.
pub(super) const ERROR: u8 = 6;
/// It is no `/`, and begins a target, perhaps one that is a whole URL.
pub(super) const ODD_TARGET: u8 = step(7, TARGET);
/// It is to be read again, in another state.
pub(super) const AGAIN: u8 = step(7, 31);
/// No more is to be done with it.
pub(super) const DONE: u8 = step(7, 30);

pub(super) const fn error(error: HeadError) -> u8 {
    step(ERROR, error as u8)
}

/// The steps from each state up to [`LINE_START`], for each kind of the next byte from CR on.
#[rustfmt::skip]
static STEPS: [u8; 7 * 13 + 3] = {
    const fn part(state: u8) -> u8 { step(PART, state) }
    const fn end(state: u8) -> u8 { step(END, state) }
    const X: u8 = error(HeadError::StartLine);
    const SP: u8 = error(HeadError::SpaceBeforeColon);
    const FOLD: u8 = error(HeadError::ObsFold);
    const BAD: u8 = error(HeadError::Name);
    const V: u8 = part(VALUE);
    const T: u8 = part(TARGET);
    [
        // CR, space, tab, colon, token, other visible, not ASCII
        X, end(TARGET_START), X, X, part(METHOD), X, X, // METHOD
        X, end(VERSION_START), X, T, T, T, X, // TARGET
        error(HeadError::NoColon), SP, SP, end(COLON), part(NAME), BAD, BAD, // NAME
        end(CR), V, V, V, V, V, V, // VALUE
        end(FIRST_CR), X, X, X, part(VERSION), part(VERSION), X, // VERSION
        X, end(STATUS), X, X, part(REPLY), part(REPLY), X, // REPLY
        step(END_STATUS, FIRST_CR), step(END_STATUS, REASON), X, X, step(DIGIT, STATUS), X, X, // STATUS
        end(CR), COLON, COLON, V, V, V, V, // COLON
        X, X, X, X, part(METHOD), X, X, // METHOD_START
        X, X, X, T, ODD_TARGET, T, X, // TARGET_START
        X, X, X, X, part(VERSION), part(VERSION), X, // VERSION_START
        FIRST_CR, REASON, REASON, REASON, REASON, REASON, REASON, // REASON
        LAST_CR, FOLD, FOLD, error(HeadError::EmptyName), part(NAME), BAD, BAD, // LINE_START
        // LF
        step(END_HEADER, LINE_START), LINE_START, COMPLETE, // CR, FIRST_CR, LAST_CR
    ]
};

/// What `byte` means behind a state. Not to be called when complete.
#[inline(always)]
pub(super) fn read(state: u8, byte: u8) -> u8 {
    let at = if state >= CR {
        if byte != b'\n' {
            return error(HeadError::BareCr);
        }
        // Their steps stand behind the others.
        state + 7 * 13 - CR
    } else {
        match kind(byte) / 2 {
            0 if byte == b'\n' => return error(HeadError::BareLf),
            0 => return error(HeadError::Control),
            kind => state * 7 + kind - 1,
        }
    };
    STEPS.get(usize::from(at)).copied().unwrap_or(X)
}

pub(super) const X: u8 = error(HeadError::StartLine);

/// The error of a number.
pub(super) const fn error_of(number: u8) -> HeadError {
    match number {
        0 => HeadError::TooLong,
        1 => HeadError::StartLine,
        2 => HeadError::BareLf,
        3 => HeadError::BareCr,
        4 => HeadError::Control,
        5 => HeadError::ObsFold,
        6 => HeadError::EmptyName,
        7 => HeadError::SpaceBeforeColon,
        8 => HeadError::NoColon,
        9 => HeadError::Name,
        _ => HeadError::Version,
    }
}
