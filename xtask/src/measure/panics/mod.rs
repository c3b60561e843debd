//! No panic is left in linked firmwares that make every call there is.
//!
//! With the probes' feature `no-panic` the panic handler calls a function that is nowhere. The linker
//! drops the handler, and with it the call, exactly where nothing that runs from the firmware's entry
//! on can panic; where something can, it reports the function as undefined. In the same run a probe
//! that does have a panic has to be reported, or the check would find nothing.

mod callers;

use crate::measure::size::probes::{PROBES, STACKS, TARGET, ensure_target};
use crate::report::{Table, Verdict, skipped};
use crate::{Result, only_flags, shell};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

const FEATURES: &[&str] = &["compact", "crates-hash"];
const LEVELS: &[&str] = &["s", "z", "3"];

/// What the panic handler calls.
const NOWHERE: &str = "a_panic_is_left";
/// The panic handler, in an image that has one.
const HANDLER: &str = "rust_begin_unwind";

/// The probe that must be reported.
const PANICKING: &str = "panicking";
/// Those that make every call; each has at least this many bytes more than the empty one, or the
/// compiler has left out what was to be looked into.
const EVERY: &[(&str, u64)] = &[
    ("every-client", 10_000),
    ("every-server", 10_000),
    ("every-shared", 20_000),
    ("every-core", 6_000),
    ("every-deflate", 6_000),
];
const EMPTY: &str = "empty";

/// Those of async calls. The compiler puts a panic into every `async fn`, for who polls it after its end: no
/// peer's bytes lead there. Of any other panic these have none.
const EVERY_ASYNC: &[(&str, u64)] = &[("every-async", 20_000), ("every-mqtt", 10_000)];
const NOT_OF_PEERS: &[&str] = &["core::panicking::panic_const::panic_const_async_fn_resumed"];
/// What all panics go through, to the handler.
const WAY: &str = "core::panicking::panic_fmt";

/// What became of a probe.
enum Probe {
    Linked(PathBuf),
    /// Something in it can panic.
    Panics,
    /// It does not build for another reason.
    Broken(String),
}

/// `cargo xtask panics`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--require"])?;
    let require = args.iter().any(|arg| arg == "--require");
    if !ensure_target()? {
        let what = format!("the target is missing; run: rustup target add {TARGET}");
        return skipped(&what, require);
    }
    println!("{TARGET}, fat LTO, one codegen unit, panic=abort\n");
    let ways = || {
        let features = FEATURES.iter();
        features.flat_map(|features| LEVELS.iter().map(move |level| (*features, *level)))
    };
    let names: Vec<String> = ways()
        .map(|(features, level)| format!("{features}, opt-level {level}"))
        .collect();
    let mut table = Table::new(names.iter().map(String::as_str));
    for ((features, level), name) in ways().zip(&names) {
        let started = Instant::now();
        let verdict = match check(features, level) {
            Ok(linked) => {
                println!("{linked}");
                Verdict::Pass
            }
            Err(why) => Verdict::Fail(why),
        };
        table.row(name, started.elapsed(), verdict);
    }
    table.finish(require)
}

/// Builds all probes one way. Which linked, or what is wrong.
fn check(features: &str, level: &str) -> Result<String> {
    let probes = build(features, level)?;
    let linked = |name: &str| match probes.get(name) {
        Some(Probe::Linked(path)) => Ok(path),
        _ => Err(format!("the probe `{name}` was not linked")),
    };
    let mut problems = Vec::new();
    for (name, probe) in &probes {
        match probe {
            Probe::Linked(_) if name == PANICKING => problems.push(format!(
                "`{name}` has a panic and was linked: the check finds nothing"
            )),
            Probe::Linked(path) => {
                if has_handler(path)? {
                    problems.push(format!("`{name}` was linked with a panic handler in it"));
                }
            }
            Probe::Panics if name == PANICKING => {}
            Probe::Panics => {
                let found = explain(name, features, level).unwrap_or_else(|error| error);
                problems.push(format!("`{name}` can panic:\n{found}"));
            }
            Probe::Broken(why) => problems.push(format!("`{name}` does not build: {why}")),
        }
    }
    if !probes.contains_key(PANICKING) {
        problems.push(format!("there is no probe `{PANICKING}`"));
    }
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let empty = code(linked(EMPTY)?)?;
    for (name, least) in EVERY {
        let own = code(linked(name)?)?.saturating_sub(empty);
        if own < *least {
            return Err(format!(
                "`{name}` has {own} bytes of code; with every call in it it has more than {least}"
            ));
        }
    }
    for (name, least) in EVERY_ASYNC {
        let others = others(name, features, level, empty + least)?;
        if !others.is_empty() {
            return Err(format!("`{name}` can panic:\n{}", others.join("\n")));
        }
    }
    let names = probes.keys().filter(|name| *name != PANICKING);
    let names = names.map(String::as_str);
    let names: Vec<&str> = names
        .chain(EVERY_ASYNC.iter().map(|(name, _)| *name))
        .collect();
    Ok(format!(
        "no panic: {}; `{PANICKING}` is reported",
        names.join(", ")
    ))
}

