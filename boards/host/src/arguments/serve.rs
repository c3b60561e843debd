//! The arguments of `ws serve`, checked as far as can be before a port is opened.

use super::{Command, UsageError};
use lexopt::{Arg, Parser, ValueExt};
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use ws_socket::Config;
use ws_socket::handshake::Response;

/// As many connections as there can be: the slots of the table, less some for handshakes.
pub(crate) const MAX_CONNECTIONS: usize = 16_000;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_millis(Config::DEFAULT.answer_timeout as u64);

pub(super) const HELP: &str = "\
A WebSocket server: every message comes back as it is, on any path and however
long it is. Ends in order at SIGINT or SIGTERM: each connection is closed with
1001. A second signal ends it at once.

Usage: ws serve ADDR:PORT [OPTIONS]

  ADDR:PORT               where to listen: 127.0.0.1:8080, [::1]:8080,
                          0.0.0.0:8080; port 0 has the system choose one, and
                          the first line that is printed says which

Options:
  --echo                  send every message back (it is what it does anyway)
  --subprotocol P         support a subprotocol; again for more. Of what a client
                          offers, the first that is supported is agreed on
  --max-connections N     at most so many at a time (default and limit 16000);
                          more are refused with 503
  --max-message BYTES     longer messages end their connection with 1009
                          (default: no limit; no memory depends on it)
  --handshake-timeout MS  how long a request may take to arrive (default 10000)
  --answer-timeout MS     how long a page or a file may take to be read, whatever
                          the speed, and how long a reader may stand still
                          (default 30000)
  --min-rate BYTES        a file may take longer than that if its reader takes so
                          many bytes a second on average (default 1024; 0: it has
                          only not to stand still)
  --idle-timeout MS       a peer that sends nothing for half of this gets a Ping,
                          one that sends nothing for all of it is closed with
                          1011 (default: never)
  --origin O              let scripts of this origin connect, http://localhost:8080
                          say, and of no other that is not given; again for more.
                          Others get 403; who is no browser has no origin
  --www DIR               answer ordinary requests with the files below DIR
  --demo                  show live readings of a pretended device on the page /;
                          other paths are as without
  --async                 by the async calls instead of the blocking ones, a task for
                          each connection: the same options, the same output
  --json                  print one JSON object a line
  -v                      say on standard error what happens
  -h, --help              this text

Nobody has to read the output: beyond 1 MiB that is not read, events of --json
are dropped, and an event \"dropped\" says how many; so are lines on standard
error. A standard output that cannot be written to ends the server in order, with
exit code 1; a standard error that cannot is ignored.

Exit code: 0 ended by a signal, 1 the port cannot be listened on or output
failed, 2 wrong arguments.
";

/// What `ws serve` was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServeOptions {
    pub(crate) address: String,
    pub(crate) subprotocols: Vec<String>,
    /// `None` for as many as there can be.
    pub(crate) max_connections: Option<usize>,
    pub(crate) max_message: usize,
    pub(crate) handshake_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    /// Bytes a second.
    pub(crate) min_rate: u32,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) origins: Vec<String>,
    pub(crate) www: Option<PathBuf>,
    pub(crate) demo: bool,
    pub(crate) asynch: bool,
    pub(crate) json: bool,
}

impl ServeOptions {
    fn new(address: String) -> Self {
        Self {
            address,
            subprotocols: Vec::new(),
            max_connections: None,
            max_message: usize::MAX,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
            min_rate: Config::DEFAULT.answer_rate,
            idle_timeout: None,
            origins: Vec::new(),
            www: None,
            demo: false,
            asynch: false,
            json: false,
        }
    }
}

pub(super) fn parse(parser: &mut Parser) -> Result<Command, UsageError> {
    parse_options(parser).map_err(|message| UsageError {
        message,
        help: "ws serve --help",
    })
}

fn parse_options(parser: &mut Parser) -> Result<Command, String> {
    let mut options = ServeOptions::new(String::new());
    let mut address = None;
    while let Some(argument) = parser.next().map_err(text)? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Print(HELP)),
            Arg::Short('v') => crate::logger::enable(),
            Arg::Long("echo") => {}
            Arg::Long("async") => options.asynch = true,
            Arg::Long("json") => options.json = true,
            Arg::Long("demo") => options.demo = true,
            Arg::Long("origin") => options.origins.push(value(parser)?),
            Arg::Long("www") => options.www = Some(parser.value().map_err(text)?.into()),
            Arg::Long("subprotocol") => options.subprotocols.push(value(parser)?),
            Arg::Long("max-connections") => {
                let most = 1..=MAX_CONNECTIONS;
                let number = number(parser, "--max-connections", "a number of connections, 500")?;
                if !most.contains(&number) {
                    return Err(format!(
                        "--max-connections {number}: 1 to {MAX_CONNECTIONS} are possible"
                    ));
                }
                options.max_connections = Some(number);
            }
            Arg::Long("max-message") => {
                options.max_message = number(parser, "--max-message", "a number of bytes, 65536")?;
            }
            Arg::Long("handshake-timeout") => {
                options.handshake_timeout = millis(parser, "--handshake-timeout")?;
            }
            Arg::Long("answer-timeout") => {
                options.answer_timeout = millis(parser, "--answer-timeout")?;
            }
            Arg::Long("min-rate") => {
                let value = value(parser)?;
                options.min_rate = value.parse().map_err(|_| {
                    format!("--min-rate {value:?} is not a number of bytes a second, 1024 say")
                })?;
            }
            Arg::Long("idle-timeout") => {
                options.idle_timeout = Some(millis(parser, "--idle-timeout")?);
            }
            Arg::Value(argument) if address.is_none() => {
                address = Some(argument.string().map_err(text)?);
            }
            other => return Err(text(other.unexpected())),
        }
    }
    options.address =
        address.ok_or("where to listen is missing: ws serve ADDR:PORT, 127.0.0.1:8080 say")?;
    check(&options)?;
    Ok(Command::Serve(options))
}

