//! The firmwares that are measured, and how they are built.

use super::elf;
use crate::{Result, shell, targets};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What all probes are built for.
pub(crate) const TARGET: &str = "thumbv7em-none-eabihf";

/// Packages with probes: a folder each, with a workspace, a lock file and `link.x` of its own.
pub(super) const PACKAGES: &[Package] = &[PROBES];

/// Those of the two libraries.
pub(crate) const PROBES: Package = Package {
    folder: "tests/probes",
    builds: &[
        Build::new("compact", "s"),
        Build::new("compact", "z"),
        Build::new("crates-hash", "s"),
        Build::new("crates-hash", "z"),
    ],
    empty: "empty",
    probes: &[
        ("frames", "frames, both roles"),
        ("frames-accept", "frames and the accept value"),
        ("client", "frames and the client's handshake"),
        ("server", "frames and the server's handshake"),
        ("client-server", "frames and both handshakes"),
        ("table", "the table as a blocking client"),
        ("table-accept", "the table as a server"),
        ("table-pages", "the table as a server with pages"),
    ],
    sizes: Some("sizes"),
};

/// A package of probes.
pub(crate) struct Package {
    folder: &'static str,
    /// What each is built with.
    pub(super) builds: &'static [Build],
    /// The probe that does nothing: what it takes is taken off the others.
    empty: &'static str,
    /// The probes that are measured, and what they do.
    pub(super) probes: &'static [(&'static str, &'static str)],
    /// The probe whose symbols are sizes of types.
    pub(super) sizes: Option<&'static str>,
}

/// One way to build a package.
pub(super) struct Build {
    pub(super) features: &'static str,
    pub(super) level: &'static str,
}

/// Bytes of flash that one probe takes in one build, above those of the empty one.
pub(super) struct Measured {
    /// Of its own.
    pub(super) own: u64,
    /// Functions of the compiler's that it calls.
    pub(super) runtime: u64,
}

impl Build {
    const fn new(features: &'static str, level: &'static str) -> Self {
        Self { features, level }
    }
}

impl Package {
    /// Builds all probes in one way; the folder they are in.
    pub(super) fn build(&self, build: &Build) -> Result<PathBuf> {
        let (mut command, built) = self.command(build.features, build.level, &[]);
        shell::capture(&mut command)?;
        Ok(built)
    }

    /// What builds all probes in one way, with more arguments for the linker, and the folder they
    /// come into.
    pub(crate) fn command(
        &self,
        features: &str,
        level: &str,
        link_args: &[&str],
    ) -> (Command, PathBuf) {
        let folder = shell::root().join(self.folder);
        // A folder for each way, so that none is built twice.
        let target = shell::target_folder()
            .join("probes")
            .join(format!("{features}-{level}"));
        let mut flags = format!("-Clink-arg=-T{}", folder.join("link.x").display());
        for arg in link_args {
            flags += &format!("\u{1f}-Clink-arg={arg}");
        }
        let mut command = shell::cargo(&["build", "--locked", "--quiet", "--release"]);
        command
            .args(["--target", TARGET, "--features", features])
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", level)
            // Instead of whatever the environment has: nothing must depend on it.
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", flags);
        (command, target.join(TARGET).join("release"))
    }

    /// The probes' flash in the order of [`probes`](Self::probes), from the folder that
    /// [`build`](Self::build) gave.
    pub(super) fn measure(&self, built: &Path) -> Result<Vec<Measured>> {
        let empty = elf::flash(&built.join(self.empty))?;
        let measure = |name: &str| {
            let flash = elf::flash(&built.join(name))?;
            let own = flash.total.saturating_sub(flash.runtime);
            Ok(Measured {
                own: own.saturating_sub(empty.total - empty.runtime),
                runtime: flash.runtime.saturating_sub(empty.runtime),
            })
        };
        self.probes.iter().map(|(name, _)| measure(name)).collect()
    }
}

/// Has the target installed if it is missing and there is an installer; says whether it is there.
pub(crate) fn ensure_target() -> Result<bool> {
    Ok(!targets::installed(&[TARGET])?.is_empty())
}
