//! `ws mqtt sub` and `ws mqtt pub`, with paho on plain TCP as the other side.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::Setup;
use crate::broker::Broker;
use crate::foreign::Foreign;

type Result<T = ()> = std::result::Result<T, String>;

const SCENARIOS: [&str; 6] = ["pub", "sub", "retained", "lines", "refused", "restart"];
/// For `sub`: nothing here takes so long.
const PATIENCE: &str = "-W60";

/// Runs the scenarios that are wanted, each with a broker of its own: how many, and how many of
/// them failed.
pub fn run(setup: &Setup) -> (usize, usize) {
    let Some(program) = &setup.program else {
        return (0, 0);
    };
    let (mut rows, mut failed) = (0, 0);
    for scenario in SCENARIOS {
        if !setup.wants("ws", "std", scenario) {
            continue;
        }
        let began = Instant::now();
        let end = Stage::new(setup, program).and_then(|stage| match scenario {
            "pub" => stage.publish(),
            "sub" => stage.subscribe(),
            "retained" => stage.retained(),
            "lines" => stage.lines(),
            "refused" => stage.refused(),
            _ => stage.restart(),
        });
        let took = began.elapsed().as_secs_f64();
        match &end {
            Ok(note) => println!("ws mqtt: {scenario}\t{took:.2}\tpass\t{note}"),
            Err(why) => println!(
                "ws mqtt: {scenario}\t{took:.2}\tFAIL\t{}",
                why.replace('\n', " ")
            ),
        }
        rows += 1;
        failed += usize::from(end.is_err());
    }
    (rows, failed)
}

struct Stage<'a> {
    setup: &'a Setup,
    program: &'a Path,
    broker: Broker,
    url: String,
}

impl<'a> Stage<'a> {
    fn new(setup: &'a Setup, program: &'a Path) -> Result<Self> {
        let broker = Broker::start(&setup.mosquitto, &setup.folder, "")?;
        let url = format!("ws://{}", broker.websocket);
        Ok(Self {
            setup,
            program,
            broker,
            url,
        })
    }

    fn foreign(&self, id: &str) -> Result<Foreign> {
        Foreign::connect(&self.setup.python, self.broker.plain, id)
    }

    /// `ws mqtt WHAT URL ARGUMENTS`, its pipes open.
    fn start(&self, what: &str, arguments: &[&str]) -> Result<Child> {
        let child = Command::new(self.program)
            .args(["mqtt", what, &self.url])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        child.map_err(|error| format!("{}: {error}", self.program.display()))
    }

