//! `cargo xtask tls`: WebSockets over TLS, the tests of tests/foreign/tls.

use crate::measure::elf;
use crate::measure::size::probes::{TARGET, TLS, ensure_target};
use crate::{Result, mosquitto, only_flags, report, shell};
use std::process::Command;

/// For the help text.
pub(crate) const OPTIONS: &str = "[--cost] [--require]";

/// The symbols of the probe `sizes`.
const SIZES: &[(&str, &str)] = &[
    ("tls", "a connection, blocking"),
    ("stream", "a connection, async, with its `Place`"),
    ("memory", "`Memory`, as long as it gets"),
];

/// `cargo xtask tls`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--cost", "--require"])?;
    let require = args.iter().any(|arg| arg == "--require");
    if args.iter().any(|arg| arg == "--cost") {
        return cost(require);
    }
    let broker = mosquitto::ready();
    let mut test = shell::foreign("tls", &["test", "--locked"]);
    if let Ok(mosquitto) = &broker {
        test.args(["--", "--include-ignored"]);
        test.env("MOSQUITTO", mosquitto);
    }
    passes(&mut test)?;
    match broker {
        Ok(_) => Ok(()),
        Err(why) => report::skipped(&format!("against mosquitto and Python: {why}"), require),
    }
}

/// Prints what TLS takes of a Cortex-M4.
fn cost(require: bool) -> Result {
    if !ensure_target()? {
        let what = format!("the target is missing; run: rustup target add {TARGET}");
        return report::skipped(&what, require);
    }
    println!("{TARGET}, fat LTO\n\n| flash | bytes |\n| --- | --: |");
    for level in ["s", "z"] {
        let (mut build, built) = TLS.command("compact", level, &[]);
        shell::capture(&mut build)?;
        let flash = |name: &str| elf::flash(&built.join(name)).map(|flash| flash.total);
        let (with, without) = (flash("wss")?, flash("websocket")?);
        println!("| the example, `opt-level` {level} | {with} |");
        println!("| of that without TLS | {without} |");
        if level == "z" {
            println!("\n| RAM | bytes |\n| --- | --: |");
            for (name, what) in SIZES {
                let sizes = elf::sizes(&built.join("sizes"))?;
                let bytes = sizes.get(*name);
                let bytes = bytes.ok_or_else(|| format!("there is no symbol `{name}`"))?;
                println!("| {what} | {bytes} |");
            }
        }
    }
    Ok(())
}

/// Shows what a command says.
fn passes(command: &mut Command) -> Result {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!(
            "the tests of tests/foreign/tls ended with {status}"
        )),
        Err(error) => Err(format!("cargo does not start: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each piece of code in docs/tls.md stands in the example, which the tests run.
    #[test]
    fn docs_show_the_example() {
        let file = |path: &str| std::fs::read_to_string(shell::root().join(path)).unwrap();
        let (docs, example) = (file("docs/tls.md"), file("docs/example/wss.rs"));
        let pieces: Vec<&str> = docs.split("```rust\n").skip(1).collect();
        assert!(!pieces.is_empty());
        for piece in pieces {
            let code = piece.split("```").next().unwrap();
            assert!(
                example.contains(code),
                "not in docs/example/wss.rs:\n{code}"
            );
        }
    }
}
