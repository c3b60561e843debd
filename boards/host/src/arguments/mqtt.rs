//! The arguments of `ws mqtt`, named as those of `mosquitto_sub` and `mosquitto_pub` where they do
//! the same.

use super::connect::{TIMEOUT, millis, text, value, websocket_url};
use super::{Command, UsageError};
use crate::tls::TlsOptions;
use lexopt::{Arg, Parser, ValueExt};
use rust_mqtt::types::{MqttBinary, MqttString, TopicFilter, TopicName};
use std::num::NonZero;
use std::time::Duration;

/// Without `--keepalive`.
const KEEP_ALIVE: NonZero<u16> = NonZero::new(60).unwrap();

pub(super) const HELP: &str = "\
An MQTT 5 client over a WebSocket, in the manner of mosquitto_sub and
mosquitto_pub.

Usage: ws mqtt sub URL TOPIC... [OPTIONS]
       ws mqtt pub URL TOPIC [MESSAGE|-] [OPTIONS]

  URL                  ws://HOST[:PORT][/PATH][?QUERY]; without a path: /mqtt;
                       wss:// for TLS
  TOPIC                sub: a filter, with + and # as it likes; again for more
  MESSAGE              what to publish; - or nothing: all of standard input. One
                       that begins with a dash goes behind --

sub prints each message's payload and a line feed; pub ends when its messages
have left, or with --qos 1 and 2 when the broker has confirmed them. SIGINT or
SIGTERM ends the session with a DISCONNECT; a second one ends it at once.

No message is dropped: while standard output is not read, sub receives nothing,
and the broker has to wait; pings and signals go on. After a signal, what
standard output does not take is lost and counted (exit code 1). A terminal gets
control characters escaped, pipes and files get all as it is. Lines on standard
error are dropped and counted beyond 1 MiB that is not read.

  -q, --qos 0|1|2      the quality of service: pub's of the message, sub's the
                       highest to be sent (default 0)
  -u, --user NAME      the user name
  -P, --password TEXT  the password
  -i, --id ID          the client's id (default: the broker makes one up)
  -k, --keepalive S    ping the broker twice in so many seconds; one that is
                       silent for one and a half times as long is lost (default
                       60). The broker may ask for another time, or 0 for none
      --timeout MS     for connecting, and for each answer of the broker
                       (default 10000)
      --json           errors as a line of JSON on standard output; sub: messages
                       too, with topic, qos, retain, and payload or, where that
                       is not UTF-8, payload_base64
  -d                   say on standard error what happens
  -h, --help           this text

For wss:// (the server is verified by the system's authorities):
      --cacert FILE    by these instead: certificates, PEM or DER
      --pin HASH       and its key's SHA-256 has to be this (64 hex digits);
                       again for more, of which one does
      --cert FILE      the client's certificate, PEM
      --key FILE       its key, PEM
      --insecure       verify nothing: everybody on the way can read and change
                       everything

Only sub:
  -C, --count N        end after so many messages
  -W SECONDS           end so long after the broker let it in, with exit code 27
                       (fractions are fine)
  -v, --verbose        each message's topic and a space before its payload

Only pub:
  -r, --retain         have the broker keep the message; an empty one has it
                       forget
  -l, --lines          each line of standard input is a message, up to 16 MiB

Exit code: 0 done, 1 input or output failed, 2 wrong arguments, 3 not connected
or lost, 4 the broker broke the protocol, 5 timeout, 6 refused by the broker: the
session (user, password, id), a subscription or a message, 27 -W is over. After a
signal: 0, or 1 where a message was not out or not confirmed.
";

/// What `ws mqtt` was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MqttOptions {
    pub(crate) url: String,
    pub(crate) qos: u8,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) timeout: Duration,
    /// In seconds.
    pub(crate) keep_alive: NonZero<u16>,
    pub(crate) json: bool,
    pub(crate) tls: TlsOptions,
    pub(crate) task: Task,
}

/// What to do with the broker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Task {
    /// `ws mqtt sub`.
    Sub(SubOptions),
    /// `ws mqtt pub`.
    Pub(PubOptions),
}

/// What only `ws mqtt sub` has.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SubOptions {
    pub(crate) topics: Vec<String>,
    pub(crate) count: Option<u64>,
    pub(crate) wait: Option<Duration>,
    pub(crate) verbose: bool,
}

/// What only `ws mqtt pub` has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PubOptions {
    pub(crate) topic: String,
    pub(crate) message: Message,
    pub(crate) retain: bool,
}

/// Where the messages to publish are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// On the command line.
    Given(Vec<u8>),
    /// Standard input is one.
    Input,
    /// Each line of standard input is one.
    Lines,
}

pub(super) fn parse(parser: &mut Parser) -> Result<Command, UsageError> {
    parse_options(parser).map_err(|message| UsageError {
        message,
        help: "ws mqtt --help",
    })
}

/// The arguments that are no options.
#[derive(Default)]
struct Words {
    url: Option<String>,
    topics: Vec<String>,
    message: Option<Vec<u8>>,
}

