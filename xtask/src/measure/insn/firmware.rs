//! The firmwares that count: how they are built and run.

use crate::measure::qemu::{self, QEMU};
use crate::measure::targets::{self, firmware_flags};
use crate::{Result, shell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the firmwares are built for.
pub(super) const TARGET: &str = "thumbv7em-none-eabihf";

/// One counts for a second at most; more is a firmware that hangs.
const AT_MOST: Duration = Duration::from_secs(30);

/// The package of the firmwares, with `link.x`.
const FOLDER: &str = "tests/chips/insn";

/// Firmwares, and the library that each is about.
const FIRMWARES: &[(&str, &str)] = &[
    ("codec", OURS),
    ("endpoint", OURS),
    ("handshake", OURS),
    ("embedded-websocket", "embedded-websocket"),
    ("edge-ws", "edge-ws"),
    ("edge-http", "edge-ws"),
    ("ws-framer", "ws-framer"),
    ("websocket-sans-io", "websocket-sans-io"),
];

/// The library that is not a peer.
pub(super) const OURS: &str = "ws-core";

/// The group of what is bytes and not instructions.
pub(super) const STACK: &str = "stack";

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Case<'a> {
    pub(super) level: &'a str,
    pub(super) group: &'a str,
    pub(super) case: &'a str,
}

/// Instructions by level, library, group and case.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<[String; 4], u64>);

impl Counts {
    /// One count, `None` where the library has no such case.
    pub(super) fn of(&self, library: &str, case: Case<'_>) -> Option<u64> {
        let key = [case.level, library, case.group, case.case].map(str::to_owned);
        self.0.get(&key).copied()
    }

    /// The counts of the library that is not a peer.
    pub(super) fn ours(&self) -> impl Iterator<Item = (Case<'_>, u64)> {
        let ours = self
            .0
            .iter()
            .filter(|([_, library, ..], _)| library == OURS);
        ours.map(|([level, _, group, case], count)| (Case { level, group, case }, *count))
    }

    /// Takes one firmware's lines, `group case count` and `stack group/case bytes`; anything else is a
    /// mistake. Of a group's stack the most is kept.
    pub(super) fn take(&mut self, level: &str, library: &str, text: &str) -> Result {
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [group, case, count] = words[..] else {
                return Err(format!("`{line}` is no count"));
            };
            let count: u64 = count.parse().map_err(|_| format!("`{line}` is no count"))?;
            if group == STACK {
                let of = match case.split_once('/') {
                    Some(("handshake", side)) => side,
                    Some((group, _)) => group,
                    None => return Err(format!("`{line}` is no count")),
                };
                let key = [level, library, STACK, of].map(str::to_owned);
                let most = self.0.entry(key).or_insert(0);
                *most = count.max(*most);
                continue;
            }
            let key = [level, library, group, case].map(str::to_owned);
            if self.0.insert(key, count).is_some() {
                return Err(format!("`{line}` was counted before"));
            }
        }
        Ok(())
    }
}

/// Has what is missing installed if there is an installer; what is missing then.
pub(super) fn missing() -> Result<Option<String>> {
    if targets::installed(&[TARGET])?.is_empty() {
        let what = format!("the target is missing; run: rustup target add {TARGET}");
        return Ok(Some(what));
    }
    Ok(qemu::ready().err())
}

/// Builds all firmwares at an `opt-level`.
pub(super) fn build(level: &str) -> Result {
    let folder = shell::root().join(FOLDER);
    let script = folder.join("link.x");
    let mut command = shell::cargo(&["build", "--locked", "--quiet", "--release", "--bins"]);
    command
        .args(["--target", TARGET])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", target_folder(level))
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", level);
    firmware_flags(
        &mut command,
        vec![format!("-Clink-arg=-T{}", script.display())],
    );
    shell::capture(&mut command).map(|_| ())
}

/// Runs all firmwares of an `opt-level`.
pub(super) fn run(level: &str, counts: &mut Counts) -> Result {
    let built = target_folder(level).join(TARGET).join("release");
    for (firmware, library) in FIRMWARES {
        let printed = emulate(built.join(firmware))
            .map_err(|why| format!("{firmware} at opt-level {level}: {why}"))?;
        if printed.is_empty() {
            return Err(format!("{firmware} at opt-level {level} counted nothing"));
        }
        counts.take(level, library, &printed)?;
    }
    Ok(())
}

/// What the firmware prints; an error unless it ends well and in time.
fn emulate(firmware: PathBuf) -> Result<String> {
    let mut command = Command::new(QEMU);
    command
        .args([
            "-M",
            "netduinoplus2",
            "-icount",
            "shift=0,sleep=off,align=off",
        ])
        .args(["-nographic", "-monitor", "none", "-serial", "none"])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(firmware)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let child = command.spawn();
    let mut child = shell::Running(child.map_err(|error| format!("{QEMU}: {error}"))?);
    // It prints a few lines, far less than a pipe holds.
    let status = loop {
        match child.0.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() > AT_MOST => {
                return Err(format!("does not end within {} s", AT_MOST.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(format!("{QEMU}: {error}")),
        }
    };
    let (stdout, stderr) = (read(child.0.stdout.take()), read(child.0.stderr.take()));
    // Semihosting prints to either, as QEMU's version has it.
    let printed = if stdout.is_empty() { stderr } else { stdout };
    if status.success() {
        Ok(printed)
    } else {
        Err(format!("ended with {status}: {printed}"))
    }
}

fn read(pipe: Option<impl std::io::Read>) -> String {
    let mut text = String::new();
    if let Some(mut pipe) = pipe {
        // What cannot be read is missed as counts.
        let _ = pipe.read_to_string(&mut text);
    }
    text
}

/// A folder for each level, so that none is built twice.
fn target_folder(level: &str) -> PathBuf {
    shell::target_folder().join(format!("insn-{level}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counts_or_mistakes() {
        let mut counts = Counts::default();
        counts
            .take("s", OURS, "decode 0 110\ndecode 5 120\n")
            .unwrap();
        let case = Case {
            level: "s",
            group: "decode",
            case: "5",
        };
        assert_eq!(counts.of(OURS, case), Some(120));
        assert_eq!(counts.of("edge-ws", case), None);
        assert_eq!(counts.ours().count(), 2);
        let stack = "stack text/a 8\nstack text/b 16\nstack text/c 4\nstack handshake/client 9";
        counts.take("s", OURS, stack).unwrap();
        let stack = |case| Case {
            level: "s",
            group: STACK,
            case,
        };
        assert_eq!(counts.of(OURS, stack("text")), Some(16));
        assert_eq!(counts.of(OURS, stack("client")), Some(9));
        for text in [
            "stack text 1",
            "stack text/a x",
            "decode 0 1",
            "FAILED: decode",
            "decode 7 x",
            "decode",
        ] {
            assert!(counts.take("s", OURS, text).is_err(), "{text}");
        }
    }
}
