//! Finding out that a peer is gone.

use ws_core::{Endpoint, Opcode};

use super::wait::MAX_READS;
use crate::timeout::Deadline;
use crate::{Config, Timeout};

/// What an async connection keeps beside its protocol state.
#[derive(Debug)]
pub(super) struct Alive {
    /// When the peer was heard last, or the Ping went out.
    since: u32,
    /// An answer to a Ping is awaited.
    pinged: bool,
    /// The stream may hold back what was written.
    pub(super) unflushed: bool,
    /// A frame of the user's, by opcode and FIN, that is out whole, but whose call was dropped
    /// before it could say so.
    pub(super) unsaid: Option<(Opcode, bool)>,
    /// When a write of a frame of the user's began that is not done, or was given up.
    pub(super) full_at: Option<u32>,
    /// After how many more reads and writes others have their turn.
    turns: u32,
}

/// The peer does not answer.
pub(super) struct Dead;

impl Alive {
    pub(super) const NEW: Self = Self {
        since: 0,
        pinged: false,
        unflushed: false,
        unsaid: None,
        full_at: None,
        turns: MAX_READS,
    };

    /// The connection is open.
    pub(super) const fn opened(now: u32) -> Self {
        Self {
            since: now,
            ..Self::NEW
        }
    }

    /// Counts a read, a write or a piece; true where others are to have their turn before the next:
    /// a peer may keep the stream ready without end. That goes on from call to call, so that a loop
    /// of calls lets others run, too.
    pub(super) const fn turn(&mut self) -> bool {
        self.turns = self.turns.saturating_sub(1);
        let others = self.turns == 0;
        if others {
            self.turns = MAX_READS;
        }
        others
    }

    /// A call that does not wait begins, or ends: it has so many turns whatever was before it.
    pub(super) const fn restart(&mut self, turns: u32) {
        self.turns = turns;
    }

    /// Something came.
    pub(super) const fn heard(&mut self, now: u32) {
        self.since = now;
        self.pinged = false;
    }

    /// The Ping is out: from here on an answer is awaited.
    pub(super) const fn ping_sent(&mut self, now: u32) {
        self.since = now;
    }

    /// How many milliseconds may be waited for the peer; `None` for ever.
    pub(super) fn left(&self, config: &Config, now: u32) -> Option<u32> {
        let keepalive = config.keepalive?;
        let millis = if self.pinged {
            // Not to ask over and over where a Ping cannot go out.
            keepalive.timeout.max(1)
        } else {
            keepalive.interval
        };
        Some(Deadline::new(self.since, Timeout::Millis(millis)).left(now))
    }

    /// That time is up.
    pub(super) const fn is_late(&mut self, endpoint: &mut Endpoint, now: u32) -> Result<(), Dead> {
        // One that a frame of the user's is in the way of has no answer. One that the wire does not
        // take has none either, but then the wire is as silent as the peer.
        if self.pinged && !(endpoint.ping_due() && endpoint.frame_open()) {
            return Err(Dead);
        }
        endpoint.ping();
        self.pinged = true;
        self.since = now;
        Ok(())
    }
}