fn parse_options(parser: &mut Parser) -> Result<Command, String> {
    let publishes = match parser.next().map_err(text)? {
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Command::Print(HELP)),
        Some(Arg::Value(what)) if what == "sub" => false,
        Some(Arg::Value(what)) if what == "pub" => true,
        Some(Arg::Value(what)) => {
            let what = what.to_string_lossy();
            return Err(format!("no command 'mqtt {what}'; there is sub and pub"));
        }
        Some(other) => return Err(text(other.unexpected())),
        None => return Err("sub or pub is missing: ws mqtt sub URL TOPIC".to_owned()),
    };
    let mut words = Words::default();
    let mut sub = SubOptions::default();
    let (mut retain, mut lines) = (false, false);
    let mut options = MqttOptions {
        url: String::new(),
        qos: 0,
        user: None,
        password: None,
        id: None,
        timeout: TIMEOUT,
        keep_alive: KEEP_ALIVE,
        json: false,
        tls: TlsOptions::default(),
        task: Task::Sub(SubOptions::default()),
    };
    while let Some(argument) = parser.next().map_err(text)? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Print(HELP)),
            Arg::Short('d') => crate::logger::enable(),
            Arg::Long("qos") | Arg::Short('q') => options.qos = qos(&value(parser)?)?,
            Arg::Long("user") | Arg::Short('u') => options.user = Some(value(parser)?),
            Arg::Long("password") | Arg::Short('P') => options.password = Some(value(parser)?),
            Arg::Long("id") | Arg::Short('i') => options.id = Some(value(parser)?),
            Arg::Long("timeout") => options.timeout = millis(&value(parser)?)?,
            Arg::Long("keepalive") | Arg::Short('k') => {
                options.keep_alive = keep_alive(&value(parser)?)?;
            }
            Arg::Long("json") => options.json = true,
            Arg::Long("count") | Arg::Short('C') if !publishes => {
                sub.count = Some(count(&value(parser)?)?);
            }
            Arg::Short('W') if !publishes => sub.wait = Some(seconds(&value(parser)?)?),
            Arg::Long("verbose") | Arg::Short('v') if !publishes => sub.verbose = true,
            Arg::Long("retain") | Arg::Short('r') if publishes => retain = true,
            Arg::Long("lines") | Arg::Short('l') if publishes => lines = true,
            Arg::Long(option) if TlsOptions::has(option) => {
                let option = option.to_owned();
                options.tls.take(&option, || value(parser))?;
            }
            Arg::Value(word) => {
                if words.url.is_none() {
                    words.url = Some(word.string().map_err(text)?);
                } else if words.topics.is_empty() || !publishes {
                    words.topics.push(word.string().map_err(text)?);
                } else if words.message.is_none() {
                    words.message = Some(word.string().map_err(text)?.into_bytes());
                } else {
                    return Err(text(Arg::Value(word).unexpected()));
                }
            }
            other => return Err(text(other.unexpected())),
        }
    }
    let who = if publishes { "pub" } else { "sub" };
    let missing = |what| format!("a {what} is missing: ws mqtt {who} ws://HOST[:PORT] TOPIC");
    options.url = words.url.ok_or_else(|| missing("URL"))?;
    if words.topics.is_empty() {
        return Err(missing("topic"));
    }
    options.task = if publishes {
        Task::Pub(PubOptions {
            topic: words.topics.concat(),
            message: message(words.message, lines)?,
            retain,
        })
    } else {
        sub.topics = words.topics;
        Task::Sub(sub)
    };
    check(&options)?;
    Ok(Command::Mqtt(options))
}

fn message(word: Option<Vec<u8>>, lines: bool) -> Result<Message, String> {
    match word {
        Some(word) if word != b"-" && lines => {
            Err("--lines reads standard input; there is a message besides".to_owned())
        }
        _ if lines => Ok(Message::Lines),
        Some(word) if word != b"-" => Ok(Message::Given(word)),
        _ => Ok(Message::Input),
    }
}

fn qos(value: &str) -> Result<u8, String> {
    let qos = value.parse().ok().filter(|qos| *qos <= 2);
    qos.ok_or_else(|| format!("--qos {value:?} is none; there is 0, 1 and 2"))
}

fn keep_alive(value: &str) -> Result<NonZero<u16>, String> {
    value
        .parse()
        .map_err(|_| format!("--keepalive {value:?} is none; there is 1 to 65535 seconds"))
}

fn count(value: &str) -> Result<u64, String> {
    let count = value.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("-C {value:?} is no number of messages; 1 is one"))
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = value.parse().ok();
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // More than a year is not meant, and no clock overflows before.
    duration
        .filter(|it| *it >= Duration::from_millis(1) && *it <= Duration::from_secs(1 << 25))
        .ok_or_else(|| format!("-W {value:?} is no number of seconds; 30 is one, 0.5 too"))
}

