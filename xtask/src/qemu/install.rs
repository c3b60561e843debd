//! QEMU: found, or installed where that can be done without asking.

use crate::{Result, shell};
use std::process::Command;

pub(super) const QEMU: &str = "qemu-system-arm";

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
    let root = shell::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !root {
        return Err(format!(
            "there is no {QEMU}; install it: sudo apt-get install {QEMU}"
        ));
    }
    println!("installing {QEMU}");
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "-qq", "--no-install-recommends", QEMU]);
        shell::capture(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // The lists of packages may be old, or not there.
    let updated = || shell::capture(Command::new("apt-get").args(["update", "-qq"]));
    install()
        .or_else(|_| updated().and_then(|_| install()))
        .and_then(|_| version())
        .map_err(|why| format!("there is no {QEMU} and it cannot be installed: {why}"))
}

fn version() -> Result<String> {
    let text = shell::capture(Command::new(QEMU).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
