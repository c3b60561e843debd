//! `cargo xtask mqtt`: the MQTT clients of tests/foreign/mqtt over a WebSocket, and `ws mqtt`, against
//! mosquitto.

mod ram;

use crate::report::{self, Table, Verdict};
use crate::shell::{self, Running};
use crate::{Result, mosquitto, venv};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// For the help text.
pub(crate) const OPTIONS: &str =
    "[--client NAME] [--over std|smoltcp] [--scenario NAME] [--count MESSAGES] [--ram] [--require]";

/// The clients' names, for who mistypes one.
const CLIENTS: [&str; 5] = [
    "rust-mqtt",
    "minimq-0.13",
    "mqttrust",
    "minimq-0.10",
    "mountain-mqtt",
];

/// The program `ws mqtt` among the clients.
const PROGRAM: &str = "ws";

/// `cargo xtask mqtt`.
pub(crate) fn run(args: &[String]) -> Result {
    if args.iter().any(|arg| arg == "--ram") {
        crate::only_flags(args, &["--ram", "--require"])?;
        return ram::run(args.iter().any(|arg| arg == "--require"));
    }
    let (passed_on, require) = options(args)?;
    let mosquitto = match mosquitto::ready() {
        Ok(mosquitto) => mosquitto,
        Err(why) => return report::skipped(&why, require),
    };
    let python = match venv::with(
        "mqtt",
        "tests/foreign/mqtt/requirements.txt",
        "paho.mqtt.client",
    )? {
        Ok(python) => python,
        Err(why) => return report::skipped(&why, require),
    };
    let tools = Tools {
        ws: shell::build_ws(false)?,
        mosquitto,
        python,
    };
    let program = build()?;
    scenarios(&program, &tools, &passed_on)?.finish(require)
}

/// What is for the program, and whether `--require` was given.
fn options(args: &[String]) -> Result<(Vec<String>, bool)> {
    let mut passed_on = Vec::new();
    let mut require = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--require" => require = true,
            "--client" | "--over" | "--scenario" | "--count" => {
                let value = args.next().ok_or(format!("{arg} needs a value"))?;
                if arg == "--client" && value != PROGRAM && !CLIENTS.contains(&value.as_str()) {
                    return Err(format!(
                        "no client `{value}`; there is {PROGRAM}, {}",
                        CLIENTS.join(", ")
                    ));
                }
                passed_on.extend([arg.clone(), value.clone()]);
            }
            _ => return Err(format!("no option `{arg}`; there is {OPTIONS}")),
        }
    }
    Ok((passed_on, require))
}

/// Builds the clients and the examples of docs/mqtt.md; the clients' program.
fn build() -> Result<PathBuf> {
    println!("building the clients of tests/foreign/mqtt");
    let mut build = shell::foreign("mqtt", &["build", "--locked", "--bins", "--examples"]);
    build.arg("--message-format=json-render-diagnostics");
    let out = shell::capture(build.stderr(Stdio::inherit()))?;
    let program = out.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let kind = message.get("target")?.get("kind")?.get(0)?.as_str()?;
        let program = message.get("executable")?.as_str()?;
        (kind == "bin").then(|| PathBuf::from(program))
    });
    program.ok_or_else(|| "cargo built no program".to_owned())
}

/// What the scenarios are run with.
struct Tools {
    ws: PathBuf,
    mosquitto: PathBuf,
    python: PathBuf,
}

/// Runs the program; each of its lines is a row.
fn scenarios(program: &Path, tools: &Tools, passed_on: &[String]) -> Result<Table> {
    let folder = shell::cache().join("mqtt");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut command = Command::new(program);
    command.arg("--program").arg(&tools.ws);
    command.arg("--mosquitto").arg(&tools.mosquitto);
    command.arg("--python").arg(&tools.python);
    command.arg("--folder").arg(&folder);
    command
        .args(passed_on)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let child = command.spawn();
    let child = child.map_err(|error| format!("{}: {error}", program.display()))?;
    let mut running = Running(child);
    let Some(lines) = running.0.stdout.take() else {
        return Err("the program has no output".to_owned());
    };
    let mut table = Table::new(["minimq-0.13 over smoltcp: publish"]);
    for line in BufReader::new(lines).lines() {
        let line = line.map_err(|error| format!("the program's output: {error}"))?;
        row(&mut table, &line)?;
    }
    let status = running.0.wait().map_err(|error| error.to_string())?;
    // A row that failed is in the table; anything else is worse.
    if status.code().is_none_or(|code| code > 1) {
        return Err(format!("the program ended with {status}"));
    }
    Ok(table)
}

fn row(table: &mut Table, line: &str) -> Result {
    let mut fields = line.splitn(4, '\t');
    let mut next = || fields.next().ok_or_else(|| format!("not a row: {line}"));
    let (name, took, word, note) = (next()?, next()?, next()?, next()?);
    let took: f64 = took.parse().map_err(|_| format!("not a row: {line}"))?;
    let verdict = match word {
        "pass" => Verdict::Pass,
        _ => Verdict::Fail(note.to_owned()),
    };
    let passed = verdict == Verdict::Pass;
    table.row(name, Duration::from_secs_f64(took), verdict);
    if passed && !note.is_empty() {
        println!("    {note}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_show_the_examples() {
        let docs = std::fs::read_to_string(shell::root().join("docs/mqtt.md")).unwrap();
        let folder = shell::root().join("tests/foreign/mqtt/examples");
        let mut examples = 0;
        for example in std::fs::read_dir(folder).unwrap() {
            let path = example.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                docs.contains(&format!("```rust\n{text}```")),
                "{}",
                path.display()
            );
            examples += 1;
        }
        assert_eq!(examples, CLIENTS.len());
    }

    #[test]
    fn a_line_is_a_row() {
        let mut table = Table::new(["row"]);
        assert_eq!(row(&mut table, "a over std: b\t1.50\tpass\t"), Ok(()));
        assert_eq!(row(&mut table, "a over std: c\t0.10\tFAIL\tlost"), Ok(()));
        assert!(row(&mut table, "thread panicked").is_err());
        assert!(table.finish(false).is_err());
    }
}
