//! The tables of what the firmware measured.

use super::board::Bin;
use super::firmware::Footprint;
use crate::Result;
use crate::measure::baseline::{Baseline, Figures};
use crate::measure::size::stands;
use std::collections::BTreeMap;
use std::time::Duration;

/// What one firmware did.
pub(super) struct Ran {
    pub(super) board: &'static str,
    pub(super) core: &'static str,
    pub(super) bin: &'static str,
    pub(super) result: &'static str,
    pub(super) footprint: Option<Footprint>,
    pub(super) took: Duration,
    /// What it said.
    pub(super) said: Vec<String>,
}

/// The kinds of calls that the firmware tells apart, and the whole program.
const CALLS: [&str; 6] = ["connect", "accept", "send", "recv", "disconnect", "all"];

/// A Markdown table: what ran where, and what it takes.
pub(super) fn runs(runs: &[Ran]) -> String {
    let mut text = String::from(
        "| board | core | firmware | result | flash, bytes | static RAM, bytes | seconds |\n\
         | --- | --- | --- | --- | --: | --: | --: |\n",
    );
    for run in runs {
        let number = |of: fn(&Footprint) -> u64| match &run.footprint {
            Some(footprint) => of(footprint).to_string(),
            None => "–".to_owned(),
        };
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {:.1} |\n",
            run.board,
            run.core,
            run.bin,
            run.result,
            number(|it| it.flash),
            number(|it| it.ram),
            run.took.as_secs_f64(),
        );
    }
    text
}

/// A Markdown table: the most stack that calls of each kind took, in bytes. None where nothing measured
/// it.
pub(super) fn stack(runs: &[Ran]) -> Option<String> {
    let mut measured = false;
    let mut text = String::from("| stack, bytes |");
    for call in CALLS {
        text += &format!(" {call} |");
    }
    text += &format!("\n| --- |{}\n", " --: |".repeat(CALLS.len()));
    for run in runs {
        let cells = CALLS.map(|call| figure(&run.said, &format!("stack {call} ")));
        if cells.iter().all(Option::is_none) {
            continue;
        }
        measured = true;
        text += &format!("| {} {} |", run.board, run.bin);
        for cell in cells {
            text += &format!(" {} |", cell.unwrap_or("–"));
        }
        text += "\n";
    }
    measured.then_some(text)
}

/// What calls may take of stack, over a TCP stack in memory, in bytes; and what is wanted.
pub(crate) const BUDGETS: [(&str, u64, u64); 5] = [
    ("connect", 420, 400),
    ("accept", 860, 600),
    ("send", 300, 280),
    ("recv", 300, 280),
    ("disconnect", 520, 420),
];

/// A Markdown table: how the firmware `stack` stands to the budgets. None where it did not run.
pub(super) fn budgets(runs: &[Ran]) -> Option<String> {
    let ran = runs.iter().find(|run| run.bin == Bin::Stack.name())?;
    let mut rows = String::new();
    for (call, must, wanted) in BUDGETS {
        let took = figure(&ran.said, &format!("stack {call} "))?.parse().ok()?;
        let stands = stands(must, wanted, took);
        rows += &format!("| {call} | {must} | {wanted} | {took} | {stands} |\n");
    }
    Some(format!(
        "| stack budget, bytes | must | wanted | measured | |\n| --- | --: | --: | --: | --- |\n{rows}"
    ))
}

/// The firmware whose figures are agreed to.
pub(super) const BASELINES: [(Bin, Baseline); 2] = [
    (
        Bin::Stack,
        Baseline {
            task: "qemu --bin stack",
            file: "boards/mps2-an386/baseline/stack.txt",
            about: "board, call, bytes of stack",
        },
    ),
    (
        Bin::Critical,
        Baseline {
            task: "qemu --bin critical",
            file: "boards/mps2-an386/baseline/critical.txt",
            about: "board, call, message in bytes, stack, instructions of the longest section",
        },
    ),
];

/// What one of these firmwares measured.
pub(super) fn agreed(bin: Bin, ran: &Ran) -> Result<Figures> {
    let mut figures = Figures::new();
    let said = |line: &str| format!("{} said `{line}`, which has no figure", bin.name());
    let start = format!("{} ", bin.name());
    for line in ran.said.iter().filter_map(|line| line.strip_prefix(&start)) {
        let (name, figure) = match bin {
            // How many sections there are is no figure.
            Bin::Critical => match line.rsplit_once(' ').filter(|_| !line.starts_with("empty")) {
                Some((section, _)) => section.rsplit_once(' '),
                None => continue,
            },
            _ => line.rsplit_once(' '),
        }
        .ok_or_else(|| said(line))?;
        let figure = figure.parse().map_err(|_| said(line))?;
        figures.insert(format!("{} {name}", ran.board), figure);
    }
    if figures.is_empty() {
        return Err(format!("{} measured nothing", bin.name()));
    }
    Ok(figures)
}

/// Says that no longer message and no longer wait makes a critical section longer than the shortest of
/// both, which is measured first. An error if one does.
pub(super) fn does_not_grow(said: &[String]) -> Result<String> {
    let mut first: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    let mut more = 0;
    for line in said
        .iter()
        .filter_map(|line| line.strip_prefix("critical "))
    {
        let words: Vec<&str> = line.split(' ').collect();
        let [call, _, _, longest, _] = words[..] else {
            continue;
        };
        let took = longest.parse();
        let took = took.map_err(|_| format!("`{line}` has no number of instructions"))?;
        match first.get(call) {
            None => {
                first.insert(call, (took, line));
            }
            Some((least, shortest)) if took > *least => {
                return Err(format!(
                    "a critical section grows: {line} (before: {shortest})"
                ));
            }
            Some(_) => more += 1,
        }
    }
    if more < first.len() || first.is_empty() {
        return Err("nothing was measured that critical sections could grow with".to_owned());
    }
    Ok(format!(
        "No longer message and no longer wait makes one longer: {more} compared."
    ))
}

