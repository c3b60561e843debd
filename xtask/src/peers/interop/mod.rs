//! `ws` against peers that others wrote: scenarios run one after the other, each
//! with a deadline, each judged by what the program printed, by its exit code and
//! by what the peer saw.

pub(crate) mod client;
mod judge;
mod nginx;
mod node;
mod peer;
mod scenario;
pub(crate) mod served;
mod to_clients;
mod to_servers;

use crate::report::{Table, Verdict, skipped};
use crate::{Result, shell, venv};
use scenario::{Place, Scenario};
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For the help text.
pub(crate) const OPTIONS: &str =
    "[--async|--both] [--require] [--release] [--ws PATH] [--only NAME]... [--list] [--verbose]";

/// How long the peer may take to report a connection whose client has ended.
const RECORD_WITHIN: Duration = Duration::from_secs(2);

/// Which calls of the library `ws` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Blocking,
    Async,
}

impl Driver {
    /// Its option of `ws`.
    pub(crate) const fn option(self) -> Option<&'static str> {
        match self {
            Self::Blocking => None,
            Self::Async => Some("--async"),
        }
    }

    /// What a scenario is called with it.
    pub(crate) fn named(self, scenario: &str) -> String {
        match self {
            Self::Blocking => scenario.to_owned(),
            Self::Async => format!("async-{scenario}"),
        }
    }
}

#[derive(Default)]
struct Options {
    asynch: bool,
    both: bool,
    require: bool,
    release: bool,
    list: bool,
    verbose: bool,
    ws: Option<PathBuf>,
    only: Vec<String>,
}

/// `cargo xtask interop`.
pub(crate) fn run(args: &[String]) -> Result {
    let options = parse(args)?;
    let (scenarios, checks) = chosen(to_servers::all(), to_clients::names(), &options.only)?;
    let names = scenarios.iter().map(|scenario| scenario.name);
    let names: Vec<&str> = names.chain(checks.iter().map(String::as_str)).collect();
    if options.list {
        names.iter().for_each(|name| println!("{name}"));
        return Ok(());
    }
    let drivers: &[Driver] = match (options.both, options.asynch) {
        (true, _) => &[Driver::Blocking, Driver::Async],
        (false, true) => &[Driver::Async],
        (false, false) => &[Driver::Blocking],
    };
    let names = drivers.iter().flat_map(|driver| {
        let names = names.iter();
        names.map(|name| driver.named(name))
    });
    let names: Vec<String> = names.collect();
    let python = match venv::ready()? {
        Ok(python) => python,
        Err(why) => return skipped(&why, options.require),
    };
    let ws = match &options.ws {
        Some(path) => path.clone(),
        None => shell::build_ws(options.release)?,
    };
    let mut table = Table::new(names.iter().map(String::as_str));
    for driver in drivers {
        if !scenarios.is_empty() {
            let verbose = options.verbose;
            to_servers(&scenarios, verbose, &ws, *driver, &python, &mut table)?;
        }
        to_clients::run(&ws, *driver, &python, &checks, &mut table)?;
    }
    table.finish(options.require)
}

/// `ws connect` against servers.
fn to_servers(
    scenarios: &[Scenario],
    verbose: bool,
    ws: &Path,
    driver: Driver,
    python: &Path,
    table: &mut Table,
) -> Result {
    let peer = peer::Peer::start(python)?;
    let mut keys = HashSet::new();
    for (number, scenario) in scenarios.iter().enumerate() {
        let started = Instant::now();
        let (run, record) = play(scenario, number, ws, driver, &peer)?;
        if verbose {
            println!("--- {}: {run:#?}\n{record:#?}", scenario.name);
        }
        let mut problems = judge::judge(scenario, &run, record.as_ref());
        let key = record
            .as_ref()
            .and_then(|it| it.pointer("/headers/sec-websocket-key"));
        if key.is_some_and(|key| !keys.insert(key.to_string())) {
            problems.push("the Sec-WebSocket-Key of an earlier run again".to_owned());
        }
        let verdict = if problems.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Fail(shortened(problems))
        };
        table.row(&driver.named(scenario.name), started.elapsed(), verdict);
    }
    Ok(())
}

