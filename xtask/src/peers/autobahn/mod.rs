//! Autobahn|Testsuite's cases, for `ws serve --echo` and for both roles over three transports and by the
//! async calls; or for other libraries, beside ours; or for the server of a microcontroller. The suite comes from a kit
//! beside the project, which installs and runs it.

mod board;
mod play;
mod programs;
mod results;

use crate::report::{Table, Verdict, skipped};
use crate::{Result, shell};
use play::{Outcome, Testee, play};
use programs::{Ours, Peers};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For the help text.
pub(crate) const OPTIONS: &str = "[server|client] [--cases P]... [--peers|--board] [--require]";

/// All but compression (12 and 13); 8 and 11 do not exist.
const CASES: &str = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*";

/// The rows about what the runs of a role found.
const AGREE: [(&str, bool); 2] = [("servers agree", true), ("clients agree", false)];

/// How many runs go on side by side: most of its time a case waits, but some have a limit.
const SIDE_BY_SIDE: usize = 2;

#[derive(Default)]
struct Options {
    /// Only the server (true), only the client (false).
    server: Option<bool>,
    cases: Vec<String>,
    peers: bool,
    board: bool,
    require: bool,
}

impl Options {
    fn cases(&self, usual: &str) -> String {
        match self.cases.as_slice() {
            [] => usual.to_owned(),
            cases => cases.join(","),
        }
    }
}

/// `cargo xtask autobahn`.
pub(crate) fn run(args: &[String]) -> Result {
    let options = parse(args)?;
    let kit = match kit() {
        Ok(kit) => kit,
        Err(why) => return skipped(&why, options.require),
    };
    if options.board {
        return board::run(&options, &kit);
    }
    let ours = Ours::build()?;
    let mut testees = if options.peers {
        let mut testees = ours.plainest();
        testees.extend(Peers::build()?.testees());
        testees
    } else {
        ours.testees()
    };
    testees.retain(|it| options.server.is_none_or(|server| server == it.is_server));
    let cases = options.cases(CASES);
    let started = Instant::now();
    let outcomes = side_by_side(&testees, |testee| play(testee, &cases, &kit, &folder()));
    println!("all runs took {:.0} s\n", started.elapsed().as_secs_f64());
    if options.peers {
        compare(&testees, outcomes)
    } else {
        judge(&testees, outcomes, options.require)
    }
}

/// Runs `work` for each testee, several at once; in their order what came of it.
fn side_by_side(
    testees: &[Testee],
    work: impl Fn(&Testee) -> Result<Outcome> + Sync,
) -> Vec<Result<Outcome>> {
    let next = Mutex::new(testees.iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let taken = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, testee)) = taken else { return };
                    let outcome = work(testee);
                    println!("{}: done", testee.name);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Prints what came of our runs; every case has to pass, strictly, and alike over all transports.
fn judge(testees: &[Testee], outcomes: Vec<Result<Outcome>>, require: bool) -> Result {
    let names = testees.iter().map(|testee| testee.name.as_str());
    let rows = AGREE.iter().map(|(row, _)| *row);
    let mut table = Table::new(names.chain(rows));
    let mut columns = Vec::new();
    for (testee, outcome) in testees.iter().zip(outcomes) {
        let name = testee.name.as_str();
        match outcome {
            Ok(outcome) => {
                let problem = outcome.problem.or_else(|| outcome.results.problem());
                let verdict = problem.map_or(Verdict::Pass, Verdict::Fail);
                table.row(name, outcome.took, verdict);
                columns.push((testee, outcome.results));
            }
            Err(why) => table.row(name, Duration::ZERO, Verdict::Fail(why)),
        }
    }
    for (row, is_server) in AGREE {
        let of_role = columns.iter().filter(|(it, _)| it.is_server == is_server);
        let mut of_role = of_role.peekable();
        let Some((first, results)) = of_role.next() else {
            continue;
        };
        if of_role.peek().is_none() {
            continue; // nobody to agree with
        }
        let differences = of_role.flat_map(|(other, others)| {
            let found = results.differences(others).into_iter();
            found.map(|what| format!("{} and {}: {what}", first.name, other.name))
        });
        let differences: Vec<String> = differences.collect();
        let verdict = if differences.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Fail(differences.join("\n"))
        };
        table.row(row, Duration::ZERO, verdict);
    }
    let columns: Vec<_> = columns
        .iter()
        .map(|(testee, results)| (testee.name.as_str(), results))
        .collect();
    print!("\n{}\n", results::passed_by_section(&columns));
    println!("reports are in {}", folder().display());
    table.finish(require)
}

/// Prints what others reach beside ours. It is no judgement: only a run that cannot be made fails.
fn compare(testees: &[Testee], outcomes: Vec<Result<Outcome>>) -> Result {
    let mut columns = Vec::new();
    for (testee, outcome) in testees.iter().zip(outcomes) {
        let outcome = outcome.map_err(|why| format!("{}: {why}", testee.name))?;
        println!("{}: {:.0} s", testee.name, outcome.took.as_secs_f64());
        columns.push((testee.name.as_str(), outcome.results));
    }
    let columns: Vec<_> = columns.iter().map(|(name, it)| (*name, it)).collect();
    print!("\n{}\n", results::compared_by_section(&columns));
    println!("reports are in {}", folder().display());
    Ok(())
}

/// Where the reports go.
fn folder() -> PathBuf {
    shell::cache().join("autobahn")
}

/// The folder of the kit, with the suite installed.
fn kit() -> Result<PathBuf> {
    let kit = shell::root().join("../shared/autobahn");
    let install = kit.join("install");
    if !install.is_file() {
        return Err(format!(
            "no Autobahn|Testsuite: there is no {}",
            install.display()
        ));
    }
    println!(
        "{}",
        shell::capture(&mut Command::new(&install))?.trim_end()
    );
    Ok(kit)
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "server" if options.server.is_none() && !options.board => options.server = Some(true),
            "client" if options.server.is_none() && !options.board => options.server = Some(false),
            "--peers" if !options.board => options.peers = true,
            "--board" if !options.peers && options.server.is_none() => options.board = true,
            "--require" => options.require = true,
            "--cases" => {
                let cases = args
                    .next()
                    .ok_or("`--cases` needs a pattern, such as '6.*'")?;
                options.cases.push(cases.clone());
            }
            _ => return Err(format!("no option `{arg}`; there is {OPTIONS}")),
        }
    }
    Ok(options)
}
