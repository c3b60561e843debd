//! One run of the client program: fed, watched, and ended at its deadline.

use super::scenario::Step;
use crate::Result;
use crate::shell::{Running, lines};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a run of the client came to.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The exit code; none if a signal ended it.
    pub(super) exit: Option<i32>,
    /// It had to be ended.
    pub(super) late: bool,
    /// Its lines of standard output, each a JSON object with an `event`.
    pub(super) events: Vec<Value>,
    /// Its lines of standard output that are not.
    pub(super) noise: Vec<String>,
    /// Its standard error.
    pub(super) stderr: String,
}

/// What the threads around a client share.
#[derive(Default)]
struct Seen {
    run: Mutex<Run>,
    changed: Condvar,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `program` with `args`, taking the steps of `input` on its standard input.
pub(super) fn run(
    program: &Path,
    args: &[String],
    input: &[Step],
    deadline: Duration,
) -> Result<Run> {
    let started = Instant::now();
    let until = started + deadline;
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut child = Running(child);
    let seen = Arc::new(Seen::default());

    let mut readers = Vec::new();
    if let Some(stdout) = child.0.stdout.take() {
        let seen = Arc::clone(&seen);
        readers.push(lines(stdout, move |line| note_line(&seen, line)));
    }
    if let Some(stderr) = child.0.stderr.take() {
        let seen = Arc::clone(&seen);
        readers.push(lines(stderr, move |line| {
            seen.lock().stderr += &format!("{}\n", String::from_utf8_lossy(line));
        }));
    }
    let stdin = child.0.stdin.take();
    let feeder = {
        let (seen, input) = (Arc::clone(&seen), input.to_vec());
        // The thread hands standard input back, so that it stays open without `Step::Eof`.
        std::thread::spawn(move || stdin.and_then(|stdin| feed(stdin, &input, &seen, until)))
    };

    let status = loop {
        match child.0.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(3)),
            Ok(None) => break None,
            Err(error) => return Err(format!("waiting for {}: {error}", program.display())),
        }
    };
    drop(child); // ends it if it still runs; its pipes close and the threads end
    {
        let mut run = seen.lock();
        run.exit = status.and_then(|status| status.code());
        run.late = status.is_none();
        seen.changed.notify_all();
    }
    // A thread that panicked shows as an event that is missing.
    let _ = feeder.join();
    for reader in readers {
        let _ = reader.join();
    }
    Ok(std::mem::take(&mut *seen.lock()))
}

fn note_line(seen: &Seen, line: &[u8]) {
    let event: Option<Value> = serde_json::from_slice(line).ok();
    let mut run = seen.lock();
    match event.filter(|event| event.get("event").is_some_and(Value::is_string)) {
        Some(event) => run.events.push(event),
        None => run.noise.push(String::from_utf8_lossy(line).into_owned()),
    }
    seen.changed.notify_all();
}

/// Takes the steps; gives standard input back unless the last one closed it.
fn feed(mut stdin: ChildStdin, input: &[Step], seen: &Seen, until: Instant) -> Option<ChildStdin> {
    for step in input {
        match step {
            // A client that has stopped reading has ended; its exit says the rest.
            Step::Line(line) => writeln!(stdin, "{line}").ok()?,
            Step::Until(kind, count) => wait_for(seen, kind, *count, until),
            Step::Eof => return None,
        }
    }
    Some(stdin)
}

/// Waits until `count` events of a kind were printed, or the client is over.
fn wait_for(seen: &Seen, kind: &str, count: usize, until: Instant) {
    let mut run = seen.lock();
    while !run.late && run.exit.is_none() {
        let of_kind = |event: &&Value| event.get("event").and_then(Value::as_str) == Some(kind);
        let left = until.saturating_duration_since(Instant::now());
        if run.events.iter().filter(of_kind).count() >= count || left.is_zero() {
            return;
        }
        let waited = seen.changed.wait_timeout(run, left);
        run = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
