//! The tables that tasks print, and how a task ends by them.

use crate::Result;
use std::time::{Duration, Instant};

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It held.
    Pass,
    /// It did not, and why.
    Fail(String),
    /// It could not be tried, and what to do about it.
    Skip(String),
}

/// Rows printed as they happen; the summary decides how the task ends.
pub(crate) struct Table {
    width: usize,
    started: Instant,
    verdicts: Vec<(String, Verdict)>,
}

impl Table {
    /// A table whose first column holds `names`.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let width = names
            .into_iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0);
        Self {
            width,
            started: Instant::now(),
            verdicts: Vec::new(),
        }
    }

    /// Prints and keeps one row.
    pub(crate) fn row(&mut self, name: &str, took: Duration, verdict: Verdict) {
        self.measured(name, took, "", verdict);
    }

    /// Prints and keeps one row, with what was measured, whatever the verdict.
    pub(crate) fn measured(&mut self, name: &str, took: Duration, figures: &str, verdict: Verdict) {
        let (word, why) = match &verdict {
            Verdict::Pass => ("pass", ""),
            Verdict::Fail(why) => ("FAIL", why.as_str()),
            Verdict::Skip(why) => ("SKIPPED", why.as_str()),
        };
        let mut lines = figures.lines().chain(why.trim_end().lines());
        let first = lines.next().unwrap_or("");
        let line = format!(
            "{name:width$}  {word:7} {took:6.2} s  {first}",
            width = self.width,
            took = took.as_secs_f64()
        );
        println!("{}", line.trim_end());
        for line in lines {
            println!("{:width$}  {line}", "", width = self.width);
        }
        self.verdicts.push((name.to_owned(), verdict));
    }

    /// Prints the summary. Fails if a row failed, if a row was skipped and
    /// `require` is set, and if there was no row at all.
    pub(crate) fn finish(self, require: bool) -> Result {
        let names = |wanted: fn(&Verdict) -> bool| -> Vec<&str> {
            let rows = self.verdicts.iter().filter(|(_, verdict)| wanted(verdict));
            rows.map(|(name, _)| name.as_str()).collect()
        };
        let failed = names(|verdict| matches!(verdict, Verdict::Fail(_)));
        let skipped = names(|verdict| matches!(verdict, Verdict::Skip(_)));
        println!(
            "{} of {} pass, {} failed, {} skipped, {:.1} s",
            self.verdicts.len() - failed.len() - skipped.len(),
            self.verdicts.len(),
            failed.len(),
            skipped.len(),
            self.started.elapsed().as_secs_f64()
        );
        if self.verdicts.is_empty() {
            return Err("nothing was run".to_owned());
        }
        if !failed.is_empty() {
            return Err(format!("failed: {}", failed.join(", ")));
        }
        if require && !skipped.is_empty() {
            return Err(format!(
                "{} skipped, and --require was given",
                skipped.len()
            ));
        }
        Ok(())
    }
}

/// The loud line for a task that cannot run here; a failure with `require`.
pub(crate) fn skipped(why: &str, require: bool) -> Result {
    println!("SKIPPED: {why}");
    if require {
        Err(format!("skipped, and --require was given: {why}"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(verdicts: &[Verdict], require: bool) -> bool {
        let mut table = Table::new(["row"]);
        for verdict in verdicts {
            table.row("row", Duration::ZERO, verdict.clone());
        }
        table.finish(require).is_ok()
    }

    #[test]
    fn a_table_fails_by_its_rows() {
        let skip = Verdict::Skip("no tool".to_owned());
        let fail = Verdict::Fail("broken".to_owned());
        assert!(ends(&[Verdict::Pass], true));
        assert!(ends(&[Verdict::Pass, skip.clone()], false));
        assert!(!ends(&[Verdict::Pass, skip], true));
        assert!(!ends(&[Verdict::Pass, fail], false));
        assert!(!ends(&[], false));
    }
}
