//! Node with the packages of a lock file, in the cache.

use crate::{Result, shell};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the packages that package.json and package-lock.json in `from` name, for NODE_PATH;
/// installs them into `folder` where that was not done yet. The error says why they can't be had on
/// this machine.
pub(crate) fn ready(from: &str, folder: &Path) -> Result<PathBuf> {
    let from = shell::root().join(from);
    let modules = folder.join("node_modules");
    let stamp = folder.join("installed.txt");
    shell::capture(Command::new("node").arg("--version"))
        .map_err(|_| "there is no Node; install Node 20 or newer, with npm".to_owned())?;
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut wanted = String::new();
    for file in ["package.json", "package-lock.json"] {
        let path = from.join(file);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        write(&folder.join(file), &text)?;
        wanted += &text;
    }
    let had = std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted);
    if had && modules.is_dir() {
        return Ok(modules);
    }
    println!("installing Node's packages into {}", modules.display());
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    shell::capture(npm.arg("--loglevel=error").current_dir(folder))
        .map_err(|why| format!("npm cannot install; is there a network? {why}"))?;
    write(&stamp, &wanted)?;
    Ok(modules)
}

fn write(path: &Path, text: &str) -> Result {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each package that is installed from a registry is held to a hash, and no registry is named.
    #[test]
    fn all_packages_have_hashes() {
        let file = |path: &str| std::fs::read_to_string(shell::root().join(path)).unwrap();
        for folder in ["tests/interop", "tests/browser"] {
            let lock = file(&format!("{folder}/package-lock.json"));
            let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
            let packages = lock["packages"].as_object().unwrap();
            assert!(packages.len() > 1);
            for (name, package) in packages {
                assert!(package.get("resolved").is_none(), "{name}");
                let hash = package["integrity"].as_str().unwrap_or_default();
                assert!(name.is_empty() || hash.starts_with("sha512-"), "{name}");
            }
        }
        for folder in ["tests/interop", "tests/mqtt"] {
            let pins = file(&format!("{folder}/requirements.txt"));
            let (names, rest): (Vec<&str>, Vec<&str>) =
                pins.lines().partition(|line| !line.starts_with(' '));
            assert!(names.iter().all(|name| name.contains("==")), "{names:?}");
            assert!(rest.len() > names.len());
            let hashes = rest
                .iter()
                .all(|line| line.trim().starts_with("--hash=sha256:"));
            assert!(hashes, "{folder}");
        }
    }
}
