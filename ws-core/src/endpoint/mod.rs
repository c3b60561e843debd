//! An open connection between a byte stream and its user: what drivers loop around.

mod lent;
mod receive;
mod send;
#[cfg(test)]
mod tests;

pub use lent::{Lent, ReadInto};

use core::ops::Range;

use receive::Fate;

use crate::close::CloseCode;
use crate::connection::Connection;
use crate::error::ProtocolError;
use crate::opcode::{Opcode, Role};

/// One open WebSocket, without its TCP socket and its buffer: the protocol state and the control
/// frames that are due.
///
/// Blocking, async and C drivers are the same loop around it. To receive:
///
/// 1. [`advance`](Self::advance) says what is needed next.
/// 2. [`Next::Write`]: give what [`control`](Self::control) writes to the wire and report it with
///    [`control_sent`](Self::control_sent).
/// 3. [`Next::Read`]: read into [`read_buffer`](Self::read_buffer), report it with
///    [`received`](Self::received), or with [`eof`](Self::eof).
/// 4. [`Next::Ready`]: [`take`](Self::take) hands the payload out.
///
/// To send: write out what `control` has, then [`begin`](Self::begin) a frame and repeat
/// [`fill`](Self::fill), a write, [`sent`](Self::sent).
///
/// State changes only in the calls that report a completed read or write, so a driver may stop
/// between any two of them and go on later: nothing is lost and nothing is sent twice.
///
/// # The lent buffer
///
/// Each call that needs it is given the connection's [`Lent`] buffer: always the same, with the
/// content that the calls before left there. Any length works, none at all too. Longer than 125
/// bytes, its last 125 are reserved for the payload of a Ping until its Pong is out, and Pings are
/// answered here. Up to 125 bytes all of it buffers what is read; then a Ping is handed to the user
/// of the message face to answer, and on the stream face its payload is relayed into the Pong byte
/// by byte.
///
/// # When the peer breaks the protocol
///
/// What came before is handed out first. Then `take` reports the error, once; the Close frame with
/// the fitting code becomes due, and whatever follows is discarded (RFC 6455 section 7.1.7).
#[derive(Debug)]
pub struct Endpoint {
    connection: Connection,
    /// What has been read and not been taken yet: `start..end` in the lent buffer.
    start: usize,
    end: usize,
    /// The longest message to accept.
    limit: usize,
    /// Not reported yet.
    failure: Option<ProtocolError>,
    /// The code of the Close frame that is due, as it stands there.
    close_code: [u8; 2],
    /// Bytes of Ping payload that are kept for the Pong: in the reserve, or in `relayed`.
    kept: u8,
    relayed: [u8; 1],
    flags: u16,
    /// The open frame is a control frame of ours, not the user's.
    control: Option<Opcode>,
    /// What becomes of the payload in hand, as [`advance`](Self::advance) found it.
    fate: Fate,
}

/// A Ping was received whole, its Pong is due.
const PONG_DUE: u16 = 0x01;
const CLOSE_DUE: u16 = 0x02;
/// The open Pong is fed by the Ping that is being received.
const RELAYING: u16 = 0x08;
const EOF: u16 = 0x10;
const REPORT_PINGS: u16 = 0x20;
const REPORT_PONGS: u16 = 0x40;
const FAILED: u16 = 0x80;
/// A Ping of ours is due.
const PING_DUE: u16 = 0x100;
const REFUSE_TEXT: u16 = 0x200;

/// What the user of a connection sees of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Messages with their type, the peer's Close, and control frames where they are for the user.
    Messages,
    /// The payload of data frames, as a TCP socket would deliver it, and nothing else.
    Stream,
}

/// What [`Endpoint::advance`] needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// [`Endpoint::take`] has something: payload, the end of a frame, or an error.
    Ready,
    /// More bytes from the wire.
    Read,
    /// A control frame is due on the wire.
    Write,
    /// A Ping cannot be taken before a frame that is partly sent has gone out: of ours (try the
    /// wire again), or of the user's (until they have sent the rest).
    Blocked,
    /// Nothing more will come.
    Ended,
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

/// The length that a `scratch` of [`Endpoint::read_buffer`] and [`Endpoint::control`] should have:
/// with fewer bytes they work too, in more steps.
pub const SCRATCH: usize = 16;

impl Endpoint {
    /// An endpoint behind the opening handshake. What stands at `buffered` in the lent buffer came
    /// behind it in the same segment: the first frames, within the
    /// [`read_capacity`](Lent::read_capacity). `limit` is the longest message to accept, in bytes;
    /// a longer one fails the connection with 1009.
    pub fn new(role: Role, lent: &Lent<'_>, buffered: Range<usize>, limit: usize) -> Self {
        let end = buffered.end.min(lent.read.len());
        Self {
            connection: Connection::new(role),
            start: buffered.start.min(end),
            end,
            limit,
            failure: None,
            close_code: [0; 2],
            kept: 0,
            relayed: [0],
            flags: 0,
            control: None,
            fate: receive::DISCARD,
        }
    }

    /// Also hands Pings and Pongs to the user of the message face. The Pings are answered all the
    /// same, where the lent buffer has the reserve for it. Without, Pongs are discarded.
    pub fn report_control(&mut self, pings: bool, pongs: bool) {
        self.set(REPORT_PINGS, pings);
        self.set(REPORT_PONGS, pongs);
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

    /// Has our Close frame gone out whole?
    pub const fn close_sent(&self) -> bool {
        self.connection.tx.is_closed()
    }

    /// Is a frame of the user's partly sent?
    pub const fn frame_open(&self) -> bool {
        self.connection.tx.is_open() && self.control.is_none()
    }

    /// Is there nothing more to receive: the peer closed, was lost, or broke the protocol?
    pub const fn is_over(&self) -> bool {
        self.is(EOF) && self.start == self.end || self.connection.rx.has_ended()
    }

    /// Is a Ping of ours due, and not out?
    pub const fn ping_due(&self) -> bool {
        self.is(PING_DUE)
    }

    /// May the user send: no Close has begun, and no control frame has to go out first?
    pub const fn is_writable(&self) -> bool {
        !self.closing() && !self.connection.rx.has_ended() && !self.control_ready()
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