/// Runs one scenario: what the client did, and what the peer saw of it.
fn play(
    scenario: &Scenario,
    number: usize,
    ws: &Path,
    driver: Driver,
    peer: &peer::Peer,
) -> Result<(client::Run, Option<Value>)> {
    let url = match scenario.place {
        Place::Real(path) => format!("ws://127.0.0.1:{}{path}?run={number}", peer.real),
        Place::Raw(path) => format!("ws://127.0.0.1:{}{path}?run={number}", peer.raw),
        Place::Refusing => format!("ws://127.0.0.1:{}/", peer.closed),
        Place::Url(url) => url.to_owned(),
    };
    let mut args = vec!["connect".to_owned()];
    if !url.is_empty() {
        args.push(url);
    }
    args.extend(scenario.args.iter().map(|arg| (*arg).to_owned()));
    args.extend(driver.option().map(str::to_owned));
    args.push("--json".to_owned());
    let run = client::run(ws, &args, &scenario.input, scenario.deadline)?;
    let record = match scenario.place {
        Place::Real(_) | Place::Raw(_) => peer.record(number, RECORD_WITHIN),
        Place::Refusing | Place::Url(_) => None,
    };
    Ok((run, record))
}

/// The first problems, one a line: one fault tends to show in many ways.
fn shortened(mut problems: Vec<String>) -> String {
    let more = problems.len().saturating_sub(8);
    problems.truncate(8);
    if more > 0 {
        problems.push(format!("… and {more} more"));
    }
    problems.join("\n")
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value"));
        match arg.as_str() {
            "--async" => options.asynch = true,
            "--both" => options.both = true,
            "--require" => options.require = true,
            "--release" => options.release = true,
            "--list" => options.list = true,
            "--verbose" => options.verbose = true,
            "--ws" => options.ws = Some(found(value()?)?),
            "--only" => options.only.push(value()?.clone()),
            _ => return Err(format!("no option `{arg}`; there is {OPTIONS}")),
        }
    }
    Ok(options)
}

/// A program named on the command line.
pub(crate) fn found(path: &str) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|error| format!("--ws {path}: {error}"))
}

/// Of both directions, those that were asked for.
fn chosen(
    mut scenarios: Vec<Scenario>,
    mut checks: Vec<String>,
    only: &[String],
) -> Result<(Vec<Scenario>, Vec<String>)> {
    let known = |name: &String| {
        scenarios.iter().any(|it| it.name == *name) || checks.iter().any(|it| it == name)
    };
    if let Some(name) = only.iter().find(|name| !known(name)) {
        return Err(format!(
            "no scenario `{name}`; `cargo xtask interop --list` lists them"
        ));
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|it| it == name);
    scenarios.retain(|it| wanted(it.name));
    checks.retain(|it| wanted(it));
    Ok((scenarios, checks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenario_names_are_unique() {
        let mut seen = HashSet::new();
        let names = to_servers::all()
            .into_iter()
            .map(|scenario| scenario.name.to_owned());
        for name in names.chain(to_clients::names()) {
            assert!(seen.insert(name.clone()), "{name} stands twice");
        }
    }

    #[test]
    fn an_unknown_scenario_is_an_error_and_not_an_empty_run() {
        let chosen = |name: &str| {
            let only = [name.to_owned()];
            chosen(to_servers::all(), to_clients::names(), &only)
                .map(|(scenarios, checks)| (scenarios.len(), checks.len()))
        };
        assert!(chosen("nothing").is_err());
        assert_eq!(chosen("text"), Ok((1, 0)));
        assert_eq!(chosen("node-text"), Ok((0, 1)));
    }
}
