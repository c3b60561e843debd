//! Debian's packages, installed where that can be done without asking.

use crate::{Result, shell};
use std::process::Command;

/// Installs a package. The error says what to do.
pub(crate) fn install(package: &str) -> Result {
    let advice = format!("install it: sudo apt-get install --no-install-recommends {package}");
    let root = shell::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let apt = |args: &[&str]| {
        let mut apt = Command::new("apt-get");
        shell::capture(apt.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    if !root || apt(&["--version"]).is_err() {
        return Err(advice);
    }
    println!("installing {package}");
    let install = || apt(&["install", "-y", "-qq", "--no-install-recommends", package]);
    // The lists of packages may be old, or not there.
    install()
        .or_else(|_| apt(&["update", "-qq"]).and_then(|_| install()))
        .map_err(|why| format!("{advice}; apt-get: {why}"))?;
    Ok(())
}
