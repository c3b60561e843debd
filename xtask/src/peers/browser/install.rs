//! Chromium, and the pinned package of tests/browser/package.json that drives it, in the cache.

use crate::{Result, apt, shell};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the browser is called where it is installed.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// The folder of the packages; installs them where that was not done yet.
/// The inner `Err` says why they can't be had on this machine.
pub(super) fn playwright() -> Result<std::result::Result<PathBuf, String>> {
    let pinned = shell::root().join("tests/browser/package.json");
    let wanted = std::fs::read_to_string(&pinned)
        .map_err(|error| format!("{}: {error}", pinned.display()))?;
    let folder = shell::cache().join("browser");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let modules = folder.join("node_modules");
    let stamp = folder.join("installed.json");
    if shell::capture(Command::new("node").arg("--version")).is_err() {
        return Ok(Err("no node; install Node 20 or newer with npm".to_owned()));
    }
    let had = std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted);
    if had && modules.join("playwright-core/package.json").exists() {
        return Ok(Ok(modules));
    }
    println!("installing playwright-core into {}", folder.display());
    let manifest = folder.join("package.json");
    write(&manifest, &wanted)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-package-lock", "--ignore-scripts"])
        .args(["--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&folder);
    if let Err(why) = shell::capture(&mut npm) {
        return Ok(Err(format!(
            "npm cannot install; is there a network? {why}"
        )));
    }
    write(&stamp, &wanted)?;
    Ok(Ok(modules))
}

/// The browser: the one that CHROMIUM names, one that is installed, or one that a Debian's root
/// can install.
pub(super) fn chromium() -> std::result::Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Ok(named.into());
    }
    if let Some(found) = NAMES.iter().find_map(|name| on_path(name)) {
        return Ok(found);
    }
    let advice = "no Chromium; name one by CHROMIUM=…, or";
    apt::install("chromium").map_err(|why| format!("{advice} {why}"))?;
    NAMES
        .iter()
        .find_map(|name| on_path(name))
        .ok_or_else(|| "the package chromium has brought no Chromium".to_owned())
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn write(path: &Path, text: &str) -> Result {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
