//! Finding out that a peer is gone (RFC 6455 section 5.5.2). Time comes in as an argument.

use super::{Endpoint, FRESH, GONE, PING_DUE, PINGED};

/// When to ask a silent peer whether it is there, and when to give it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// How many milliseconds a peer may be silent before it is sent a Ping.
    pub interval: u32,
    /// How many milliseconds after the Ping it is given up, unless it was heard meanwhile. 0 counts
    /// as 1.
    pub timeout: u32,
}

/// Milliseconds from `*since` to `now` on a clock that may wrap. A clock that reads less than
/// `*since` was set back: no time has passed, and time counts from there on. (A difference in the
/// upper half is one below zero.)
pub const fn elapsed(since: &mut u32, now: u32) -> u32 {
    let passed = now.wrapping_sub(*since);
    if passed > u32::MAX / 2 {
        *since = now;
        return 0;
    }
    passed
}

impl Endpoint {
    /// Looks at the clock, before a driver waits for the peer: how many milliseconds it may wait at
    /// most. With 0, and after that time, it steps again: a Ping is due then, or the peer is
    /// [gone](Self::is_gone). `stuck` says that another task has been trying to write all the
    /// while.
    pub fn patience(&mut self, keepalive: Keepalive, stuck: bool, now: u32) -> u32 {
        self.note_time(now);
        let asked = self.is(PINGED);
        let limit = if asked {
            keepalive.timeout.max(1)
        } else {
            keepalive.interval
        };
        let left = limit.saturating_sub(elapsed(&mut self.since, now));
        if left > 0 {
            return left;
        }
        // A Ping that a frame of the user's is in the way of has no answer. One that the wire does
        // not take has none either, but then the wire is as silent as the peer.
        if asked && (stuck || !(self.is(PING_DUE) && self.frame_open())) {
            self.set(GONE, true);
            return 0;
        }
        self.ping();
        self.set(PINGED, true);
        self.since = now;
        0
    }

    /// Something has happened that silence is counted from, and nobody has looked at the clock since: a
    /// driver of which one task writes while another waits [notes](Self::note_time) when.
    pub const fn is_fresh(&self) -> bool {
        self.is(FRESH)
    }

    /// It happened at `now`.
    pub const fn note_time(&mut self, now: u32) {
        if self.is(FRESH) {
            self.set(FRESH, false);
            self.since = now;
        }
    }

    /// The peer was silent for as long as it may be.
    pub const fn is_gone(&self) -> bool {
        self.is(GONE)
    }

    pub(super) const fn set_gone(&mut self, gone: bool) {
        self.set(GONE, gone);
    }

    /// Something came from the peer.
    pub(super) const fn heard(&mut self) {
        self.set(FRESH, true);
        self.set(PINGED, false);
    }
}
