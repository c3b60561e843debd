//! What the libraries cost, and their peers: flash and RAM, measured on firmwares that are linked but
//! never run, and stack, measured on one that runs in QEMU.
//!
//! Own flash is code and constants above those of an empty firmware, without `memcpy` and its kin,
//! which come with the compiler and which most firmwares have anyway.

mod budgets;
mod chips;
mod peers;
pub(crate) mod probes;
mod symbols;
mod tables;

use crate::measure::baseline::{Baseline, Figures};
use crate::measure::qemu;
use crate::report::skipped;
use crate::{Result, only_flags};
pub(crate) use budgets::stands;
use probes::{Sizes, TARGET};

/// For the help text.
pub(crate) const OPTIONS: &str = "[--require] [--bless]";

/// The agreed sizes.
const BASELINE: Baseline = Baseline {
    task: "size",
    file: "tests/chips/probes/baseline.txt",
    about: "features, opt-level, probe, own bytes of flash; type, bytes of RAM; features, opt-level, call, \
            bytes of stack",
};

/// `cargo xtask size`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--require", "--bless"])?;
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if !probes::ensure_target()? {
        let what = format!("the target is missing; run: rustup target add {TARGET}");
        return skipped(&what, has("--require"));
    }
    // Stack is painted, and so has to be run.
    if let Err(why) = qemu::ready() {
        return skipped(&why, has("--require"));
    }
    let sizes = probes::measure()?;
    println!("{TARGET}, fat LTO, one codegen unit, panic=abort\n");
    println!("{}", tables::flash(&sizes)?);
    println!("{}", tables::all_flash(&sizes)?);
    println!("{}", chips::table(&sizes, has("--require"))?);
    println!("{}", tables::peers(&sizes)?);
    println!("{}", tables::types(&sizes)?);
    println!("{}", tables::stack(&sizes)?);
    println!("{}", budgets::table(&sizes)?);
    println!("{}", budgets::missed(&sizes)?);
    BASELINE.settle(&figures(&sizes)?, has("--bless"), has("--require"))
}

/// What must not get worse: all that is not a peer's.
fn figures(sizes: &Sizes) -> Result<Figures> {
    let mut figures = Figures::new();
    for (probe, builds) in probes::ours() {
        for build in builds {
            let name = format!("{} {} {}", build.features, build.level, probe.name);
            figures.insert(name, sizes.own(probe.name, *build)?);
        }
    }
    for (symbol, _) in tables::TYPES {
        figures.insert(format!("RAM {symbol}"), sizes.size(symbol)?);
    }
    for ((call, build), bytes) in &sizes.stack {
        figures.insert(
            format!("stack {} {} {call}", build.features, build.level),
            *bytes,
        );
    }
    Ok(figures)
}
