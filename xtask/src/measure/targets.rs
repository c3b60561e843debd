//! Both library crates built for firmware targets, in release mode.

use crate::report::{Table, Verdict};
use crate::{Result, only_flags, shell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const TARGETS: &[&str] = &[
    "thumbv6m-none-eabi",
    "thumbv7em-none-eabihf",
    "riscv32imac-unknown-none-elf",
];

/// Package and features; always without the default ones.
const BUILDS: &[(&str, &str)] = &[
    ("ws-core", "compact"),
    ("ws-core", "crates-hash"),
    ("ws-deflate", ""),
    ("ws-socket", "compact"),
    ("ws-socket", "crates-hash"),
    ("ws-socket", "compact,smoltcp"),
    ("ws-socket", "compact,critical-section"),
    ("ws-socket", "crates-hash,smoltcp,critical-section"),
    ("ws-tls", "async,p384,ed25519"),
    ("ws-transport-mqtt", "compact,async,mountain-mqtt"),
];

/// `cargo xtask targets`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--require"])?;
    let require = args.iter().any(|arg| arg == "--require");
    let there = installed(TARGETS)?;

    let builds = || {
        TARGETS
            .iter()
            .flat_map(|target| BUILDS.iter().map(move |row| (target, row)))
    };
    let names: Vec<String> = builds()
        .map(|(target, (package, features))| format!("{target} {package} {features}"))
        .collect();
    let mut table = Table::new(names.iter().map(String::as_str));
    for ((target, (package, features)), name) in builds().zip(&names) {
        if !there.contains(target) {
            let what = format!("the target is missing; run: rustup target add {target}");
            table.row(name, Duration::ZERO, Verdict::Skip(what));
            continue;
        }
        let mut build = shell::cargo(&["build", "--locked", "--quiet", "--release", "--lib"]);
        build.args([
            "-p",
            package,
            "--no-default-features",
            "--features",
            features,
        ]);
        build
            .args(["--target", target])
            .env("RUSTFLAGS", deny_warnings());
        let (took, verdict) = shell::verdict(&mut build);
        table.row(name, took, verdict);
    }
    table.finish(require)
}

/// Has missing targets installed if there is an installer; those that are there afterwards.
pub(crate) fn installed<'a>(targets: &[&'a str]) -> Result<Vec<&'a str>> {
    let sysroot = shell::capture(Command::new("rustc").args(["--print", "sysroot"]))?;
    let sysroot = PathBuf::from(sysroot.trim());
    let installer = shell::root().join("../shared/embedded/install-targets");
    if targets.iter().any(|target| !has_core(&sysroot, target)) && installer.exists() {
        println!("installing targets with {}", installer.display());
        shell::capture(
            Command::new(&installer)
                .args(targets)
                .current_dir(shell::root()),
        )?;
    }
    let there = targets.iter().filter(|target| has_core(&sysroot, target));
    Ok(there.copied().collect())
}

/// Is there a compiled `core`, whoever installed it?
fn has_core(sysroot: &Path, target: &str) -> bool {
    let folder = sysroot.join("lib/rustlib").join(target).join("lib");
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

/// Has a firmware built with these flags of rustc's and no others: what it takes must not depend on the
/// environment, nor on where its sources are, whose names it knows where it can panic.
pub(super) fn firmware_flags(command: &mut Command, mut flags: Vec<String>) {
    for (folder, name) in [(Some(shell::root()), "ws"), (shell::cargo_home(), "cargo")] {
        if let Some(folder) = folder {
            flags.push(format!("--remap-path-prefix={}={name}", folder.display()));
        }
    }
    command
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
}

fn deny_warnings() -> String {
    format!(
        "{} -D warnings",
        std::env::var("RUSTFLAGS").unwrap_or_default()
    )
    .trim()
    .to_owned()
}
