//! Chromium, and the pinned package of tests/browser/package.json that drives it, in the cache.

use crate::{Result, apt, npm, shell};
use std::path::PathBuf;

/// What the browser is called where it is installed.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// The folder of the packages; installs them where that was not done yet. The error says why they
/// can't be had on this machine.
pub(super) fn playwright() -> Result<PathBuf> {
    npm::ready("tests/browser", &shell::cache().join("browser"))
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
