//! One target: running it, and what became of the run.

use super::{build, corpus};
use crate::{Result, shell};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The longest input that is tried, in bytes.
const MAX_LENGTH: usize = 1024;

/// An execution that takes longer than so many seconds hangs. It takes less than one; but libFuzzer
/// goes by the clock on the wall, and a busy machine may leave it standing for a while.
const HANGS: u64 = 60;

/// A program that fuzzes.
pub(super) struct Target {
    pub(super) name: String,
    program: PathBuf,
}

/// A run that found nothing.
pub(super) struct Ran {
    pub(super) seconds: u64,
    pub(super) executions: u64,
    /// How many inputs there are now that each reach something the others do not.
    pub(super) inputs: u64,
}

impl Target {
    pub(super) fn new(name: &str, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)),
        }
    }

    /// The inputs in the repository.
    pub(super) fn committed(&self) -> PathBuf {
        build::folder().join("corpus").join(&self.name)
    }

    /// The inputs that runs on this machine have found.
    pub(super) fn found(&self) -> PathBuf {
        build::output().join("corpus").join(&self.name)
    }

    /// The program with what holds for every run.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args([
            format!("-max_len={MAX_LENGTH}"),
            format!("-timeout={HANGS}"),
            "-rss_limit_mb=1024".to_owned(),
        ]);
        command.current_dir(shell::root());
        command
    }

    /// Fuzzes. What is new goes into the folder of what was found, never into the repository. The
    /// error is a crash, a hang or too much memory, and how to have it again.
    pub(super) fn run(&self, seconds: u64) -> Result<Ran> {
        let crashes = build::output().join("crashes").join(&self.name);
        let found = self.found();
        for folder in [&crashes, &found, &self.committed()] {
            corpus::make(folder)?;
        }
        let mut command = self.command();
        command
            .arg(format!("-max_total_time={seconds}"))
            .arg("-print_final_stats=1")
            .arg(format!("-artifact_prefix={}/", crashes.display()));
        let dictionary = build::folder().join(format!("dictionaries/{}.dict", self.name));
        if dictionary.is_file() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        let output = command
            .arg(&found)
            .arg(self.committed())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{} does not start: {error}", self.program.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(self.crash(&said));
        }
        let executions = number_behind(&said, "stat::number_of_executed_units:");
        let executions = executions.filter(|count| *count > 0);
        Ok(Ran {
            seconds,
            executions: executions.ok_or("it does not say how often it ran")?,
            inputs: corpus_size(&said).ok_or("it does not say how many inputs it kept")?,
        })
    }

    /// What a run that failed has said, less what comes with every run.
    fn crash(&self, said: &str) -> String {
        let mut lines = said.lines();
        let what: Vec<&str> = lines
            .by_ref()
            .skip_while(|line| !line.contains("panicked at") && !line.starts_with("=="))
            .take_while(|line| *line != "stack backtrace:")
            .take(20)
            .collect();
        let file = said
            .lines()
            .find_map(|line| line.split_once("Test unit written to "));
        let Some((_, file)) = file else {
            let last: Vec<&str> = said.lines().rev().take(20).collect();
            return last.into_iter().rev().collect::<Vec<_>>().join("\n");
        };
        format!(
            "{}\nthe input: {file}\nagain: cargo xtask fuzz --target {} --replay {file}",
            what.join("\n"),
            self.name
        )
    }

    /// Runs one input, and shows what becomes of it.
    pub(super) fn replay(&self, file: &Path) -> Result {
        let file = std::path::absolute(file).map_err(|error| error.to_string())?;
        let status = self.command().arg(file).stdin(Stdio::null()).status();
        let status = status.map_err(|error| error.to_string())?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the input fails: {status}"))
        }
    }
}

fn number_behind(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(name))?;
    line.trim().parse().ok()
}

/// From the last line of the kind `#123 DONE cov: 1 ft: 2 corp: 34/56Kb …`.
fn corpus_size(text: &str) -> Option<u64> {
    let line = text.lines().rev().find(|line| line.contains("\tDONE "))?;
    let (_, behind) = line.split_once("corp: ")?;
    behind.split('/').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "#2\tINITED cov: 2 ft: 2 corp: 1/1b exec/s: 0 rss: 26Mb\n\
        #266621\tDONE   cov: 2506 ft: 13750 corp: 2818/159Kb lim: 247 exec/s: 10254 rss: 34Mb\n\
        stat::number_of_executed_units: 266621\n";

    #[test]
    fn the_numbers_are_read() {
        assert_eq!(
            number_behind(SAID, "stat::number_of_executed_units:"),
            Some(266_621)
        );
        assert_eq!(corpus_size(SAID), Some(2818));
        assert_eq!(corpus_size("#2\tINITED corp: 1/1b"), None);
    }

    #[test]
    fn a_crash_says_where_its_input_is() {
        let target = Target::new("url", Path::new("/built"));
        let said = target.crash(
            "INFO: Seed\nthread '<unnamed>' panicked at a.rs:1:2:\nno\nstack backtrace:\n  0: x\n\
             artifact_prefix='c/'; Test unit written to c/crash-1\n",
        );
        assert!(said.starts_with("thread '<unnamed>' panicked at a.rs:1:2:\nno\n"));
        assert!(said.ends_with("cargo xtask fuzz --target url --replay c/crash-1"));
    }
}