    /// Runs it with this on its standard input; it has to end with this exit code.
    fn ends(&self, exit: i32, what: &str, arguments: &[&str], input: &[u8]) -> Result<Output> {
        let mut child = self.start(what, arguments)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input).map_err(text)?;
        }
        ended(child, exit)
    }

    /// Every quality of service, payloads that are no text, and long ones.
    fn publish(&self) -> Result<String> {
        let mut foreign = self.foreign("foreign")?;
        foreign.subscribe("own/#")?;
        let long: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        for (qos, number) in [("0", 0), ("1", 1), ("2", 2)] {
            for payload in [&b"h\xc3\xa9llo"[..], b"", b"\xff\0\n", &long] {
                let output = self.ends(0, "pub", &["own/t", "-", "-q", qos], payload)?;
                silent(&output)?;
                let message = foreign.call(json!({"op": "next"}))?;
                if message["qos"] != number || message["hex"] != hex(payload) {
                    return Err(format!("QoS {qos}, {} bytes: differs", payload.len()));
                }
            }
        }
        self.ends(0, "pub", &["own/t", "--", "-5"], b"")?;
        let message = foreign.next()?;
        if message.payload != b"-5" {
            return Err("the argument did not arrive".to_owned());
        }
        Ok("QoS 0 to 2, 0 to 300,000 bytes".to_owned())
    }

    fn subscribe(&self) -> Result<String> {
        let mut foreign = self.foreign("foreign")?;
        // Tells that the subscription is there.
        foreign.publish("own/kept", b"kept", 1, true)?;
        let arguments = ["own/#", "other/+", "-q2", "-C8", "--json", PATIENCE];
        let mut child = self.start("sub", &arguments)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        let mut next = || -> Result<Value> {
            let line = lines.next().ok_or("sub ended")?.map_err(text)?;
            serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))
        };
        let message = |topic: &str, qos: u8, retain: bool| json!({"event": "message", "topic": topic, "qos": qos, "retain": retain});
        let mut kept = message("own/kept", 1, true);
        kept["payload"] = "kept".into();
        same(&next()?, &kept)?;
        // The second subscription may be under way yet: this one comes by the first.
        foreign.publish("own/first", b"", 0, false)?;
        let mut first = message("own/first", 0, false);
        first["payload"] = "".into();
        same(&next()?, &first)?;
        let long = "\u{e4}".repeat(50_000);
        for qos in 0..=2 {
            for (payload, field) in [(long.as_bytes(), "payload"), (b"\xff\0", "payload_base64")] {
                foreign.publish("own/t", payload, qos, false)?;
                let mut expected = message("own/t", qos, false);
                expected[field] = match field {
                    "payload" => long.as_str().into(),
                    _ => "/wA=".into(),
                };
                same(&next()?, &expected)?;
            }
        }
        ended(child, 0)?;
        // Nothing comes, for a second.
        let output = self.ends(27, "sub", &["nothing", "-W1"], b"")?;
        silent(&output)?;
        Ok("QoS 0 to 2, text and bytes; -C and -W".to_owned())
    }

    fn retained(&self) -> Result<String> {
        self.ends(0, "pub", &["kept/own", "mine", "-r", "-q1"], b"")?;
        let mut foreign = self.foreign("foreign")?;
        foreign.subscribe("kept/#")?;
        let message = foreign.call(json!({"op": "next"}))?;
        if message["retain"] != true || message["hex"] != hex(b"mine") {
            return Err(format!("not kept: {message}"));
        }
        let output = self.ends(0, "sub", &["kept/#", "-v", "-C1", PATIENCE], b"")?;
        if output.stdout != b"kept/own mine\n" {
            return Err(format!("printed: {output:?}"));
        }
        self.ends(0, "pub", &["kept/own", "", "-r", "-q1"], b"")?;
        let output = self.ends(27, "sub", &["kept/#", "-W1"], b"")?;
        silent(&output)?;
        Ok(String::new())
    }

    /// From one to the other, in order.
    fn lines(&self) -> Result<String> {
        let mut foreign = self.foreign("foreign")?;
        foreign.publish("lines", b"ready", 1, true)?;
        let mut child = self.start("sub", &["lines", "-q2", "-C1001", PATIENCE])?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        let mut next = || lines.next().ok_or("sub ended")?.map_err(text);
        if next()? != "ready" {
            return Err("another one was first".to_owned());
        }
        let input: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        self.ends(0, "pub", &["lines", "-l", "-q2"], input.as_bytes())?;
        for line in input.lines() {
            let found = next()?;
            if found != line {
                return Err(format!("{found:?} in place of {line:?}"));
            }
        }
        ended(child, 0)?;
        Ok("1000 lines from pub to sub, in order".to_owned())
    }

    /// A wrong password, and what is no WebSocket.
    fn refused(mut self) -> Result<String> {
        self.broker.stop();
        let file = self.setup.folder.join("mosquitto-users");
        let mut users = Command::new("mosquitto_passwd");
        users.args(["-c", "-b"]).arg(&file);
        let made = users.args(["somebody", "secret"]).output();
        let made = made.map_err(|error| format!("mosquitto_passwd: {error}"))?;
        if !made.status.success() {
            return Err(format!("mosquitto_passwd: {made:?}"));
        }
        let more = format!("password_file {}\n", file.display());
        self.broker = Broker::start(&self.setup.mosquitto, &self.setup.folder, &more)?;
        self.url = format!("ws://{}", self.broker.websocket);
        let user = |password: &'static str| ["t", "text", "-u", "somebody", "-P", password];
        self.ends(0, "pub", &user("secret"), b"")?;
        let output = self.ends(6, "pub", &user("wrong"), b"")?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if !said.contains("refused the connection: not authorized") {
            return Err(format!("it says: {said}"));
        }
        self.url = format!("ws://{}", self.broker.plain);
        self.ends(3, "pub", &["t", "text"], b"")?;
        self.broker.stop();
        self.ends(3, "pub", &["t", "text"], b"")?;
        Ok(said)
    }

    /// The broker goes away.
    fn restart(mut self) -> Result<String> {
        let mut foreign = self.foreign("foreign")?;
        foreign.publish("restart", b"ready", 1, true)?;
        let mut child = self.start("sub", &["restart", PATIENCE])?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        lines.next().ok_or("sub ended")?.map_err(text)?;
        self.broker.stop();
        let output = ended(child, 3)?;
        self.broker.restart()?;
        self.ends(0, "pub", &["restart", "text", "-q1"], b"")?;
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// It has to end with this exit code.
fn ended(child: Child, exit: i32) -> Result<Output> {
    let output = child.wait_with_output().map_err(text)?;
    if output.status.code() != Some(exit) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} in place of {exit}: {said}", output.status));
    }
    Ok(output)
}

fn silent(output: &Output) -> Result {
    if output.stdout.is_empty() && output.stderr.is_empty() {
        return Ok(());
    }
    Err(format!("it says something: {output:?}"))
}

fn same(found: &Value, expected: &Value) -> Result {
    if found == expected {
        return Ok(());
    }
    let short = |value: &Value| value.to_string().chars().take(120).collect::<String>();
    Err(format!("{} in place of {}", short(found), short(expected)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
