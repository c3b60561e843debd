//! `ws serve` against clients: Python's `websockets` and Node's `ws`, each directly and through
//! nginx. The checks themselves stand in tests/interop/client.py and client.cjs, under the same
//! names; what the server says of its connections is judged here.

use super::Driver;
use super::nginx::{self, Nginx};
use super::node;
use super::served::Served;
use crate::report::{Table, Verdict};
use crate::shell::{Running, lines};
use crate::{Result, shell};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What the scripts check, in this order.
const CHECKS: &[&str] = &[
    "text",
    "binary",
    "fragmented",
    "16mib-text",
    "16mib-binary",
    "many-in-flight",
    "ping",
    "close-codes",
    "too-big",
    "not-utf8",
    "subprotocols",
    "500-at-once",
];
/// A client that is killed in the middle of a frame.
const KILLED: &str = "killed-in-mid-frame";
/// The server ends: each client sees 1001.
const ENDS: &str = "server-ends";
/// What `ws serve` is started with.
const OPTIONS: &[&str] = &[
    "--json",
    "--subprotocol",
    "v1",
    "--subprotocol",
    "v2",
    "--max-message",
    "20971520",
];
/// Longer than any check gives itself.
const WITHIN: Duration = Duration::from_secs(25);

/// Whose client, and whether nginx stands between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Client {
    node: bool,
    proxied: bool,
}

const CLIENTS: [Client; 4] = [
    Client {
        node: false,
        proxied: false,
    },
    Client {
        node: true,
        proxied: false,
    },
    Client {
        node: false,
        proxied: true,
    },
    Client {
        node: true,
        proxied: true,
    },
];

impl Client {
    fn scenario(self, check: &str) -> String {
        let way = if self.proxied { "nginx-" } else { "" };
        let whose = if self.node { "node" } else { "python" };
        format!("{way}{whose}-{check}")
    }
}

/// The names of all scenarios, in the order in which they run.
pub(super) fn names() -> Vec<String> {
    let mut names = Vec::new();
    for proxied in [false, true] {
        let clients = || CLIENTS.iter().filter(move |it| it.proxied == proxied);
        for client in clients() {
            let checks = CHECKS.iter().chain(&[KILLED]);
            names.extend(checks.map(|check| client.scenario(check)));
        }
        names.extend(clients().map(|client| client.scenario(ENDS)));
    }
    names
}

/// Runs the scenarios of these names.
pub(super) fn run(
    ws: &Path,
    driver: Driver,
    python: &Path,
    chosen: &[String],
    table: &mut Table,
) -> Result {
    for proxied in [false, true] {
        let mut clients: Vec<Client> = CLIENTS.to_vec();
        let all: Vec<&str> = CHECKS.iter().copied().chain([KILLED, ENDS]).collect();
        let wanted = |client: &Client, check: &str| chosen.contains(&client.scenario(check));
        clients.retain(|it| it.proxied == proxied && all.iter().any(|check| wanted(it, check)));
        if clients.is_empty() {
            continue;
        }
        let mut skip = |client: &Client, why: &str| {
            for check in all.iter().filter(|check| wanted(client, check)) {
                let verdict = Verdict::Skip(why.to_owned());
                table.row(
                    &driver.named(&client.scenario(check)),
                    Duration::ZERO,
                    verdict,
                );
            }
        };
        if proxied && let Err(why) = nginx::ready() {
            clients.iter().for_each(|client| skip(client, &why));
            continue;
        }
        let modules = node::ready();
        if let Err(why) = &modules {
            let without = clients.iter().filter(|it| it.node);
            without.for_each(|client| skip(client, why));
            clients.retain(|it| !it.node);
        }
        let modules = modules.unwrap_or_default();
        let options: Vec<&str> = OPTIONS.iter().copied().chain(driver.option()).collect();
        let served = Served::start(ws, &options, false)?;
        let nginx = proxied.then(|| Nginx::start(served.port)).transpose()?;
        let port = nginx.as_ref().map_or(served.port, |nginx| nginx.port);
        let mut round = Round {
            served,
            python,
            modules: &modules,
            url: format!("ws://127.0.0.1:{port}/any/path"),
            rows: Rows { driver, table },
        };
        for client in &clients {
            let checks = CHECKS.iter().copied();
            let checks: Vec<&str> = checks.filter(|check| wanted(client, check)).collect();
            round.checks(*client, &checks)?;
            if wanted(client, KILLED) {
                round.killed(*client)?;
            }
        }
        clients.retain(|client| wanted(client, ENDS));
        round.ends(&clients)?;
    }
    Ok(())
}

