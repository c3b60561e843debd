//! The fuzz targets in fuzz/, built with coverage counters and run by libFuzzer. Stable Rust is
//! enough: the counters need no unstable flag. There is no address sanitizer, which does, because
//! the code under test has no `unsafe`; debug assertions and overflow checks are on.

mod build;
mod corpus;
mod target;

use crate::Result;
use crate::report::{Table, Verdict, skipped};
use std::path::PathBuf;
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use target::{Ran, Target};

/// For the help text.
pub(crate) const OPTIONS: &str =
    "[--seconds N] [--target NAME]... [--merge] [--replay FILE] [--require]";

struct Options {
    /// For all targets together, by the clock on the wall.
    seconds: u64,
    targets: Vec<String>,
    merge: bool,
    replay: Option<PathBuf>,
    require: bool,
}

/// `cargo xtask fuzz`.
pub(crate) fn run(args: &[String]) -> Result {
    let options = parse(args)?;
    let names = chosen(&names()?, &options.targets)?;
    if let Err(why) = build::compiler() {
        return skipped(&why, options.require);
    }
    println!("building {} fuzz targets", names.len());
    let folder = build::build(&names)?;
    let targets: Vec<Target> = names
        .iter()
        .map(|name| Target::new(name, &folder))
        .collect();
    if let Some(file) = &options.replay {
        let [target] = &targets[..] else {
            return Err("`--replay` needs a `--target`".to_owned());
        };
        return target.replay(file);
    }
    let (ran, result) = fuzz(&targets, options.seconds);
    println!("\n{}", summary(&ran));
    result?;
    if options.merge {
        for target in &targets {
            corpus::merge(target)?;
        }
    }
    Ok(())
}

/// Runs all targets, on each processor one at a time: those that found nothing, and whether all did.
fn fuzz(targets: &[Target], seconds: u64) -> (Vec<(String, Ran)>, Result) {
    let lanes = std::thread::available_parallelism().map_or(1, usize::from);
    let lanes = lanes.min(targets.len());
    let rounds = targets.len().div_ceil(lanes) as u64;
    let each = (seconds / rounds).max(1);
    println!("each target runs for {each} s, {lanes} at a time");
    let mut table = Table::new(targets.iter().map(|target| target.name.as_str()));
    let mut all = Vec::new();
    let queue = Mutex::new(targets.iter());
    std::thread::scope(|scope| {
        let (done, results) = mpsc::channel();
        for _ in 0..lanes {
            let (done, queue) = (done.clone(), &queue);
            scope.spawn(move || {
                let next = || queue.lock().ok().and_then(|mut queue| queue.next());
                while let Some(target) = next() {
                    // Nobody is left to be told only where this task is failing already.
                    let _ = done.send((target, target.run(each)));
                }
            });
        }
        drop(done);
        for (target, result) in results {
            let verdict = match result {
                Ok(ran) => {
                    all.push((target.name.clone(), ran));
                    Verdict::Pass
                }
                Err(why) => Verdict::Fail(why),
            };
            table.row(&target.name, Duration::from_secs(each), verdict);
        }
    });
    all.sort_by(|(one, _), (two, _)| one.cmp(two));
    (all, table.finish(true))
}

/// Executions for each target, and together.
fn summary(ran: &[(String, Ran)]) -> String {
    let mut text = String::from("| target | seconds | executions | inputs kept |\n");
    text += "| --- | --: | --: | --: |\n";
    let mut row = |name: &str, seconds: u64, executions: u64, inputs: u64| {
        text += &format!(
            "| {name} | {seconds} | {} | {inputs} |\n",
            grouped(executions)
        );
    };
    let mut all = (0, 0, 0);
    for (name, ran) in ran {
        row(name, ran.seconds, ran.executions, ran.inputs);
        all.0 += ran.seconds;
        all.1 += ran.executions;
        all.2 += ran.inputs;
    }
    row("all", all.0, all.1, all.2);
    text
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The targets there are: a file each.
fn names() -> Result<Vec<String>> {
    let folder = build::folder().join("fuzz_targets");
    let files = corpus::files(&folder)?;
    let mut names: Vec<String> = files
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn chosen(all: &[String], wanted: &[String]) -> Result<Vec<String>> {
    match wanted.iter().find(|name| !all.contains(name)) {
        Some(name) => Err(format!("no target `{name}`; there is {}", all.join(", "))),
        None if wanted.is_empty() => Ok(all.to_vec()),
        None => Ok(wanted.to_vec()),
    }
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        seconds: 60,
        targets: Vec::new(),
        merge: false,
        replay: None,
        require: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("`{arg}` needs a value"));
        match arg.as_str() {
            "--seconds" => {
                let seconds = value()?.parse();
                options.seconds = seconds.map_err(|_| "`--seconds` needs a number".to_owned())?;
            }
            "--target" => options.targets.push(value()?.clone()),
            "--merge" => options.merge = true,
            "--replay" => options.replay = Some(value()?.into()),
            "--require" => options.require = true,
            _ => return Err(format!("no option `{arg}`; there is {OPTIONS}")),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_target_that_is_not_there_is_refused() {
        let all = ["table".to_owned(), "url".to_owned()];
        assert_eq!(chosen(&all, &[]), Ok(all.to_vec()));
        assert!(chosen(&all, &["tables".to_owned()]).is_err());
    }
}