/// What can be wrong beside the form of each option.
fn check(options: &MqttOptions) -> Result<(), String> {
    options.tls.check(&websocket_url(&options.url)?)?;
    let texts = [("--user", &options.user), ("--id", &options.id)];
    for (option, text) in texts {
        if let Some(text) = text {
            MqttString::from_str(text)
                .map_err(|_| format!("{option} {text:?}: MQTT takes 65535 bytes without NUL"))?;
        }
    }
    if let Some(password) = &options.password {
        MqttBinary::from_slice(password.as_bytes())
            .map_err(|_| "--password: MQTT takes 65535 bytes".to_owned())?;
    }
    match &options.task {
        Task::Sub(sub) => sub.topics.iter().try_for_each(|filter| {
            let found = MqttString::from_str(filter).ok().and_then(TopicFilter::new);
            found.map(|_| ()).ok_or_else(|| {
                format!("{filter:?} is no topic filter; a/b, a/+/c and a/# are some")
            })
        }),
        Task::Pub(publish) => {
            let topic = &publish.topic;
            let found = MqttString::from_str(topic).ok().and_then(TopicName::new);
            found
                .map(|_| ())
                .ok_or_else(|| format!("{topic:?} is no topic to publish to; a/b is one"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<MqttOptions, String> {
        let arguments = ["mqtt"].iter().chain(arguments);
        match super::super::parse(arguments) {
            Ok(Command::Mqtt(options)) => Ok(options),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.message),
        }
    }

    const URL: &str = "ws://host:81";

    fn defaults(task: Task) -> MqttOptions {
        MqttOptions {
            url: URL.to_owned(),
            qos: 0,
            user: None,
            password: None,
            id: None,
            timeout: TIMEOUT,
            keep_alive: KEEP_ALIVE,
            json: false,
            tls: TlsOptions::default(),
            task,
        }
    }

    #[test]
    fn sub() {
        let found = options(&["sub", URL, "a/#", "b"]);
        let topics = vec!["a/#".to_owned(), "b".to_owned()];
        let mut expected = SubOptions {
            topics,
            ..SubOptions::default()
        };
        assert_eq!(found, Ok(defaults(Task::Sub(expected.clone()))));
        let found = options(&[
            "sub", "-C", "3", URL, "-W0.5", "a/#", "-v", "b", "-q", "2", "-uN", "-PX", "-iI",
            "-k5", "--json",
        ]);
        expected.count = Some(3);
        expected.wait = Some(Duration::from_millis(500));
        expected.verbose = true;
        assert_eq!(
            found,
            Ok(MqttOptions {
                qos: 2,
                user: Some("N".to_owned()),
                password: Some("X".to_owned()),
                id: Some("I".to_owned()),
                keep_alive: NonZero::new(5).unwrap(),
                json: true,
                ..defaults(Task::Sub(expected))
            })
        );
    }

    #[test]
    fn publish() {
        for (arguments, message, retain) in [
            (&["text"][..], Message::Given(b"text".to_vec()), false),
            (&["", "-r"], Message::Given(Vec::new()), true),
            (&["--", "-5"], Message::Given(b"-5".to_vec()), false),
            (&["-"], Message::Input, false),
            (&["--retain"], Message::Input, true),
            (&["-l"], Message::Lines, false),
            (&["-l", "-"], Message::Lines, false),
        ] {
            let topic = "a/b".to_owned();
            let expected = PubOptions {
                topic,
                message,
                retain,
            };
            let arguments = [&["pub", URL, "a/b"], arguments].concat();
            assert_eq!(options(&arguments), Ok(defaults(Task::Pub(expected))));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, named) in [
            (&[][..], "sub or pub"),
            (&["frobnicate"], "mqtt frobnicate"),
            (&["--frobnicate"], "--frobnicate"),
            (&["sub"], "URL"),
            (&["sub", URL], "topic"),
            (&["pub", URL], "topic"),
            (&["sub", "mqtt://host", "a"], "mqtt://host"),
            (&["sub", URL, "a", "--insecure"], "wss"),
            (&["sub", URL, "a/#/b"], "a/#/b"),
            (&["sub", URL, ""], "\"\""),
            (&["pub", URL, "a/+", "text"], "a/+"),
            (&["pub", URL, "a", "text", "more"], "more"),
            (&["pub", URL, "a", "text", "-l"], "--lines"),
            (&["pub", URL, "a", "text", "-C", "1"], "-C"),
            (&["sub", URL, "a", "--retain"], "--retain"),
            (&["sub", URL, "a", "--qos", "3"], "--qos"),
            (&["sub", URL, "a", "--qos"], "--qos"),
            (&["sub", URL, "a", "-C", "0"], "-C"),
            (&["sub", URL, "a", "-W", "0"], "-W"),
            (&["sub", URL, "a", "-W", "1e300"], "-W"),
            (&["sub", URL, "a", "--user", "a\0b"], "--user"),
            (&["sub", URL, "a", "-k", "0"], "--keepalive"),
            (&["sub", URL, "a", "--timeout", "0"], "--timeout"),
        ] {
            let message = options(arguments).unwrap_err();
            assert!(message.contains(named), "{arguments:?}: {message}");
        }
        let long = "x".repeat(65_536);
        for option in ["--password", "--id"] {
            let message = options(&["sub", URL, "a", option, &long]).unwrap_err();
            assert!(message.contains(option), "{message}");
        }
    }
}
