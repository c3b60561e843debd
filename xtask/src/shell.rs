//! Running cargo and other programs from the project root.

use crate::Result;
use crate::report::Verdict;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The folder of the workspace's manifest.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), PathBuf::from)
}

/// The git-ignored folder for what tasks fetch and keep.
pub(crate) fn cache() -> PathBuf {
    root().join(".cache")
}

/// The folder that cargo builds in.
pub(crate) fn target_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(target.unwrap_or_else(|| PathBuf::from("target")))
}

/// The folder in which cargo keeps what it has downloaded.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".cargo")))
}

/// The cargo that runs this task, in the project root.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Cargo in a package of `tests/foreign`, which builds beside the workspace of the libraries.
pub(crate) fn foreign(package: &str, args: &[&str]) -> Command {
    let mut command = cargo(args);
    command
        .current_dir(root().join("tests/foreign").join(package))
        .env("CARGO_TARGET_DIR", foreign_target());
    command
}

/// Where it builds.
pub(crate) fn foreign_target() -> PathBuf {
    target_folder().join("foreign")
}

/// Runs `command` to its end without showing its output.
/// Its standard output, or a sentence with the end of its standard error.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let out = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{shown}` does not start: {error}"))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&out.stderr);
    let tail = stderr.trim_end().lines().rev().take(40).collect::<Vec<_>>();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    Err(format!(
        "`{shown}` ended with {}:\n{}",
        out.status,
        tail.join("\n")
    ))
}

/// Runs `command` and says what became of it, and how long it took.
pub(crate) fn verdict(command: &mut Command) -> (Duration, Verdict) {
    let started = Instant::now();
    let verdict = match capture(command) {
        Ok(_) => Verdict::Pass,
        Err(why) => Verdict::Fail(why),
    };
    (started.elapsed(), verdict)
}

/// The packages of the workspace as `cargo metadata` lists them.
pub(crate) fn packages() -> Result<Vec<Value>> {
    let text = capture(&mut cargo(&[
        "metadata",
        "--locked",
        "--no-deps",
        "--format-version=1",
    ]))?;
    let mut metadata: Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    match metadata.get_mut("packages").map(Value::take) {
        Some(Value::Array(packages)) => Ok(packages),
        _ => Err("cargo metadata lists no packages".to_owned()),
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Builds the program and says where cargo put it.
pub(crate) fn build_ws(release: bool) -> Result<PathBuf> {
    println!("building ws");
    let mut build = cargo(&["build", "--locked", "-p", "ws", "--bin", "ws"]);
    build.arg("--message-format=json-render-diagnostics");
    if release {
        build.arg("--release");
    }
    let out = capture(build.stderr(Stdio::inherit()))?;
    let executable = out.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.ok_or_else(|| "cargo built no program `ws`".to_owned())
}

/// Calls `each` with every line of `source`, on a thread of its own.
pub(crate) fn lines(
    source: impl Read + Send + 'static,
    mut each: impl FnMut(&[u8]) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(source).split(b'\n') {
            match line {
                Ok(line) => each(&line),
                Err(_) => return,
            }
        }
    })
}

/// A child that is ended and reaped when this goes out of scope, also on failure.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a child that has ended and was reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
