//! The job of a send through an extension.

use super::step::{Job, Step, Told};
use super::{Endpoint, Lent};
use crate::error::FrameError;
use crate::extension::Encode;
use crate::opcode::Opcode;

/// How far encoded payload has come: `start..end` of the memory that is lent for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Encoding {
    start: usize,
    end: usize,
    /// A message is under way that the encoder has begun with: what comes of it next is a continuation.
    in_message: bool,
    /// The encoder has more to give.
    more: bool,
    /// The last frame of a message has begun, and no call has said so yet.
    unsaid: bool,
}

/// Why a [`SendEncoded`] does not go on: something about the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodedRefusal {
    /// It does not fit what is open.
    Frame(FrameError),
    /// The memory is too short: the encoder has more to give, and gave nothing. The message stays open.
    /// The next send, with more memory, goes on with it.
    Memory,
}

/// A send of a message, or of a part of one, through an extension: it goes out as fragments of what the
/// memory for encoded payload holds.
///
/// How much of the payload the encoder has [taken](Self::taken) is not taken back: where that is not all,
/// the message is open, and the next send goes on with the rest.
pub struct SendEncoded<'p> {
    opcode: Opcode,
    fin: bool,
    payload: &'p [u8],
    encoder: &'p mut (dyn Encode + Send),
    memory: &'p mut [u8],
    /// What of the memory is on its way.
    range: (usize, usize),
    taken: usize,
    refusal: Option<EncodedRefusal>,
    /// The last frame of the message has begun.
    ended: bool,
}

impl core::fmt::Debug for SendEncoded<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SendEncoded").finish_non_exhaustive()
    }
}

impl<'p> SendEncoded<'p> {
    /// A message, or with `fin` false a part of one, of Text or Binary; the later parts are said to be
    /// that, too. `memory` holds encoded payload until it is on the wire: the same for each send of a
    /// connection, with its content.
    pub fn new(
        opcode: Opcode,
        fin: bool,
        payload: &'p [u8],
        encoder: &'p mut (dyn Encode + Send),
        memory: &'p mut [u8],
    ) -> Self {
        Self {
            opcode,
            fin,
            payload,
            encoder,
            memory,
            range: (0, 0),
            taken: 0,
            refusal: None,
            ended: false,
        }
    }

    /// How many bytes of the payload the encoder has taken.
    pub const fn taken(&self) -> usize {
        self.taken
    }

    /// Is all of it on the wire, or with the encoder, after [`Step::Done`]?
    pub const fn is_done(&self) -> bool {
        self.taken == self.payload.len() && self.range.0 == self.range.1
    }

    /// Why it does not go on, after [`Step::Done`].
    pub const fn refusal(&self) -> Option<EncodedRefusal> {
        self.refusal
    }

    fn rest_of_payload(&self) -> &[u8] {
        self.payload.get(self.taken..).unwrap_or_default()
    }

    /// May a frame of this message come next?
    fn judge(&self, endpoint: &Endpoint) -> Result<(), FrameError> {
        let tx = &endpoint.connection.tx;
        let control = tx.opcode().is_some_and(Opcode::is_control);
        if !matches!(self.opcode, Opcode::Text | Opcode::Binary) {
            Err(FrameError::Control)
        } else if endpoint.frame_open() && control {
            Err(FrameError::FrameOpen)
        } else if tx.in_message() != endpoint.encoding.in_message {
            // A message that is not encoded is under way.
            Err(FrameError::FragmentOrder)
        } else if endpoint.closing() || endpoint.connection.rx.has_ended() {
            Err(FrameError::Closed)
        } else {
            Ok(())
        }
    }

    /// Has the encoder make the next frame, and begins it, if there is one.
    fn begin(&mut self, endpoint: &mut Endpoint) -> Result<(), EncodedRefusal> {
        let rest = self.payload.get(self.taken..).unwrap_or_default();
        let moved = self.encoder.encode(rest, self.fin, self.memory);
        self.taken += moved.taken;
        let encoding = &mut endpoint.encoding;
        (encoding.start, encoding.end) = (0, moved.given);
        encoding.more = moved.more;
        self.ended = self.fin && moved.taken == rest.len() && !moved.more;
        if moved.given == 0 && !self.ended {
            // Asked again, an encoder that has moved nothing moves nothing.
            return match moved.taken {
                0 => Err(EncodedRefusal::Memory),
                _ => Ok(()),
            };
        }
        encoding.unsaid = self.ended;
        let first = !encoding.in_message;
        let opcode = if first {
            self.opcode
        } else {
            Opcode::Continuation
        };
        encoding.in_message = !self.ended;
        let tx = &mut endpoint.connection.tx;
        let key = tx.next_key();
        tx.begin(opcode, self.ended, moved.given, key)
            .map_err(EncodedRefusal::Frame)?;
        if first {
            tx.reserve(self.encoder.bit());
        }
        endpoint.key_taken();
        Ok(())
    }

    fn go_on(
        &mut self,
        endpoint: &mut Endpoint,
        lent: &mut Lent<'_>,
    ) -> Result<Step, EncodedRefusal> {
        // A call before, which was dropped, has ended the message: its rest is on the way.
        if endpoint.encoding.unsaid && self.fin && self.payload.is_empty() {
            self.ended = true;
        }
        loop {
            let control = endpoint
                .connection
                .tx
                .opcode()
                .is_some_and(Opcode::is_control);
            if endpoint.frame_open() && !control {
                self.range = (endpoint.encoding.start, endpoint.encoding.end);
                return Ok(endpoint.in_turn(Step::Write));
            }
            self.range = (0, 0);
            let more = !self.rest_of_payload().is_empty() || endpoint.encoding.more;
            if self.ended || !more && !self.fin {
                if endpoint.is_unflushed() {
                    return Ok(Step::Flush);
                }
                endpoint.encoding.unsaid = false;
                return Ok(Step::Done);
            }
            self.judge(endpoint).map_err(EncodedRefusal::Frame)?;
            if endpoint.control_ready() {
                return Ok(endpoint.control_step(lent.reserve));
            }
            if endpoint.needs_key() {
                return Ok(Step::Key);
            }
            self.begin(endpoint)?;
        }
    }
}

impl Job for SendEncoded<'_> {
    fn step(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, told: Told) -> Step {
        endpoint.encoding.start += endpoint.take_in(lent, told);
        if told == Told::WriteBlocked {
            return Step::Blocked;
        }
        if self.refusal.is_some() || matches!(told, Told::WriteFailed | Told::NoKey | Told::Busy) {
            return Step::Done;
        }
        self.go_on(endpoint, lent).unwrap_or_else(|refusal| {
            self.refusal = Some(refusal);
            Step::Done
        })
    }

    fn listens(&self) -> bool {
        false
    }

    fn rest(&self) -> &[u8] {
        self.memory
            .get(self.range.0..self.range.1)
            .unwrap_or_default()
    }
}
