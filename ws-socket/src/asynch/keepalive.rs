//! Finding out that a peer is gone.

use ws_core::Endpoint;

use crate::timeout::Deadline;
use crate::{Config, Timeout};

/// What an async connection keeps beside its protocol state.
#[derive(Debug)]
pub(super) struct Alive {
    /// When the peer was heard last, or the Ping went out.
    since: u32,
    /// An answer to a Ping is awaited.
    pinged: bool,
    dead: bool,
    /// The stream may hold back what was written.
    pub(super) unflushed: bool,
}

/// The peer does not answer.
pub(super) struct Dead;

impl Alive {
    pub(super) const NEW: Self = Self {
        since: 0,
        pinged: false,
        dead: false,
        unflushed: false,
    };

    /// The connection is open, or something came.
    pub(super) const fn heard(&mut self, now: u32) {
        self.since = now;
        self.pinged = false;
        self.dead = false;
    }

    /// Was the peer found not to answer?
    pub(super) const fn is_dead(&self) -> bool {
        self.dead
    }

    /// How many milliseconds may be waited for the peer; `None` for ever.
    pub(super) fn left(&self, config: &Config, now: u32) -> Option<u32> {
        let keepalive = config.keepalive?;
        let millis = if self.pinged {
            keepalive.timeout
        } else {
            keepalive.interval
        };
        Some(Deadline::new(self.since, Timeout::Millis(millis)).left(now))
    }

    /// That time is up.
    pub(super) const fn is_late(&mut self, endpoint: &mut Endpoint, now: u32) -> Result<(), Dead> {
        // One that could not go out has no answer: a frame of the user's is in the way.
        if self.pinged && !endpoint.ping_due() {
            self.dead = true;
            return Err(Dead);
        }
        endpoint.ping();
        self.pinged = true;
        self.since = now;
        Ok(())
    }
}
