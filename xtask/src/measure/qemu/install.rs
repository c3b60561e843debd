//! QEMU: found, or installed where that can be done without asking.

use crate::{Result, apt, shell};
use std::process::Command;

pub(crate) const QEMU: &str = "qemu-system-arm";

/// Is QEMU there? Its version. The error says what to do.
pub(crate) fn ready() -> Result<String> {
    if let Ok(version) = version() {
        return Ok(version);
    }
    let kit = shell::root().join("../shared/embedded/install-qemu");
    if kit.is_file() {
        println!("installing QEMU with {}", kit.display());
        shell::capture(Command::new(&kit).arg("--no-c"))?;
        return version();
    }
    apt::install(QEMU)
        .and_then(|()| version())
        .map_err(|why| format!("there is no {QEMU}; {why}"))
}

fn version() -> Result<String> {
    let text = shell::capture(Command::new(QEMU).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
