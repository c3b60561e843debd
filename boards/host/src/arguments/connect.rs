//! The arguments of `ws connect`, checked as far as can be before anything is connected.

use super::{Command, UsageError};
use crate::tls::TlsOptions;
use lexopt::{Arg, Parser, ValueExt};
use std::time::Duration;
use ws_socket::handshake::{Request, RequestError};
use ws_socket::url::Url;

/// Without `--timeout`.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) const HELP: &str = "\
A WebSocket client: each line of standard input goes out as a text message, what
arrives is printed. The end of input closes with 1000 and waits for the peer's
Close. SIGINT or SIGTERM closes with 1001; a second one ends it at once.

Usage: ws connect URL [OPTIONS]

  URL                  ws://HOST[:PORT][/PATH][?QUERY], wss:// for TLS

Options:
  --subprotocol P      offer a subprotocol; again for more, the preferred first
  --header 'K: V'      send a header; again for more
  --origin O           send an Origin header, as a browser does
  --ping SECONDS       send a Ping every so often (fractions are fine); a peer
                       that is silent for --timeout after one is given up
  --timeout MS         for connecting, for the peer's Close, for a sign of life
                       after a Ping (default 10000)
  --binary             send the lines as binary messages
  --echo               send every message back as it comes, however long it is,
                       and read no standard input; ends when the peer closes
  --async              by the async calls instead of the blocking ones: the same
                       options, the same output
  --json               print one JSON object a line, binary data in base64
  -v                   say on standard error what happens
  -h, --help           this text

For wss:// (the server's certificate is verified by the system's authorities):
  --cacert FILE        by these instead: certificates, PEM or DER
  --pin HASH           and its key's SHA-256 has to be this (64 hex digits); again
                       for more, of which one does
  --cert FILE          the client's certificate, PEM
  --key FILE           its key, PEM
  --insecure           verify nothing: everybody on the way can read and change
                       everything

A host's addresses are dialed side by side, each 250 ms after the one before or as
soon as one fails. The first that connects is used, the others are closed.

Without --json, messages are printed on standard output: text as a line, binary
as it is (on a terminal: as a line of base64). All else goes to standard error.
A terminal gets control characters escaped, pipes and files get all as it is.
Messages of more than 64 MiB are refused with 1009, except by --echo. A line of
more than 256 KiB goes out as fragments of one message.

No message is dropped: while standard output is not read, nothing is received,
and the peer has to wait; --ping and signals go on. After a signal, what standard
output does not take is lost and counted (exit code 1). Lines on standard error
are dropped and counted beyond 1 MiB that is not read.

Exit code: 0 closed in order, 1 input or output failed, 2 wrong arguments,
3 not connected, refused or lost, 4 the peer broke the protocol, 5 timeout.
";

/// What `ws connect` was asked for.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // as on the command line
pub(crate) struct ConnectOptions {
    pub(crate) url: String,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) origin: Option<String>,
    pub(crate) ping: Option<Duration>,
    pub(crate) timeout: Duration,
    pub(crate) binary: bool,
    pub(crate) echo: bool,
    pub(crate) asynch: bool,
    pub(crate) json: bool,
    pub(crate) tls: TlsOptions,
}

impl ConnectOptions {
    fn new(url: String) -> Self {
        Self {
            url,
            subprotocols: Vec::new(),
            headers: Vec::new(),
            origin: None,
            ping: None,
            timeout: TIMEOUT,
            binary: false,
            echo: false,
            asynch: false,
            json: false,
            tls: TlsOptions::default(),
        }
    }

    /// Calls `work` with the handshake's request.
    pub(crate) fn with_request<R>(&self, url: &Url<'_>, work: impl FnOnce(Request<'_>) -> R) -> R {
        let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let headers = self.headers.iter();
        let headers: Vec<(&str, &str)> = headers.map(|(k, v)| (k.as_str(), v.as_str())).collect();
        work(Request {
            origin: self.origin.as_deref(),
            subprotocols: &subprotocols,
            headers: Some(&headers.as_slice()),
            ..Request::new(url.host_header(), url.target)
        })
    }
}

pub(super) fn parse(parser: &mut Parser) -> Result<Command, UsageError> {
    parse_options(parser).map_err(|message| UsageError {
        message,
        help: "ws connect --help",
    })
}

fn parse_options(parser: &mut Parser) -> Result<Command, String> {
    let mut options = ConnectOptions::new(String::new());
    let mut url = None;
    while let Some(argument) = parser.next().map_err(text)? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Print(HELP)),
            Arg::Short('v') => crate::logger::enable(),
            Arg::Long("binary") => options.binary = true,
            Arg::Long("echo") => options.echo = true,
            Arg::Long("async") => options.asynch = true,
            Arg::Long("json") => options.json = true,
            Arg::Long("subprotocol") => options.subprotocols.push(value(parser)?),
            Arg::Long("origin") => options.origin = Some(value(parser)?),
            Arg::Long("header") => options.headers.push(header(&value(parser)?)?),
            Arg::Long("ping") => options.ping = Some(seconds(&value(parser)?)?),
            Arg::Long("timeout") => options.timeout = millis(&value(parser)?)?,
            Arg::Long(option) if TlsOptions::has(option) => {
                let option = option.to_owned();
                options.tls.take(&option, || value(parser))?;
            }
            Arg::Value(argument) if url.is_none() => url = Some(argument.string().map_err(text)?),
            other => return Err(text(other.unexpected())),
        }
    }
    options.url = url.ok_or("a URL is missing: ws connect ws://HOST[:PORT][/PATH]")?;
    check(&options)?;
    Ok(Command::Connect(options))
}

