//! What was counted when it was last agreed to: nothing may get worse than that.

use super::firmware::{Case, Counts};
use crate::{Result, shell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

const FILE: &str = "tests/insn/baseline.txt";

/// A count may grow by this much.
const TOLERANCE_PERCENT: u64 = 2;

/// The agreed counts, and the compiler they hold for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Baseline {
    compiler: String,
    counts: BTreeMap<[String; 3], u64>,
}

impl Baseline {
    pub(super) fn read() -> Result<Self> {
        let file = file();
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}; see --bless", file.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut baseline = Self {
            compiler: lines.next().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            let count = words.last().and_then(|count| count.parse().ok());
            let ([level, group, case, _], Some(count)) = (&words[..], count) else {
                return Err(format!("{FILE}: `{line}` is no count"));
            };
            let key = [level, group, case].map(|word| (*word).to_owned());
            baseline.counts.insert(key, count);
        }
        Ok(baseline)
    }

    /// Agrees to `counts`.
    pub(super) fn write(counts: &Counts) -> Result {
        let mut text = String::from(
            "# Instructions, written by `cargo xtask insn --bless`: level, group, case, count.\n",
        );
        text += &compiler()?;
        for (Case { level, group, case }, count) in counts.ours() {
            let _ = write!(text, "\n{level} {group} {case} {count}");
        }
        std::fs::write(file(), text + "\n").map_err(|error| format!("{FILE}: {error}"))
    }

    /// A sentence, if the baseline holds for another compiler than this.
    pub(super) fn other_compiler(&self) -> Result<Option<String>> {
        let here = compiler()?;
        Ok((here != self.compiler).then(|| {
            let there = &self.compiler;
            format!("the baseline is of {there}, this is {here}: not compared")
        }))
    }

    /// Fails if a count got worse, or is new, or is gone.
    pub(super) fn compare(&self, counts: &Counts) -> Result {
        let mut worse = Vec::new();
        let mut seen = 0;
        for (Case { level, group, case }, count) in counts.ours() {
            let name = format!("{group} {case} at opt-level {level}");
            match self.counts.get(&[level, group, case].map(str::to_owned)) {
                None => worse.push(format!("{name} is not in {FILE}")),
                Some(agreed) => {
                    seen += 1;
                    if count * 100 > agreed * (100 + TOLERANCE_PERCENT) {
                        worse.push(format!("{name} took {agreed}, takes {count}"));
                    } else if count != *agreed {
                        println!("{name} took {agreed}, takes {count}");
                    }
                }
            }
        }
        if seen < self.counts.len() {
            worse.push(format!(
                "{} of {FILE} not counted",
                self.counts.len() - seen
            ));
        }
        if worse.is_empty() {
            println!("nothing is more than {TOLERANCE_PERCENT} % over {FILE}");
            return Ok(());
        }
        Err(format!(
            "{}\n--bless agrees to it; say why in the commit",
            worse.join("\n")
        ))
    }
}

fn file() -> PathBuf {
    shell::root().join(FILE)
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
    use crate::insn::firmware::OURS;

    fn compare(agreed: &str, counted: &str) -> Result {
        let mut counts = Counts::default();
        counts.take("s", OURS, counted)?;
        counts.take("s", "edge-ws", "decode 9 9")?;
        Baseline::parse(agreed)?.compare(&counts)
    }

    #[test]
    fn more_than_two_percent_is_worse() {
        let agreed = "# comment\nrustc 1.95.0\ns decode 0 100\n";
        assert_eq!(compare(agreed, "decode 0 102"), Ok(()));
        assert_eq!(compare(agreed, "decode 0 1"), Ok(()));
        let worse = compare(agreed, "decode 0 103").unwrap_err();
        assert!(worse.contains("decode 0 at opt-level s took 100, takes 103"));
    }

    #[test]
    fn new_and_lost_counts_are_said() {
        let agreed = "rustc 1.95.0\ns decode 0 100\n";
        assert!(compare(agreed, "decode 0 100\ndecode 5 1").is_err());
        assert!(compare(agreed, "").is_err());
        assert!(Baseline::parse("rustc\ns decode 0").is_err());
    }
}
