//! What was wrong about a run: the checks that always hold, and the scenario's own.

use super::client::Run;
use super::scenario::{Check, Place, Scenario, Step};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

/// Every problem as a sentence; none means that the scenario holds.
pub(super) fn judge(scenario: &Scenario, run: &Run, record: Option<&Value>) -> Vec<String> {
    let mut problems = Vec::new();
    ended_well(scenario, run, &mut problems);
    events_in_order(run, &mut problems);
    if matches!(scenario.place, Place::Real(_) | Place::Raw(_)) {
        match record {
            None => problems.push("the server saw no such connection".to_owned()),
            Some(record) => problems.extend(strings(record.get("problems"))),
        }
    }
    let nothing = Value::Null;
    let record = record.unwrap_or(&nothing);
    for check in &scenario.checks {
        problems.extend(failure(check, scenario, run, record));
    }
    if !problems.is_empty() {
        problems.extend(
            run.stderr
                .lines()
                .take(5)
                .map(|line| format!("  stderr: {line}")),
        );
    }
    problems
}

fn ended_well(scenario: &Scenario, run: &Run, problems: &mut Vec<String>) {
    if run.late {
        problems.push(format!(
            "did not end within {} s",
            scenario.deadline.as_secs()
        ));
        return;
    }
    match run.exit {
        None => problems.push("ended by a signal".to_owned()),
        Some(code) if !scenario.exit.contains(&code) => {
            problems.push(format!("exit {code}, not {:?}", scenario.exit));
        }
        Some(0) => {}
        Some(_) if run.stderr.trim().is_empty() => {
            problems.push("failed without a word on standard error".to_owned());
        }
        Some(_) => {}
    }
    for error in events(run, "error") {
        for field in ["kind", "detail"] {
            if error
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or("")
                .is_empty()
            {
                problems.push(format!("an `error` event without `{field}`: {error}"));
            }
        }
    }
}

fn events_in_order(run: &Run, problems: &mut Vec<String>) {
    if let Some(line) = run.noise.first() {
        problems.push(format!(
            "not a JSON object with an `event`: {}",
            short(line)
        ));
    }
    for once in ["open", "close"] {
        if events(run, once).count() > 1 {
            problems.push(format!("more than one `{once}` event"));
        }
    }
    let mut kinds = run.events.iter().filter_map(kind);
    let first = kinds.find(|kind| matches!(*kind, "open" | "message" | "ping" | "pong"));
    if first.is_some_and(|kind| kind != "open") {
        problems.push("a message, ping or pong before `open`".to_owned());
    }
}

