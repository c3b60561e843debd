//! The job of a receive: one piece, or why there is none.

use super::listening::{Heard, Listening};
use super::step::{Job, Step, Told, Wire};
use super::{Endpoint, Face, Lent, Piece};
use crate::close::CloseCode;
use crate::error::ProtocolError;

/// A receive: a piece of a message, or of a control frame, into the user's buffer.
#[cfg_attr(not(feature = "extensions"), derive(Debug))]
pub struct Receive<'o> {
    out: &'o mut [u8],
    /// How many bytes a piece may have: that of `out`, or where it is only looked what a later receive
    /// will have.
    room: usize,
    looks: bool,
    /// What becomes due with the piece goes out before the job is done.
    answers: bool,
    /// How much of `out` the read under way goes into, if it does.
    direct: usize,
    listening: Listening,
    #[cfg(feature = "extensions")]
    decoder: Option<&'o mut (dyn crate::extension::Decode + Send)>,
    result: Option<Result<Piece, Ended>>,
}

#[cfg(feature = "extensions")]
impl core::fmt::Debug for Receive<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receive").finish_non_exhaustive()
    }
}

/// Why a [`Receive`] ended without a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The peer broke the protocol. It is said once.
    Protocol(ProtocolError),
    /// The peer broke the protocol, and that was said before.
    Failed,
    /// The peer closed, with this code.
    Closed(CloseCode),
    /// The stream ended without a Close, or a write failed.
    Lost,
    /// The peer was silent for longer than [`Keepalive`](super::Keepalive) allows.
    Gone,
    /// The stack failed to read: the driver has its error.
    ReadFailed,
}

impl<'o> Receive<'o> {
    /// A receive into `out`. On the stream face frames without payload are skipped.
    pub const fn new(face: Face, out: &'o mut [u8]) -> Self {
        Self {
            room: out.len(),
            out,
            looks: false,
            answers: false,
            direct: 0,
            listening: Listening::new(face),
            #[cfg(feature = "extensions")]
            decoder: None,
            result: None,
        }
    }

    /// Waits until a receive would have a result, and takes nothing away.
    pub const fn look(face: Face) -> Self {
        let mut job = Self::new(face, &mut []);
        job.room = 1;
        job.looks = true;
        job
    }

    /// Waits for the header of a frame that a receive would have a piece of, and takes nothing away.
    pub const fn peek(face: Face) -> Self {
        let mut job = Self::look(face);
        job.room = 0;
        job
    }

    /// Has what becomes due with the piece go out before the job is done, as far as the wire takes it.
    /// Not for a driver that can be dropped in a write: the piece would be lost.
    #[must_use]
    pub const fn answering(mut self) -> Self {
        self.answers = true;
        self
    }

    /// Messages that an extension stands for are decoded by this.
    #[cfg(feature = "extensions")]
    #[must_use]
    pub fn decoding(mut self, decoder: &'o mut (dyn crate::extension::Decode + Send)) -> Self {
        self.decoder = Some(decoder);
        self
    }

    /// What came of it: `None` before [`Step::Done`].
    pub const fn result(&self) -> Option<Result<Piece, Ended>> {
        self.result
    }

    /// There is no piece, for nothing more comes.
    fn why(&self, endpoint: &mut Endpoint) -> Ended {
        // What was looked at is for the next receive to report.
        let failure = match self.looks {
            true => endpoint.failure,
            false => endpoint.failure.take(),
        };
        match (failure, endpoint.peer_close()) {
            (Some(error), _) => Ended::Protocol(error),
            (None, Some(code)) => Ended::Closed(code),
            (None, None) if endpoint.has_failed() => Ended::Failed,
            (None, None) if endpoint.is_gone() => {
                // It may come back, and then it is heard.
                endpoint.set_gone(self.looks);
                Ended::Gone
            }
            (None, None) if self.listening.read_failed => Ended::ReadFailed,
            (None, None) => Ended::Lost,
        }
    }

    #[cfg(not(feature = "extensions"))]
    fn take_read(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>) -> Option<usize> {
        endpoint.take(lent, self.out)
    }

    #[cfg(feature = "extensions")]
    fn take_read(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>) -> Option<usize> {
        if endpoint.connection.rx.is_extended() {
            type Decoder<'d> = dyn crate::extension::Decode + Send + 'd;
            let decoder = self.decoder.as_mut();
            let decoder = decoder.map(|decoder| &mut **decoder as &mut Decoder<'_>);
            return endpoint.take_decoded(lent, decoder, self.out);
        }
        endpoint.take(lent, self.out)
    }

    fn is_stream(&self) -> bool {
        self.listening.face == Face::Stream
    }

    /// Takes a piece: what was read before, or the `direct` bytes that were read into `out`.
    #[inline(never)] // Once for both.
    fn take(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, direct: usize) {
        let length = match self.out.get_mut(..direct) {
            Some(bytes @ [_, ..]) => endpoint.take_direct(lent, bytes),
            _ => self.take_read(endpoint, lent),
        };
        // There is no piece where the peer did something wrong.
        if let Some(length) = length {
            let piece = endpoint.piece(length);
            // An empty frame, or the end of one, is nothing to a stream. What an extension has taken
            // something for, and given nothing, is none either.
            let ends = piece.remaining == 0 || self.room == 0;
            if length > 0 || ends && !self.is_stream() {
                self.result = Some(Ok(piece));
            }
        }
    }
}

impl Endpoint {
    /// Has the next [`Receive`] say this once more: the call that got it has said something else.
    pub const fn unsay(&mut self, ended: Ended) {
        match ended {
            Ended::Protocol(error) => self.failure = Some(error),
            Ended::Gone => self.set_gone(true),
            _ => {}
        }
    }
}

impl Job for Receive<'_> {
    fn step(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, told: Told) -> Step {
        match told {
            Told::Read(count @ 1..) if self.direct > 0 => {
                self.take(endpoint, lent, count);
            }
            told => self.listening.hear(endpoint, lent, told),
        }
        while self.result.is_none() {
            match self.listening.next(endpoint, lent, self.room) {
                Heard::Step(step) => {
                    self.direct = match step {
                        Step::ReadUser => endpoint.direct(lent, self.room),
                        _ => 0,
                    };
                    return step;
                }
                Heard::Ended => self.result = Some(Err(self.why(endpoint))),
                Heard::Ready if self.looks && !(self.is_stream() && endpoint.frame_is_over()) => {
                    self.result = Some(Ok(endpoint.piece(0)));
                }
                // Before a piece is taken: after that a driver that is dropped would lose it.
                Heard::Ready if endpoint.in_turn(Step::Done) == Step::Yield => return Step::Yield,
                Heard::Ready => {
                    self.take(endpoint, lent, 0);
                }
            }
        }
        if self.answers && self.listening.wire == Wire::Open && endpoint.control_ready() {
            return endpoint.control_step(lent.reserve);
        }
        Step::Done
    }

    fn user_buffer(&mut self) -> &mut [u8] {
        self.out.get_mut(..self.direct).unwrap_or_default()
    }
}
