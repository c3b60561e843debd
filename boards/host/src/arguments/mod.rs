//! The command line.

mod connect;
mod mqtt;
mod serve;

pub(crate) use connect::ConnectOptions;
pub(crate) use mqtt::{Message, MqttOptions, PubOptions, SubOptions, Task};
pub(crate) use serve::{MAX_CONNECTIONS, ServeOptions};

use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    /// `ws`, `ws demo`.
    Demo,
    /// `ws connect`.
    Connect(ConnectOptions),
    /// `ws mqtt`.
    Mqtt(MqttOptions),
    /// `ws serve`.
    Serve(ServeOptions),
    /// Print this.
    Print(&'static str),
}

/// What is wrong with the arguments, and which help has the right ones.
#[derive(Debug, PartialEq)]
pub(crate) struct UsageError {
    pub(crate) message: String,
    /// The arguments that print the help.
    pub(crate) help: &'static str,
}

const HELP: &str = "\
WebSockets from the table that microcontrollers use, on this machine.

Usage: ws [COMMAND]

Commands:
  demo           a client and a server over smoltcp in this process, without any
                 network; the default
  connect URL    a WebSocket client on standard input and output
  mqtt sub|pub URL TOPIC
                 an MQTT client over a WebSocket
  serve ADDR:PORT
                 a WebSocket server
  help [COMMAND] this text, or a command's own

Options:
  -h, --help     this text
  -V, --version  the version
";

const DEMO_HELP: &str = "\
A client and a server, each a table over a smoltcp stack of its own, joined by a
wire in memory. Every step is printed and verified; no network is needed.

Usage: ws demo [-v]

Exit code: 0 all was verified, 1 something differed, 2 wrong arguments.
";

const VERSION: &str = concat!("ws ", env!("CARGO_PKG_VERSION"), "\n");

/// Takes the arguments apart, the program's name not among them.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<Command, UsageError> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let mut parser = Parser::from_args(arguments);
    let usage = |message: String| UsageError {
        message,
        help: "ws help",
    };
    let first = parser.next().map_err(|error| usage(error.to_string()))?;
    let command = match first {
        None => return Ok(Command::Demo),
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Command::Print(HELP)),
        Some(Arg::Long("version") | Arg::Short('V')) => return Ok(Command::Print(VERSION)),
        Some(Arg::Short('v')) => {
            crate::logger::enable();
            return demo(&mut parser);
        }
        Some(Arg::Value(command)) => command,
        Some(other) => return Err(usage(other.unexpected().to_string())),
    };
    match command.to_str() {
        Some("demo") => demo(&mut parser),
        Some("connect") => connect::parse(&mut parser),
        Some("mqtt") => mqtt::parse(&mut parser),
        Some("serve") => serve::parse(&mut parser),
        Some("help") => help(&mut parser),
        _ => {
            let command = command.to_string_lossy();
            let hint = if command.contains("://") {
                format!("; to connect to it: ws connect {command}")
            } else {
                String::new()
            };
            Err(usage(format!("no command '{command}'{hint}")))
        }
    }
}

fn demo(parser: &mut Parser) -> Result<Command, UsageError> {
    let usage = |error: lexopt::Error| UsageError {
        message: error.to_string(),
        help: "ws demo --help",
    };
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Print(DEMO_HELP)),
            Arg::Short('v') => crate::logger::enable(),
            other => return Err(usage(other.unexpected())),
        }
    }
    Ok(Command::Demo)
}

fn help(parser: &mut Parser) -> Result<Command, UsageError> {
    let topic = match parser.next() {
        Ok(Some(Arg::Value(topic))) => topic.string().unwrap_or_default(),
        _ => String::new(),
    };
    Ok(Command::Print(match topic.as_str() {
        "demo" => DEMO_HELP,
        "connect" => connect::HELP,
        "mqtt" => mqtt::HELP,
        "serve" => serve::HELP,
        _ => HELP,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_arguments_are_the_demo() {
        assert_eq!(parse([""; 0]), Ok(Command::Demo));
        assert_eq!(parse(["demo"]), Ok(Command::Demo));
    }

    #[test]
    fn help_and_version() {
        for arguments in [&["--help"][..], &["-h"], &["help"], &["help", "other"]] {
            assert_eq!(parse(arguments), Ok(Command::Print(HELP)));
        }
        for arguments in [&["help", "connect"][..], &["connect", "--help"]] {
            assert_eq!(parse(arguments), Ok(Command::Print(connect::HELP)));
        }
        for arguments in [&["help", "serve"][..], &["serve", "--help"]] {
            assert_eq!(parse(arguments), Ok(Command::Print(serve::HELP)));
        }
        for arguments in [
            &["help", "mqtt"][..],
            &["mqtt", "--help"],
            &["mqtt", "sub", "-h"],
        ] {
            assert_eq!(parse(arguments), Ok(Command::Print(mqtt::HELP)));
        }
        for arguments in [&["help", "demo"][..], &["demo", "-h"]] {
            assert_eq!(parse(arguments), Ok(Command::Print(DEMO_HELP)));
        }
        assert_eq!(parse(["--version"]), Ok(Command::Print(VERSION)));
    }

    #[test]
    fn what_is_unknown_is_named() {
        let message = |arguments: &[&str]| parse(arguments).unwrap_err().message;
        assert!(message(&["frobnicate"]).contains("frobnicate"));
        assert!(message(&["--frobnicate"]).contains("--frobnicate"));
        assert!(message(&["demo", "more"]).contains("more"));
        assert!(message(&["ws://host/"]).contains("ws connect ws://host/"));
    }
}
