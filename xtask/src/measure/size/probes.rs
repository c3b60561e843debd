//! The firmwares that are measured, and how they are built.

use crate::measure::targets::{self, firmware_flags};
use crate::measure::{elf, qemu};
use crate::{Result, shell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// What all probes are built for.
pub(crate) const TARGET: &str = "thumbv7em-none-eabihf";

/// Packages with probes: a folder each.
pub(super) const PACKAGES: &[Package] = &[PROBES, STACKS, PEERS];

/// Builds of what has two kinds of hash.
const BUILDS: &[Build] = &[
    Build::new("compact", "s"),
    Build::new("compact", "z"),
    Build::new("crates-hash", "s"),
    Build::new("crates-hash", "z"),
];

/// Those of the two libraries.
pub(crate) const PROBES: Package = Package {
    folder: "tests/chips/probes",
    prefix: "",
    builds: BUILDS,
    probes: &[
        Probe::new("frames", "frames, both roles"),
        Probe::new("frames-accept", "frames and the accept value"),
        Probe::new(
            "frames-accept-unit",
            "frames and the accept value, its hash not counted",
        ),
        Probe::new("client", "frames and the client's handshake"),
        Probe::new("client-headers", "the same with headers of its own"),
        Probe::new("server", "frames and the server's handshake"),
        Probe::new("client-server", "frames and both handshakes"),
        Probe::new("table", "the table as a blocking client"),
        Probe::new("table-accept", "the table as a server"),
        Probe::new("table-pages", "the table as a server with pages"),
    ],
};

/// Those over smoltcp and async streams.
pub(crate) const STACKS: Package = Package {
    folder: "tests/chips/probes-stacks",
    prefix: "stacks-",
    builds: BUILDS,
    probes: &[
        Probe {
            above: "smoltcp",
            ..Probe::new(
                "table-smoltcp",
                "the table and the adapter for smoltcp, a blocking client",
            )
        },
        Probe::new("smoltcp", "smoltcp's TCP alone, not counted above"),
        Probe::new("async-client", "an async client"),
        Probe::new("mqtt-stack", "`MqttStack` as a blocking MQTT client's TCP"),
        Probe::new("mqtt-stream", "`MqttStream` for an async MQTT client"),
    ],
};

/// Those of other libraries.
const PEERS: Package = Package {
    folder: "tests/chips/probes-peers",
    prefix: "peers",
    builds: &[Build::new("", "s"), Build::new("", "z")],
    probes: super::peers::PROBES,
};

/// Those over TLS, for `cargo xtask tls --cost`.
pub(crate) const TLS: Package = Package {
    folder: "tests/chips/tls",
    prefix: "tls-",
    builds: &[],
    probes: &[],
};

/// A package of probes.
pub(crate) struct Package {
    folder: &'static str,
    /// What its folders of built files begin with.
    prefix: &'static str,
    /// What each is built with.
    pub(super) builds: &'static [Build],
    /// The probes that are measured.
    probes: &'static [Probe],
}

/// A firmware.
pub(super) struct Probe {
    pub(super) name: &'static str,
    /// What it does.
    pub(super) what: &'static str,
    /// The probe whose flash is taken off: the one that does nothing, or less.
    above: &'static str,
}

/// One way to build a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Build {
    pub(super) features: &'static str,
    pub(super) level: &'static str,
}

/// Bytes of flash that one probe takes in one build, above those of another.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// Of its own.
    pub(super) own: u64,
    /// Functions of the compiler's that it calls.
    pub(super) runtime: u64,
    /// What its own are.
    pub(super) symbols: Vec<elf::Symbol>,
}

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// By the probe's name and its build.
    pub(super) flash: BTreeMap<(&'static str, Build), Measured>,
    /// Sizes of types, by their symbol.
    pub(super) types: BTreeMap<String, u64>,
    /// The most stack that calls of the table took, by the call and the build.
    pub(super) stack: BTreeMap<(String, Build), u64>,
}

impl Sizes {
    /// What one probe takes of its own.
    pub(super) fn own(&self, probe: &'static str, build: Build) -> Result<u64> {
        Ok(self.of(probe, build)?.own)
    }

    /// All that was measured of one probe.
    pub(super) fn of(&self, probe: &'static str, build: Build) -> Result<&Measured> {
        let measured = self.flash.get(&(probe, build));
        measured.ok_or_else(|| format!("{probe} was not measured"))
    }

    /// What one call takes of stack.
    pub(super) fn stack(&self, call: &str, build: Build) -> Result<u64> {
        let bytes = self.stack.get(&(call.to_owned(), build)).copied();
        bytes.ok_or_else(|| format!("the stack of {call} was not measured"))
    }

    /// What one type takes.
    pub(super) fn size(&self, symbol: &str) -> Result<u64> {
        let size = self.types.get(symbol).copied();
        size.ok_or_else(|| format!("there is no symbol `{symbol}`"))
    }
}

