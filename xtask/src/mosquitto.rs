//! The broker of Debian.

use crate::{Result, apt};
use std::path::PathBuf;

/// Where mosquitto is. Installs it where that can be done without asking; the error says what to do.
pub(crate) fn ready() -> Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    apt::install("mosquitto").map_err(|why| format!("there is no mosquitto; {why}"))?;
    find().ok_or_else(|| "mosquitto was installed and is not there".to_owned())
}

/// It is in a folder that is not in everybody's PATH.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join("mosquitto"))
        .find(|program| program.is_file())
}
