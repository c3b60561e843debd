//! What is due when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Times at which slots are to be looked at.
#[derive(Debug, Default)]
pub(super) struct Clock(BinaryHeap<Reverse<(Instant, usize)>>);

impl Clock {
    pub(super) fn set(&mut self, at: Instant, slot: usize) {
        self.0.push(Reverse((at, slot)));
    }

    /// The earliest.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one that is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Instant, usize)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(due)| due)
    }
}
