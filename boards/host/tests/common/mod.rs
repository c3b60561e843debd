//! The program `ws` as a child.

use std::io::Write;
use std::process::{Child, Command, Stdio};

/// What a run of `ws` came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The lines of `--json`.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }
}

/// `ws` with these arguments, its pipes open. In `asynch.rs`, by the async calls.
pub(crate) fn start(arguments: &[&str]) -> Child {
    let asynch = (env!("CARGO_CRATE_NAME") == "asynch").then_some("--async");
    Command::new(env!("CARGO_BIN_EXE_ws"))
        .args(arguments)
        .args(asynch)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs `ws` with this on its standard input, to the end.
pub(crate) fn ws(arguments: &[&str], input: impl Into<Vec<u8>>) -> Run {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.into();
    let feeder = std::thread::spawn(move || {
        // One that ended early does not read it.
        let _ = stdin.write_all(&input);
    });
    let run = finish(child);
    feeder.join().unwrap();
    run
}

/// Waits for the end of `ws`.
pub(crate) fn finish(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    Run {
        exit: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
