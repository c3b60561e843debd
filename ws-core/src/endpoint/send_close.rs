//! The job of sending a Close and nothing more: for a task that writes while another reads.

use super::step::{Job, Step, Told};
use super::{CLOSE_UNSAID, Endpoint, Lent};
use crate::close::CloseCode;
use crate::error::FrameError;

/// Sends a Close with a code and a reason, and what is due before it. The task that receives goes on until
/// the peer's. A job that was dropped is gone on with by the next, also where the Close has gone out
/// meanwhile.
#[derive(Debug)]
pub struct SendClose<'r> {
    code: CloseCode,
    reason: &'r str,
    begun: bool,
    refusal: Option<FrameError>,
    lacks_key: bool,
}

impl<'r> SendClose<'r> {
    /// A code (none for [`CloseCode::NO_STATUS`]), and a reason of which the first 123 bytes are sent.
    pub const fn new(code: CloseCode, reason: &'r str) -> Self {
        Self {
            code,
            reason,
            begun: false,
            refusal: None,
            lacks_key: false,
        }
    }

    /// Why none is sent, after [`Step::Done`]: a frame of the user's is open, or a Close was sent.
    pub const fn refusal(&self) -> Option<FrameError> {
        self.refusal
    }

    /// It could not go out for want of a mask key, and stays due.
    pub const fn lacks_key(&self) -> bool {
        self.lacks_key
    }

    const fn refuse(&mut self, error: FrameError) -> Step {
        self.refusal = Some(error);
        Step::Done
    }
}

impl Job for SendClose<'_> {
    fn step(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, told: Told) -> Step {
        endpoint.take_in(lent, told);
        self.lacks_key = told == Told::NoKey;
        match told {
            Told::Resumed | Told::Written(_) | Told::Flushed => {}
            Told::WriteBlocked => return Step::Blocked,
            _ => return Step::Done,
        }
        if !self.begun {
            if endpoint.frame_open() {
                return self.refuse(FrameError::FrameOpen);
            }
            let ours = endpoint.is(CLOSE_UNSAID);
            if !ours && (endpoint.closing() || endpoint.is_over()) {
                return self.refuse(FrameError::Closed);
            }
            if !ours && endpoint.control_ready() {
                return endpoint.control_step(lent.reserve);
            }
            endpoint.close_saying(self.code, self.reason, lent.reserve);
            endpoint.set(CLOSE_UNSAID, true);
            self.begun = true;
        }
        if endpoint.control_ready() {
            return endpoint.control_step(lent.reserve);
        }
        if endpoint.is_unflushed() {
            return Step::Flush;
        }
        endpoint.set(CLOSE_UNSAID, false);
        Step::Done
    }

    fn listens(&self) -> bool {
        false
    }
}