/// All probes, built one way.
fn build(features: &str, level: &str) -> Result<BTreeMap<String, Probe>> {
    let (mut command, _) = PROBES.command(&format!("{features},no-panic"), level, &[]);
    command.args(["--bins", "--keep-going", "--message-format=json"]);
    // That it fails is expected: of each probe by itself the messages tell.
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    let probes = read(&String::from_utf8_lossy(&output.stdout));
    if probes.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(probes)
}

/// What cargo's messages say of each program.
fn read(messages: &str) -> BTreeMap<String, Probe> {
    let mut probes = BTreeMap::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        let Some(name) = text("/target/name") else {
            continue;
        };
        let probe = match (text("/reason"), text("/executable"), text("/message/level")) {
            (Some("compiler-artifact"), Some(path), _) => Probe::Linked(path.into()),
            (Some("compiler-message"), _, Some("error")) => {
                let said = text("/message/rendered").unwrap_or_default();
                // Further errors of a probe only sum up.
                if matches!(probes.get(name), Some(Probe::Panics)) {
                    continue;
                }
                if said.contains(&format!("undefined symbol: {NOWHERE}")) {
                    Probe::Panics
                } else {
                    Probe::Broken(said.to_owned())
                }
            }
            _ => continue,
        };
        probes.insert(name.to_owned(), probe);
    }
    probes
}

/// Who can panic in a probe: it is linked once more, with the function defined.
fn explain(name: &str, features: &str, level: &str) -> Result<String> {
    let defined = format!("--defsym={NOWHERE}=0");
    let features = format!("{features},no-panic");
    let (mut command, built) = PROBES.command(&features, level, &[&defined, "--emit-relocs"]);
    shell::capture(command.args(["--bin", name]))?;
    callers::of(&built.join(name), HANDLER)
}

/// Who can panic in a probe of async calls, by what a peer may do.
fn others(name: &str, features: &str, level: &str, least: u64) -> Result<Vec<String>> {
    let defined = format!("--defsym={NOWHERE}=0");
    let features = format!("{features},no-panic");
    let (mut command, built) = STACKS.command(&features, level, &[&defined, "--emit-relocs"]);
    shell::capture(command.args(["--bin", name]))?;
    let file = built.join(name);
    if code(&file)? < least {
        return Err(format!("`{name}` has less code than all its calls"));
    }
    let through = callers::straight(&file, WAY)?;
    if through.is_empty() {
        return Err(format!(
            "`{name}` has no panic at all: the check finds nothing"
        ));
    }
    let handled = callers::straight(&file, HANDLER)?;
    let known = |caller: &String| caller != WAY && !NOT_OF_PEERS.contains(&caller.as_str());
    Ok(through.into_iter().chain(handled).filter(known).collect())
}

fn has_handler(file: &Path) -> Result<bool> {
    callers::has(file, HANDLER)
}

fn code(file: &Path) -> Result<u64> {
    callers::code(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(name: &str, text: &str) -> String {
        let message = json!({"level": "error", "rendered": text});
        json!({"reason": "compiler-message", "target": {"name": name}, "message": message})
            .to_string()
    }

    #[test]
    fn a_probe_is_what_the_linker_says_of_it() {
        let linked = json!({"reason": "compiler-artifact", "target": {"name": "good"},
            "executable": "/good"});
        let library = json!({"reason": "compiler-artifact", "target": {"name": "library"},
            "executable": null});
        let messages = [
            linked.to_string(),
            library.to_string(),
            error("bad", "rust-lld: error: undefined symbol: a_panic_is_left"),
            error("bad", "aborting due to 1 previous error"),
            error("worse", "undefined symbol: memcpy"),
            "no JSON".to_owned(),
        ];
        let probes = read(&messages.join("\n"));
        assert_eq!(probes.len(), 3);
        assert!(matches!(&probes["good"], Probe::Linked(path) if path == Path::new("/good")));
        assert!(matches!(probes["bad"], Probe::Panics));
        assert!(matches!(probes["worse"], Probe::Broken(_)));
    }
}
