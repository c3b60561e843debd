//! The server of the page: started, stopped and started again on the same port.

use crate::Result;
use crate::shell::{self, Running};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const START_WITHIN: Duration = Duration::from_secs(20);
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A server's command, and the process while it runs.
pub(super) struct Server {
    command: Vec<String>,
    log: File,
    /// 0 until the first start, whose choice the later ones keep.
    port: u16,
    process: Option<Running>,
}

impl Server {
    /// Nothing is started yet. Its standard error goes to `log`.
    pub(super) fn new(command: Vec<String>, log: &Path) -> Result<Self> {
        let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        Ok(Self {
            command,
            log: file,
            port: 0,
            process: None,
        })
    }

    /// Starts it, waits until it listens, and says where.
    pub(super) fn start(&mut self) -> Result<u16> {
        let shown = self.command.join(" ");
        let Some((program, args)) = self.command.split_first() else {
            return Err("no server's command".to_owned());
        };
        let log = self.log.try_clone().map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .args(args)
            .arg(format!("127.0.0.1:{}", self.port))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("`{shown}` does not start: {error}"))?;
        let mut process = Running(child);
        let (sender, ports) = channel();
        if let Some(stdout) = process.0.stdout.take() {
            std::thread::spawn(move || {
                // Read to the end, so that the server never waits for this pipe.
                for line in BufReader::new(stdout).lines().map_while(|line| line.ok()) {
                    if let Some(port) = listening(&line) {
                        let _ = sender.send(port);
                    }
                }
            });
        }
        let port = ports.recv_timeout(START_WITHIN).map_err(|_| {
            format!("`{shown}` does not say where it listens; see .cache/browser/server.log")
        })?;
        if self.port != 0 && self.port != port {
            return Err(format!("told to listen on {}, it took {port}", self.port));
        }
        self.port = port;
        self.process = Some(process);
        Ok(port)
    }

    /// Does what the script asks for.
    pub(super) fn told(&mut self, what: &str) -> Result {
        match what {
            "start" => self.start().map(|_| ()),
            // Ended and reaped where it goes out of scope.
            "kill" => self.process.take().map(drop).ok_or_else(not_running),
            "stop" => self.stop(),
            "pause" => self.signal("-STOP"),
            "resume" => self.signal("-CONT"),
            _ => Err(format!("`{what}` is nothing a server can do")),
        }
    }

    /// Asks it to end, which it must do soon and with success.
    fn stop(&mut self) -> Result {
        self.signal("-TERM")?;
        let mut process = self.process.take().ok_or_else(not_running)?;
        let until = Instant::now() + STOP_WITHIN;
        loop {
            match process.0.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("after SIGTERM it ended with {status}")),
                Ok(None) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(None) => {
                    let seconds = STOP_WITHIN.as_secs();
                    return Err(format!("it still runs {seconds} s after SIGTERM"));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// The child is not reaped yet, so that its id is no other's.
    fn signal(&self, signal: &str) -> Result {
        let process = self.process.as_ref().ok_or_else(not_running)?;
        let id = process.0.id().to_string();
        shell::capture(Command::new("kill").args([signal, &id])).map(|_| ())
    }
}

fn not_running() -> String {
    "it does not run".to_owned()
}

/// The port in the line that says where the server listens.
fn listening(line: &str) -> Option<u16> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line.get("event")?.as_str()? != "listening" {
        return None;
    }
    line.get("port")?.as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_that_of_the_line_that_says_so() {
        assert_eq!(
            listening(r#"{"event":"listening","port":4567}"#),
            Some(4567)
        );
        for line in [
            "listening on 4567",
            r#"{"event":"connection","port":4567}"#,
            r#"{"event":"listening","port":70000}"#,
            r#"{"event":"listening"}"#,
        ] {
            assert_eq!(listening(line), None, "{line}");
        }
    }
}
