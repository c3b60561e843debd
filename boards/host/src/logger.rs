//! `-v`: log lines on standard error.

use crate::output;
use log::{LevelFilter, Log, Metadata, Record};
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
        output::error_line(&format!("[{:8.3} {level:5}] {text}", since.as_secs_f64()));
    }

    fn flush(&self) {}
}