/// Why a check does not hold, if so.
fn failure(check: &Check, scenario: &Scenario, run: &Run, record: &Value) -> Option<String> {
    match check {
        Check::Open(subprotocol) => {
            let Some(open) = events(run, "open").next() else {
                return Some(format!("did not open{}", errors(run)));
            };
            differs("status", &json!(101), &field(open, "status")).or_else(|| {
                differs(
                    "subprotocol",
                    &json!(subprotocol),
                    &field(open, "subprotocol"),
                )
            })
        }
        Check::NotOpened => {
            let opened = run
                .events
                .iter()
                .any(|event| matches!(kind(event), Some("open" | "message")));
            opened.then(|| "opened, which it must not".to_owned())
        }
        Check::PrintedAllSent => {
            let printed: Vec<Value> = events(run, "message").map(printed_digest).collect();
            messages_differ("printed", &list(record, "sent"), &printed)
        }
        Check::PeerGotInput => {
            let binary = scenario.args.contains(&"--binary");
            let lines = scenario.input.iter().filter_map(|step| match step {
                Step::Line(line) => Some(digest(
                    if binary { "binary" } else { "text" },
                    line.as_bytes(),
                )),
                Step::Until(..) | Step::Eof => None,
            });
            messages_differ(
                "arrived at the server",
                &lines.collect::<Vec<_>>(),
                &list(record, "got"),
            )
        }
        Check::PeerGotEcho => messages_differ(
            "came back to the server",
            &list(record, "sent"),
            &list(record, "got"),
        ),
        Check::Closed {
            code,
            reason,
            clean,
        } => {
            let Some(close) = events(run, "close").next() else {
                return Some(format!("printed no `close`{}", errors(run)));
            };
            differs("close code", &json!(code), &field(close, "code"))
                .or_else(|| differs("close reason", &json!(reason), &field(close, "reason")))
                .or_else(|| differs("clean", &json!(clean), &field(close, "clean")))
        }
        Check::PeerSawClose(code) => match record.get("close") {
            Some(close) if !close.is_null() => differs(
                "the code of the client's Close",
                &json!(code),
                &field(close, "code"),
            ),
            _ => Some("the server saw no Close".to_owned()),
        },
        Check::PeerSawHeader(name, value) => {
            let headers = field(record, "headers");
            differs(
                &format!("header {name}"),
                &json!(value),
                &field(&headers, name),
            )
        }
        Check::PeerSawPings(least) => {
            let pings = list(record, "pings").len();
            (pings < *least).then(|| format!("the server saw {pings} pings, not {least}"))
        }
        Check::PrintedError => events(run, "error")
            .next()
            .is_none()
            .then(|| "printed no `error`".to_owned()),
        Check::ErrorSays(text) => {
            let says = |event: &Value| strings(Some(event)).iter().any(|it| it.contains(text));
            let said = events(run, "error").any(says);
            (!said).then(|| format!("no `error` event that says {text:?}{}", errors(run)))
        }
        Check::StderrSays(text) => {
            let says = run.stderr.to_lowercase().contains(text);
            (!says).then(|| format!("standard error does not say {text:?}"))
        }
        Check::PrintedPings(payloads) => {
            let wanted: Vec<Value> = payloads
                .iter()
                .map(|it| json!(Base64::encode_string(it)))
                .collect();
            let printed: Vec<Value> = events(run, "ping")
                .map(|event| field(event, "data"))
                .collect();
            differs("the pings printed", &json!(wanted), &json!(printed))
        }
        Check::PrintedPongs(least) => {
            let pongs = events(run, "pong").count();
            (pongs < *least).then(|| format!("printed {pongs} pongs, not {least}"))
        }
    }
}

fn kind(event: &Value) -> Option<&str> {
    event.get("event").and_then(Value::as_str)
}

fn events<'a>(run: &'a Run, wanted: &'a str) -> impl Iterator<Item = &'a Value> {
    run.events
        .iter()
        .filter(move |event| kind(event) == Some(wanted))
}

/// A field's value; `null` and a field that is not there are the same.
fn field(object: &Value, name: &str) -> Value {
    object.get(name).cloned().unwrap_or(Value::Null)
}

fn list(record: &Value, name: &str) -> Vec<Value> {
    record
        .get(name)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

/// Every string and number in `value`, however deep, as text.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Number(number)) => vec![number.to_string()],
        Some(Value::Array(values)) => values.iter().flat_map(|it| strings(Some(it))).collect(),
        Some(Value::Object(fields)) => fields.values().flat_map(|it| strings(Some(it))).collect(),
        _ => Vec::new(),
    }
}

fn errors(run: &Run) -> String {
    events(run, "error")
        .map(|error| format!("; {}", short(&error.to_string())))
        .collect()
}

fn short(text: &str) -> String {
    let start: String = text.chars().take(120).collect();
    if start.len() < text.len() {
        start + "…"
    } else {
        start
    }
}

fn differs(what: &str, wanted: &Value, found: &Value) -> Option<String> {
    let (wanted, found) = (wanted.to_string(), found.to_string());
    (wanted != found).then(|| format!("{what}: {}, not {}", short(&found), short(&wanted)))
}

