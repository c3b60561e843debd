//! Documents whose figures come from the tasks that measure them.
//!
//! Between `<!-- begin: COMMAND -->` and `<!-- end -->` stand the tables and lists that the command
//! prints; with `<!-- begin: COMMAND | HEAD -->` the one table whose first cell is HEAD.

use crate::report::skipped;
use crate::{Result, only_flags, shell};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// For the help text.
pub(crate) const OPTIONS: &str = "[--check] [--bless] [--require]";

/// Documents with such sections.
const DOCUMENTS: &[&str] = &["docs/cost.md", "README.md"];

/// What a command begins with in a document.
const TASK: &str = "cargo xtask ";

/// In the head of a column: what the compiler makes of it differs between folders.
const NOT_COMPARED: &str = "(not compared)";

/// What a command's line begins with, and goes on with a table's first cell in backquotes, where columns
/// of this table could not be measured: the document's stays as it is.
pub(crate) const MISSING: &str = "MISSING in ";

const BEGIN: &str = "<!-- begin: ";
const END: &str = "<!-- end -->";

/// What the commands print. `None` if a command was skipped.
type Printed = BTreeMap<String, Option<String>>;

/// `cargo xtask cost`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--check", "--bless", "--require"])?;
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--check") && has("--bless") {
        return Err("--check changes nothing, --bless does".to_owned());
    }
    let mut documents = Vec::new();
    for name in DOCUMENTS {
        let text = std::fs::read_to_string(shell::root().join(name));
        documents.push((*name, text.map_err(|error| format!("{name}: {error}"))?));
    }
    let mut printed = Printed::new();
    for (name, text) in &documents {
        for section in sections(text).map_err(|why| format!("{name}: {why}"))? {
            if !printed.contains_key(section.command) {
                let text = measure(section.command, has("--bless"), has("--require"))?;
                printed.insert(section.command.to_owned(), text);
            }
        }
    }
    let mut stale = Vec::new();
    for (name, text) in documents {
        let filled = fill(&text, &printed).map_err(|why| format!("{name}: {why}"))?;
        if filled == text || has("--check") && same(&text, &filled) {
            println!("{name}: as measured");
        } else if has("--check") {
            stale.push(format!("{name}\n{}", difference(&text, &filled)));
        } else {
            println!("{name}: written");
            std::fs::write(shell::root().join(name), filled)
                .map_err(|error| format!("{name}: {error}"))?;
        }
    }
    if !stale.is_empty() {
        let stale = stale.join("\n");
        return Err(format!("not as measured; run: cargo xtask cost\n{stale}"));
    }
    for (command, _) in printed.iter().filter(|(_, text)| text.is_none()) {
        skipped(&format!("`{command}`, see above"), has("--require"))?;
    }
    let lines = printed.values().flatten().flat_map(|text| text.lines());
    for line in lines.filter(|line| line.starts_with(MISSING)) {
        skipped(&format!("{line}, see above"), has("--require"))?;
    }
    Ok(())
}

