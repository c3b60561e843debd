//! What the frame codec may take at most.

use super::firmware::{Case, Counts, OURS};
use crate::Result;
use crate::measure::baseline;

/// At most so many instructions.
struct Budget {
    case: Case<'static>,
    at_most: u64,
}

const fn budget(
    level: &'static str,
    group: &'static str,
    case: &'static str,
    at_most: u64,
) -> Budget {
    Budget {
        case: Case { level, group, case },
        at_most,
    }
}

const BUDGETS: &[Budget] = &[
    budget("s", "decode", "0", 110),
    budget("s", "decode", "125", 420),
    // 2.0 a byte.
    budget("s", "decode", "65536", 131_072),
    budget("s", "encode", "125", 400),
    budget("3", "decode", "0", 110),
    budget("3", "decode", "125", 260),
    // 0.9 a byte.
    budget("3", "decode", "65536", 58_982),
    budget("3", "encode", "125", 260),
];

/// The budget of a case.
pub(super) fn of(case: Case<'_>) -> Option<u64> {
    let budget = BUDGETS.iter().find(|budget| budget.case == case);
    budget.map(|budget| budget.at_most)
}

/// A Markdown table: by how much each is beaten or missed. An error if one was not counted.
pub(super) fn report(counts: &Counts) -> Result<String> {
    let mut text = String::from(
        "| budget, instructions | at most | measured | |\n| --- | --: | --: | --- |\n",
    );
    for Budget { case, at_most } in BUDGETS {
        let name = format!("{} {} at opt-level {}", case.group, case.case, case.level);
        let count = counts
            .of(OURS, *case)
            .ok_or_else(|| format!("{name} was not counted"))?;
        let verdict = baseline::verdict(*at_most, count);
        text += &format!("| {name} | {at_most} | {count} | {verdict} |\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_beaten_missed_or_not_counted() {
        let mut counts = Counts::default();
        for level in ["s", "3"] {
            let text = "decode 0 110\ndecode 125 1000\ndecode 65536 50000\nencode 125 100";
            counts.take(level, OURS, text).unwrap();
        }
        let text = report(&counts).unwrap();
        assert!(text.contains("| decode 0 at opt-level s | 110 | 110 | beaten by 0 (0.0 %) |"));
        let missed = "| decode 125 at opt-level s | 420 | 1000 | MISSED by 580 (138.1 %) |";
        assert!(text.contains(missed), "{text}");
        assert!(report(&Counts::default()).is_err());
    }
}
