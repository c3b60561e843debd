//! What the libraries cost: flash and RAM, measured on firmwares that are linked but never run.
//!
//! Own flash is code and constants above those of an empty firmware, without `memcpy` and its kin,
//! which come with the compiler and which most firmwares have anyway.

pub(crate) mod elf;
pub(crate) mod probes;

use crate::report::skipped;
use crate::{Result, only_flags};
use probes::{Measured, PACKAGES, Package, TARGET};
use std::path::Path;

/// Sizes of types: the symbol in the probe, and what it is.
const SIZES: &[(&str, &str)] = &[
    (
        "connection",
        "one connection's protocol state, both directions",
    ),
    (
        "endpoint",
        "the same with what it has read and the control frames due",
    ),
    (
        "client_handshake",
        "a client's handshake, in their place while it lasts",
    ),
    (
        "server_handshake",
        "a server's handshake, in their place while it lasts",
    ),
    (
        "slot",
        "a slot of the table, all of this in it, with a TCP socket of 4 bytes",
    ),
    ("table", "the table without its slots"),
];

/// `cargo xtask size`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--require"])?;
    if !probes::ensure_target()? {
        let what = format!("the target is missing; run: rustup target add {TARGET}");
        return skipped(&what, args.iter().any(|arg| arg == "--require"));
    }
    println!("{TARGET}, fat LTO, one codegen unit, panic=abort\n");
    for package in PACKAGES {
        let mut columns = Vec::new();
        let mut last = None;
        for build in package.builds {
            let built = package.build(build)?;
            columns.push(package.measure(&built)?);
            last = Some(built);
        }
        print!("{}", flash_table(package, &columns));
        if let (Some(probe), Some(built)) = (package.sizes, last) {
            print!("\n{}", size_table(&built.join(probe))?);
        }
    }
    Ok(())
}

/// A row for each probe, a column for each build, and what comes on top of it.
fn flash_table(package: &Package, columns: &[Vec<Measured>]) -> String {
    let mut text = String::from("| own flash, bytes |");
    for build in package.builds {
        text += &format!(" `{}`, {} |", build.features, build.level);
    }
    text += "\n| --- |";
    text += &" --: |".repeat(columns.len());
    for (index, (_, what)) in package.probes.iter().enumerate() {
        text += &format!("\n| {what} |");
        for measured in columns.iter().filter_map(|column| column.get(index)) {
            text += &format!(" {} |", measured.own);
        }
    }
    let runtime = columns.iter().flatten().map(|measured| measured.runtime);
    let most = runtime.max().unwrap_or(0);
    text + &format!("\n\nNot counted: `memcpy` and its kin, at most {most} bytes.\n")
}

fn size_table(probe: &Path) -> Result<String> {
    let sizes = elf::sizes(probe)?;
    let mut text = String::from("| RAM | bytes |\n| --- | --: |\n");
    for (name, what) in SIZES {
        let bytes = sizes
            .get(*name)
            .ok_or_else(|| format!("{} has no symbol `{name}`", probe.display()))?;
        text += &format!("| {what} | {bytes} |\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_row_for_each_probe() {
        let package = &PACKAGES[0];
        let column = || {
            let probes = package.probes.iter();
            probes
                .map(|_| Measured {
                    own: 1234,
                    runtime: 7,
                })
                .collect()
        };
        let columns: Vec<Vec<Measured>> = package.builds.iter().map(|_| column()).collect();
        let text = flash_table(package, &columns);
        let rows = text.lines().filter(|line| line.ends_with(" 1234 |"));
        assert_eq!(rows.count(), package.probes.len());
        assert!(text.contains("at most 7 bytes"));
    }
}
