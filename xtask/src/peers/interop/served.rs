//! A running `ws serve`: started on a port of the system's choice, listened to, ended.

use crate::Result;
use crate::shell::{Running, lines};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const STARTS_WITHIN: Duration = Duration::from_secs(20);
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct Served {
    pub(crate) port: u16,
    process: Running,
    seen: Arc<Seen>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    events: Mutex<Vec<Value>>,
    changed: Condvar,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    /// Starts `ws serve 127.0.0.1:0 --echo` with further options, on one processor if `pinned`.
    pub(crate) fn start(ws: &Path, options: &[&str], pinned: bool) -> Result<Self> {
        let mut command = if pinned {
            let mut command = Command::new("taskset");
            command.args(["-c", "0"]).arg(ws);
            command
        } else {
            Command::new(ws)
        };
        command
            .args(["serve", "127.0.0.1:0", "--echo"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", ws.display()))?;
        let mut process = Running(child);
        let seen = Arc::new(Seen::default());
        let stdout = process.0.stdout.take();
        let reader = stdout.map(|stdout| {
            let seen = Arc::clone(&seen);
            lines(stdout, move |line| {
                let event = serde_json::from_slice(line);
                let plain = || Value::String(String::from_utf8_lossy(line).into_owned());
                seen.lock().push(event.unwrap_or_else(|_| plain()));
                seen.changed.notify_all();
            })
        });
        let mut served = Self {
            port: 0,
            process,
            seen,
            reader,
        };
        let first = served.wait_for(STARTS_WITHIN, |events| events.first().and_then(port));
        served.port = first.ok_or("`ws serve` does not say which port it listens on")?;
        Ok(served)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Waits until `look` finds something in the events.
    pub(crate) fn wait_for<R>(
        &self,
        within: Duration,
        mut look: impl FnMut(&[Value]) -> Option<R>,
    ) -> Option<R> {
        let until = Instant::now() + within;
        let mut events = self.seen.lock();
        loop {
            if let Some(found) = look(&events) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.seen.changed.wait_timeout(events, left);
            events = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What the events are now.
    pub(super) fn look<R>(&self, look: impl FnOnce(&[Value]) -> R) -> R {
        look(&self.seen.lock())
    }

    /// Asks it to end by a signal: its exit status, and all it has said.
    pub(super) fn end(mut self) -> Result<(ExitStatus, Vec<Value>)> {
        terminate(self.pid())?;
        let until = Instant::now() + ENDS_WITHIN;
        let status = loop {
            match self.process.0.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err("`ws serve` does not end at SIGTERM".to_owned()),
                Err(error) => return Err(format!("waiting for `ws serve`: {error}")),
            }
        };
        if let Some(reader) = self.reader.take() {
            // One that panicked shows as events that are missing.
            let _ = reader.join();
        }
        let events = std::mem::take(&mut *self.seen.lock());
        Ok((status, events))
    }
}

/// Of the first line: `{"event":"listening",…,"port":N}`, or `listening on ws://ADDRESS:N/`.
pub(crate) fn port(first: &Value) -> Option<u16> {
    if let Some(port) = first.get("port") {
        return port.as_u64()?.try_into().ok();
    }
    let text = first.as_str()?.strip_suffix('/')?;
    text.rsplit_once(':')?.1.parse().ok()
}

/// Sends SIGTERM.
#[cfg(unix)]
pub(crate) fn terminate(pid: u32) -> Result {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or("a process without a number")?;
    kill_process(pid, Signal::TERM).map_err(|error| format!("SIGTERM: {error}"))
}

#[cfg(not(unix))]
pub(crate) fn terminate(_: u32) -> Result {
    Err("this system has no SIGTERM".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_of_the_first_line_name_the_port() {
        let event = json!({"event": "listening", "address": "127.0.0.1", "port": 81});
        assert_eq!(port(&event), Some(81));
        assert_eq!(port(&json!("listening on ws://127.0.0.1:82/")), Some(82));
        assert_eq!(port(&json!("listening on ws://[::1]:83/")), Some(83));
        assert_eq!(port(&json!("ws: cannot listen")), None);
    }
}
