//! The program without any server.
// clippy.toml lifts these only inside of test functions, not in what they share.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::{Duration, Instant};

fn ws(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ws"))
        .args(arguments)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), stdout)
}

#[test]
fn alone_it_is_the_demo() {
    let began = Instant::now();
    let (exit, printed) = ws(&[]);
    assert_eq!(exit, Some(0), "{printed}");
    assert!(printed.contains("verified at both ends"), "{printed}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn help_and_version_are_on_standard_output() {
    let (exit, help) = ws(&["--help"]);
    assert_eq!(exit, Some(0));
    assert!(help.contains("connect URL"), "{help}");
    let (exit, help) = ws(&["help", "connect"]);
    assert_eq!(exit, Some(0));
    for option in [
        "--subprotocol",
        "--header",
        "--origin",
        "--ping",
        "--timeout",
        "--binary",
        "--echo",
        "--json",
        "-v",
    ] {
        assert!(help.contains(option), "{option}");
    }
    let (exit, version) = ws(&["--version"]);
    assert_eq!(exit, Some(0));
    assert_eq!(version, format!("ws {}\n", env!("CARGO_PKG_VERSION")));
}