/// What stands behind `start` in the line that starts so.
fn figure<'a>(said: &'a [String], start: &str) -> Option<&'a str> {
    said.iter().find_map(|line| line.strip_prefix(start))
}

/// A Markdown table: the longest critical sections. None where nothing measured them.
pub(super) fn critical(runs: &[Ran]) -> Option<String> {
    let lines = runs.iter().flat_map(|run| &run.said);
    let mut rows = String::new();
    let mut counting = "";
    for line in lines.filter_map(|line| line.strip_prefix("critical ")) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["empty", instructions] => counting = instructions,
            [call, length, pace, longest, sections] => {
                rows += &format!("| {call} | {length} | {pace} | {longest} | {sections} |\n");
            }
            // Something else that begins with the same word.
            _ => {}
        }
    }
    (!rows.is_empty()).then(|| {
        format!(
            "| call | message, bytes | stack | longest critical section, instructions | sections |\n\
             | --- | --: | --- | --: | --: |\n{rows}\n\
             An empty section counts {counting} instructions; the others hold so many too.\n"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(said: &[&str]) -> Ran {
        Ran {
            board: "b",
            core: "c",
            bin: "f",
            result: "pass",
            footprint: Some(Footprint { flash: 10, ram: 2 }),
            took: Duration::from_millis(1500),
            said: said.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn figures_are_agreed_by_name() {
        let stack = ran(&["stack send 12", "stack all 99", "stack: ok"]);
        let figures = agreed(Bin::Stack, &stack).unwrap();
        let expected = [("b all".to_owned(), 99), ("b send".to_owned(), 12)];
        assert_eq!(figures, Figures::from(expected));
        let critical = ran(&[
            "critical empty 3",
            "critical send 1024 slow 40 7",
            "critical: ok",
        ]);
        let figures = agreed(Bin::Critical, &critical).unwrap();
        let expected = [("b send 1024 slow".to_owned(), 40)];
        assert_eq!(figures, Figures::from(expected));
        assert!(agreed(Bin::Stack, &ran(&["stack send x"])).is_err());
        assert!(agreed(Bin::Stack, &critical).is_err());
    }

    #[test]
    fn more_stack_and_longer_sections_fail() {
        let [(_, stack), (_, critical)] = BASELINES;
        let fails = |bin, baseline: &Baseline, agreed: &str, said: &str| {
            let figures = agreed_figures(bin, said);
            baseline.passes(agreed, &figures).is_err()
        };
        let agreed = "rustc 1.95.0\nb send 448\n";
        assert!(!fails(Bin::Stack, &stack, agreed, "stack send 456"));
        assert!(fails(Bin::Stack, &stack, agreed, "stack send 464"));
        let agreed = "rustc 1.95.0\nb send 1024 slow 242\n";
        assert!(!fails(
            Bin::Critical,
            &critical,
            agreed,
            "critical send 1024 slow 242 27"
        ));
        assert!(fails(
            Bin::Critical,
            &critical,
            agreed,
            "critical send 1024 slow 247 26"
        ));
    }

    fn agreed_figures(bin: Bin, said: &str) -> Figures {
        agreed(bin, &ran(&[said])).unwrap()
    }

    #[test]
    fn a_section_that_grows_is_an_error() {
        let said = |longest: [u64; 4]| {
            let [send, recv, long, slower] = longest;
            [
                "critical empty 3".to_owned(),
                format!("critical send 1024 slow {send} 7"),
                format!("critical recv 1024 slow {recv} 7"),
                format!("critical send 65536 slow {long} 70"),
                format!("critical recv 1024 slower {slower} 99"),
            ]
        };
        assert!(does_not_grow(&said([40, 50, 40, 49])).is_ok());
        assert!(does_not_grow(&said([40, 50, 41, 50])).is_err());
        assert!(does_not_grow(&said([40, 50, 40, 51])).is_err());
        // Nothing to compare with.
        assert!(does_not_grow(&said([40, 50, 40, 50])[..3]).is_err());
        assert!(does_not_grow(&[]).is_err());
    }

    #[test]
    fn what_was_said_gets_into_the_tables() {
        let runs = [
            ran(&["stack send 12", "stack all 99", "f: ok"]),
            ran(&["critical empty 3", "critical send 1024 slow 40 7", "f: ok"]),
        ];
        assert!(super::runs(&runs).ends_with("| b | c | f | pass | 10 | 2 | 1.5 |\n"));
        assert_eq!(super::stack(&runs[1..]), None);
        let stack = stack(&runs).unwrap();
        assert!(
            stack.ends_with("| b f | – | – | 12 | – | – | 99 |\n"),
            "{stack}"
        );
        assert_eq!(budgets(&runs), None);
        let said = [
            "stack connect 300",
            "stack accept 700",
            "stack send 200",
            "stack recv 301",
            "stack disconnect 420",
        ];
        let ran = Ran {
            bin: "stack",
            ..ran(&said)
        };
        let budgets = budgets(&[ran]).unwrap();
        assert!(budgets.contains("| send | 300 | 280 | 200 | as wanted |"));
        assert!(budgets.contains("| recv | 300 | 280 | 301 | MISSED by 1 (0.3 %) |"));
        let critical = critical(&runs).unwrap();
        assert!(critical.contains("| send | 1024 | slow | 40 | 7 |"));
        assert!(critical.contains("counts 3 instructions"));
        assert_eq!(super::critical(&runs[..1]), None);
    }
}
