//! Building the targets.

use crate::{Result, apt, shell};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What cargo-fuzz gives rustc too, less the sanitizer.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// The package of the targets.
pub(super) fn folder() -> PathBuf {
    shell::root().join("fuzz")
}

/// Where they are built, and where runs keep what they find.
pub(super) fn output() -> PathBuf {
    shell::target_folder().join("fuzz")
}

/// Is there a C++ compiler for libFuzzer? Installs it where that can be done without asking. The
/// error says what to do.
pub(super) fn compiler() -> Result {
    if std::env::var_os("CXX").is_some() {
        return Ok(());
    }
    let found = || shell::capture(Command::new("c++").arg("--version"));
    if found().is_ok() {
        return Ok(());
    }
    apt::install("g++")
        .and_then(|()| found())
        .map_err(|why| format!("no C++ compiler for libFuzzer; {why}"))?;
    Ok(())
}

/// Builds the targets, and says where they are.
pub(super) fn build(names: &[String]) -> Result<PathBuf> {
    let host = host()?;
    let mut build = shell::cargo(&["build", "--locked", "--quiet", "--release"]);
    for name in names {
        build.args(["--bin", name]);
    }
    build
        // Named, so that build scripts and macros go without the counters.
        .args(["--target", &host])
        .current_dir(folder())
        .env("CARGO_TARGET_DIR", output())
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .stderr(Stdio::inherit());
    shell::capture(&mut build)?;
    Ok(output().join(host).join("release"))
}

/// What this machine is to rustc.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = shell::capture(Command::new(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "`rustc -vV` names no host".to_owned())
}
