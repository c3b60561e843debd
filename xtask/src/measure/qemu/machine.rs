//! A running QEMU with a firmware in it.

use super::board::{Bin, Board};
use super::firmware::Built;
use super::install::QEMU;
use crate::Result;
use crate::shell::{Running, lines};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A machine: started, listened to, ended when this goes out of scope.
pub(super) struct Machine {
    process: Running,
    lines: Receiver<String>,
    /// What the firmware, and QEMU itself, said so far.
    pub(super) said: Vec<String>,
    until: Instant,
}

impl Machine {
    /// Starts it, with at most `within` for all that follows. `port` is the firmware's argument;
    /// `forwarded` a port of the host behind which its port 80 is.
    pub(super) fn start(
        board: &Board,
        built: &Built,
        bin: Bin,
        port: Option<u16>,
        forwarded: Option<u16>,
        within: Duration,
    ) -> Result<Self> {
        let mut semihosting = "enable=on,target=native,arg=ws".to_owned();
        if let Some(port) = port {
            semihosting += &format!(",arg={port}");
        }
        let mut network = "user,id=n0".to_owned();
        if let Some(port) = forwarded {
            network += &format!(",hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:80");
        }
        let mut command = Command::new(QEMU);
        command
            .args(board.machine)
            .arg("-kernel")
            .arg(built.file(bin))
            .args(["-nographic", "-monitor", "none", "-serial", "none"])
            .args(["-semihosting-config", &semihosting]);
        if board.network {
            command.args(["-nic", &network]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{QEMU} does not start: {error}"))?;
        let mut process = Running(child);
        let (sender, receiver) = channel();
        // Which of the two the firmware's output comes by depends on QEMU's version.
        if let Some(stdout) = process.0.stdout.take() {
            let sender = sender.clone();
            lines(stdout, move |line| {
                let _ = sender.send(String::from_utf8_lossy(line).into_owned());
            });
        }
        if let Some(stderr) = process.0.stderr.take() {
            lines(stderr, move |line| {
                let _ = sender.send(String::from_utf8_lossy(line).into_owned());
            });
        }
        Ok(Self {
            process,
            lines: receiver,
            said: Vec::new(),
            until: Instant::now() + within,
        })
    }

    /// Waits until the firmware has said `line`.
    pub(super) fn wait_for(&mut self, line: &str) -> Result {
        while !self.said.iter().any(|said| said == line) {
            if !self.hear()? {
                return Err(self.complaint(&format!("it ended and never said `{line}`")));
            }
        }
        Ok(())
    }

    /// Waits until the firmware has ended: with which status.
    pub(super) fn end(&mut self) -> Result<ExitStatus> {
        while self.hear()? {}
        let ended = self.process.0.wait();
        ended.map_err(|error| format!("{QEMU}: {error}"))
    }

    /// Waits for the next line; false when there is none to come.
    fn hear(&mut self) -> Result<bool> {
        let left = self.until.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.said.push(line);
                Ok(true)
            }
            Err(RecvTimeoutError::Disconnected) => Ok(false),
            Err(RecvTimeoutError::Timeout) => Err(self.complaint("it takes too long")),
        }
    }

    /// What is wrong, and the last lines that were said.
    pub(super) fn complaint(&self, what: &str) -> String {
        let last = self.said.len().saturating_sub(10);
        let said = self.said.iter().skip(last).map(|line| format!("\n{line}"));
        format!("{what}; it said:{}", said.collect::<String>())
    }
}

/// A port of the host that is free now, and most likely still in a moment.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    let address = address.map_err(|error| format!("a free port: {error}"))?;
    Ok(address.port())
}