/// Builds and measures all.
pub(super) fn measure() -> Result<Sizes> {
    let mut sizes = Sizes::default();
    for package in PACKAGES {
        for build in package.builds {
            package.measure(*build, &mut sizes)?;
        }
    }
    for build in BUILDS {
        let calls = qemu::stack(build.features, build.level)?.into_iter();
        // What the whole program takes is its own matter.
        let calls = calls.filter(|(call, _)| call != "all");
        let calls = calls.map(|(call, bytes)| ((call, *build), bytes));
        sizes.stack.extend(calls);
    }
    Ok(sizes)
}

/// The probes of the libraries and not of their peers, and their builds.
pub(super) fn ours() -> impl Iterator<Item = (&'static Probe, &'static [Build])> {
    let packages = [&PROBES, &STACKS].into_iter();
    packages.flat_map(|package| package.probes.iter().map(|probe| (probe, package.builds)))
}

impl Build {
    pub(super) const fn new(features: &'static str, level: &'static str) -> Self {
        Self { features, level }
    }
}

impl Probe {
    pub(super) const fn new(name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            what,
            above: "empty",
        }
    }
}

impl Package {
    /// What builds all probes in one way, with more arguments for the linker, and the folder they
    /// come into.
    pub(crate) fn command(
        &self,
        features: &str,
        level: &str,
        link_args: &[&str],
    ) -> (Command, PathBuf) {
        self.command_for(TARGET, features, level, link_args)
    }

    fn command_for(
        &self,
        target: &str,
        features: &str,
        level: &str,
        link_args: &[&str],
    ) -> (Command, PathBuf) {
        let root = shell::root();
        // A folder for each way, so that none is built twice.
        let folder = shell::target_folder()
            .join("probes")
            .join(format!("{}{features}-{level}", self.prefix));
        let script = root.join("tests/chips/probes/link.x");
        let mut flags = vec![format!("-Clink-arg=-T{}", script.display())];
        flags.extend(link_args.iter().map(|arg| format!("-Clink-arg={arg}")));
        let mut command = shell::cargo(&["build", "--locked", "--quiet", "--release"]);
        command
            .args(["--target", target, "--features", features])
            .current_dir(root.join(self.folder))
            .env("CARGO_TARGET_DIR", &folder)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", level);
        firmware_flags(&mut command, flags);
        (command, folder.join(target).join("release"))
    }

    /// What a probe does.
    pub(super) fn what(&self, probe: &str) -> &'static str {
        let found = self.probes.iter().find(|it| it.name == probe);
        found.map_or("", |probe| probe.what)
    }

    /// Builds some probes for another target and takes the bytes that each has of its own.
    pub(super) fn own_for<const N: usize>(
        &self,
        target: &str,
        build: Build,
        probes: &[&'static str; N],
    ) -> Result<[(&'static str, u64); N]> {
        const NOTHING: &str = "empty";
        let (mut command, built) = self.command_for(target, build.features, build.level, &[]);
        let bins = probes.iter().chain([&NOTHING]);
        command.args(bins.flat_map(|probe| ["--bin", probe]));
        shell::capture(&mut command)?;
        let own = |probe: &str| {
            let flash = elf::flash(&built.join(probe))?;
            Ok::<u64, String>(flash.total.saturating_sub(flash.runtime))
        };
        let nothing = own(NOTHING)?;
        let mut measured = probes.map(|probe| (probe, 0));
        for (probe, bytes) in &mut measured {
            *bytes = own(probe)?.saturating_sub(nothing);
        }
        Ok(measured)
    }

    /// Builds all probes in one way and takes their sizes.
    fn measure(&self, build: Build, sizes: &mut Sizes) -> Result {
        let (mut command, built) = self.command(build.features, build.level, &[]);
        shell::capture(&mut command)?;
        for probe in self.probes {
            let flash = elf::flash(&built.join(probe.name))?;
            let less = elf::flash(&built.join(probe.above))?;
            let own = |flash: elf::Flash| flash.total.saturating_sub(flash.runtime);
            let measured = Measured {
                own: own(flash).saturating_sub(own(less)),
                runtime: flash.runtime.saturating_sub(less.runtime),
                symbols: above(
                    elf::symbols(&built.join(probe.name))?,
                    &elf::symbols(&built.join(probe.above))?,
                ),
            };
            if sizes.flash.insert((probe.name, build), measured).is_some() {
                return Err(format!("there are two probes `{}`", probe.name));
            }
        }
        for (symbol, size) in elf::sizes(&built.join("sizes"))? {
            let before = sizes.types.insert(symbol.clone(), size);
            if before.is_some_and(|before| before != size) {
                return Err(format!(
                    "`{symbol}` has {before:?} bytes, and {size} in {build:?}"
                ));
            }
        }
        Ok(())
    }
}

/// Symbols without those of another firmware, or with what they have more.
fn above(mut symbols: Vec<elf::Symbol>, less: &[elf::Symbol]) -> Vec<elf::Symbol> {
    for symbol in &mut symbols {
        let same = less.iter().find(|it| it.name == symbol.name);
        symbol.size = symbol.size.saturating_sub(same.map_or(0, |it| it.size));
    }
    symbols.retain(|symbol| symbol.size > 0);
    symbols
}

/// Has the target installed if it is missing and there is an installer; says whether it is there.
pub(crate) fn ensure_target() -> Result<bool> {
    Ok(!targets::installed(&[TARGET])?.is_empty())
}
