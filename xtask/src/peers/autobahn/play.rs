//! One run of the suite.

use super::results::Results;
use crate::Result;
use crate::peers::interop::served::Served;
use crate::shell::Running;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a run may take, in seconds.
const LIMIT: &str = "600";

/// Who is tested.
pub(super) struct Testee {
    pub(super) name: String,
    pub(super) is_server: bool,
    pub(super) program: Program,
}

/// What is started for it.
pub(super) enum Program {
    /// `ws serve` with these options.
    WsServe(PathBuf, &'static [&'static str]),
    /// A program and its arguments: a server that prints its port, or a client that takes the URL
    /// behind them.
    Other(PathBuf, Vec<String>),
    /// Nothing: it is a server that listens on this port already.
    Running(u16),
}

/// What one run came to.
pub(super) struct Outcome {
    pub(super) took: Duration,
    /// What the runner says against it.
    pub(super) problem: Option<String>,
    pub(super) results: Results,
}

/// A server, as long as it is needed.
enum Server {
    Ws(Served),
    Other(#[allow(dead_code)] Running, u16), // ended when it is dropped
    NotOurs(u16),
}

/// Has the suite go through its cases with one testee.
pub(super) fn play(testee: &Testee, cases: &str, kit: &Path, folder: &Path) -> Result<Outcome> {
    let folder = folder.join(testee.name.replace(' ', "-"));
    let runner = if testee.is_server {
        "run-server-cases"
    } else {
        "run-client-cases"
    };
    let mut command = Command::new(kit.join(runner));
    command
        .args(["--strict", "--timeout", LIMIT, "--cases", cases, "--out"])
        .arg(&folder)
        .args(["--agent", &testee.name]);
    let server = if testee.is_server {
        let server = start(&testee.program)?;
        let port = match &server {
            Server::Ws(served) => served.port,
            Server::Other(_, port) | Server::NotOurs(port) => *port,
        };
        command.arg(format!("ws://127.0.0.1:{port}"));
        Some(server)
    } else {
        let (program, args) = testee.program.command()?;
        command.arg("--").arg(program).args(args);
        None
    };
    let started = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{runner} does not start: {error}"))?;
    let took = started.elapsed();
    drop(server);
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

impl Program {
    fn command(&self) -> Result<(&Path, &[String])> {
        match self {
            Self::WsServe(program, _) => Ok((program, &[])),
            Self::Other(program, args) => Ok((program, args)),
            Self::Running(port) => Err(format!("what is on port {port} runs already")),
        }
    }
}

fn start(program: &Program) -> Result<Server> {
    let (program, args) = match program {
        Program::WsServe(ws, options) => return Served::start(ws, options, false).map(Server::Ws),
        Program::Running(port) => return Ok(Server::NotOurs(*port)),
        other => other.command()?,
    };
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut child = Running(child);
    let mut line = String::new();
    if let Some(stdout) = child.0.stdout.take() {
        let read = BufReader::new(stdout).read_line(&mut line);
        read.map_err(|error| format!("{}: {error}", program.display()))?;
    }
    let port = line.trim().parse();
    let port = port.map_err(|_| format!("{} does not say its port", program.display()))?;
    Ok(Server::Other(child, port))
}
