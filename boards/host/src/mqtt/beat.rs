//! MQTT's keepalive: what the client reads from pings the broker, in the middle of a packet too, and
//! notes when the broker was heard of.

use async_io::Timer;
use embassy_futures::select::{Either, select};
use embedded_io_async::{ErrorType, Read, Write};
use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// PINGREQ.
const PING: [u8; 2] = [0xc0, 0];

/// When to ping, and when to give up. All clones are one.
#[derive(Clone)]
pub(super) struct Beat(Rc<State>);

struct State {
    /// Half of the keepalive; `None` without one.
    half: Cell<Option<Duration>>,
    ping_at: Cell<Instant>,
    /// Nothing was heard since the last ping.
    unanswered: Cell<bool>,
    /// What of a ping may not be out yet.
    unflushed: Cell<bool>,
    heard_at: Cell<Instant>,
    /// Since when something waits to be written.
    writing: Cell<Option<Instant>>,
}

impl Beat {
    /// There is no keepalive before the broker has agreed to one.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Rc::new(State {
            half: Cell::new(None),
            ping_at: Cell::new(now),
            unanswered: Cell::new(false),
            unflushed: Cell::new(false),
            heard_at: Cell::new(now),
            writing: Cell::new(None),
        }))
    }

    /// The broker wants to hear of us that often, or does not care.
    pub(super) fn agree(&self, keep_alive: Option<Duration>) {
        let now = Instant::now();
        let half = keep_alive.map(|it| it / 2);
        self.0.half.set(half);
        self.0.ping_at.set(now + half.unwrap_or_default());
        self.0.heard_at.set(now);
    }

    /// When the next ping is due: twice in a keepalive, as long as they are answered. Where
    /// `unread`, answers are not looked at.
    pub(super) fn ping_at(&self, unread: bool) -> Option<Instant> {
        let half = self.0.half.get();
        half.filter(|_| unread || !self.0.unanswered.get())
            .map(|_| self.0.ping_at.get())
    }

    /// A ping goes out now.
    pub(super) fn pinged(&self) {
        let half = self.0.half.get().unwrap_or_default();
        self.0.ping_at.set(Instant::now() + half);
        self.0.unanswered.set(true);
    }

    fn heard(&self) {
        self.0.heard_at.set(Instant::now());
        self.0.unanswered.set(false);
    }

    /// Nothing was read since then, for reasons of our own: the broker is not silent for that long.
    pub(super) fn did_not_read(&self, since: Instant) {
        let heard_at = self.0.heard_at.get() + since.elapsed();
        self.0.heard_at.set(heard_at.min(Instant::now()));
    }

    /// Waits for the broker to be silent, or to take nothing, for one and a half times the
    /// keepalive.
    pub(super) async fn dead(&self) {
        let Some(half) = self.0.half.get() else {
            return pending().await;
        };
        loop {
            let since = self.0.writing.get().unwrap_or(self.0.heard_at.get());
            let at = since + 3 * half;
            if Instant::now() >= at {
                return;
            }
            Timer::at(at).await;
        }
    }

    /// Waits for what is written.
    async fn writes<T>(&self, write: impl Future<Output = T>) -> T {
        self.0.writing.set(Some(Instant::now()));
        let written = write.await;
        self.0.writing.set(None);
        written
    }
}

/// A stream to the broker which pings while it is read from.
pub(super) struct Paced<S> {
    pub(super) stream: S,
    beat: Beat,
}

impl<S> Paced<S> {
    pub(super) const fn new(stream: S, beat: Beat) -> Self {
        Self { stream, beat }
    }
}

impl<S: ErrorType> ErrorType for Paced<S> {
    type Error = S::Error;
}

impl<S: Read + Write> Read for Paced<S> {
    /// Whoever reads is not in the middle of a packet to the broker. May be dropped.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, S::Error> {
        let Self { stream, beat } = self;
        loop {
            if beat.0.unflushed.get() {
                beat.writes(stream.flush()).await?;
                beat.0.unflushed.set(false);
            }
            let due = beat.ping_at(false);
            if due.is_none_or(|due| Instant::now() < due) {
                let time = async {
                    match due {
                        Some(due) => drop(Timer::at(due).await),
                        None => pending().await,
                    }
                };
                if let Either::First(read) = select(stream.read(buffer), time).await {
                    beat.heard();
                    return read;
                }
            }
            beat.pinged();
            // It is kept, for there is room: there was no packet on its way.
            beat.writes(stream.write_all(&PING)).await?;
            beat.0.unflushed.set(true);
        }
    }
}

impl<S: Write> Write for Paced<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, S::Error> {
        self.beat.writes(self.stream.write(bytes)).await
    }

    async fn flush(&mut self) -> Result<(), S::Error> {
        self.beat.writes(self.stream.flush()).await
    }
}
