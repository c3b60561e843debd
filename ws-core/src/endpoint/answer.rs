//! The job of writing what is due, and nothing else.

use super::step::{Job, Step, Told};
use super::{Endpoint, Lent};

/// Writes the control frames that are due, and has the stream send what it holds back, as far as the
/// wire takes it now: after a receive, or for a task that writes while another reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer {
    lacks_key: bool,
}

impl Answer {
    /// What is due could not go out for want of a mask key.
    pub const fn lacks_key(self) -> bool {
        self.lacks_key
    }
}

impl Job for Answer {
    fn step(&mut self, endpoint: &mut Endpoint, lent: &mut Lent<'_>, told: Told) -> Step {
        endpoint.take_in(lent, told);
        self.lacks_key = told == Told::NoKey;
        if !matches!(told, Told::Resumed | Told::Written(_) | Told::Flushed) {
            return Step::Done;
        }
        if endpoint.control_ready() {
            endpoint.control_step(lent.reserve)
        } else if endpoint.is_unflushed() {
            Step::Flush
        } else {
            Step::Done
        }
    }

    fn listens(&self) -> bool {
        false
    }
}
