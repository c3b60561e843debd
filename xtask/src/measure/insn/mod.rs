//! How many instructions the libraries take, and how much stack: counted by firmwares that run in QEMU,
//! where a timer ticks once an instruction. The figures are the same to the digit in every run.

mod budgets;
mod firmware;
mod table;

use crate::measure::baseline::Baseline;
use crate::report::skipped;
use crate::{Result, only_flags};
use firmware::{Case, Counts};

/// Options, for the help text.
pub(crate) const OPTIONS: &str = "[--require] [--bless]";

/// The agreed counts.
const BASELINE: Baseline = Baseline {
    task: "insn",
    file: "tests/chips/insn/baseline.txt",
    about: "opt-level, group, case, instructions; opt-level, stack, calls, bytes",
};

/// Values of `opt-level` that firmwares are built with.
const LEVELS: [&str; 2] = ["s", "3"];

/// `cargo xtask insn`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--require", "--bless"])?;
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let require = has("--require");
    if let Some(missing) = firmware::missing()? {
        return skipped(&missing, require);
    }
    let mut counts = Counts::default();
    for level in LEVELS {
        firmware::build(level)?;
        firmware::run(level, &mut counts)?;
    }
    println!(
        "Instructions on a Cortex-M4 ({}, fat LTO, QEMU)",
        firmware::TARGET
    );
    for level in LEVELS {
        print!("\n{}", table::markdown(&counts, level));
    }
    print!("\n{}", table::stack(&counts, &LEVELS));
    print!("\n{}\n", budgets::report(&counts)?);
    let ours = counts.ours();
    let named = ours.map(|(Case { level, group, case }, count)| {
        let name = format!("{level} {group} {case}");
        (name, count)
    });
    BASELINE.settle(&named.collect(), has("--bless"), require)
}