fn text(error: lexopt::Error) -> String {
    error.to_string()
}

fn value(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(ValueExt::string).map_err(text)
}

fn number<T: FromStr + PartialOrd + Default>(
    parser: &mut Parser,
    option: impl Display,
    what: &str,
) -> Result<T, String> {
    let value = value(parser)?;
    let number = value.parse().ok().filter(|number| *number > T::default());
    number.ok_or_else(|| format!("{option} {value:?} is not {what} say"))
}

fn millis(parser: &mut Parser, option: &str) -> Result<Duration, String> {
    let millis: u32 = number(parser, option, "a number of milliseconds, 5000")?;
    Ok(Duration::from_millis(millis.into()))
}

/// What can be wrong beside the form of each option.
fn check(options: &ServeOptions) -> Result<(), String> {
    let shown = options.address.escape_debug();
    let port = options.address.rsplit_once(':');
    if port.is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
        return Err(format!(
            "'{shown}' is no ADDR:PORT; 127.0.0.1:8080 is one, [::1]:8080 too, 0.0.0.0:8080 is \
             every address of this machine"
        ));
    }
    for subprotocol in &options.subprotocols {
        Response::Upgrade {
            subprotocol: Some(subprotocol),
            headers: &[],
        }
        .validate()
        .map_err(|error| format!("--subprotocol {subprotocol:?}: {error}"))?;
    }
    // The library compares with no more; the demo has one of its own.
    if options.subprotocols.len() + usize::from(options.demo) > 16 {
        return Err("--subprotocol: at most 16 can be supported, 15 with --demo".to_owned());
    }
    for origin in &options.origins {
        let host = origin.split_once("://").map(|(_, host)| host);
        if origin != "null" && host.is_none_or(|host| host.is_empty() || host.contains('/')) {
            return Err(format!(
                "--origin {origin:?} is no origin; http://localhost:8080 is one, without a path"
            ));
        }
    }
    if options.origins.len() > 16 {
        return Err("--origin: at most 16 can be compared with".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<ServeOptions, String> {
        let arguments = ["serve"].iter().chain(arguments);
        match super::super::parse(arguments) {
            Ok(Command::Serve(options)) => Ok(options),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.message),
        }
    }

    const ADDRESS: &str = "127.0.0.1:8080";

    #[test]
    fn an_address_alone_has_the_defaults() {
        for address in [ADDRESS, "[::1]:0", "localhost:80"] {
            let expected = ServeOptions::new(address.to_owned());
            assert_eq!(options(&[address]), Ok(expected.clone()));
            assert_eq!(options(&[address, "--echo"]), Ok(expected));
        }
    }

    #[test]
    fn every_option() {
        let found = options(&[
            "--subprotocol",
            "mqtt",
            "--max-connections=7",
            ADDRESS,
            "--max-message",
            "1000",
            "--handshake-timeout",
            "700",
            "--idle-timeout",
            "800",
            "--answer-timeout",
            "900",
            "--min-rate=0",
            "--async",
            "--json",
            "--origin",
            "https://o:1",
            "--www",
            "folder",
            "--demo",
            "--subprotocol",
            "v2",
        ]);
        assert_eq!(
            found,
            Ok(ServeOptions {
                subprotocols: vec!["mqtt".to_owned(), "v2".to_owned()],
                max_connections: Some(7),
                max_message: 1000,
                handshake_timeout: Duration::from_millis(700),
                idle_timeout: Some(Duration::from_millis(800)),
                answer_timeout: Duration::from_millis(900),
                min_rate: 0,
                origins: vec!["https://o:1".to_owned()],
                www: Some("folder".into()),
                demo: true,
                asynch: true,
                json: true,
                ..ServeOptions::new(ADDRESS.to_owned())
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, named) in [
            (&[][..], "ADDR:PORT"),
            (&["8080"], "8080"),
            (&[":8080"], ":8080"),
            (&["host"], "ADDR:PORT"),
            (&["host:65536"], "65536"),
            (&["host:"], "ADDR:PORT"),
            (&[ADDRESS, ADDRESS], ADDRESS),
            (&[ADDRESS, "--frobnicate"], "--frobnicate"),
            (&[ADDRESS, "--max-connections", "0"], "--max-connections"),
            (&[ADDRESS, "--max-connections", "16001"], "16000"),
            (&[ADDRESS, "--max-message", "-1"], "--max-message"),
            (&[ADDRESS, "--max-message", "much"], "much"),
            (
                &[ADDRESS, "--handshake-timeout", "0"],
                "--handshake-timeout",
            ),
            (&[ADDRESS, "--idle-timeout", "soon"], "soon"),
            (&[ADDRESS, "--answer-timeout", "0"], "--answer-timeout"),
            (&[ADDRESS, "--min-rate", "-1"], "--min-rate"),
            (&[ADDRESS, "--min-rate", "slow"], "slow"),
            (&[ADDRESS, "--idle-timeout"], "--idle-timeout"),
            (&[ADDRESS, "--subprotocol", "a b"], "--subprotocol"),
            (&[ADDRESS, "--subprotocol", ""], "--subprotocol"),
            (&[ADDRESS, "--origin", "localhost"], "--origin"),
            (&[ADDRESS, "--origin", "http://o/path"], "--origin"),
            (&[ADDRESS, "--www"], "--www"),
        ] {
            let message = options(arguments).unwrap_err();
            assert!(message.contains(named), "{arguments:?}: {message}");
        }
    }
}
