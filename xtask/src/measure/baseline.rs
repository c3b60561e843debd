//! Figures as they were when they were last agreed to: none may get worse than that.

use crate::report::skipped;
use crate::{Result, shell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

/// A figure may grow by this much.
const TOLERANCE_PERCENT: u64 = 2;

/// Where the agreed figures of a task are.
pub(crate) struct Baseline {
    /// The task that writes them.
    pub(crate) task: &'static str,
    /// The file, below the project's root.
    pub(crate) file: &'static str,
    /// What a line of it is.
    pub(crate) about: &'static str,
}

/// Figures by their names, which are words.
pub(crate) type Figures = BTreeMap<String, u64>;

/// The agreed figures, and the compiler they hold for.
#[derive(Debug, Default, PartialEq)]
struct Agreed {
    compiler: String,
    figures: Figures,
}

impl Baseline {
    /// Agrees to `figures`, or fails if one is worse than agreed, or is new, or is gone. Figures of
    /// another compiler are not compared.
    pub(crate) fn settle(&self, figures: &Figures, bless: bool, require: bool) -> Result {
        let compiler = compiler()?;
        let file = shell::root().join(self.file);
        let failed = |error| format!("{}: {error}; see --bless", self.file);
        if bless {
            return std::fs::write(file, self.text(&compiler, figures)).map_err(failed);
        }
        let agreed = self.parse(&std::fs::read_to_string(file).map_err(failed)?)?;
        if agreed.compiler != compiler {
            let there = &agreed.compiler;
            let why = format!("the baseline is of {there}, this is {compiler}: not compared");
            return skipped(&why, require);
        }
        println!("{}", self.compare(&agreed, figures)?);
        Ok(())
    }

    fn text(&self, compiler: &str, figures: &Figures) -> String {
        let (task, about) = (self.task, self.about);
        let mut text = format!("# Written by `cargo xtask {task} --bless`: {about}.\n{compiler}\n");
        for (name, figure) in figures {
            let _ = writeln!(text, "{name} {figure}");
        }
        text
    }

    fn parse(&self, text: &str) -> Result<Agreed> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut agreed = Agreed {
            compiler: lines.next().unwrap_or_default().to_owned(),
            ..Agreed::default()
        };
        for line in lines {
            let figure = line
                .rsplit_once(' ')
                .and_then(|(name, figure)| Some((name, figure.parse().ok()?)));
            let Some((name, figure)) = figure else {
                return Err(format!("{}: `{line}` has no figure", self.file));
            };
            agreed.figures.insert(name.to_owned(), figure);
        }
        Ok(agreed)
    }

    /// Would figures pass, if `text` were what is agreed to?
    #[cfg(test)]
    pub(crate) fn passes(&self, text: &str, figures: &Figures) -> Result<String> {
        self.compare(&self.parse(text)?, figures)
    }

    /// What there is to say, or what is worse.
    fn compare(&self, agreed: &Agreed, figures: &Figures) -> Result<String> {
        let (mut said, mut worse) = (String::new(), Vec::new());
        for (name, figure) in figures {
            match agreed.figures.get(name) {
                None => worse.push(format!("{name} is not in {}", self.file)),
                Some(agreed) if figure * 100 > agreed * (100 + TOLERANCE_PERCENT) => {
                    worse.push(format!("{name} was {agreed}, is {figure}"));
                }
                Some(agreed) if figure != agreed => {
                    said += &format!("{name} was {agreed}, is {figure}\n");
                }
                Some(_) => {}
            }
        }
        let gone = agreed.figures.keys();
        for name in gone.filter(|name| !figures.contains_key(*name)) {
            worse.push(format!("{name} is in {} and nowhere else", self.file));
        }
        if worse.is_empty() {
            let file = self.file;
            said += &format!("nothing is more than {TOLERANCE_PERCENT} % over {file}");
            return Ok(said);
        }
        Err(format!(
            "{}\n--bless agrees to it; say why in the commit",
            worse.join("\n")
        ))
    }
}

/// By how much a budget is beaten or missed.
pub(crate) fn verdict(at_most: u64, measured: u64) -> String {
    let (word, by) = match at_most.checked_sub(measured) {
        Some(by) => ("beaten", by),
        None => ("MISSED", measured - at_most),
    };
    let share = 100.0 * by as f64 / at_most as f64;
    format!("{word} by {by} ({share:.1} %)")
}

fn compiler() -> Result<String> {
    let version = shell::capture(Command::new("rustc").arg("--version"))?;
    // "rustc 1.95.0 (hash date)": the rest differs between builds of the same.
    Ok(version
        .split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASELINE: Baseline = Baseline {
        task: "task",
        file: "file.txt",
        about: "level, case, count",
    };

    fn figures(figures: &[(&str, u64)]) -> Figures {
        let figures = figures.iter();
        figures
            .map(|(name, figure)| ((*name).to_owned(), *figure))
            .collect()
    }

    fn compare(agreed: &str, measured: &[(&str, u64)]) -> Result<String> {
        BASELINE.passes(agreed, &figures(measured))
    }

    #[test]
    fn more_than_two_percent_is_worse() {
        let agreed = "# comment\nrustc 1.95.0\ns decode 0 100\n";
        assert!(compare(agreed, &[("s decode 0", 102)]).is_ok());
        let better = compare(agreed, &[("s decode 0", 1)]).unwrap();
        assert!(better.starts_with("s decode 0 was 100, is 1\n"), "{better}");
        let worse = compare(agreed, &[("s decode 0", 103)]).unwrap_err();
        assert!(worse.contains("s decode 0 was 100, is 103"), "{worse}");
    }

    #[test]
    fn new_and_lost_figures_are_said() {
        let agreed = "rustc 1.95.0\ns decode 0 100\n";
        assert!(compare(agreed, &[("s decode 0", 100), ("s decode 5", 1)]).is_err());
        assert!(compare(agreed, &[]).is_err());
        assert!(BASELINE.parse("rustc\ns decode").is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        let figures = figures(&[("s a", 1), ("z b c", 2)]);
        let text = BASELINE.text("rustc 1.95.0", &figures);
        let agreed = BASELINE.parse(&text).unwrap();
        assert_eq!(agreed.compiler, "rustc 1.95.0");
        assert_eq!(agreed.figures, figures);
    }

    #[test]
    fn a_budget_is_beaten_or_missed() {
        assert_eq!(verdict(100, 100), "beaten by 0 (0.0 %)");
        assert_eq!(verdict(1200, 1230), "MISSED by 30 (2.5 %)");
    }
}
