//! A Python with the pinned packages of tests/interop/requirements.txt, in the cache.

use crate::{Result, shell};
use std::path::PathBuf;
use std::process::Command;

/// The interpreter with the packages; installs them where that was not done yet.
/// The inner `Err` says why it can't be had on this machine.
pub(crate) fn ready() -> Result<std::result::Result<PathBuf, String>> {
    let requirements = shell::root().join("tests/interop/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    let venv = shell::cache().join("interop/venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) && works(&python) {
        return Ok(Ok(python));
    }
    println!(
        "installing {} into {}",
        wanted.trim().replace('\n', ", "),
        venv.display()
    );
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
fn works(python: &PathBuf) -> bool {
    shell::capture(Command::new(python).args(["-c", "import websockets"])).is_ok()
}
