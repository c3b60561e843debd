//! Autobahn|Testsuite's cases, for `ws serve --echo`, for a client over three transports, and for
//! the server of a microcontroller. The suite comes from a kit beside the project, which installs
//! and runs it.

mod board;
mod results;

use crate::interop::served::Served;
use crate::report::{Table, Verdict, skipped};
use crate::{Result, shell};
use results::Results;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// For the help text.
pub(crate) const OPTIONS: &str = "[server|client|--board] [--cases P]... [--all] [--require]";

/// All but compression (12 and 13); 8 and 11 do not exist.
const CASES: &str = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*";
/// The same where a byte takes a system call each way. Section 9 has messages of up to 16 MiB and
/// limits of its own on the time they take; these are what stays well within them.
const FEWER_CASES: &str = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,10.*,\
    9.1.1,9.1.2,9.2.1,9.2.2,9.5.1,9.6.1,9.7.1,9.7.2,9.7.3,9.7.4,9.8.1,9.8.2,9.8.3,9.8.4";

/// The row about what the three runs of the client found.
const AGREE: &str = "transports agree";

/// Who is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Testee {
    Server,
    /// The client, over the transport that it knows by this name.
    Client(&'static str),
}

const TESTEES: [Testee; 4] = [
    Testee::Server,
    Testee::Client("std"),
    Testee::Client("unbuffered"),
    Testee::Client("dripping"),
];

impl Testee {
    fn name(self) -> String {
        match self {
            Self::Server => "server".to_owned(),
            Self::Client(transport) => format!("client-{transport}"),
        }
    }

    /// The cases that are run unless others, or all, are asked for.
    fn cases(self) -> &'static str {
        match self {
            Self::Client("dripping") => FEWER_CASES,
            _ => CASES,
        }
    }
}

/// Which testees were asked for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Only {
    #[default]
    Host,
    Server,
    Client,
    /// The one that is not on this machine: the server of boards/mps2-an386, in QEMU.
    Board,
}

#[derive(Default)]
struct Options {
    only: Only,
    cases: Vec<String>,
    all: bool,
    require: bool,
}

impl Options {
    fn cases(&self, usual: &str) -> String {
        if !self.cases.is_empty() {
            self.cases.join(",")
        } else if self.all {
            CASES.to_owned()
        } else {
            usual.to_owned()
        }
    }
}

/// What one run came to.
struct Outcome {
    took: Duration,
    /// What the runner says against it.
    problem: Option<String>,
    results: Results,
}

/// `cargo xtask autobahn`.
pub(crate) fn run(args: &[String]) -> Result {
    let options = parse(args)?;
    let kit = match kit() {
        Ok(kit) => kit,
        Err(why) => return skipped(&why, options.require),
    };
    if options.only == Only::Board {
        return board::run(&options, &kit);
    }
    let ws = shell::build_ws(false)?;
    let client = build_client(&ws)?;
    let testees: Vec<Testee> = TESTEES
        .into_iter()
        .filter(|testee| match options.only {
            Only::Server => *testee == Testee::Server,
            Only::Client => *testee != Testee::Server,
            _ => true,
        })
        .collect();
    let names: Vec<String> = testees.iter().map(|testee| testee.name()).collect();
    let mut table = Table::new(names.iter().map(String::as_str).chain([AGREE]));
    // Side by side: most of their time the cases wait.
    let outcomes: Vec<Result<Outcome>> = std::thread::scope(|scope| {
        let spawn = |testee: &Testee| {
            let (testee, kit, ws, client, options) = (*testee, &kit, &ws, &client, &options);
            scope.spawn(move || play(testee, options, kit, ws, client))
        };
        let runs: Vec<_> = testees.iter().map(spawn).collect();
        let join = |run: std::thread::ScopedJoinHandle<'_, Result<Outcome>>| {
            let ended = run.join();
            ended.unwrap_or_else(|_| Err("the thread of the run panicked".to_owned()))
        };
        runs.into_iter().map(join).collect()
    });
    show(&mut table, &names, outcomes);
    table.finish(options.require)
}

