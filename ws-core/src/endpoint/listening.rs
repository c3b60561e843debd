//! What every job does that reads: what comes is dealt with, and what becomes due goes out.

use super::receive::Next;
use super::step::{Step, Told, Wire};
use super::{Endpoint, Face, Lent};

/// How far a job has come with listening.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) face: Face,
    /// To write what is due.
    pub(super) wire: Wire,
    /// There was nothing to read since the last wait.
    empty: bool,
    /// The driver has the error of a read.
    pub(super) read_failed: bool,
}

/// What comes next for a job that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The driver's turn.
    Step(Step),
    /// There is payload for the user, or the end of a frame.
    Ready,
    /// Nothing more will come.
    Ended,
}

impl Listening {
    pub(super) const fn new(face: Face) -> Self {
        Self {
            face,
            wire: Wire::Open,
            empty: false,
            read_failed: false,
        }
    }

    /// Takes in what happened.
    #[inline(never)]
    pub(super) fn hear(&mut self, endpoint: &mut Endpoint, lent: &Lent<'_>, told: Told) {
        endpoint.take_in(lent, told);
        match told {
            // Time has passed: the other task may be done, there may be a key.
            Told::Read(_) if matches!(self.wire, Wire::Busy | Wire::NoKey) => {
                self.wire = Wire::Open;
            }
            Told::Resumed if self.wire == Wire::NoKey => self.wire = Wire::Open,
            // On a wire that has failed nothing comes any more.
            Told::ReadBlocked if self.wire == Wire::Failed => endpoint.eof(),
            Told::ReadBlocked => self.empty = true,
            Told::ReadFailed => self.read_failed = true,
            Told::Busy => self.wire = Wire::Busy,
            Told::WriteBlocked => self.wire = Wire::Blocked,
            Told::NoKey => self.wire = Wire::NoKey,
            Told::WriteFailed => self.wire = Wire::Failed,
            Told::Resumed | Told::Read(_) | Told::Written(_) | Told::Flushed => {}
        }
    }

    /// Waits. The wire may take something again afterwards.
    pub(super) fn wait(&mut self) -> Heard {
        self.empty = false;
        if self.wire != Wire::Failed {
            self.wire = Wire::Open;
        }
        Heard::Step(Step::Blocked)
    }

    /// Goes on up to payload for the user. `room` is the length of the user's buffer.
    #[inline(never)]
    pub(super) fn next(
        &mut self,
        endpoint: &mut Endpoint,
        lent: &mut Lent<'_>,
        room: usize,
    ) -> Heard {
        if endpoint.is_gone() {
            return Heard::Ended;
        }
        let writing = self.wire == Wire::Open;
        Heard::Step(match endpoint.advance(lent, self.face, room, writing) {
            Next::Ready => return Heard::Ready,
            Next::Write => {
                let step = endpoint.control_step(lent.reserve);
                endpoint.in_turn(step)
            }
            Next::Read if self.empty => return self.wait(),
            Next::Read if self.wire == Wire::Failed => endpoint.in_turn(Step::ReadNow),
            Next::Read if writing && endpoint.is_unflushed() => Step::Flush,
            Next::Read if endpoint.direct(lent, room) > 0 => endpoint.in_turn(Step::ReadUser),
            Next::Read => endpoint.in_turn(Step::Read),
            Next::Blocked if self.wire == Wire::Failed => {
                endpoint.eof();
                return Heard::Ended;
            }
            Next::Blocked => return self.wait(),
            // Who shares the wire lets the Close out first.
            Next::Ended if self.waits_for_close(endpoint) => return self.wait(),
            Next::Ended => return Heard::Ended,
        })
    }

    fn waits_for_close(&self, endpoint: &Endpoint) -> bool {
        self.wire == Wire::Busy && endpoint.control_ready() && !endpoint.is_eof()
    }
}
