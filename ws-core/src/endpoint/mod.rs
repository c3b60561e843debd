//! The connection machine: what stands between a byte stream and its user once the opening handshake
//! is done.

mod answer;
mod close;
mod control;
#[cfg(feature = "extensions")]
mod decoding;
#[cfg(feature = "extensions")]
mod encoding;
mod keepalive;
mod lent;
mod listening;
mod receive;
mod receiving;
mod send;
mod send_close;
mod step;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use close::{Close, Reason};
#[cfg(feature = "extensions")]
pub use encoding::{EncodedRefusal, SendEncoded};
pub use keepalive::{Keepalive, elapsed};
pub use lent::{Buffer, BufferTooShort, Lent};
pub use receiving::{Ended, Receive};
pub use send::{Outgoing, Refusal, Send, SendInPlace};
pub use send_close::SendClose;
pub use step::{Job, Step, Told};

use core::ops::Range;

use receive::Fate;

use crate::close::CloseCode;
use crate::connection::Connection;
use crate::error::ProtocolError;
use crate::opcode::{Opcode, Role};

/// One open WebSocket, without its TCP socket and its buffer: the protocol state, the control frames
/// that are due, keepalive, and how the connection ends.
///
/// A user's call on it is a [`Job`]: [`Receive`], [`Send`], [`Close`]. Blocking, async and C drivers
/// are the same loop: ask the job for its next [`Step`], do that, tell the job what came of it.
///
/// State changes only when a job is told of a read or a write that is over, so a driver may stop
/// between any two steps: nothing is lost and nothing is sent twice.
///
/// # The borrowed buffer
///
/// Each step is given the connection's [`Lent`] buffer: always the same, with the content that the
/// steps before left there.
///
/// # When the peer breaks the protocol
///
/// What came before is handed out first. Then a [`Receive`] reports the error, once. The Close frame
/// with the fitting code becomes due, and whatever follows is discarded (RFC 6455 section 7.1.7).
#[derive(Debug)]
pub struct Endpoint {
    connection: Connection,
    /// What was read and not taken yet: `start..end` in the borrowed buffer.
    start: usize,
    end: usize,
    /// The longest message to accept.
    limit: usize,
    /// When the peer was heard last, or the Ping went out, as far as anybody looked at the clock.
    since: u32,
    /// What the peer did wrong, until it is reported.
    failure: Option<ProtocolError>,
    /// The code of the Close that is due.
    close_code: CloseCode,
    /// Bytes in the reserve: payload of a Ping for its Pong, or of the Close that is due.
    kept: u8,
    flags: u16,
    /// The open frame is a control frame of ours, not the user's.
    control: Option<Opcode>,
    /// What becomes of the payload in hand, as [`advance`](Self::advance) found it.
    fate: Fate,
    /// A frame of the user's, by opcode and FIN, that is on the wire whole, but whose call was
    /// dropped before it could say so.
    unsaid: Option<(Opcode, bool)>,
    #[cfg(feature = "extensions")]
    decoding: decoding::Decoding,
    #[cfg(feature = "extensions")]
    encoding: encoding::Encoding,
    /// How many steps are left until others get their turn.
    turn: u8,
}

/// A Ping was received whole, its Pong is due.
const PONG_DUE: u16 = 0x01;
const CLOSE_DUE: u16 = 0x02;
/// A Ping of ours is due.
const PING_DUE: u16 = 0x04;
/// The peer was heard, or the Ping went out, since somebody looked at the clock.
const FRESH: u16 = 0x08;
/// The stream has ended.
const EOF: u16 = 0x10;
const REPORT_PINGS: u16 = 0x20;
const REPORT_PONGS: u16 = 0x40;
/// The peer broke the protocol.
const FAILED: u16 = 0x80;
/// An answer to a Ping of ours is awaited.
const PINGED: u16 = 0x100;
const REFUSE_TEXT: u16 = 0x200;
/// The peer was silent for too long.
const GONE: u16 = 0x400;
/// The stream may hold back what was written.
const UNFLUSHED: u16 = 0x800;
/// Pings are not answered here.
const NO_PONGS: u16 = 0x1000;
/// There is a mask key for the next frame.
const KEY_READY: u16 = 0x2000;
/// A [`SendClose`] has begun that has not said yet that it is over.
const CLOSE_UNSAID: u16 = 0x4000;

/// What the user of a connection sees of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Messages with their type, the peer's Close, and control frames where they are for the user.
    Messages,
    /// The payload of data frames, as a TCP socket would deliver it, and nothing else.
    Stream,
    /// Nothing: what comes is checked and dropped.
    Nobody,
}

