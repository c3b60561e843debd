//! What a job and its driver tell each other.

use super::{Endpoint, Lent};

/// What a [`Job`] asks of its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)] // As wide as a register: steps are told apart without a mask.
pub enum Step {
    /// The job is over. Its result is with the job.
    Done,
    /// Read into the borrowed buffer: [`Lent::read_buffer`]. Wait if nothing is there.
    Read,
    /// Read into [`Job::user_buffer`] instead. Wait if nothing is there.
    ReadUser,
    /// Read into the borrowed buffer, but only what is there now.
    ReadNow,
    /// Write what [`Endpoint::outgoing`] gives.
    Write,
    /// Make a fresh mask key and give it to [`Endpoint::set_key`].
    Key,
    /// Have the stream send what it holds back, if it buffers and if that is wanted after each frame.
    Flush,
    /// Have the stream send what it holds back, in any case: it may be dropped next, and with it what it
    /// has not sent.
    FlushLast,
    /// Let others run. The job can go on at once.
    Yield,
    /// Wait until the wire can do again what it was last told to have blocked, or until another
    /// task has moved on.
    Blocked,
}

/// What the driver tells a [`Job`] of the step before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing to tell: the job begins, the wait is over, the key is set.
    Resumed,
    /// So many bytes were read, 0 at the end of the stream.
    Read(usize),
    /// There is nothing to read for now.
    ReadBlocked,
    /// The stack cannot read any more. The driver keeps the error.
    ReadFailed,
    /// The wire took so many bytes, at least one.
    Written(usize),
    /// The wire takes nothing for now.
    WriteBlocked,
    /// Another task has the wire to write. It writes what is due, too.
    Busy,
    /// The stack cannot write any more. The driver keeps the error.
    WriteFailed,
    /// The source of randomness failed.
    NoKey,
    /// The stream has sent what it held back, or cannot.
    Flushed,
}

/// A call of the user's on a connection, as a machine without I/O: [`Receive`](super::Receive),
/// [`Send`](super::Send), [`Close`](super::Close).
///
/// A driver repeats [`step`](Self::step) until [`Step::Done`]: it does what the step says, and tells
/// the next one what came of it. It may stop between any two steps, and drop the job: what became of
/// the connection is in the [`Endpoint`].
pub trait Job {
    /// Takes in what happened, goes as far as it can, and says what it needs to go on.
    fn step(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, told: Told) -> Step;

    /// Does the job read? Then a peer that stays silent is asked by [`Keepalive`](super::Keepalive)
    /// whether it is there.
    fn listens(&self) -> bool {
        true
    }

    /// Where to read to for [`Step::ReadUser`].
    fn user_buffer(&mut self) -> &mut [u8] {
        &mut []
    }

    /// Payload of the user's that is not on the wire yet: for [`Endpoint::outgoing`].
    fn rest(&self) -> &[u8] {
        &[]
    }
}

/// What a job knows of the wire, to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Open,
    /// It takes nothing until the next wait.
    Blocked,
    /// Another task has it until the next wait.
    Busy,
    /// There is no key for the frame that is due.
    NoKey,
    /// It takes nothing any more.
    Failed,
}

/// After how many steps that move bytes others get their turn: a peer that sends without end does
/// not hold a driver. That goes on from job to job, so that a loop of calls lets others run, too.
const TURN: u8 = 64;
const UNLIMITED: u8 = u8::MAX;

impl Endpoint {
    /// A call begins that may not wait: it has its turn whatever was before it. With `all` it lasts
    /// until the job is done.
    pub const fn begin_turn(&mut self, all: bool) {
        self.turn = if all { UNLIMITED } else { TURN };
    }

    /// A step that moves bytes, or a pause where the turn is over.
    pub(super) const fn in_turn(&mut self, step: Step) -> Step {
        match self.turn {
            UNLIMITED => step,
            0 => {
                self.turn = TURN;
                Step::Yield
            }
            left => {
                self.turn = left - 1;
                step
            }
        }
    }
}
