//! Building firmware, and what it takes of a chip.

use super::board::{AN386, Bin, Board, FOLDER};
use crate::measure::elf;
use crate::measure::targets::{self, firmware_flags};
use crate::{Result, shell};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a board's firmware was built into.
pub(super) struct Built(PathBuf);

/// A firmware's memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Footprint {
    /// Code, constants and initial values.
    pub(super) flash: u64,
    /// Statics.
    pub(super) ram: u64,
}

impl Built {
    pub(super) fn file(&self, bin: Bin) -> PathBuf {
        self.0.join(bin.name())
    }

    pub(super) fn footprint(&self, bin: Bin) -> Result<Footprint> {
        let file = self.file(bin);
        Ok(Footprint {
            flash: elf::flash(&file)?.total,
            ram: elf::static_ram(&file)?,
        })
    }
}

/// Builds the firmware `stack` alone, with some of its features and at an `opt-level`.
pub(super) fn build_stack(features: &str, level: &str) -> Result<Built> {
    let target = shell::target_folder()
        .join("boards-stack")
        .join(format!("{features}-{level}"));
    let features = format!("{}-alone,{features}", AN386.name);
    let mut command = shell::cargo(&["build", "--locked", "--quiet", "--release"]);
    command
        .args(["--bin", Bin::Stack.name(), "--target", AN386.target])
        .args(["--no-default-features", "--features", &features])
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", level);
    run(&mut command, &target)?;
    Ok(Built(target.join(AN386.target).join("release")))
}

/// Builds the package of the boards.
fn run(command: &mut Command, target: &Path) -> Result {
    command
        .current_dir(shell::root().join(FOLDER))
        .env("CARGO_TARGET_DIR", target);
    firmware_flags(command, vec!["-Dwarnings".to_owned()]);
    shell::capture(command).map(|_| ())
}

/// Builds all firmware of a board. The inner `Err` says why that can't be done on this machine.
pub(super) fn build(board: &Board) -> Result<std::result::Result<Built, String>> {
    if targets::installed(&[board.target])?.is_empty() {
        return Ok(Err(format!(
            "the target is missing; run: rustup target add {}",
            board.target
        )));
    }
    println!("building for {} ({})", board.name, board.core);
    // One for all: what is built for the host is shared, and no two boards with the same target
    // have a firmware of the same name.
    let target = shell::target_folder().join("boards");
    let mut command = shell::cargo(&["build", "--locked", "--quiet", "--release"]);
    command.args(["--target", board.target, "--features", board.name]);
    run(&mut command, &target)?;
    Ok(Ok(Built(target.join(board.target).join("release"))))
}