/// Runs the task that `command` names, and shows what it says.
fn measure(command: &str, bless: bool, require: bool) -> Result<Option<String>> {
    let task = command.strip_prefix(TASK);
    let task = task.ok_or_else(|| format!("`{command}` does not begin with `{TASK}`"))?;
    println!("--- {command}");
    let program = std::env::current_exe().map_err(|error| format!("xtask: {error}"))?;
    let mut run = Command::new(program);
    run.args(task.split_whitespace()).stderr(Stdio::inherit());
    if require {
        run.arg("--require");
    }
    // Those that have a baseline.
    if bless && (matches!(task, "size" | "insn") || task.starts_with("qemu ")) {
        run.arg("--bless");
    }
    let out = run
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{command}` does not start: {error}"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    println!("{}", text.trim_end());
    if !out.status.success() {
        return Err(format!("`{command}` ended with {}", out.status));
    }
    let was_skipped = text.lines().any(|line| line.starts_with("SKIPPED"));
    Ok((!was_skipped).then_some(text))
}

/// A section of a document.
#[derive(Debug, PartialEq)]
struct Section<'a> {
    command: &'a str,
    /// The first cell of the one table that is wanted.
    head: Option<&'a str>,
    /// What stands in it.
    body: &'a str,
}

/// The sections of a document; at least one.
fn sections(text: &str) -> Result<Vec<Section<'_>>> {
    let mut sections = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (what, after) = after
            .split_once(" -->\n")
            .ok_or("a section without the end of its line")?;
        let (body, after) = after
            .split_once(END)
            .ok_or_else(|| format!("`{what}` has no {END}"))?;
        if body.contains(BEGIN) {
            return Err(format!("`{what}` has no {END}"));
        }
        let (command, head) = match what.split_once(" | ") {
            Some((command, head)) => (command, Some(head)),
            None => (what, None),
        };
        sections.push(Section {
            command,
            head,
            body,
        });
        rest = after;
    }
    if sections.is_empty() {
        return Err(format!("no line begins with `{BEGIN}`"));
    }
    Ok(sections)
}

/// The document with what was printed. What was skipped stays as it is.
fn fill(text: &str, printed: &Printed) -> Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    for section in sections(text)? {
        let Some(Some(output)) = printed.get(section.command) else {
            continue;
        };
        let at = section.body.as_ptr() as usize - rest.as_ptr() as usize;
        let (before, from) = rest.split_at(at);
        filled += before;
        if is_missing(output, &section) {
            filled += section.body;
        } else {
            filled += &format!("\n{}\n", wanted(output, &section)?);
        }
        rest = from.split_at(section.body.len()).1;
    }
    Ok(filled + rest)
}

/// Does the output say that columns of the section's table are missing?
fn is_missing(output: &str, section: &Section<'_>) -> bool {
    let Some(head) = section.head else {
        return false;
    };
    let line = format!("{MISSING}`{head}`");
    output.lines().any(|it| it.starts_with(&line))
}

/// What of the output the section wants.
fn wanted(output: &str, section: &Section<'_>) -> Result<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for line in output.lines() {
        let shown = line.starts_with("| ") || line.starts_with("- ");
        match blocks.last_mut() {
            Some(block) if shown && inside => *block += &format!("{line}\n"),
            _ if shown => blocks.push(format!("{line}\n")),
            _ => {}
        }
        inside = shown;
    }
    if let Some(head) = section.head {
        let start = format!("| {head} |");
        blocks.retain(|block| block.starts_with(&start));
        blocks.truncate(1);
    }
    if blocks.is_empty() {
        let head = section.head.unwrap_or_default();
        return Err(format!("`{}` printed no table {head}", section.command));
    }
    Ok(blocks.join("\n"))
}

/// Do the documents say the same? A checkout in another folder comes out a few bytes different, so
/// that numbers may be 1 % apart, or 8.
fn same(old: &str, new: &str) -> bool {
    let (old, new) = (compared(old), compared(new));
    old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| same_line(old, new))
}

/// The lines of a document without the cells that stand below [`NOT_COMPARED`].
fn compared(text: &str) -> Vec<String> {
    let mut without: Option<usize> = None;
    let lines = text.lines().map(|line| {
        if !line.starts_with("| ") {
            without = None;
            return line.to_owned();
        }
        let mut cells: Vec<&str> = line.split('|').collect();
        match without {
            None => without = cells.iter().position(|cell| cell.contains(NOT_COMPARED)),
            Some(column) if column < cells.len() => {
                cells.remove(column);
            }
            Some(_) => {}
        }
        cells.join("|")
    });
    lines.collect()
}

fn same_line(old: &str, new: &str) -> bool {
    let not_of_number = |c: char| !c.is_ascii_digit() && c != '.';
    let split = |line: &str| {
        let parts = line.split_inclusive(not_of_number).flat_map(|part| {
            let end = part.find(not_of_number).unwrap_or(part.len());
            let (number, rest) = part.split_at(end);
            [number.to_owned(), rest.to_owned()]
        });
        parts.collect::<Vec<String>>()
    };
    let (old, new) = (split(old), split(new));
    let near = |old: &String, new: &String| {
        if old == new {
            return true;
        }
        match (old.parse::<f64>(), new.parse::<f64>()) {
            (Ok(old), Ok(new)) => (old - new).abs() <= (old / 100.0).max(8.0),
            _ => false,
        }
    };
    old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| near(old, new))
}

/// The lines that differ.
fn difference(old: &str, new: &str) -> String {
    let lost = old
        .lines()
        .filter(|line| !new.lines().any(|it| it == *line));
    let won = new
        .lines()
        .filter(|line| !old.lines().any(|it| it == *line));
    let lost = lost.map(|line| format!("- {line}\n"));
    lost.chain(won.map(|line| format!("+ {line}\n"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_is_not_compared_is_none() {
        let table = |sum: u64, what: &str| {
            format!(
                "| where | own | in it (not compared) |\n| --- | --- |\n| a | {sum} | {what} |\n\n| b | {sum} | c |"
            )
        };
        assert!(same(&table(1000, "`f` 900"), &table(1008, "`g` 1, `f` 2")));
        assert!(!same(&table(1000, "`f` 900"), &table(1020, "`f` 900")));
        // Only in its table.
        assert!(!same("| b | c |", "| b | d |"));
        assert!(!same(
            &table(1, "x"),
            &table(1, "x").replace("| c |", "| d |")
        ));
    }

    #[test]
    fn a_few_bytes_are_no_difference() {
        assert!(same(
            "| client | 17812 | s |\n- a",
            "| client | 17816 | s |\n- a"
        ));
        assert!(same("MISSED by 468 (39.0 %)", "MISSED by 470 (39.2 %)"));
        assert!(!same("| client | 17812 |", "| client | 18012 |"));
        assert!(!same("| client | 17812 |", "| server | 17812 |"));
        assert!(!same("| client | 120 |", "| client | 129 |"));
        assert!(!same("| client | 1 |", "| client | – |"));
        assert!(!same("one", "one\ntwo"));
    }

    const DOCUMENT: &str = "# Cost\n\n\
        <!-- begin: cargo xtask a -->\nold\n<!-- end -->\n\nWords.\n\n\
        <!-- begin: cargo xtask b | head, bytes -->\n<!-- end -->\nmore\n";

    fn printed(a: Option<&str>, b: Option<&str>) -> Printed {
        let row = |name: &str, text: Option<&str>| (name.to_owned(), text.map(str::to_owned));
        [row("cargo xtask a", a), row("cargo xtask b", b)].into()
    }

    #[test]
    fn tables_and_lists_are_taken_over() {
        let a = "building\n| x | y |\n| --- | --- |\n| 1 | 2 |\n\nBudgets:\n- one\nother\n";
        let b = "| another | 1 |\n\n| head, bytes | 2 |\n| 3 | 4 |\n\n| head, bytes | 5 |\n";
        let filled = fill(DOCUMENT, &printed(Some(a), Some(b))).unwrap();
        assert_eq!(
            filled,
            "# Cost\n\n\
             <!-- begin: cargo xtask a -->\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n\n- one\n\n<!-- end -->\
             \n\nWords.\n\n\
             <!-- begin: cargo xtask b | head, bytes -->\n\n| head, bytes | 2 |\n| 3 | 4 |\n\n<!-- end -->\
             \nmore\n"
        );
        // Once is enough.
        assert_eq!(fill(&filled, &printed(Some(a), Some(b))), Ok(filled));
    }

    #[test]
    fn what_was_skipped_stays() {
        assert_eq!(
            fill(DOCUMENT, &printed(None, None)),
            Ok(DOCUMENT.to_owned())
        );
    }

    #[test]
    fn a_table_with_columns_missing_stays() {
        let a = "| x | y |\n";
        let b = format!("{MISSING}`head, bytes`: RISC-V\n| head, bytes | – |\n");
        let filled = fill(DOCUMENT, &printed(Some(a), Some(&b))).unwrap();
        let (before, after) = DOCUMENT.split_at(DOCUMENT.find("Words").unwrap());
        assert!(
            filled.ends_with(after) && !filled.starts_with(before),
            "{filled}"
        );
        let other = b.replace("`head, bytes`", "`another`");
        let filled = fill(DOCUMENT, &printed(Some(a), Some(&other))).unwrap();
        assert!(filled.contains("| head, bytes | – |"), "{filled}");
    }

    #[test]
    fn a_table_that_is_not_there_is_an_error() {
        assert!(fill(DOCUMENT, &printed(Some("no table"), None)).is_err());
        assert!(fill(DOCUMENT, &printed(None, Some("| other | 1 |"))).is_err());
    }

    #[test]
    fn sections_have_to_be_whole() {
        assert!(sections("nothing").is_err());
        assert!(sections("<!-- begin: a -->\n").is_err());
        assert!(sections("<!-- begin: a -->\n<!-- begin: b -->\n<!-- end -->").is_err());
    }

    #[test]
    fn a_difference_is_shown_by_its_lines() {
        assert_eq!(difference("a\nb\n", "a\nc\n"), "- b\n+ c\n");
    }

    #[test]
    fn the_documents_have_sections() {
        for name in DOCUMENTS {
            let text = std::fs::read_to_string(shell::root().join(name)).unwrap();
            let sections = sections(&text).unwrap();
            assert!(sections.iter().all(|it| it.command.starts_with(TASK)));
        }
    }
}
