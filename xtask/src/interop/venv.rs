//! A Python with pinned packages, in the cache.

use crate::{Result, shell};
use std::path::PathBuf;
use std::process::Command;

/// The interpreter with the packages of tests/interop/requirements.txt.
pub(crate) fn ready() -> Result<std::result::Result<PathBuf, String>> {
    with("interop", "tests/interop/requirements.txt", "websockets")
}

/// The interpreter with the packages of the file `requirements`, of which `module` can be imported;
/// installs them into the cache's folder `name` where that was not done yet.
/// The inner `Err` says why it can't be had on this machine.
pub(crate) fn with(
    name: &str,
    requirements: &str,
    module: &str,
) -> Result<std::result::Result<PathBuf, String>> {
    let requirements = shell::root().join(requirements);
    let wanted = std::fs::read_to_string(&requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    let venv = shell::cache().join(name).join("venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) && works(&python, module) {
        return Ok(Ok(python));
    }
    println!("installing {module} into {}", venv.display());
    let made = shell::capture(
        Command::new(base())
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
    );
    if let Err(why) = made {
        return Ok(Err(format!(
            "no Python environment; install Python 3.11 or newer with venv, \
             or name one by PYTHON=…: {why}"
        )));
    }
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        // What is built here would fetch what it is built with, without hashes.
        "--only-binary=:all:",
        "-r",
    ]);
    if let Err(why) = shell::capture(pip.arg(&requirements)) {
        return Ok(Err(format!(
            "pip cannot install; is there a network? {why}"
        )));
    }
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(Ok(python))
}

fn base() -> String {
    std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// An environment whose base Python has gone keeps its files and no longer runs.
fn works(python: &PathBuf, module: &str) -> bool {
    shell::capture(
        Command::new(python)
            .arg("-c")
            .arg(format!("import {module}")),
    )
    .is_ok()
}