/// A piece of a message, or of a control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of payload in the caller's buffer.
    pub length: usize,
    /// Text or Binary (that of the message, in continuation frames too), Close, Ping or Pong.
    pub opcode: Opcode,
    /// The frame is the last of its message: with `remaining` 0 the message is complete.
    pub fin: bool,
    /// Payload bytes of the frame that are still to come.
    pub remaining: usize,
}

/// The length that the `scratch` of [`Endpoint::outgoing`] should have: with fewer bytes it works
/// too, in more steps.
pub const SCRATCH: usize = 16;

impl Endpoint {
    /// An endpoint after the opening handshake. What stands at `buffered` in the borrowed buffer
    /// came after it in the same segment: the first frames, within the part that is
    /// [read into](Lent::parts). `limit` is the longest message to accept, in bytes; a longer one
    /// fails the connection with 1009.
    pub fn new(role: Role, lent: &Lent<'_>, buffered: Range<usize>, limit: usize) -> Self {
        let end = buffered.end.min(lent.read.len());
        Self {
            connection: Connection::new(role),
            start: buffered.start.min(end),
            end,
            limit,
            since: 0,
            failure: None,
            close_code: CloseCode::NO_STATUS,
            kept: 0,
            flags: FRESH,
            control: None,
            fate: receive::DISCARD,
            unsaid: None,
            #[cfg(feature = "extensions")]
            decoding: decoding::Decoding::default(),
            #[cfg(feature = "extensions")]
            encoding: encoding::Encoding::default(),
            turn: 64,
        }
    }

    /// Also hands Pings and Pongs to the user of the message face. Without, Pongs are discarded.
    pub fn report_control(&mut self, pings: bool, pongs: bool) {
        self.set(REPORT_PINGS, pings);
        self.set(REPORT_PONGS, pongs);
    }

    /// Are Pings answered here, as they are from the start? Without, the user answers those that are
    /// [reported](Self::report_control) (RFC 6455 section 5.5.3 demands an answer).
    pub const fn answer_pings(&mut self, answer: bool) {
        self.set(NO_PONGS, !answer);
    }

    /// Fails the connection with 1003 at the header of a text message (RFC 6455 section 7.4.1): for
    /// protocols that are binary.
    pub const fn refuse_text(&mut self, refuse: bool) {
        self.set(REFUSE_TEXT, refuse);
    }

    /// The protocol state, to look at.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The code of the peer's Close frame once it has arrived whole, [`CloseCode::NO_STATUS`] for
    /// one without a code.
    pub const fn peer_close(&self) -> Option<CloseCode> {
        if self.connection.rx.has_ended() && !self.is(FAILED) {
            Some(self.connection.rx.close_code())
        } else {
            None
        }
    }

    /// Has the connection been failed, because the peer broke the protocol?
    pub const fn has_failed(&self) -> bool {
        self.is(FAILED)
    }

    /// Did the stream end?
    pub const fn is_eof(&self) -> bool {
        self.is(EOF)
    }

    /// The stream has ended, or failed: no more will be read. What was read before is still handed
    /// out.
    pub const fn eof(&mut self) {
        self.set(EOF, true);
    }

    /// Has our Close frame gone out whole?
    pub const fn close_sent(&self) -> bool {
        self.connection.tx.is_closed()
    }

    /// Is a frame of the user's partly sent?
    pub const fn frame_open(&self) -> bool {
        self.connection.tx.is_open() && self.control.is_none()
    }

    /// Bytes of the user's frame that is partly sent, or that is on the wire and was not said to
    /// be: the next send has to go on with it.
    pub fn open_frame(&self) -> Option<usize> {
        if self.frame_open() {
            Some(self.connection.tx.remaining())
        } else {
            self.unsaid.map(|_| 0)
        }
    }

    /// Is a control frame of ours partly sent?
    pub const fn control_open(&self) -> bool {
        self.control.is_some()
    }

    /// Is there nothing more to receive: the peer closed, was lost, or broke the protocol?
    pub const fn is_over(&self) -> bool {
        self.is(EOF) && self.start == self.end || self.connection.rx.has_ended()
    }

    /// May the user send: no Close has begun, and no control frame has to go out first?
    pub const fn is_writable(&self) -> bool {
        !self.closing() && !self.connection.rx.has_ended() && !self.control_ready()
    }

    /// May the stream hold back what was written?
    pub const fn is_unflushed(&self) -> bool {
        self.is(UNFLUSHED)
    }

    /// Has our Close begun, or is it due?
    const fn closing(&self) -> bool {
        self.is(CLOSE_DUE) || self.connection.tx.is_close()
    }

    const fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    const fn set(&mut self, flag: u16, on: bool) {
        self.flags = if on {
            self.flags | flag
        } else {
            self.flags & !flag
        };
    }
}