/// A server and what is run against it.
struct Round<'a> {
    served: Served,
    python: &'a Path,
    modules: &'a Path,
    url: String,
    rows: Rows<'a>,
}

/// Where what a driver does is noted.
struct Rows<'a> {
    driver: Driver,
    table: &'a mut Table,
}

impl Rows<'_> {
    fn row(&mut self, scenario: &str, took: Duration, problems: Vec<String>) {
        let name = self.driver.named(scenario);
        self.table.row(&name, took, verdict(problems));
    }
}

/// A script that runs, and what it prints.
struct Script {
    process: Running,
    reports: Receiver<Value>,
}

impl Script {
    fn report(&self) -> Option<Value> {
        self.reports.recv_timeout(WITHIN).ok()
    }
}

impl Round<'_> {
    fn start(&self, client: Client, checks: &[&str]) -> Result<Script> {
        let scripts = shell::root().join("tests/interop");
        let mut command = if client.node {
            let mut command = Command::new("node");
            command.env("NODE_PATH", self.modules);
            command.arg(scripts.join("client.cjs"));
            command
        } else {
            let mut command = Command::new(self.python);
            command.arg("-B").arg(scripts.join("client.py"));
            command
        };
        if client.proxied {
            command.env("THROUGH_PROXY", "1");
        }
        let child = command
            .arg(&self.url)
            .args(checks)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the client's script: {error}"))?;
        let mut process = Running(child);
        let (sender, reports) = channel();
        if let Some(stdout) = process.0.stdout.take() {
            lines(stdout, move |line| {
                // What is no JSON is found by the report that is missing.
                if let Ok(value) = serde_json::from_slice(line) {
                    let _ = sender.send(value);
                }
            });
        }
        Ok(Script { process, reports })
    }

    /// The checks that the scripts judge themselves.
    fn checks(&mut self, client: Client, checks: &[&str]) -> Result {
        if checks.is_empty() {
            return Ok(());
        }
        let script = self.start(client, checks)?;
        for check in checks {
            let name = client.scenario(check);
            let report = script.report();
            let seconds = report.as_ref().and_then(|it| it.get("seconds")?.as_f64());
            let took = Duration::from_secs_f64(seconds.unwrap_or_default());
            self.rows.row(&name, took, problems(report.as_ref(), check));
        }
        Ok(())
    }

    /// Kills a client that is in the middle of a frame. The server has to notice, and to be there
    /// for others.
    fn killed(&mut self, client: Client) -> Result {
        let began = Instant::now();
        let lost = |events: &[Value]| of(events, "error").filter(|it| is_lost(it)).count();
        let before = self.served.look(lost);
        let mut problems = Vec::new();
        let mut script = self.start(client, &["hang"])?;
        if script.report().is_none_or(|it| it.get("ready").is_none()) {
            problems.push("the client does not get there".to_owned());
        }
        script
            .process
            .0
            .kill()
            .map_err(|error| format!("killing the client: {error}"))?;
        let noticed = self.served.wait_for(Duration::from_secs(5), |events| {
            (lost(events) > before).then_some(())
        });
        if noticed.is_none() {
            problems.push("the server printed no `error` of the kind `lost`".to_owned());
        }
        let other = self.start(client, &["text"])?.report();
        problems.extend(self::problems(other.as_ref(), "text"));
        self.rows
            .row(&client.scenario(KILLED), began.elapsed(), problems);
        Ok(())
    }

    /// Ends the server with clients that stay: each sees 1001, all was said, and the exit is clean.
    fn ends(mut self, clients: &[Client]) -> Result {
        let began = Instant::now();
        let scripts: Result<Vec<Script>> = clients
            .iter()
            .map(|client| self.start(*client, &["stay"]))
            .collect();
        let scripts = scripts?;
        let ready: Vec<bool> = scripts
            .iter()
            .map(|script| script.report().is_some_and(|it| it.get("ready").is_some()))
            .collect();
        let (status, events) = self.served.end()?;
        for ((client, script), ready) in clients.iter().zip(scripts).zip(ready) {
            let mut problems = Vec::new();
            if !ready {
                problems.push("the client does not get there".to_owned());
            }
            problems.extend(self::problems(script.report().as_ref(), "stay"));
            if !status.success() {
                problems.push(format!("`ws serve` ended with {status}"));
            }
            problems.extend(odd(&events));
            self.rows
                .row(&client.scenario(ENDS), began.elapsed(), problems);
        }
        Ok(())
    }
}