/// Prints what came of the runs.
fn show(table: &mut Table, names: &[String], outcomes: Vec<Result<Outcome>>) {
    let mut columns = Vec::new();
    for (name, outcome) in names.iter().zip(outcomes) {
        match outcome {
            Ok(outcome) => {
                let problem = outcome.problem.or_else(|| outcome.results.problem());
                table.row(
                    name,
                    outcome.took,
                    problem.map_or(Verdict::Pass, Verdict::Fail),
                );
                columns.push((name.as_str(), outcome.results));
            }
            Err(why) => table.row(name, Duration::ZERO, Verdict::Fail(why)),
        }
    }
    let mut clients = columns
        .iter()
        .filter(|(name, _)| name.starts_with("client"));
    if let Some((first, results)) = clients.next() {
        let differences = clients.flat_map(|(name, other)| {
            let found = results.differences(other).into_iter();
            found.map(move |what| format!("{first} and {name}: {what}"))
        });
        let differences: Vec<String> = differences.collect();
        let verdict = if differences.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Fail(differences.join("\n"))
        };
        table.row(AGREE, Duration::ZERO, verdict);
    }
    print!("\n{}\n", results::by_section(&columns));
    println!("reports are in {}", folder().display());
}

/// Has the suite go through its cases with a testee of this machine.
fn play(
    testee: Testee,
    options: &Options,
    kit: &Path,
    ws: &Path,
    client: &Path,
) -> Result<Outcome> {
    let (name, cases) = (testee.name(), options.cases(testee.cases()));
    match testee {
        Testee::Server => {
            let served = Served::start(ws, &[], false)?;
            let party = Party::Server("ws", served.port);
            suite(&name, &cases, options, kit, party)
        }
        Testee::Client(transport) => {
            let party = Party::Client(client, transport);
            suite(&name, &cases, options, kit, party)
        }
    }
}

/// The other end of the suite.
enum Party<'a> {
    /// A server, what it is called, and its port.
    Server(&'a str, u16),
    /// A client's program, and the transport it is to use.
    Client(&'a Path, &'a str),
}

/// Has the suite go through cases; the report gets a folder called `name`.
fn suite(
    name: &str,
    cases: &str,
    options: &Options,
    kit: &Path,
    party: Party<'_>,
) -> Result<Outcome> {
    let folder = folder().join(name);
    let limit = if options.all { "1500" } else { "300" };
    let runner = match party {
        Party::Server(..) => "run-server-cases",
        Party::Client(..) => "run-client-cases",
    };
    let mut command = Command::new(kit.join(runner));
    command
        .args(["--strict", "--timeout", limit, "--cases", cases, "--out"])
        .arg(&folder);
    match party {
        Party::Server(agent, port) => {
            command.args(["--agent", agent]);
            command.arg(format!("ws://127.0.0.1:{port}"));
        }
        Party::Client(client, transport) => {
            command.args(["--agent", &format!("ws-socket-{transport}"), "--"]);
            command.arg(client).arg(transport);
        }
    }
    let started = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{runner} does not start: {error}"))?;
    let took = started.elapsed();
    let problem = (!output.status.success()).then(|| {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut lines: Vec<&str> = said.lines().take(40).collect();
        if lines.is_empty() {
            lines.push("it failed and does not say why");
        }
        lines.join("\n")
    });
    let results = match (Results::load(&folder), &problem) {
        (Ok(results), _) => results,
        (Err(_), Some(problem)) => return Err(problem.clone()),
        (Err(why), None) => return Err(why),
    };
    Ok(Outcome {
        took,
        problem,
        results,
    })
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

/// Builds the client. Cargo puts examples into a folder beside the programs.
fn build_client(ws: &Path) -> Result<PathBuf> {
    println!("building the client");
    let example = [
        "build",
        "--locked",
        "-p",
        "ws-tests",
        "--example",
        "autobahn_client",
    ];
    shell::capture(&mut shell::cargo(&example))?;
    let name = format!("examples/autobahn_client{}", std::env::consts::EXE_SUFFIX);
    let client = ws.with_file_name(name);
    if client.is_file() {
        Ok(client)
    } else {
        Err(format!("cargo built no {}", client.display()))
    }
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "server" if options.only == Only::Host => options.only = Only::Server,
            "client" if options.only == Only::Host => options.only = Only::Client,
            "--board" if options.only == Only::Host => options.only = Only::Board,
            "--all" => options.all = true,
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
