//! The page of readings in headless Chromium, driven by tests/browser/run.js. The script has the
//! browser; this task has the server, which the script asks to be ended and started again.

mod install;
mod server;

use crate::report::{Table, Verdict, skipped};
use crate::shell::Running;
use crate::{Result, shell};
use serde_json::Value;
use server::Server;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// For the help text.
pub(crate) const OPTIONS: &str = "[--async] [--require] [--server CMD...]";

/// How long the script may say nothing; it ends each check before that.
const SILENCE: Duration = Duration::from_secs(60);

/// `cargo xtask browser`.
pub(crate) fn run(args: &[String]) -> Result {
    let options = parse(args)?;
    let require = options.require;
    let modules = match install::playwright() {
        Ok(modules) => modules,
        Err(why) => return skipped(&why, require),
    };
    let chromium = match install::chromium() {
        Ok(chromium) => chromium,
        Err(why) => return skipped(&why, require),
    };
    let program = match options.server {
        Some(program) => program,
        None => serve_demo(options.asynch)?,
    };
    let folder = shell::cache().join("browser");
    let mut server = Server::new(program, &folder.join("server.log"))?;
    let port = server.start()?;
    let script = Script::start(&modules, &chromium, port, &folder)?;
    let outcome = script.follow(&mut server, require);
    println!("screenshots are in {}", folder.display());
    outcome
}

#[derive(Debug, Default, PartialEq)]
struct Options {
    asynch: bool,
    require: bool,
    /// The server's command line, if one is given.
    server: Option<Vec<String>>,
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--async" => options.asynch = true,
            "--require" => options.require = true,
            "--server" => {
                let program: Vec<String> = rest.cloned().collect();
                if program.is_empty() {
                    return Err("`--server` needs a command, ADDR:PORT is appended".to_owned());
                }
                options.server = Some(program);
                return Ok(options);
            }
            _ => return Err(format!("no option `{arg}`; there is {OPTIONS}")),
        }
    }
    Ok(options)
}

/// The command that serves the page.
fn serve_demo(asynch: bool) -> Result<Vec<String>> {
    let ws = shell::build_ws(false)?.to_string_lossy().into_owned();
    let mut command: Vec<String> = [&ws, "serve", "--demo", "--json"].map(str::to_owned).into();
    command.extend(asynch.then(|| "--async".to_owned()));
    Ok(command)
}

/// The running script.
struct Script {
    says: Receiver<Value>,
    stdin: ChildStdin,
    _process: Running,
}

impl Script {
    fn start(modules: &Path, chromium: &Path, port: u16, folder: &Path) -> Result<Self> {
        let log = folder.join("script.log");
        let stderr = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let child = Command::new("node")
            .arg(shell::root().join("tests/browser/run.js"))
            .arg(chromium)
            .arg(port.to_string())
            .arg(folder)
            .env("NODE_PATH", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("node does not start: {error}"))?;
        let mut process = Running(child);
        let pipes = (process.0.stdin.take(), process.0.stdout.take());
        let (Some(stdin), Some(stdout)) = pipes else {
            return Err("node started without its pipes".to_owned());
        };
        let (sender, says) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(|line| line.ok()) {
                // What is not of the script shows as a check that is missing.
                if let Ok(value) = serde_json::from_str(&line) {
                    let _ = sender.send(value);
                }
            }
        });
        Ok(Self {
            says,
            stdin,
            _process: process,
        })
    }

    /// Does what the script asks for and prints what it finds, until it ends.
    fn follow(mut self, server: &mut Server, require: bool) -> Result {
        let first = self.says.recv_timeout(SILENCE).ok();
        let names = first.as_ref().and_then(|it| it.get("checks")?.as_array());
        let names: Vec<&str> = names
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if names.is_empty() {
            return Err("the script does not start; see .cache/browser/script.log".to_owned());
        }
        let mut table = Table::new(names.iter().copied());
        let mut left = names.as_slice();
        // Until the script has ended, or hangs.
        while let Ok(said) = self.says.recv_timeout(SILENCE) {
            let text = |name: &str| said.get(name).and_then(Value::as_str);
            if let Some(what) = text("server") {
                let problem = server.told(what).err().unwrap_or_default();
                // A script that has ended meanwhile is found by the checks that are left.
                let _ = writeln!(self.stdin, "{}", problem.replace('\n', "; "));
            } else if let Some(name) = text("check") {
                let verdict = match text("failed") {
                    None => Verdict::Pass,
                    Some(why) => Verdict::Fail(why.to_owned()),
                };
                let took = said.get("ms").and_then(Value::as_u64).unwrap_or_default();
                table.row(name, Duration::from_millis(took), verdict);
                left = left.get(1..).unwrap_or_default();
            }
        }
        for name in left {
            let why = "not run: the script has ended; see .cache/browser/script.log";
            table.row(name, Duration::ZERO, Verdict::Fail(why.to_owned()));
        }
        table.finish(require)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn everything_behind_server_is_the_servers_command() {
        assert_eq!(parse(&[]), Ok(Options::default()));
        let both = Options {
            asynch: true,
            require: true,
            server: None,
        };
        assert_eq!(parse(&words("--require --async")), Ok(both));
        let command = Options {
            server: Some(words("python3 x.py --require")),
            ..Options::default()
        };
        assert_eq!(
            parse(&words("--server python3 x.py --require")),
            Ok(command)
        );
        assert!(parse(&words("--server")).is_err());
        assert!(parse(&words("--other")).is_err());
    }
}