fn verdict(problems: Vec<String>) -> Verdict {
    if problems.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Fail(problems.join("\n"))
    }
}

/// What a script's report says was wrong.
fn problems(report: Option<&Value>, check: &str) -> Vec<String> {
    let Some(report) = report else {
        return vec!["the client's script says nothing of it".to_owned()];
    };
    if report.get("check").and_then(Value::as_str) != Some(check) {
        return vec![format!("the client's script speaks of another: {report}")];
    }
    let problems = report.get("problems").and_then(Value::as_array);
    let Some(problems) = problems else {
        return vec![format!("a report without `problems`: {report}")];
    };
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    problems.iter().map(text).collect()
}

fn of<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events
        .iter()
        .filter(move |event| event.get("event").and_then(Value::as_str) == Some(kind))
}

fn is_lost(error: &Value) -> bool {
    error.get("kind").and_then(Value::as_str) == Some("lost")
}

/// What is wrong with all that the server printed: what is opened is closed, and nothing but what
/// the clients did on purpose is an error.
fn odd(events: &[Value]) -> Vec<String> {
    let mut odd = Vec::new();
    let ids = |kind| {
        let mut ids: Vec<u64> = of(events, kind)
            .filter_map(|event| event.get("id")?.as_u64())
            .collect();
        ids.sort_unstable();
        ids
    };
    let (opened, closed) = (ids("open"), ids("close"));
    if opened != closed {
        let (opened, closed) = (opened.len(), closed.len());
        odd.push(format!("{opened} `open`, but {closed} `close`"));
    }
    for error in of(events, "error") {
        let kind = error.get("kind").and_then(Value::as_str).unwrap_or("");
        if !matches!(kind, "lost" | "too-big" | "protocol") {
            odd.push(format!("the server says {error}"));
        }
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn each_scenario_has_a_name_of_its_own() {
        let names = names();
        assert_eq!(names.len(), 4 * (CHECKS.len() + 2));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn both_scripts_have_every_check() {
        let scripts = shell::root().join("tests/interop");
        for file in ["client.py", "client.cjs"] {
            let script = std::fs::read_to_string(scripts.join(file)).unwrap();
            for check in CHECKS.iter().chain(&["hang", "stay"]) {
                let forms = [
                    format!("\"{check}\": "),
                    format!("async {check}(url)"),
                    format!("async '{check}'(url)"),
                ];
                assert!(
                    forms.iter().any(|form| script.contains(form)),
                    "{file}: {check}"
                );
            }
        }
    }

    #[test]
    fn a_report_that_is_missing_or_another_is_a_problem() {
        let good = json!({"check": "text", "problems": [], "seconds": 0.1});
        assert!(problems(Some(&good), "text").is_empty());
        assert!(!problems(Some(&good), "ping").is_empty());
        assert!(!problems(None, "text").is_empty());
        let bad = json!({"check": "text", "problems": ["differs"]});
        assert_eq!(problems(Some(&bad), "text"), ["differs"]);
    }

    #[test]
    fn what_is_opened_is_closed() {
        let open = json!({"event": "open", "id": 1});
        let close = json!({"event": "close", "id": 1});
        assert!(odd(&[open.clone(), close]).is_empty());
        assert!(!odd(&[open]).is_empty());
        assert!(!odd(&[json!({"event": "error", "kind": "accept"})]).is_empty());
    }
}
