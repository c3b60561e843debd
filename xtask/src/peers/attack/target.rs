//! The program that is attacked: started, measured, ended.

use super::figures::ENDS_WITHIN;
use crate::Result;
use crate::interop::Driver;
use crate::interop::served::{port, terminate};
use crate::shell::Running;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// After the signal it is waited for a little longer than it may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// What its standard output and error are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pipes {
    /// All is read.
    Read,
    /// Nobody reads standard output any more, and it is still open.
    StdoutStops,
    /// The reader of standard output is gone.
    StdoutCloses,
    /// Nobody reads standard error, and it is open.
    StderrStops,
    /// The reader of standard error is gone.
    StderrCloses,
}

impl Pipes {
    /// Is this an end in order? Without a reader of its output a program may say that it failed.
    pub(super) fn ends(self, status: ExitStatus) -> bool {
        match self {
            Self::Read | Self::StderrStops | Self::StderrCloses => status.success(),
            Self::StdoutStops | Self::StdoutCloses => matches!(status.code(), Some(0 | 1)),
        }
    }

    pub(super) fn stdout(self) -> Stdio {
        match self {
            Self::StdoutStops | Self::StdoutCloses => Stdio::piped(),
            Self::Read | Self::StderrStops | Self::StderrCloses => Stdio::null(),
        }
    }

    pub(super) fn stderr(self) -> Stdio {
        match self {
            Self::StderrStops | Self::StderrCloses => Stdio::piped(),
            Self::Read | Self::StdoutStops | Self::StdoutCloses => Stdio::null(),
        }
    }
}

/// A running `ws serve`.
pub(super) struct Target {
    pub(super) port: u16,
    process: Running,
    /// From now on the pipe is not read.
    broken: Arc<AtomicBool>,
    /// Nothing is left of it.
    gone: Arc<AtomicBool>,
}

impl Drop for Target {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

impl Target {
    /// Starts `ws serve` on a port of the system's choice.
    pub(super) fn start(
        ws: &Path,
        driver: Driver,
        options: &[String],
        pipes: Pipes,
    ) -> Result<Self> {
        let child = Command::new(ws)
            .args(["serve", "127.0.0.1:0", "--echo"])
            .args(driver.option())
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(pipes.stderr())
            .spawn();
        let child = child.map_err(|error| format!("{}: {error}", ws.display()))?;
        let mut process = Running(child);
        let mut stdout = process.0.stdout.take();
        let first = stdout.as_mut().map(first_line).unwrap_or_default();
        let first = serde_json::from_str(&first).unwrap_or(Value::String(first));
        let port = port(&first).ok_or("`ws serve` does not say which port it listens on")?;
        let mut target = Self {
            port,
            process,
            broken: Arc::default(),
            gone: Arc::default(),
        };
        let stderr = target.process.0.stderr.take();
        if let Some(stdout) = stdout {
            let stops = pipes == Pipes::StdoutStops;
            target.tap(stdout, stops, stops || pipes == Pipes::StdoutCloses);
        }
        if let Some(stderr) = stderr {
            target.tap(stderr, pipes == Pipes::StderrStops, true);
        }
        Ok(target)
    }

    /// Reads until the pipe breaks, if it does: then it is held open, or closed.
    fn tap(&self, mut pipe: impl Read + Send + 'static, holds: bool, breaks: bool) {
        let (broken, gone) = (Arc::clone(&self.broken), Arc::clone(&self.gone));
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while matches!(pipe.read(&mut buffer), Ok(1..)) {
                if breaks && broken.load(Ordering::Relaxed) {
                    break;
                }
            }
            while holds && !gone.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    }

    /// Breaks its pipes, where they are to break: at the next that is read.
    pub(super) fn break_pipes(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// What it has in memory, in KiB.
    pub(super) fn memory(&self) -> Option<u64> {
        memory(self.process.0.id(), "VmRSS:")
    }

    /// What it ends with by itself, if it does.
    pub(super) fn ends_within(&mut self, within: Duration) -> Option<ExitStatus> {
        wait(&mut self.process, within).map(|(_, status)| status)
    }

    /// Asks it to end by SIGTERM: how long that took, and what it ended with.
    pub(super) fn end(mut self) -> Result<Option<(Duration, ExitStatus)>> {
        end(&mut self.process)
    }
}

/// Sends SIGTERM, and waits.
pub(super) fn end(process: &mut Running) -> Result<Option<(Duration, ExitStatus)>> {
    let ended = wait(process, Duration::ZERO);
    if ended.is_none() {
        terminate(process.0.id())?;
    }
    Ok(ended.or_else(|| wait(process, ENDS_WITHIN + PATIENCE)))
}

/// Waits until it has ended: how long that took, and what with.
pub(super) fn wait(process: &mut Running, within: Duration) -> Option<(Duration, ExitStatus)> {
    let began = Instant::now();
    loop {
        if let Ok(Some(status)) = process.0.try_wait() {
            return Some((began.elapsed(), status));
        }
        if began.elapsed() >= within {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One of the numbers in /proc/PID/status, in KiB.
pub(super) fn memory(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Reads no further than the first line.
fn first_line(stdout: &mut ChildStdout) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while matches!(stdout.read(&mut byte), Ok(1)) && byte != *b"\n" {
        line.extend(byte);
    }
    String::from_utf8_lossy(&line).into_owned()
}

/// Sets a flag when it goes, also in a panic: the threads that look at it end.
pub(super) struct Over<'a>(pub(super) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
