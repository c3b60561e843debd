//! `cargo xtask tls`: WebSockets over TLS, the tests of tests/tls.

use crate::mqtt::mosquitto;
use crate::{Result, only_flags, report, shell};
use std::process::Command;

/// For the help text.
pub(crate) const OPTIONS: &str = "[--require]";

/// A workspace of its own.
const MANIFEST: &str = "tests/tls/Cargo.toml";

/// `cargo xtask tls`.
pub(crate) fn run(args: &[String]) -> Result {
    only_flags(args, &["--require"])?;
    let require = args.iter().any(|arg| arg == "--require");
    let broker = mosquitto::ready();
    let mut test = shell::cargo(&["test", "--locked", "--manifest-path", MANIFEST]);
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

/// Shows what a command says.
fn passes(command: &mut Command) -> Result {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the tests of {MANIFEST} ended with {status}")),
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
            assert!(example.contains(code), "not in docs/example/wss.rs:\n{code}");
        }
    }
}
