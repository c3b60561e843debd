//! Node with the pinned packages of tests/interop/package.json, in the cache.

use crate::{Result, shell};
use std::path::PathBuf;
use std::process::Command;

/// The folder of the packages, for NODE_PATH; installs them where that was not done yet. The error
/// says why it can't be had on this machine.
pub(super) fn ready() -> Result<PathBuf> {
    let from = shell::root().join("tests/interop");
    let folder = shell::cache().join("interop/node");
    let modules = folder.join("node_modules");
    shell::capture(Command::new("node").arg("--version"))
        .map_err(|_| "there is no Node; install Node 20 or newer, with npm".to_owned())?;
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut same = modules.join("ws").is_dir();
    for file in ["package.json", "package-lock.json"] {
        let read = |path: PathBuf| {
            std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let wanted = read(from.join(file))?;
        if read(folder.join(file)).ok().as_ref() != Some(&wanted) {
            same = false;
            let to = folder.join(file);
            std::fs::write(&to, wanted).map_err(|error| format!("{}: {error}", to.display()))?;
        }
    }
    if same {
        return Ok(modules);
    }
    println!("installing Node's ws into {}", modules.display());
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    shell::capture(npm.current_dir(&folder))
        .map_err(|why| format!("npm cannot install; is there a network? {why}"))?;
    Ok(modules)
}