/// A message as the server's records describe one.
fn digest(kind: &str, data: &[u8]) -> Value {
    let hex: String = Sha1::digest(data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({ "type": kind, "len": data.len(), "sha1": hex })
}

fn printed_digest(message: &Value) -> Value {
    let data = message.get("data").and_then(Value::as_str);
    match (message.get("type").and_then(Value::as_str), data) {
        (Some("text"), Some(text)) => digest("text", text.as_bytes()),
        (Some("binary"), Some(text)) => match Base64::decode_vec(text) {
            Ok(data) => digest("binary", &data),
            Err(_) => json!("binary data that is not base64"),
        },
        _ => json!("a message without type or data"),
    }
}

fn messages_differ(what: &str, wanted: &[Value], found: &[Value]) -> Option<String> {
    if wanted.len() != found.len() {
        return Some(format!(
            "{} messages {what}, not {}",
            found.len(),
            wanted.len()
        ));
    }
    let pairs = wanted.iter().zip(found).enumerate();
    let mut wrong = pairs.filter(|(_, (wanted, found))| wanted != found);
    wrong.next().map(|(at, (wanted, found))| {
        format!(
            "message {at} {what}: {}, not {}",
            short(&found.to_string()),
            short(&wanted.to_string())
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Scenario {
        Scenario::clean("echo", Place::Real("/echo"))
            .lines(["hi".to_owned()])
            .check(Check::PrintedAllSent)
            .check(Check::PeerGotInput)
            .check(Check::PeerSawClose(Some(1000)))
    }

    fn run() -> Run {
        let events = vec![
            json!({"event": "open", "status": 101, "subprotocol": null}),
            json!({"event": "message", "type": "text", "data": "hi"}),
            json!({"event": "close", "code": 1000, "reason": "", "clean": true}),
        ];
        Run {
            exit: Some(0),
            events,
            ..Run::default()
        }
    }

    fn record() -> Value {
        let hi = [digest("text", b"hi")];
        json!({"sent": hi, "got": hi, "close": {"code": 1000}, "problems": []})
    }

    #[test]
    fn a_good_run_has_no_problem() {
        assert_eq!(
            judge(&echo(), &run(), Some(&record())),
            Vec::<String>::new()
        );
    }

    #[test]
    fn every_deviation_of_the_client_is_a_problem() {
        let deviations: [fn(&mut Run); 11] = [
            |run| run.exit = Some(1),
            |run| run.exit = None,
            |run| run.late = true,
            |run| run.noise.push("hello".to_owned()),
            |run| run.events.swap(0, 1),
            |run| run.events.push(run.events[2].clone()),
            |run| drop(run.events.remove(0)),
            |run| drop(run.events.remove(1)),
            |run| run.events[1]["type"] = json!("binary"),
            |run| run.events[1]["data"] = json!("ho"),
            |run| run.events[2]["clean"] = json!(false),
        ];
        for (at, deviate) in deviations.iter().enumerate() {
            let mut run = run();
            deviate(&mut run);
            assert_ne!(
                judge(&echo(), &run, Some(&record())),
                Vec::<String>::new(),
                "{at}"
            );
        }
    }

    #[test]
    fn every_deviation_that_the_peer_saw_is_a_problem() {
        assert_ne!(judge(&echo(), &run(), None), Vec::<String>::new());
        for (field, value) in [
            ("got", json!([])),
            ("got", json!([digest("binary", b"hi")])),
            ("close", json!({"code": 1001})),
            ("close", Value::Null),
            ("problems", json!(["a frame of the client is not masked"])),
        ] {
            let mut record = record();
            record[field] = value;
            assert_ne!(
                judge(&echo(), &run(), Some(&record)),
                Vec::<String>::new(),
                "{field}"
            );
        }
    }

    #[test]
    fn a_refusal_needs_its_exit_code_its_error_and_a_word_on_standard_error() {
        let scenario = Scenario::refused("403", Place::Refusing).check(Check::ErrorSays("403"));
        let error = json!({"event": "error", "kind": "refused", "detail": "status 403"});
        let good = || Run {
            exit: Some(3),
            events: vec![error.clone()],
            stderr: "ws: refused".to_owned(),
            ..Run::default()
        };
        let deviations: [fn(&mut Run); 5] = [
            |run| run.exit = Some(4),
            |run| run.stderr.clear(),
            |run| run.events.clear(),
            |run| run.events[0]["detail"] = json!(""),
            |run| run.events[0]["detail"] = json!("status 404"),
        ];
        assert_eq!(judge(&scenario, &good(), None), Vec::<String>::new());
        for (at, deviate) in deviations.iter().enumerate() {
            let mut run = good();
            deviate(&mut run);
            assert_ne!(judge(&scenario, &run, None), Vec::<String>::new(), "{at}");
        }
    }
}
