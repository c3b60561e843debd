//! `-v`: log lines on standard error.

use crate::output;
use log::{LevelFilter, Log, Metadata, Record};
use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Instant;

struct Stderr {
    started: OnceLock<Instant>,
}

static STDERR: Stderr = Stderr {
    started: OnceLock::new(),
};

/// Has everything that is logged written to standard error, with the seconds since now.
pub(crate) fn enable() {
    STDERR.started.get_or_init(Instant::now);
    // Fails only where a logger is there already.
    if log::set_logger(&STDERR).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

thread_local! {
    /// Whose connection this thread works on.
    static PEER: Cell<Option<SocketAddr>> = const { Cell::new(None) };
}

/// As long as this lives, lines of this thread are about a peer's connection.
pub(crate) struct About(Option<SocketAddr>);

/// Names the peer in each line that is logged meanwhile, by the libraries too.
#[must_use]
pub(crate) fn peer(peer: Option<SocketAddr>) -> About {
    About(PEER.replace(peer))
}

impl Drop for About {
    fn drop(&mut self) {
        PEER.set(self.0);
    }
}

/// Names the peer in each line that is logged while `work` runs.
pub(crate) async fn about<F: Future>(of: SocketAddr, work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _about = peer(Some(of));
        work.as_mut().poll(context)
    })
    .await
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target.starts_with("ws") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let since = self.started.get_or_init(Instant::now).elapsed();
        let (level, text) = (record.level(), record.args());
        let about = PEER
            .get()
            .map(|peer| format!("{peer}: "))
            .unwrap_or_default();
        let since = since.as_secs_f64();
        output::error_line(&format!("[{since:8.3} {level:5}] {about}{text}"));
    }

    fn flush(&self) {}
}
