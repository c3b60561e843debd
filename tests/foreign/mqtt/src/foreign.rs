//! paho over plain TCP: the foreign side of a conversation.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Message;

/// A paho client in a process of its own.
pub struct Foreign {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Foreign {
    pub fn connect(python: &Path, broker: SocketAddr, id: &str) -> Result<Self, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(broker.ip().to_string())
            .arg(broker.port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", python.display()))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".to_owned());
        };
        let from = BufReader::new(from);
        let mut foreign = Self { child, to, from };
        foreign.call(json!({"op": "connect", "id": id}))?;
        Ok(foreign)
    }

    /// Says a command; [`answer`](Self::answer) waits for what comes of it.
    pub fn say(&mut self, command: Value) -> Result<(), String> {
        writeln!(self.to, "{command}").map_err(|error| error.to_string())?;
        self.to.flush().map_err(|error| error.to_string())
    }

    pub fn answer(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        let read = self.from.read_line(&mut line);
        read.map_err(|error| error.to_string())?;
        let mut answer: Value =
            serde_json::from_str(&line).map_err(|error| format!("foreign: {error}: {line}"))?;
        match answer.get("error") {
            Some(error) => Err(format!("foreign: {error}")),
            None => Ok(answer["ok"].take()),
        }
    }

    pub fn call(&mut self, command: Value) -> Result<Value, String> {
        self.say(command)?;
        self.answer()
    }

    pub fn subscribe(&mut self, topic: &str) -> Result<(), String> {
        let command = json!({"op": "subscribe", "topic": topic, "qos": 2});
        self.call(command).map(|_| ())
    }

    pub fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Result<(), String> {
        let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let command =
            json!({"op": "publish", "topic": topic, "hex": hex, "qos": qos, "retain": retain});
        self.call(command).map(|_| ())
    }

    pub fn next(&mut self) -> Result<Message, String> {
        let message = self.call(json!({"op": "next"}))?;
        let hex = message["hex"].as_str().unwrap_or_default();
        let payload = hex.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).unwrap_or("00");
            u8::from_str_radix(pair, 16).unwrap_or(0)
        });
        Ok(Message {
            topic: message["topic"].as_str().unwrap_or_default().to_owned(),
            payload: payload.collect(),
            retain: message["retain"].as_bool(),
        })
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
