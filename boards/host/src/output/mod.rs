//! Standard output and standard error: the one place that writes to them. Nothing here panics, and
//! nothing waits for who reads but [`finish`]. Threads do the writing; the rest of the program
//! leaves bytes with them.
//!
//! | what | not taken fast enough | cannot be written |
//! | --- | --- | --- |
//! | standard error | dropped from [`LIMIT`] on, and counted | dropped; the program goes on |
//! | events of a server ([`Events`]) | the same | ends the program in order, exit code 1 |
//! | all other output ([`Data`]) | [`has_room`] says so: whoever brings more waits | the same |

pub(crate) mod escape;
mod lane;

use crate::exit::Exit;
use crate::signals;
use crate::wire::Wake;
use lane::{Lane, Stream};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// What waits to be written is less than this, or it is dropped where it may be.
const LIMIT: usize = 1 << 20;
/// Who brings data waits while there is so much to be written.
const ROOM: usize = 256 * 1024;
/// At the end, how long is waited for who does not read what may be dropped.
const GRACE: Duration = Duration::from_millis(500);

struct Output {
    out: Arc<Lane>,
    /// The same where both are one file, pipe or terminal: the order stays what it was.
    err: Arc<Lane>,
    terminals: (bool, bool),
}

static OUTPUT: LazyLock<Output> = LazyLock::new(|| {
    let (out, err) = lane::open();
    Output {
        out,
        err,
        terminals: (io::stdout().is_terminal(), io::stderr().is_terminal()),
    }
});

/// Has `wake` called whenever standard output fails, or has room again.
pub(crate) fn wake_by(wake: Wake) {
    OUTPUT.out.wake_by(wake);
}

/// Is standard output a terminal?
pub(crate) fn is_terminal() -> bool {
    OUTPUT.terminals.0
}

/// Is there room for more data on standard output? If not, who was told to be woken is, when there
/// is. Once the end was asked for there is always room: what does not go out then is dropped.
pub(crate) fn has_room() -> bool {
    signals::came() || OUTPUT.out.has_room(ROOM)
}

/// Why standard output takes nothing any more.
pub(crate) fn failed() -> Option<io::Error> {
    OUTPUT.out.failed(Stream::Out)
}

/// Writes a line to standard error.
pub(crate) fn error_line(line: &str) {
    let mut line = match OUTPUT.terminals.1 {
        true => escape::text(line.as_bytes()).into_owned(),
        false => line.as_bytes().to_vec(),
    };
    line.push(b'\n');
    let notice = |dropped| {
        format!("ws: {dropped} lines were dropped here: standard error was not read fast enough\n")
    };
    // Where it takes nothing there is nobody to be told.
    let _ = OUTPUT.err.offer(Stream::Err, &line, LIMIT, Some(&notice));
}

/// Says something to people, on standard error.
pub(crate) fn say(text: &str) {
    error_line(&format!("ws: {text}"));
}

/// An event as a line of JSON, for a terminal or not.
pub(crate) fn json_line(event: &impl Serialize, terminal: bool) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    if terminal {
        line = escape::json(line);
    }
    line.push(b'\n');
    Ok(line)
}

/// Standard output for what must not be lost: all is taken, as long as nobody asked for the end.
/// Whoever can wait asks [`has_room`] first.
pub(crate) struct Data;

impl Write for Data {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let limit = if signals::came() { LIMIT } else { usize::MAX };
        OUTPUT.out.offer(Stream::Out, bytes, limit, None)?;
        Ok(bytes.len())
    }

    /// Does not wait. Fails where standard output has failed.
    fn flush(&mut self) -> io::Result<()> {
        failed().map_or(Ok(()), Err)
    }
}

/// Standard output for events, a line of JSON with each write: those for which there is no room are
/// dropped, and an event says how many.
pub(crate) struct Events;

impl Write for Events {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let notice = |dropped| format!("{{\"event\":\"dropped\",\"count\":{dropped}}}\n");
        OUTPUT.out.offer(Stream::Out, line, LIMIT, Some(&notice))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Data.flush()
    }
}

/// The end: waits until what was said is written. Not for long where it was `events`, or where a
/// signal asks for the end, and never for long for standard error. What is lost is said.
pub(crate) fn finish(exit: Exit, events: bool) -> Exit {
    let mut hurried = events.then(Instant::now);
    let left = OUTPUT.out.drain(Stream::Out, || {
        if signals::came() {
            hurried.get_or_insert_with(Instant::now);
        }
        hurried.is_none_or(|since| since.elapsed() < GRACE)
    });
    let dropped = OUTPUT.out.dropped(Stream::Out);
    let mut worst = exit;
    if let Some(error) = failed() {
        say(&format!("standard output cannot be written to: {error}"));
        worst = Exit::Failed;
    } else if left > 0 || dropped > 0 {
        let what = if events { "events" } else { "pieces of output" };
        say(&format!(
            "standard output was not read fast enough: {dropped} {what} were dropped, and at the \
             end {left} bytes"
        ));
        if !events {
            worst = Exit::Failed;
        }
    }
    let began = Instant::now();
    OUTPUT.err.drain(Stream::Err, || began.elapsed() < GRACE);
    match exit {
        Exit::Clean | Exit::Over => worst,
        exit => exit,
    }
}
