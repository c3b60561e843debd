//! The peers in tests/interop/server.py: started, listened to, ended.

use crate::Result;
use crate::shell::{self, Running, lines};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The running peers, and what they report.
pub(super) struct Peer {
    /// Port of the well-behaved server.
    pub(super) real: u64,
    /// Port of the server that writes by hand.
    pub(super) raw: u64,
    /// A port that refuses connections.
    pub(super) closed: u64,
    reports: Receiver<Value>,
    _process: Running,
}

impl Peer {
    /// Starts tests/interop/server.py and waits for its ports.
    pub(super) fn start(python: &Path) -> Result<Self> {
        let script = shell::root().join("tests/interop/server.py");
        let log = shell::cache().join("interop/server.log");
        let stderr = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let child = Command::new(python)
            .args(["-B", "-u"])
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("{}: {error}", script.display()))?;
        let mut process = Running(child);
        let (sender, reports) = channel();
        if let Some(stdout) = process.0.stdout.take() {
            lines(stdout, move |line| {
                // A peer that writes something else is found by the record that is missing.
                if let Ok(value) = serde_json::from_slice(line) {
                    let _ = sender.send(value);
                }
            });
        }
        let first: Value = reports
            .recv_timeout(Duration::from_secs(20))
            .map_err(|_| format!("the server does not start; see {}", log.display()))?;
        let port = |name: &str| {
            let port = first.get(name).and_then(Value::as_u64);
            port.ok_or_else(|| format!("the server's first line names no port `{name}`"))
        };
        Ok(Self {
            real: port("real")?,
            raw: port("raw")?,
            closed: port("closed")?,
            reports,
            _process: process,
        })
    }

    /// What the peer saw of run `number`; none if it reports nothing in time.
    pub(super) fn record(&self, number: usize, within: Duration) -> Option<Value> {
        let wanted = format!("?run={number}");
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.reports.recv_timeout(left) {
                Ok(report) => {
                    let target = report.get("target").and_then(Value::as_str);
                    if target.is_some_and(|target| target.ends_with(&wanted)) {
                        return Some(report);
                    }
                    // The record of an earlier run that came too late to count.
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}
