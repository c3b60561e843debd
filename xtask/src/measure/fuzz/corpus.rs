//! The inputs: few in the repository, many beside the build.

use super::target::Target;
use crate::{Result, shell};
use std::path::{Path, PathBuf};

/// For each target.
const MOST_FILES: usize = 200;
const MOST_BYTES: u64 = 50_000;

/// Takes what runs have found into the repository: as few inputs as reach the same code, and no
/// more than may be there, the short ones first.
pub(super) fn merge(target: &Target) -> Result {
    let committed = target.committed();
    let merged = committed.with_file_name(format!("{}.new", target.name));
    // From a merge that was broken off, if there was one.
    let _ = std::fs::remove_dir_all(&merged);
    make(&merged)?;
    let mut command = target.command();
    // By edges alone: how often each is passed makes no difference that is worth a file.
    command.args(["-merge=1", "-set_cover_merge=1", "-use_counters=0"]);
    shell::capture(command.args([&merged, &committed, &target.found()]))?;

    let mut inputs = Vec::new();
    for file in files(&merged)? {
        let size = file
            .metadata()
            .map_err(|error| failed(&file, &error))?
            .len();
        inputs.push((size, file));
    }
    inputs.sort();
    let mut bytes = 0;
    let fits = inputs.iter().take(MOST_FILES).take_while(|(size, _)| {
        bytes += size;
        bytes <= MOST_BYTES
    });
    let kept = fits.count();
    for (_, file) in inputs.iter().skip(kept) {
        std::fs::remove_file(file).map_err(|error| failed(file, &error))?;
    }
    std::fs::remove_dir_all(&committed).map_err(|error| failed(&committed, &error))?;
    std::fs::rename(&merged, &committed).map_err(|error| failed(&committed, &error))?;
    println!(
        "{}: {kept} of {} inputs are kept in {}",
        target.name,
        inputs.len(),
        committed.display()
    );
    Ok(())
}

/// Makes a folder, with those above.
pub(super) fn make(folder: &Path) -> Result {
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))
}

/// The files in a folder.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let paths: Vec<PathBuf> = paths
        .collect::<std::io::Result<_>>()
        .map_err(|error| failed(folder, &error))?;
    Ok(paths.into_iter().filter(|path| path.is_file()).collect())
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
