//! The tables of what the firmware measured.

use super::board::Bin;
use super::firmware::Footprint;
use crate::baseline::verdict;
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

/// A Markdown table: the most stack that calls of each kind took, in bytes.
pub(super) fn stack(runs: &[Ran]) -> String {
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
        text += &format!("| {} {} |", run.board, run.bin);
        for cell in cells {
            text += &format!(" {} |", cell.unwrap_or("–"));
        }
        text += "\n";
    }
    text
}

/// What calls may take of stack, over a TCP stack in memory, in bytes.
const BUDGETS: [(&str, u64); 3] = [("connect", 400), ("send", 200), ("recv", 200)];

/// A Markdown table: how the firmware `stack` stands to the budgets. None where it did not run.
pub(super) fn budgets(runs: &[Ran]) -> Option<String> {
    let ran = runs.iter().find(|run| run.bin == Bin::Stack.name())?;
    let mut rows = String::new();
    for (call, at_most) in BUDGETS {
        let took = figure(&ran.said, &format!("stack {call} "))?.parse().ok()?;
        let verdict = verdict(at_most, took);
        rows += &format!("| {call} | {at_most} | {took} | {verdict} |\n");
    }
    Some(format!(
        "| stack budget, bytes | at most | measured | |\n| --- | --: | --: | --- |\n{rows}"
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
    fn what_was_said_gets_into_the_tables() {
        let runs = [
            ran(&["stack send 12", "stack all 99", "f: ok"]),
            ran(&["critical empty 3", "critical send 1024 slow 40 7", "f: ok"]),
        ];
        assert!(super::runs(&runs).ends_with("| b | c | f | pass | 10 | 2 | 1.5 |\n"));
        let stack = stack(&runs);
        assert!(
            stack.ends_with("| b f | – | – | 12 | – | – | 99 |\n"),
            "{stack}"
        );
        assert_eq!(budgets(&runs), None);
        let said = ["stack connect 300", "stack send 200", "stack recv 201"];
        let ran = Ran {
            bin: "stack",
            ..ran(&said)
        };
        let budgets = budgets(&[ran]).unwrap();
        assert!(budgets.contains("| send | 200 | 200 | beaten by 0 (0.0 %) |"));
        assert!(budgets.contains("| recv | 200 | 201 | MISSED by 1 (0.5 %) |"));
        let critical = critical(&runs).unwrap();
        assert!(critical.contains("| send | 1024 | slow | 40 | 7 |"));
        assert!(critical.contains("counts 3 instructions"));
        assert_eq!(super::critical(&runs[..1]), None);
    }
}
