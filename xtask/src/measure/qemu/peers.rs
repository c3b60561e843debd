//! The peers of the firmware on the host, and what they saw.

use super::board::FOLDER;
use crate::Result;
use crate::shell::{self, Running, capture, lines};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long a server may take to start, and to report a connection that has ended.
const WITHIN: Duration = Duration::from_secs(20);

fn script(name: &str) -> PathBuf {
    shell::root().join(FOLDER).join("host").join(name)
}

/// A peer that is running. What it reports is a line of JSON each; its input ends with it.
pub(super) struct Peer {
    reports: Receiver<Value>,
    process: Running,
}

impl Peer {
    /// Starts it and waits for its first report.
    pub(super) fn start(python: &Path, name: &str, args: &[String]) -> Result<(Self, Value)> {
        let script = script(name);
        let child = Command::new(python)
            .args(["-B", "-u"])
            .arg(&script)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", script.display()))?;
        let mut process = Running(child);
        let (sender, reports) = channel();
        if let Some(stdout) = process.0.stdout.take() {
            lines(stdout, move |line| {
                // Something else than JSON is found by the report that is missing.
                if let Ok(value) = serde_json::from_slice(line) {
                    let _ = sender.send(value);
                }
            });
        }
        let peer = Self { reports, process };
        let first = peer.reports.recv_timeout(WITHIN);
        let first = first.map_err(|_| format!("{name} does not say that it is there"))?;
        Ok((peer, first))
    }

    /// Ends its input.
    pub(super) fn end(&mut self) {
        self.process.0.stdin.take();
    }

    /// What was wrong by its next report, which has to be of this event.
    pub(super) fn problem(&self, event: &str) -> Option<String> {
        let Ok(report) = self.reports.recv_timeout(WITHIN) else {
            return Some(format!("the host reports no `{event}`"));
        };
        if report.get("event").and_then(Value::as_str) != Some(event) {
            return Some(format!("the host reports {report}, not `{event}`"));
        }
        problem_of(&report)
    }
}

/// `host/conversation.py`, running.
pub(super) struct Conversation {
    pub(super) port: u16,
    peer: Peer,
}

impl Conversation {
    /// Starts it and waits for its port.
    pub(super) fn start(python: &Path) -> Result<Self> {
        let (peer, first) = Peer::start(python, "conversation.py", &[])?;
        let port = first.get("port").and_then(Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok());
        Ok(Self {
            port: port.ok_or("conversation.py does not say which port it listens on")?,
            peer,
        })
    }

    /// What was wrong with a client's run: it should have been refused once, with `keepalive` have
    /// found out a dead server, then have held the conversation.
    pub(super) fn problem(&self, keepalive: bool) -> Option<String> {
        let silent = keepalive.then_some("silent");
        let mut events = ["refused"]
            .into_iter()
            .chain(silent)
            .chain(["conversation"]);
        events.find_map(|event| self.peer.problem(event))
    }
}

/// What the `problem` of a report is; a report without one is a problem itself.
fn problem_of(report: &Value) -> Option<String> {
    match report.get("problem") {
        Some(Value::Null) => None,
        Some(Value::String(problem)) => Some(format!("the host: {problem}")),
        _ => Some(format!("the host reports: {report}")),
    }
}

/// Runs `host/visitor.py` to its end: how many WebSockets it opened, or what was wrong.
pub(super) fn visit(python: &Path, port: u16) -> Result<u64> {
    let mut command = Command::new(python);
    command
        .arg("-B")
        .arg(script("visitor.py"))
        .arg(port.to_string());
    let said = capture(&mut command)?;
    let report: Value = serde_json::from_str(&said)
        .map_err(|error| format!("visitor.py says no JSON: {error}: {said}"))?;
    if let Some(problem) = problem_of(&report) {
        return Err(problem);
    }
    let opened = report.get("opened").and_then(Value::as_u64);
    opened.ok_or_else(|| format!("visitor.py counts nothing: {report}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_problem_that_is_null_is_none() {
        assert_eq!(problem_of(&json!({"problem": null})), None);
        for bad in [
            json!({}),
            json!({"problem": "x"}),
            json!({"problem": 0}),
            json!([]),
        ] {
            assert!(problem_of(&bad).is_some(), "{bad}");
        }
    }
}
