//! Own flash on other chips, beside the one that has budgets.

use super::probes::{Build, PROBES, Sizes, TARGET};
use crate::Result;
use crate::measure::cost::MISSING;
use crate::measure::targets;
use crate::report::skipped;
use std::collections::BTreeMap;

/// The chips, and what is built for them.
const CHIPS: [(&str, &str); 3] = [
    ("Cortex-M0+", "thumbv6m-none-eabi"),
    ("Cortex-M4", TARGET),
    ("RISC-V", "riscv32imac-unknown-none-elf"),
];

/// What is linked for them, the one that does nothing not counted.
const ROWS: [&str; 5] = ["frames", "client", "client-server", "table", "table-pages"];

/// The first cell of the table.
const HEAD: &str = "own flash by chip, bytes";

/// The smaller of these counts.
const BUILDS: [Build; 2] = [Build::new("compact", "s"), Build::new("compact", "z")];

/// Own bytes by target and probe.
type Own = BTreeMap<(&'static str, &'static str), u64>;

/// A row for each probe, a column for each chip. A target that is missing is said loudly, and with
/// `require` an error.
pub(super) fn table(sizes: &Sizes, require: bool) -> Result<String> {
    let names: Vec<&str> = CHIPS.iter().map(|(_, target)| *target).collect();
    let there = targets::installed(&names)?;
    let mut own = Own::new();
    for (chip, target) in CHIPS {
        if target == TARGET {
            for probe in ROWS {
                let [s, z] = BUILDS.map(|build| sizes.own(probe, build));
                own.insert((target, probe), s?.min(z?));
            }
        } else if there.contains(&target) {
            measure(target, &mut own)?;
        } else {
            println!("{MISSING}`{HEAD}`: {chip}");
            let what = format!("the target is missing; run: rustup target add {target}");
            if require {
                skipped(&what, require)?;
            }
            println!("{what}");
        }
    }
    Ok(text(&own))
}

/// Builds the probes for a target and takes what they have of their own.
fn measure(target: &'static str, own: &mut Own) -> Result {
    for build in BUILDS {
        for (probe, bytes) in PROBES.own_for(target, build, &ROWS)? {
            let least = own.entry((target, probe)).or_insert(u64::MAX);
            *least = bytes.min(*least);
        }
    }
    Ok(())
}

fn text(own: &Own) -> String {
    let chips = CHIPS.map(|(chip, _)| format!(" {chip} |")).concat();
    let mut text = format!("| {HEAD} |{chips}\n| --- |{}\n", " --: |".repeat(3));
    for probe in ROWS {
        text += &format!("| {} |", PROBES.what(probe));
        for (_, target) in CHIPS {
            let bytes = own.get(&(target, probe));
            let bytes = bytes.map_or_else(|| "–".to_owned(), u64::to_string);
            text += &format!(" {bytes} |");
        }
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_whose_target_is_missing_has_a_column_without_figures() {
        let own = ROWS.map(|probe| ((TARGET, probe), 1234));
        let text = text(&own.into());
        let rows = text.lines().skip(2);
        assert!(rows.clone().all(|row| row.ends_with(" | – | 1234 | – |")));
        assert_eq!(rows.count(), ROWS.len());
    }

    #[test]
    fn every_row_is_a_probe() {
        for probe in ROWS {
            assert!(!PROBES.what(probe).is_empty(), "{probe}");
        }
    }
}
