//! Connections of the async calls that are closed, and whose peers have not closed yet. To let go of
//! one with unread input resets it, and a reset can overtake what was sent last. What
//! [`StdStack`](ws_socket::stack::StdStack) does for the blocking calls.

use super::server::{SWEEP, next_sweep};
use crate::asynch::Stream;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long a peer may take to end its half of TCP.
const TCP_END: Duration = Duration::from_secs(5);
/// How many are waited for; beyond, the oldest are let go.
const MOST: usize = 256;
/// How much unread input one look at a connection throws away.
const DRAIN_AT_ONCE: usize = 64 * 1024;

/// Closed connections.
#[derive(Default)]
pub(super) struct Lingering {
    streams: VecDeque<(Stream, Instant)>,
    sweep_at: Option<Instant>,
}

impl Lingering {
    /// Ends this end's half of a connection, and waits for its peer to do so.
    pub(super) fn add(&mut self, stream: Stream) {
        let tcp = stream.tcp();
        // A connection that is gone has nothing to shut down.
        if tcp.shutdown(Shutdown::Write).is_err() || drained(tcp) {
            return;
        }
        if self.streams.len() >= MOST {
            self.streams.pop_front();
        }
        let now = Instant::now();
        self.streams.push_back((stream, now + TCP_END));
        self.sweep_at.get_or_insert(now + SWEEP);
    }

    /// Says why, if that goes out at once, and closes.
    pub(super) fn refuse(&mut self, stream: Stream, answer: &[u8]) {
        let written = stream.tcp().write(answer);
        if written.is_ok() {
            self.add(stream);
        }
    }

    /// When they are to be looked at.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Looks at them, if it is time.
    pub(super) fn on_time(&mut self, now: Instant) {
        if self.sweep_at.is_some_and(|at| at <= now) {
            let left = self.sweep();
            self.sweep_at = (left > 0).then(|| next_sweep(now));
        }
    }

    /// Looks at them; how many are left.
    pub(super) fn sweep(&mut self) -> usize {
        let now = Instant::now();
        self.streams
            .retain(|(stream, until)| now < *until && !drained(stream.tcp()));
        self.streams.len()
    }
}

/// Throws unread input away. True where the connection needs no more looking after.
fn drained(mut stream: &TcpStream) -> bool {
    let mut sink = [0; 4096];
    for _ in 0..DRAIN_AT_ONCE / sink.len() {
        match stream.read(&mut sink) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
    false
}