pub(super) fn text(error: lexopt::Error) -> String {
    error.to_string()
}

pub(super) fn value(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(ValueExt::string).map_err(text)
}

fn header(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| {
        format!("--header {line:?} has no colon; write it as --header 'Name: value'")
    })?;
    let value = value.trim_matches([' ', '\t']);
    Ok((name.to_owned(), value.to_owned()))
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = value.parse().ok();
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration
        .filter(|it| *it >= Duration::from_millis(1))
        .ok_or_else(|| format!("--ping {value:?} is no number of seconds; 30 is one, 0.5 too"))
}

pub(super) fn millis(value: &str) -> Result<Duration, String> {
    let millis = value.parse().ok().filter(|millis| *millis > 0);
    let millis: u32 = millis
        .ok_or_else(|| format!("--timeout {value:?} is no number of milliseconds; 5000 is one"))?;
    Ok(Duration::from_millis(millis.into()))
}

/// A URL that this program can connect to.
pub(super) fn websocket_url(text: &str) -> Result<Url<'_>, String> {
    let shown = text.escape_debug();
    let url =
        Url::parse(text).map_err(|error| format!("'{shown}' is no WebSocket URL: {error}"))?;
    Ok(url)
}

/// What can be wrong beside the form of each option.
fn check(options: &ConnectOptions) -> Result<(), String> {
    let url = websocket_url(&options.url)?;
    options.tls.check(&url)?;
    if options.echo && options.binary {
        return Err(
            "--binary is for the lines of standard input, which --echo does not read".into(),
        );
    }
    options
        .with_request(&url, |request| request.validate())
        .map_err(|error| {
            let option = match error {
                RequestError::Host | RequestError::Target => "the URL",
                RequestError::Origin => "--origin",
                RequestError::Subprotocol
                | RequestError::RepeatedSubprotocol
                | RequestError::TooManySubprotocols => "--subprotocol",
                RequestError::HeaderName
                | RequestError::HeaderValue
                | RequestError::OwnedHeader => "--header",
            };
            format!("{option}: {error}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<ConnectOptions, String> {
        let arguments = ["connect"].iter().chain(arguments);
        match super::super::parse(arguments) {
            Ok(Command::Connect(options)) => Ok(options),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.message),
        }
    }

    const URL: &str = "ws://host:81/path?query";

    #[test]
    fn a_url_alone_has_the_defaults() {
        assert_eq!(options(&[URL]), Ok(ConnectOptions::new(URL.to_owned())));
    }

    #[test]
    fn every_option() {
        let found = options(&[
            "--subprotocol",
            "mqtt",
            "--header",
            "X-A:  b: c ",
            "--origin",
            "http://o",
            "--ping",
            "0.5",
            URL,
            "--timeout=700",
            "--binary",
            "--json",
            "--subprotocol",
            "v2",
            "--header",
            "X-B:",
        ]);
        let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            found,
            Ok(ConnectOptions {
                subprotocols: vec!["mqtt".to_owned(), "v2".to_owned()],
                headers: vec![both("X-A", "b: c"), both("X-B", "")],
                origin: Some("http://o".to_owned()),
                ping: Some(Duration::from_millis(500)),
                timeout: Duration::from_millis(700),
                binary: true,
                json: true,
                ..ConnectOptions::new(URL.to_owned())
            })
        );
        assert!(options(&[URL, "--echo"]).unwrap().echo);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, named) in [
            (&[][..], "URL"),
            (&["http://host/"], "http://host/"),
            (&[URL, "--insecure"], "wss"),
            (&["wss://host/", "--cert", "file"], "--key"),
            (&["wss://host/", "--pin", "abc"], "abc"),
            (
                &["wss://host/", "--insecure", "--cacert", "file"],
                "--insecure",
            ),
            (&["ws://"], "no host"),
            (&["ws://host:65536/"], "port"),
            (&["ws://host/\r\nX: y"], "\\r\\n"),
            (&[URL, URL], URL),
            (&[URL, "--frobnicate"], "--frobnicate"),
            (&[URL, "--binary=yes"], "--binary"),
            (&[URL, "--binary", "--echo"], "--echo"),
            (&[URL, "--ping"], "--ping"),
            (&[URL, "--ping", "often"], "often"),
            (&[URL, "--ping", "0"], "--ping"),
            (&[URL, "--ping", "-1"], "--ping"),
            (&[URL, "--ping", "NaN"], "--ping"),
            (&[URL, "--timeout", "soon"], "soon"),
            (&[URL, "--timeout", "0"], "--timeout"),
            (&[URL, "--header", "no colon"], "colon"),
            (&[URL, "--header", "X-A: b\r\nX-B: c"], "--header"),
            (&[URL, "--header", "Upgrade: h2c"], "--header"),
            (&[URL, "--subprotocol", "a b"], "--subprotocol"),
            (
                &[URL, "--subprotocol", "a", "--subprotocol", "a"],
                "--subprotocol",
            ),
            (&[URL, "--origin", ""], "--origin"),
        ] {
            let message = options(arguments).unwrap_err();
            assert!(message.contains(named), "{arguments:?}: {message}");
        }
    }
}
